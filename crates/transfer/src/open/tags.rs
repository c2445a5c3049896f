//! [`Tags`]: which images of an archive, by their tags. Pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZeroUsize;

use semver::{BuildMetadata, Prerelease, Version};
use transship_core::{
    ArchiveEntry, ArchiveReader, Error, ErrorKind, Escaped, ImageName, Result, few,
};

use super::pattern::Pattern;
use super::range::Range;

/// Chooses images of an archive by their tags. By default it chooses all, also those without a name.
///
/// The tag of a docker name is what follows its last `:`, `latest` if it has none. A name that is a tag alone, as layouts
/// have `3.18`, is that tag, and of any other name the whole is compared. In patterns, `*` stands for any text.
///
/// ```
/// use transship_core::ImageName;
/// use transship_transfer::Tags;
/// let names = ["app:1.9", "app:1.10", "app:2.0-rc1", "app:latest"].map(ImageName::new);
/// let names: Vec<ImageName> = names.into_iter().collect::<Result<_, _>>()?;
/// let tags = Tags::default().with_versions(">=1.9, <3")?.with_newest(1.try_into().unwrap());
/// let chosen = tags.choose(names.iter().map(std::slice::from_ref));
/// assert_eq!(chosen, [vec![], vec![names[1].clone()], vec![], vec![]]);
/// # Ok::<(), transship_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    only: Vec<Pattern>,
    not: Vec<Pattern>,
    versions: Option<Range>,
    newest: Option<NonZeroUsize>,
}

impl Tags {
    /// Only tags that fit this pattern, or another one that was given so.
    #[must_use]
    pub fn with_only(mut self, pattern: impl Into<String>) -> Self {
        self.only.push(Pattern::new(pattern));
        self
    }

    /// No tag that fits this pattern.
    #[must_use]
    pub fn with_not(mut self, pattern: impl Into<String>) -> Self {
        self.not.push(Pattern::new(pattern));
        self
    }

    /// Only tags that are versions in this range, as `>=1.20, <2`, in the notation of cargo. Tags may begin with `v` and have
    /// one, two or three numbers. Pre-releases, and so all tags with a suffix, as `3.18-slim`, are in a range only if it names a
    /// pre-release: `>=1.0-0` has all from `1.0` on, those of `1.0` too. Each is in its place in the order of versions, as in skopeo and
    /// helm; in cargo only those of the version that is named are in the range.
    ///
    /// # Errors
    /// `InvalidInput` for text that is no range.
    pub fn with_versions(mut self, range: &str) -> Result<Self> {
        let parsed = Range::parse(range).map_err(|e| {
            let message = format!("\"{}\" is no range of versions", Escaped(range));
            Error::new(ErrorKind::InvalidInput, message)
                .caused_by(e)
                .hint("ranges are written as \">=1.20, <2\" or \"~3.18\"")
        })?;
        self.versions = Some(parsed);
        Ok(self)
    }

    /// Of each repository only the newest that the rest chooses: in the order of versions, and any version is newer than a tag
    /// that is none. Those are in alphabetical order, with numbers in them compared as numbers.
    #[must_use]
    pub fn with_newest(mut self, count: NonZeroUsize) -> Self {
        self.newest = Some(count);
        self
    }

    /// Whether all images are chosen.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// For each image, given by its names, those of its names that are chosen. An image of which none is chosen is not.
    pub fn choose<'n>(
        &self,
        images: impl IntoIterator<Item = &'n [ImageName]>,
    ) -> Vec<Vec<ImageName>> {
        let fits = |name: &&ImageName| self.fits(name);
        let mut all: Vec<Vec<ImageName>> =
            images.into_iter().map(|names| names.iter().filter(fits).cloned().collect()).collect();
        if let Some(count) = self.newest {
            let newest = newest(all.iter().flatten(), count.get());
            for names in &mut all {
                names.retain(|name| newest.contains(&tag(name)));
            }
        }
        all
    }

    /// Of the images that an archive lists, those that are chosen, with the names that are.
    ///
    /// # Errors
    /// `NotFound` where none is chosen, unless all are.
    pub fn entries(&self, of: &dyn ArchiveReader) -> Result<Vec<ArchiveEntry>> {
        let all = of.entries();
        if self.is_all() {
            return Ok(all.to_vec());
        }
        let names = self.choose(all.iter().map(|entry| &*entry.names));
        let some = all.iter().zip(names).filter(|(_, names)| !names.is_empty());
        let some: Vec<_> = some
            .map(|(entry, names)| {
                let mut entry = entry.clone();
                entry.names = names;
                entry
            })
            .collect();
        if some.is_empty() { Err(none_chosen(of)) } else { Ok(some) }
    }

    /// Whether the patterns and versions choose a name, whichever are the newest.
    pub fn fits(&self, name: &ImageName) -> bool {
        let tag = &*tag(name).1;
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fit(tag).is_some());
        let in_range = |range: &Range| version(tag).is_some_and(|tag| range.has(&tag));
        (self.only.is_empty() || any(&self.only))
            && !any(&self.not)
            && self.versions.as_ref().is_none_or(in_range)
    }
}

/// The error that an archive has no image with a tag that is chosen.
pub(super) fn none_chosen(of: &dyn ArchiveReader) -> Error {
    let message = format!("{} has no image with such a tag", of.reference());
    let there = few(of.entries().iter().flat_map(|entry| &entry.names));
    Error::new(ErrorKind::NotFound, message).hint(format!("it has {there}"))
}

