//! Hints of the library in the words of this command.

use transship::transport::Escaped;
use transship::{Error, Hint};

/// The hint of an error, in the words of this command.
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
        Hint::SayIdentity => {
            "--sign-identity says the name that is signed, as registry.example.com/app:1"
        }
        Hint::KeepNames => "without --name each image keeps its own names; --rename maps them",
        Hint::AppendOrReplace => {
            "--append adds to it; --replace overwrites it, once the copy is complete"
        }
        Hint::AllowDigestChange => {
            "leave out --preserve-digests, or choose a destination that accepts the image unchanged"
        }
        Hint::PreserveDigests => "if the copy would change it, --preserve-digests fails instead",
        Hint::UseOciFormat => "--format oci preserves it",
        Hint::KeepCompression => "--compress keep copies it as it is",
        Hint::CompressAsFits => "leave out --compress",
        Hint::PlainLayers => "copy with --compress none",
        Hint::StripIndex => "--subset strip removes it from the index",
        Hint::WholeIndex => "leave out --subset, or copy to oci:, oci-archive: or dir:",
        Hint::CopyBaseFirst => {
            "first copy the base of the delta there: to an oci: layout, or with --append to an archive"
        }
        Hint::WithoutReferrers => "try again, or copy without --referrers",
        Hint::ChangeSpoolFolder => "choose another folder with --tmpdir or $TMPDIR",
        Hint::DeleteAllNames => "--all-tags deletes the image with all of its tags",
        Hint::RemoveSignatures => {
            "copy it as it is to a dir:; --remove-signatures leaves them behind"
        }
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
            (Hint::StripIndex, "--subset strip removes it from the index"),
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
