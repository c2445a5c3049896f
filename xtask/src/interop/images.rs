//! What images a place holds, told by someone else than transship, and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::sh::Result;

/// One image by what stays the same in every form: its names and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// Canonical docker names.
    pub(crate) names: BTreeSet<String>,
    pub(crate) diff_ids: Vec<String>,
}

/// Images by their IDs (the digests of their configs).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Images(pub(crate) BTreeMap<String, Image>);

impl Images {
    /// Adds an image, or more names to it.
    pub(crate) fn add<'n>(
        &mut self,
        id: &str,
        names: impl IntoIterator<Item = &'n str>,
        diff_ids: Vec<String>,
    ) {
        let image = self.0.entry(id.to_owned()).or_default();
        image.names.extend(names.into_iter().map(canonical));
        image.diff_ids = diff_ids;
    }

    /// Adds an image as its config says it is.
    pub(crate) fn add_config<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
        config: &[u8],
    ) -> Result<()> {
        let facts: Value =
            serde_json::from_slice(config).map_err(|e| format!("a config is not JSON: {e}"))?;
        self.add(&digest(config), names, strings(&facts["rootfs"]["diff_ids"]));
        Ok(())
    }

    /// The names of all of them.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.values().flat_map(|image| image.names.iter().cloned()).collect()
    }

    /// Without names, for places that keep none.
    pub(crate) fn nameless(&self) -> Self {
        let bare = |image: &Image| Image { names: BTreeSet::new(), ..image.clone() };
        Self(self.0.iter().map(|(id, image)| (id.clone(), bare(image))).collect())
    }

    /// Complains in words unless both hold the same.
    pub(crate) fn must_be(&self, expected: &Self) -> Result<()> {
        let mut wrong = String::new();
        for (id, image) in &expected.0 {
            match self.0.get(id) {
                None => writeln!(wrong, "missing {id} {:?}", image.names).unwrap_or_default(),
                Some(found) if found != image => {
                    writeln!(wrong, "{id}:\n  found    {found:?}\n  expected {image:?}")
                        .unwrap_or_default();
                }
                Some(_) => {}
            }
        }
        for (id, image) in self.0.iter().filter(|(id, _)| !expected.0.contains_key(*id)) {
            writeln!(wrong, "not expected: {id} {:?}", image.names).unwrap_or_default();
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// A docker reference in full; what has no domain is docker's.
pub(crate) fn canonical(name: &str) -> String {
    let (domain, rest) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", name),
    };
    let library = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    let tag = if rest.contains(':') { "" } else { ":latest" };
    format!("{domain}/{library}{rest}{tag}")
}

/// The digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// The strings of a JSON array; what is no array has none.
pub(crate) fn strings(of: &Value) -> Vec<String> {
    let items = of.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Images, canonical, digest};

    #[test]
    fn names_are_compared_in_full() {
        assert_eq!(canonical("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(canonical("golden/hello:1"), "docker.io/golden/hello:1");
        assert_eq!(canonical("localhost/a/b:2"), "localhost/a/b:2");
        assert_eq!(canonical("here:5000/x"), "here:5000/x:latest");
    }

    #[test]
    fn differences_are_reported() {
        let mut one = Images::default();
        let config = br#"{"rootfs":{"diff_ids":["sha256:00"]}}"#;
        one.add_config(["a:1"], config).unwrap();
        one.add_config(["a:2"], config).unwrap();
        assert_eq!(one.0.len(), 1);
        one.must_be(&one).unwrap();
        one.must_be(&one.nameless()).unwrap_err();
        let missing = Images::default().must_be(&one).unwrap_err();
        assert!(missing.contains(&digest(config)), "{missing}");
    }
}
