//! [`Hint`]: what to do about an error.

use std::borrow::Cow;
use std::fmt;

/// What to do about an error. A value, because each program has its own words for it: `Display` has those of this library,
/// which knows no command line; a command says which of its flags does it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Words that fit every program.
    Text(Cow<'static, str>),
    /// Choose one of several images, or take all ([`Images::All`]). The text says how to choose, or which there are.
    ///
    /// [`Images::All`]: https://docs.rs/transship/latest/transship/enum.Images.html
    SelectImage(Cow<'static, str>),
    /// Choose one of the platforms that there are.
    SelectPlatform(String),
    /// Give the image a name.
    NameImage,
    /// Say the name that a signature gives to the image.
    SayIdentity,
    /// Give no name to several images: each keeps its own, and rules can map them.
    KeepNames,
    /// Write to the place that is there with [`Append`](crate::WriteMode::Append) or [`Replace`](crate::WriteMode::Replace).
    AppendOrReplace,
    /// Allow that digests change, or choose a destination that holds the image as it is.
    AllowDigestChange,
    /// Demand that digests stay as they are, to see what would change them.
    PreserveDigests,
    /// Write manifests in OCI's format.
    UseOciFormat,
    /// Copy layers as they are compressed.
    KeepCompression,
    /// Leave it to the destination how layers are compressed.
    CompressAsFits,
    /// Copy layers as plain tars.
    PlainLayers,
    /// Rewrite the index without what is left out.
    StripIndex,
    /// Copy whole indexes, or to a place that holds indexes.
    WholeIndex,
    /// Copy what a delta was made against to its destination first; archives are joined with
    /// [`Append`](crate::WriteMode::Append).
    CopyBaseFirst,
    /// Copy the image alone.
    WithoutReferrers,
    /// Choose another folder for temporary files.
    ChangeSpoolFolder,
    /// Delete the image with all of its names ([`DeletedNames::All`](crate::DeletedNames::All)).
    DeleteAllNames,
    /// Copy the image without its detached signatures, or to a place that holds them.
    RemoveSignatures,
    /// Name a file for credentials.
    NameAuthFile,
    /// Log in to a registry, which keeps a credential for it.
    LogIn(String),
    /// Any of these.
    AnyOf(Vec<Self>),
    /// Set one of the [`Settings`](crate::Settings) of a transport.
    SetOption {
        /// What it is for, as in `if the server speaks plain HTTP`.
        when: &'static str,
        /// The scheme.
        scheme: &'static str,
        /// The key.
        key: &'static str,
        /// The value, or a word in capitals that stands for it.
        value: &'static str,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().as_ref())
    }
}

impl Hint {
    /// The words of this library; see `Display`.
    fn words(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Text(text) => text,
            Self::SelectImage(which) => return format!("{which}; or take all images").into(),
            Self::SelectPlatform(there) => {
                return format!("there is {there}; choose a platform").into();
            }
            Self::NameImage => "give the image a name",
            Self::SayIdentity => "say the name that is signed, as registry.example.com/app:1",
            Self::KeepNames => {
                "without a given name each image keeps its own names; rules can map them"
            }
            Self::AppendOrReplace => {
                "append to it, or replace it: it is replaced once the new one is complete"
            }
            Self::AllowDigestChange => {
                "let digests change, or choose a destination that holds the image as it is"
            }
            Self::PreserveDigests => {
                "it may have been changed while it was copied: ask for digests to be preserved"
            }
            Self::UseOciFormat => "OCI's format holds it",
            Self::KeepCompression => "it can be copied as it is, without a change of compression",
            Self::CompressAsFits => "leave the compression to the destination",
            Self::PlainLayers => "copy layers as plain tars",
            Self::StripIndex => "the index can be rewritten without it",
            Self::WholeIndex => "copy whole indexes, or to oci:, oci-archive: or dir:",
            Self::CopyBaseFirst => {
                "first copy what the delta was made against to that place, an oci: layout or an archive that is appended to"
            }
            Self::WithoutReferrers => "try again, or copy the image alone, without its referrers",
            Self::ChangeSpoolFolder => "choose another folder for temporary files, as with $TMPDIR",
            Self::DeleteAllNames => "delete the image with all of its names",
            Self::RemoveSignatures => {
                "copy it as it is to a dir:, or ask for signatures to be removed"
            }
            Self::NameAuthFile => "name a file for credentials",
            Self::AnyOf(hints) => return list(hints, Hint::to_string).into(),
            Self::LogIn(host) => return format!("log in to {host}").into(),
            Self::SetOption { when, scheme, key, value } => {
                return format!("{when}, set the option {scheme}.{key}={value}").into();
            }
        })
    }
}

/// Hints in words, one of which is enough.
fn list(hints: &[Hint], words: impl Fn(&Hint) -> String) -> String {
    hints.iter().map(words).collect::<Vec<_>>().join("; or ")
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
