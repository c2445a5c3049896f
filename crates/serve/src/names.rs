//! Under which repositories and tags an image is served.

use std::collections::{BTreeSet, HashMap};

use transship_core::{ArchiveEntry, Digest, ImageName, Reference, tag_beside};
use transship_local::cut_path;

use crate::protocol::{is_name, is_tag};
use crate::push::is_hidden;

/// The repository of images of a place whose file name can be none.
const NO_NAME: &str = "image";

/// The tag of an only image without a name.
const LATEST: &str = "latest";

/// A repository, as images are named: with its host, which is empty where the name of the place stands for the name of the image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FullName {
    pub(crate) host: String,
    pub(crate) path: String,
}

impl FullName {
    pub(crate) fn new(host: &str, path: &str) -> Self {
        // Names that clients know docker's own registry by.
        let own = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
        let host = if own.contains(&host) { "docker.io" } else { host };
        Self { host: host.to_owned(), path: path.to_owned() }
    }

    /// The same with `library/`, where docker means it.
    pub(crate) fn canonical(host: &str, path: &str) -> Self {
        let mut name = Self::new(host, path);
        if name.host == "docker.io" && !path.contains('/') {
            name.path = format!("library/{path}");
        }
        name
    }
}

impl std::fmt::Display for FullName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.host.is_empty() {
            write!(f, "{}/", self.host)?;
        }
        f.write_str(&self.path)
    }
}

/// Where an image is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) repository: FullName,
    pub(crate) tag: Option<String>,
    /// The image's name that says so.
    pub(crate) name: Option<ImageName>,
}

/// Where an image of a place is served. It is in one repository at least: there it can be pulled by its digest.
pub(crate) fn served(entry: &ArchiveEntry, is_only: bool, place: &Reference) -> Vec<Served> {
    let own = || FullName::new("", &own_name(place));
    let mut all: Vec<_> = entry.names.iter().filter_map(|name| served_as(name, own)).collect();
    if all.is_empty() {
        let tag = is_only.then(|| LATEST.to_owned());
        all.push(Served { repository: own(), tag, name: None });
    }
    all
}

/// Where what stands beside images is served. A name that is only a tag belongs to each repository that has an image which the tag is
/// about. Elsewhere it is served where that image is asked for (of an index, only the root is known here).
pub(crate) fn served_beside(entry: &ArchiveEntry, homes: &Homes) -> Vec<Served> {
    let mut all = Vec::new();
    for name in &entry.names {
        let Some((tag, subject)) =
            tag_beside(name.as_str()).filter(|(tag, _)| name.as_str() == *tag)
        else {
            all.extend(served_as(name, || FullName::new("", NO_NAME)));
            continue;
        };
        all.extend(homes.get(&subject).into_iter().flatten().map(|repository| Served {
            repository: repository.clone(),
            tag: Some(tag.to_owned()),
            name: Some(name.clone()),
        }));
    }
    all
}

/// The repositories in which manifests are the roots of images.
pub(crate) type Homes = HashMap<Digest, BTreeSet<FullName>>;

/// A name without a `:` and a `/` is a tag, as the specification of layouts means `ref.name`.
fn served_as(name: &ImageName, own: impl Fn() -> FullName) -> Option<Served> {
    let text = name.as_str();
    if !text.contains(['/', ':', '@']) {
        let tag = Some(text.to_owned()).filter(|tag| !is_hidden(tag));
        return is_tag(text).then(|| Served { repository: own(), tag, name: Some(name.clone()) });
    }
    let docker = name.docker()?.or_latest();
    let repository = FullName::new(docker.domain(), docker.path());
    let tag = docker.tag().filter(|tag| !is_hidden(tag)).map(str::to_owned);
    Some(Served { repository, tag, name: Some(name.clone()) })
}

/// The name of a place without its folder and its ending, as far as it can be that of a repository.
pub(crate) fn own_name(place: &Reference) -> String {
    let path = cut_path(place.locator()).0;
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    let last = last.to_ascii_lowercase();
    let stem = last.split(".tar").next().unwrap_or_default();
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    if is_name(&name) { name } else { NO_NAME.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(place: &'static str, names: &[&str], is_only: bool) -> Vec<String> {
        let place = Reference::new("oci", place);
        let mut entry = ArchiveEntry::new(0, place.clone());
        entry.names = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
        let served = served(&entry, is_only, &place);
        served
            .iter()
            .map(|one| format!("{} {}", one.repository, one.tag.as_deref().unwrap_or("-")))
            .collect()
    }

    #[test]
    fn names_become_repositories_and_tags() {
        assert_eq!(of("x", &["docker.io/library/alpine:3"], true), ["docker.io/library/alpine 3"]);
        assert_eq!(of("x", &["localhost:5000/app:1"], true), ["localhost:5000/app 1"]);
        assert_eq!(
            of("x", &["q.io/a/b", "c:1"], true),
            ["q.io/a/b latest", "docker.io/library/c 1"]
        );
        assert_eq!(of("/a/My_Site.tar.gz", &["v1.2"], false), ["my-site v1.2"]);
        assert_eq!(of("/a/site/", &[], true), ["site latest"]);
        assert_eq!(of("/a/site", &[], false), ["site -"]);
        assert_eq!(of("-", &[], true), ["image latest"]);
        assert_eq!(of(r"/a/w\:1", &["Not A Name:1"], true), ["w-1 latest"]);
    }
}
