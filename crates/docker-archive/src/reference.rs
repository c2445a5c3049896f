//! [`Locator`]: what stands behind `docker-archive:`.
//!
//! The grammar is in the [crate's documentation](crate).

use transship_core::{DigestAlgorithm, DockerName, Error, ErrorKind, Escaped, Reference, Result};
use transship_local::Grammar;

use crate::SCHEME;

/// A parsed locator. Its digest is an image ID: the sha256 digest of a config. Its names have a tag and no digest.
pub type Locator = transship_local::Locator<InArchive>;

/// Which image of an archive. Positions are those in `manifest.json`.
pub type Selector = transship_local::Selector<DockerName>;

/// The grammar of locators of `docker-archive:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InArchive;

impl Grammar for InArchive {
    type Name = DockerName;
    const PLACE: &'static str = "place in an archive";
    const DIGEST: &'static str = "an image ID";
    const ALGORITHMS: &'static [DigestAlgorithm] = &[DigestAlgorithm::Sha256];
    const EMPTY_PATH: Option<&'static str> = None;

    fn name(whole: &str, name: &str) -> Result<DockerName> {
        if let Some((_, behind)) = name.split_once('@') {
            if behind.contains(':') {
                return Err(Locator::invalid(whole, "a name in an archive has no digest")
                    .hint("PATH@sha256:ID chooses by image ID"));
            }
            return Err(Locator::invalid(whole, "a name and an index cannot stand together")
                .hint("the forms are PATH:NAME and PATH:@INDEX"));
        }
        archive_name(name).map_err(|error| {
            let error = error.context(format!("\"{}\" is no place in an archive", Escaped(whole)));
            if name.contains('\\') || name.starts_with('/') {
                return error.hint(r"a colon in the path is written \:");
            }
            error
        })
    }

    fn colon_alone(whole: &str) -> Result<()> {
        Err(Locator::invalid(whole, "nothing stands behind the colon")
            .hint("leave the colon out, or name an image: PATH:NAME, PATH:@INDEX"))
    }
}

pub(crate) fn reference_to(locator: &Locator) -> Reference {
    Reference::new(SCHEME, locator.to_string())
}

/// Parses a name as archives hold it: with a tag, `latest` where none is given, and no digest.
pub(crate) fn archive_name(text: &str) -> Result<DockerName> {
    let name = DockerName::parse(text)?.or_latest();
    if name.digest().is_some() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "\"{}\" has a digest, and an archive keeps names with tags only",
                Escaped(text)
            ),
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn name(text: &str) -> Selector {
        Selector::Name(DockerName::parse(text).unwrap())
    }

    #[test]
    fn canonical_texts() {
        let id = format!("a.tar@sha256:{HEX}");
        for (text, path, select, canonical) in [
            ("a.tar", "a.tar", Selector::None, "a.tar"),
            ("-", "-", Selector::None, "-"),
            ("a.tar:x", "a.tar", name("x:latest"), "a.tar:docker.io/library/x:latest"),
            ("a:h.x:5/y:1", "a", name("h.x:5/y:1"), "a:h.x:5/y:1"),
            ("a.tar:@0", "a.tar", Selector::Index(0), "a.tar:@0"),
            ("a.tar:@10", "a.tar", Selector::Index(10), "a.tar:@10"),
            (&id, "a.tar", Selector::Digest(transship_core::sha256(b"{}")), &id),
            (r"a\:b:@1", "a:b", Selector::Index(1), r"a\:b:@1"),
            (r"a\\:@1", r"a\", Selector::Index(1), r"a\\:@1"),
            (r"a\", r"a\", Selector::None, r"a\\"),
            (r"a\b", r"a\b", Selector::None, r"a\b"),
            (r"C:\d\a.tar:@1", r"C:\d\a.tar", Selector::Index(1), r"C:\d\a.tar:@1"),
            ("C:/a:y", "C:/a", name("y:latest"), "C:/a:docker.io/library/y:latest"),
            ("a@sha256", "a@sha256", Selector::None, "a@sha256"),
            ("a@sha256:@2", "a@sha256", Selector::Index(2), "a@sha256:@2"),
            ("a@sha256:q/x:1", "a@sha256", name("q/x:1"), "a@sha256:docker.io/q/x:1"),
            ("a@sha256:x", "a@sha256", name("x:latest"), "a@sha256:docker.io/library/x:latest"),
        ] {
            let locator = Locator::parse(text).unwrap();
            assert_eq!((locator.path.as_str(), &locator.select), (path, &select), "{text}");
            assert_eq!(locator.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(canonical).unwrap(), locator, "{text}");
        }
    }

    #[test]
    fn refused_with_the_reason() {
        let digest = format!("a:x@sha256:{HEX}");
        let id = format!("a:{HEX}");
        for (text, why) in [
            ("", "the path is empty"),
            ("a:", "nothing stands behind"),
            (":x", "the path is empty"),
            (":@0", "the path is empty"),
            (&digest, "no digest"),
            (&id, "image ID, not a name"),
            ("a:@", "no number"),
            ("a:@-1", "negative"),
            ("a:@+0", "decimal digits"),
            ("a:@00", "leading zeros"),
            ("a:@01", "leading zeros"),
            ("a:@99999999999999999999999", "too large"),
            ("a:@1:x", "cannot stand together"),
            ("a:x@1", "cannot stand together"),
            ("a:x:@1", "cannot stand together"),
            ("a@sha256:abc", "64 lower-case hex"),
            ("a@sha256:", "nothing stands behind"),
            (&format!("a@sha256:{}", HEX.to_uppercase()), "64 lower-case hex"),
            (&format!("@sha256:{HEX}"), "the path is empty"),
            (&format!("a:@sha256:{HEX}"), "directly behind the path"),
            ("a:Upper", "lower case"),
            (r"a:\:x", "a colon in the path"),
            (r"C:\:x", "a colon in the path"),
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
            "([a-z]{1,3}\\.[a-z]{1,3}(:[0-9]{1,5})?/)?[a-z0-9]{1,5}(/[a-z]{1,3})?(:[A-Za-z0-9_]{1,9})?"
                .prop_map(|text| Selector::Name(archive_name(&text).unwrap())),
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