/// Whether a word is a tag rather than a name: a version, or `latest`.
pub(super) fn is_tag(word: &str) -> bool {
    let version = word.strip_prefix('v').unwrap_or(word);
    let digit = version.starts_with(|first: char| first.is_ascii_digit());
    (digit || word == "latest") && !word.contains([':', '/', '@'])
}

/// The repository and the tag of a name.
fn tag(name: &ImageName) -> (String, String) {
    let text = name.as_str();
    match name.docker().filter(|_| !is_tag(text)) {
        Some(docker) => {
            let tag = docker.tag().unwrap_or("latest").to_owned();
            (format!("{}/{}", docker.domain(), docker.path()), tag)
        }
        None => (String::new(), text.to_owned()),
    }
}

/// The newest tags of each repository.
fn newest<'n>(
    names: impl Iterator<Item = &'n ImageName>,
    count: usize,
) -> HashSet<(String, String)> {
    let mut repositories: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in names {
        let (repository, tag) = tag(name);
        repositories.entry(repository).or_default().insert(tag);
    }
    let mut all = HashSet::new();
    for (repository, tags) in repositories {
        let mut tags = Vec::from_iter(tags);
        tags.sort_by(|a, b| older(b, a));
        all.extend(tags.into_iter().take(count).map(|tag| (repository.clone(), tag)));
    }
    all
}

fn older(a: &str, b: &str) -> Ordering {
    version(a).cmp(&version(b)).then_with(|| natural(a, b))
}

/// A tag as a version: with `v` before it or not, of one to three numbers, with a suffix or not.
fn version(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, suffix) = text.split_once('-').unwrap_or((text, ""));
    let mut parts = [0; 3];
    for (at, number) in numbers.split('.').enumerate() {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let padded = number.len() > 1 && number.starts_with('0');
        let part = parts.get_mut(at).filter(|_| is_number && !padded)?;
        *part = number.parse().ok()?;
    }
    let [major, minor, patch] = parts;
    Some(Version {
        major,
        minor,
        patch,
        pre: Prerelease::new(suffix).ok()?,
        build: BuildMetadata::EMPTY,
    })
}

/// Alphabetical order, in which runs of digits are compared as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(x), Some(y)) = (run(&mut left), run(&mut right)) {
        let numbers = [x, y].map(|run| run.starts_with(|c: char| c.is_ascii_digit()));
        let order = if numbers == [true, true] {
            let [x, y] = [x, y].map(|run| run.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Takes the next run of digits, or of what is none.
fn run<'t>(text: &mut &'t str) -> Option<&'t str> {
    let digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(tags: &Tags, names: &[&str]) -> Vec<String> {
        let names: Vec<ImageName> =
            names.iter().map(|name| ImageName::new(name).unwrap()).collect();
        let all = tags.choose(names.iter().map(std::slice::from_ref));
        all.into_iter().flatten().map(|name| name.to_string()).collect()
    }

    #[test]
    fn patterns_fit_tags_and_not_repositories() {
        let names = ["3.18/app:2", "app:3.18", "app:3.19-rc1", "app", "3.18", "No Docker Name"];
        let only = |pattern: &str| Tags::default().with_only(pattern);
        assert_eq!(chosen(&only("3.*"), &names), ["app:3.18", "app:3.19-rc1", "3.18"]);
        assert_eq!(chosen(&only("3.*").with_not("*-rc*"), &names), ["app:3.18", "3.18"]);
        assert_eq!(chosen(&only("latest"), &names), ["app"]);
        assert_eq!(chosen(&only("2").with_only("No *"), &names), ["3.18/app:2", "No Docker Name"]);
        assert!(Tags::default().is_all());
    }

    #[test]
    fn versions_may_be_short_and_have_a_v() {
        let names = [
            "a:v1",
            "a:1.2",
            "a:1.2.3",
            "a:1.3-rc1",
            "a:2",
            "a:latest",
            "a:01.2",
            "a:1.2.3.4",
            "a:1.",
        ];
        let range = |range: &str| Tags::default().with_versions(range).unwrap();
        assert_eq!(chosen(&range(">=1, <2"), &names), ["a:v1", "a:1.2", "a:1.2.3"]);
        assert_eq!(chosen(&range("=1.3.0-rc1"), &names), ["a:1.3-rc1"]);
        assert_eq!(chosen(&range("*"), &names), ["a:v1", "a:1.2", "a:1.2.3", "a:2"]);
        assert_eq!(chosen(&range(">=1.3-0"), &names), ["a:1.3-rc1", "a:2"]);
        let error = Tags::default().with_versions("one\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn the_newest_are_chosen_for_each_repository() {
        let names = ["a:1.9", "a:1.10", "a:latest", "b:x9", "b:x10", "a:1.10-rc1", "b:x09"];
        let newest = |count: usize| Tags::default().with_newest(count.try_into().unwrap());
        assert_eq!(chosen(&newest(1), &names), ["a:1.10", "b:x10"]);
        assert_eq!(chosen(&newest(2), &names), ["a:1.10", "b:x9", "b:x10", "a:1.10-rc1"]);
        assert_eq!(chosen(&newest(9), &names).len(), names.len());
        assert_eq!(chosen(&newest(1).with_not("*10*"), &names), ["a:1.9", "b:x9"]);
    }

    #[test]
    fn an_image_keeps_the_names_that_are_chosen() {
        let names = ["a:1", "a:latest"].map(|name| ImageName::new(name).unwrap());
        let chosen = Tags::default().with_only("1").choose([&names[..], &[]]);
        assert_eq!(chosen, [vec![names[0].clone()], vec![]]);
    }
}
