//! [`Job`]: what is brought up to date with what. Both kinds of files are lists of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use transship::{ImageName, Platform, Settings, Tags};

/// One entry of a file.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Where it stands, for messages: `sync.toml: [[sync]] 2`.
    pub(super) context: String,
    pub(super) from: From,
    /// As on the command line.
    pub(super) to: String,
    /// What is set for the registries of either side.
    pub(super) registries: Sides,
    /// Empty for all that are there.
    pub(super) platforms: Vec<Platform>,
    /// Whether signatures and their like come with the images.
    pub(super) referrers: bool,
    /// Whether names at the destination go that the source has no more.
    pub(super) prune: bool,
    /// What a tag is kept as before it moves; `*` is the tag.
    pub(super) backup: Option<String>,
}

/// Settings by host, as references name it.
pub(super) type Registries = Arc<BTreeMap<String, Settings>>;

/// Settings of each side.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    pub(super) source: Registries,
    pub(super) destination: Registries,
}

/// Which images.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// Of a place, those that are chosen.
    Place(String, Choice),
    /// These of one place, as references.
    Listed(Vec<String>),
}

/// Which tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) tags: Tags,
    /// And which of these, as skopeo has them.
    pub(super) regex: Option<Regex>,
    /// And that are in one of these ranges, where there are some.
    pub(super) ranges: Vec<Tags>,
}

impl Choice {
    /// Whether all tags are chosen.
    pub(super) fn is_all(&self) -> bool {
        self.tags.is_all() && self.regex.is_none() && self.ranges.is_empty()
    }

    /// Whether a name may be brought, whichever are the newest.
    pub(super) fn chooses(&self, name: &ImageName) -> bool {
        let tag = tag_of(name);
        self.tags.fits(name)
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(&tag))
            && (self.ranges.is_empty() || self.ranges.iter().any(|range| range.fits(name)))
    }

    /// Whether what is chosen is all that the tags choose.
    pub(super) fn is_by_tags(&self) -> bool {
        self.regex.is_none() && self.ranges.is_empty()
    }
}

/// The tag of a docker name; the whole of any other.
pub(super) fn tag_of(name: &ImageName) -> String {
    match name.docker() {
        Some(docker) => docker.tag().unwrap_or("latest").to_owned(),
        None => name.as_str().to_owned(),
    }
}

/// The repository of a docker name.
pub(super) fn repository_of(name: &ImageName) -> String {
    name.docker().map(|docker| format!("{}/{}", docker.domain(), docker.path())).unwrap_or_default()
}
