//! The names of entries: which annotations hold them, how they are looked up, how they are written.

use transship_archive::layout::{CONTAINERD_NAME, REF_NAME, entry_name, strip_names};
use transship_core::{Descriptor, DockerName, ImageName, Result};

use crate::reference::{is_oci_name, parse_name};

/// What else an entry may be looked up by: `ref.name` beside a full name, often only a tag.
pub(crate) fn alias(entry: &Descriptor) -> Option<&str> {
    let alias = entry.annotation(REF_NAME).filter(|alias| !alias.is_empty());
    alias.filter(|alias| entry_name(entry) != Some(*alias))
}

/// Whether two names mean the same to docker: `alpine:3` and `docker.io/library/alpine:3`.
pub(crate) fn same_to_docker(a: &str, b: &str) -> bool {
    let canonical = |text: &str| DockerName::parse(text).ok().map(DockerName::or_latest);
    canonical(a).is_some_and(|a| canonical(b) == Some(a))
}

/// A name as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// As it was given.
    pub(crate) name: ImageName,
    reference: Option<String>,
    containerd: Option<String>,
}

impl Written {
    /// Decides which annotations hold a name: `ref.name` as given where its grammar holds it, containerd's too where the
    /// name is a canonical docker reference, and that one alone for what only docker's grammar holds.
    pub(crate) fn new(name: &ImageName) -> Result<Self> {
        let text = parse_name(name.as_str())?.as_str().to_owned();
        let docker = name.docker();
        let (reference, containerd) = if is_oci_name(&text) {
            let canonical = docker.is_some_and(|d| d.tag().is_some() && d.to_string() == text);
            (Some(text.clone()), canonical.then_some(text))
        } else {
            (None, docker.map(|d| d.or_latest().to_string()))
        };
        Ok(Self { name: name.clone(), reference, containerd })
    }

    /// Gives an entry this name, and no other.
    pub(crate) fn put_on(&self, entry: &mut Descriptor) {
        strip_names(entry);
        for (key, value) in [(REF_NAME, &self.reference), (CONTAINERD_NAME, &self.containerd)] {
            if let Some(value) = value {
                entry.annotations.insert(key.to_owned(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{MediaType, sha256};

    #[test]
    fn which_annotations_hold_a_name() {
        for (name, reference, containerd) in [
            ("latest", Some("latest"), None),
            ("alpine:3", Some("alpine:3"), None),
            ("docker.io/library/alpine", Some("docker.io/library/alpine"), None),
            (
                "docker.io/library/alpine:3",
                Some("docker.io/library/alpine:3"),
                Some("docker.io/library/alpine:3"),
            ),
            ("localhost/a__b:1", None, Some("localhost/a__b:1")),
            ("[::1]:5000/x", None, Some("[::1]:5000/x:latest")),
        ] {
            let written = Written::new(&ImageName::new(name).unwrap()).unwrap();
            let mut entry = Descriptor::new(MediaType::ImageManifest, sha256(b""), 0);
            entry.annotations.insert(CONTAINERD_NAME.to_owned(), "old".to_owned());
            written.put_on(&mut entry);
            assert_eq!(entry.annotation(REF_NAME), reference, "{name}");
            assert_eq!(entry.annotation(CONTAINERD_NAME), containerd, "{name}");
            assert_eq!(entry_name(&entry), containerd.or(reference), "{name}");
        }
        assert!(Written::new(&ImageName::new("a b").unwrap()).is_err());
    }

    #[test]
    fn docker_has_several_texts_for_a_name() {
        assert!(same_to_docker("alpine", "docker.io/library/alpine:latest"));
        assert!(!same_to_docker("alpine:3", "alpine"));
        assert!(!same_to_docker("NOT docker", "NOT docker"));
    }
}
