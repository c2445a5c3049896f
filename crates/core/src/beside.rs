//! Tags that say of an image that it is about a manifest: cosign's `sha256-HEX.sig`, `.att` and `.sbom`.

use crate::{Digest, DigestAlgorithm, ImageName, parse_digest};

/// What cosign puts behind the digest.
const KINDS: [&str; 3] = ["sig", "att", "sbom"];

/// The tags under which cosign keeps what is about a manifest: its signatures, attestations and SBOMs.
///
/// ```
/// let of = transship_core::sha256(b"{}");
/// let [signatures, ..] = transship_core::tags_beside(&of);
/// assert_eq!(signatures, format!("sha256-{}.sig", of.encoded()));
/// assert_eq!(transship_core::subject_of_tag(&signatures), Some(of));
/// ```
pub fn tags_beside(of: &Digest) -> [String; 3] {
    KINDS.map(|kind| format!("{}-{}.{kind}", of.algorithm(), of.encoded()))
}

/// The digest of the manifest that a tag says it is about; `None` for tags of images.
pub fn subject_of_tag(tag: &str) -> Option<Digest> {
    let (digest, _) = tag.rsplit_once('.').filter(|(_, kind)| KINDS.contains(kind))?;
    let (algorithm, hex) = digest.split_once('-')?;
    let of = parse_digest(&format!("{algorithm}:{hex}")).ok()?;
    Some(of).filter(|of| !matches!(of.algorithm(), DigestAlgorithm::Other(_)))
}

/// The tag in a name, which is all of it or what follows its last colon, if it says that it is about a manifest.
pub fn tag_beside(name: &str) -> Option<(&str, Digest)> {
    let tag = name.rsplit(':').next()?;
    Some((tag, subject_of_tag(tag)?))
}

impl ImageName {
    /// Whether its tag says that what has it is about an image, and is none: cosign's signatures, attestations and SBOMs.
    pub fn is_beside(&self) -> bool {
        tag_beside(self.as_str()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_images_are_about_nothing() {
        let hex = "ab".repeat(32);
        let digest = parse_digest(&format!("sha256:{hex}")).ok();
        for kind in KINDS {
            assert_eq!(subject_of_tag(&format!("sha256-{hex}.{kind}")), digest, "{kind}");
        }
        let short = &hex[1..];
        for tag in [
            "latest",
            "1.sig",
            "sha256-ab.sig",
            "a.sig-b.sig",
            &hex,
            &format!("sha256-{hex}"),
            &format!("sha256-{hex}.txt"),
            &format!("sha256-{short}.sig"),
            &format!("sha256-{}.sig", hex.to_uppercase()),
            &format!("sha256-{hex}.sig.sig"),
            &format!("sha256:{hex}.sig"),
        ] {
            assert_eq!(subject_of_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn the_tag_of_a_name_counts() {
        let tag = format!("sha256-{}.sig", "ab".repeat(32));
        for (name, is) in [
            (tag.clone(), true),
            (format!("host:5000/app:{tag}"), true),
            (format!("host:5000/{tag}/app:1"), false),
            (format!("app:{tag}@sha256:{}", "ab".repeat(32)), false),
            ("app".to_owned(), false),
        ] {
            assert_eq!(ImageName::new(&name).unwrap().is_beside(), is, "{name}");
        }
    }
}
