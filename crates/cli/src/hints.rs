//! Hints of the library in the words of this command.

use transship::transport::Escaped;
use transship::{Error, Hint};

/// What a person can do about an error, if that is known.
pub(crate) fn hint(error: &Error) -> Option<String> {
    error.advice().map(|hint| Escaped(&words(hint)).to_string())
}

fn words(hint: &Hint) -> String {
    let flags = match hint {
        Hint::SelectImage(which) => return format!("{which}; or copy all with --all-images"),
        Hint::SelectPlatform(there) => return format!("there is {there}; choose with --platform"),
        Hint::LogIn(host) => return format!("`transship login {host}` keeps a credential for it"),
        Hint::SetOption { when, key, value, .. } => return format!("{when}, use --{key}={value}"),
        Hint::AnyOf(hints) => return hints.iter().map(words).collect::<Vec<_>>().join("; or "),
        Hint::NameImage => "name it in the reference, or with --name",
        Hint::KeepNames => "without --name each image keeps its own names; --rename maps them",
        Hint::AppendOrReplace => {
            "--append joins it, --replace replaces it, once the new one is complete"
        }
        Hint::AllowDigestChange => {
            "leave --preserve-digests away, or choose a destination that holds the image as it is"
        }
        Hint::PreserveDigests => {
            "it may have been changed while it was copied: keep it with --preserve-digests"
        }
        Hint::UseOciFormat => "--format oci keeps it",
        Hint::KeepCompression => "--compress keep copies it as it is",
        Hint::CompressAsFits => "leave --compress away",
        Hint::PlainLayers => "copy with --compress none",
        Hint::StripIndex => "--subset strip takes it out of the index",
        Hint::WholeIndex => "leave --subset away, or copy to oci:, oci-archive: or dir:",
        Hint::CopyBaseFirst => {
            "copy what the delta was made against to that place first, an oci: layout or, with --append, an archive"
        }
        Hint::WithoutReferrers => "try again, or copy the image alone: without --referrers",
        Hint::ChangeSpoolFolder => "choose another folder with --tmpdir or $TMPDIR",
        Hint::NameAuthFile => "name a file with --authfile; `transship login` makes one",
        other => return other.to_string(),
    };
    flags.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    use transship::ErrorKind;

    #[test]
    fn flags_are_the_commands_and_not_the_librarys() {
        let option =
            Hint::SetOption { when: "to wait", scheme: "s3", key: "timeout", value: "SECONDS" };
        for (known, flags) in [
            (Hint::SelectImage("it holds a".into()), "it holds a; or copy all with --all-images"),
            (Hint::StripIndex, "--subset strip takes it out of the index"),
            (
                Hint::AnyOf(vec![option, "see\nit".into()]),
                "to wait, use --timeout=SECONDS; or see\\nit",
            ),
        ] {
            let error = Error::new(ErrorKind::Unsupported, "no").hint(known);
            assert_eq!(hint(&error).as_deref(), Some(flags));
            assert!(!error.to_string().contains("--"), "{error}");
        }
    }
}
