//! [`Locator`]: what stands behind `oci:` and `oci-archive:`.
//!
//! The grammar is in the [crate's documentation](crate).

use transship_core::{DigestAlgorithm, DockerName, Error, ErrorKind, Escaped, ImageName, Result};
use transship_local::Grammar;

/// A parsed locator. Its digest is that of a manifest or index, anywhere below `index.json`.
pub type Locator = transship_local::Locator<InLayout>;

/// Which image of a layout. Positions are those of entries in `index.json`.
pub type Selector = transship_local::Selector<ImageName>;

/// The grammar of locators of `oci:` and `oci-archive:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InLayout;

impl Grammar for InLayout {
    type Name = ImageName;
    const PLACE: &'static str = "place in a layout";
    const DIGEST: &'static str = "a digest";
    const ALGORITHMS: &'static [DigestAlgorithm] =
        &[DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];
    const EMPTY_PATH: Option<&'static str> = Some("this folder is written . (a dot)");

    fn name(whole: &str, name: &str) -> Result<ImageName> {
        let place = || format!("\"{}\" is no {}", Escaped(whole), Self::PLACE);
        parse_name(name).map_err(|e| e.context(place()))
    }

    /// As in skopeo.
    fn colon_alone(_: &str) -> Result<()> {
        Ok(())
    }
}

/// Checks a name: the grammar of
/// [`ref.name`](https://github.com/opencontainers/image-spec/blob/main/annotations.md#rules), or a docker name, which the
/// containerd annotation holds.
pub(crate) fn parse_name(text: &str) -> Result<ImageName> {
    let name = ImageName::new(text)?;
    if is_oci_name(text) {
        return Ok(name);
    }
    match DockerName::parse(text) {
        Ok(_) => Ok(name),
        Err(docker) => {
            let message = format!("\"{}\" is no name that a layout can hold", Escaped(text));
            let error = Error::new(ErrorKind::InvalidInput, message);
            Err(if text.starts_with('\\') {
                error.hint(r"a colon in the path is written \:")
            } else {
                error
                    .hint("names are letters and digits, joined by one of / - . _ : @ + or by --")
                    .caused_by(docker)
            })
        }
    }
}

/// Whether the grammar of `org.opencontainers.image.ref.name` holds a name:
/// `component("/"component)*`, where a component is alphanumerics joined by one of `- . _ : @ +` or by `--`.
pub(crate) fn is_oci_name(text: &str) -> bool {
    text.split('/').all(|component| {
        let bytes = component.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
            && bytes
                .split(u8::is_ascii_alphanumeric)
                .all(|run| matches!(run, b"" | b"-" | b"." | b"_" | b":" | b"@" | b"+" | b"--"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transship_core::Digest;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn name(text: &str) -> Selector {
        Selector::Name(ImageName::new(text).unwrap())
    }

    #[test]
    fn canonical_texts() {
        let digest = format!("d@sha256:{HEX}");
        let sha512 = format!("d@sha512:{HEX}{HEX}");
        let pinned = format!("d:x@sha256:{HEX}");
        let parsed = |text: &str| Selector::Digest(Digest::try_from(text).unwrap());
        for (text, path, select, canonical) in [
            ("d", "d", Selector::None, "d"),
            ("d:", "d", Selector::None, "d"),
            ("/a/b:v1", "/a/b", name("v1"), "/a/b:v1"),
            ("d:notlatest:image", "d", name("notlatest:image"), "d:notlatest:image"),
            ("d:a/b-c.d_e:f@g+h--i", "d", name("a/b-c.d_e:f@g+h--i"), "d:a/b-c.d_e:f@g+h--i"),
            ("d:localhost/a__b:1", "d", name("localhost/a__b:1"), "d:localhost/a__b:1"),
            ("d:[::1]:5000/x:1", "d", name("[::1]:5000/x:1"), "d:[::1]:5000/x:1"),
            ("d:@0", "d", Selector::Index(0), "d:@0"),
            (&digest, "d", parsed(&digest[2..]), &digest),
            (&sha512, "d", parsed(&sha512[2..]), &sha512),
            (&pinned, "d", name(&pinned[2..]), &pinned),
            ("d@sha256:name", "d@sha256", name("name"), "d@sha256:name"),
            (r"a\:b:x", "a:b", name("x"), r"a\:b:x"),
            (r"a\\:x", r"a\", name("x"), r"a\\:x"),
            (r"a\b", r"a\b", Selector::None, r"a\b"),
            (r"C:\d:x", r"C:\d", name("x"), r"C:\d:x"),
            ("C:/d", "C:/d", Selector::None, "C:/d"),
        ] {
            let locator = Locator::parse(text).unwrap();
            assert_eq!((locator.path.as_str(), &locator.select), (path, &select), "{text}");
            assert_eq!(locator.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(canonical).unwrap(), locator, "{text}");
        }
    }

    #[test]
    fn refused_with_the_reason() {
        for (text, why) in [
            ("", "the path is empty"),
            (":", "the path is empty"),
            (":x", "the path is empty"),
            (&format!("@sha256:{HEX}"), "the path is empty"),
            ("d@sha256:abc", "64 lower-case hex"),
            (&format!("d@sha256:{}", HEX.to_uppercase()), "64 lower-case hex"),
            (&format!("d@sha512:{HEX}"), "128 lower-case hex"),
            (&format!("d:@sha256:{HEX}"), "directly behind the path"),
            ("d:@", "no number"),
            ("d:@-1", "negative"),
            ("d:@+1", "decimal digits"),
            ("d:@01", "leading zeros"),
            ("d:@1:x", "cannot stand together"),
            ("d:@99999999999999999999999", "too large"),
            ("d:invalid'image!value@", "no name that a layout can hold"),
            ("d:x--", "no name that a layout can hold"),
            ("d:a---b/.", "no name that a layout can hold"),
            (r"d:\:x", "a colon in the path"),
            ("d:a\tb", "control characters"),
            ("a\0b", "NUL"),
        ] {
            let error = Locator::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        prop_oneof![
            Just(Selector::None),
            any::<usize>().prop_map(Selector::Index),
            any::<Vec<u8>>().prop_map(|bytes| Selector::Digest(transship_core::sha256(&bytes))),
            "[a-zA-Z0-9]{1,5}([-._:@+/][a-zA-Z0-9]{1,5}){0,3}z"
                .prop_map(|text| Selector::Name(parse_name(&text).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn every_locator_survives_its_text(
            path in "([A-Za-z]:[/\\\\])?[-@:/\\\\a-c.]{1,9}(@sha256)?",
            select in selectors(),
        ) {
            let locator = Locator::of_path(&path).unwrap().with(select);
            prop_assert_eq!(Locator::parse(&locator.to_string()).unwrap(), locator);
        }

        #[test]
        fn whatever_is_taken_is_canonical_after_one_round(text in "[@:/\\\\sha256x.C0-9-]{0,20}|.{0,30}") {
            if let Ok(locator) = Locator::parse(&text) {
                prop_assert_eq!(Locator::parse(&locator.to_string()).unwrap(), locator);
            }
        }
    }
}
