//! [`NewImage`]: an image that was committed, and how it is entered in `index.json`.

use std::collections::{BTreeSet, HashMap, HashSet};

use transship_archive::layout::{LayoutIndex, entry_name, strip_names};
use transship_core::{Descriptor, Digest, Error, ErrorKind, Hint, Platform, Result};

use crate::beside::{Beside, Besides, Form};
use crate::names::Written;
use crate::select::may_have_name;

/// An image that was committed and is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct NewImage {
    pub(crate) names: Vec<Written>,
    /// Its root, as it will be listed, without a name.
    pub(crate) entry: Descriptor,
    /// What stands beside it, with its tags.
    pub(crate) beside: Vec<NewBeside>,
    /// Manifests that are about it.
    pub(crate) referrers: Vec<Descriptor>,
    /// The digests of all that it needs, its root's too.
    pub(crate) reached: BTreeSet<String>,
    /// For a delta: the digests that it leaves out.
    pub(crate) needs: BTreeSet<String>,
    /// The platform of an index that was asked for.
    pub(crate) platform: Option<Platform>,
}

/// What is to stand beside an image.
#[derive(Clone, Debug)]
pub(crate) struct NewBeside {
    pub(crate) tag: Written,
    pub(crate) entry: Descriptor,
    /// What had the tag when it was asked for, to be added to; `None`: it was not asked for.
    pub(crate) before: Option<Asked>,
}

/// What had a tag when it was asked for, if anything.
pub(crate) type Asked = Option<Digest>;

/// Enters images in an index, one after the other. `is_referrer` says of an entry whether its manifest is about another
/// one.
pub(crate) fn enter_all(
    index: &mut LayoutIndex,
    images: &[NewImage],
    is_referrer: &dyn Fn(&Descriptor) -> Result<bool>,
) -> Result<()> {
    let ours: BTreeSet<&str> = images
        .iter()
        .flat_map(|image| &image.referrers)
        .map(|referrer| referrer.digest.as_ref())
        .collect();
    let is_referrer =
        |entry: &Descriptor| Ok(ours.contains(entry.digest.as_ref()) || is_referrer(entry)?);
    // A name moves; the rest of a malformed entry cannot be read.
    let beside = images.iter().flat_map(|image| &image.beside).map(|new| &new.tag);
    let names = images.iter().flat_map(|image| &image.names).chain(beside);
    let names: Vec<&str> = names.map(|name| name.name.as_str()).collect();
    index.retain_malformed(|entry| !names.iter().any(|name| may_have_name(entry, name)));
    let needs = images.iter().flat_map(|image| &image.needs);
    index.change_needs(needs.map(String::as_str), |_| true);
    let mut entering = Entering::new(index);
    images.iter().try_for_each(|image| entering.image(image, &is_referrer))
}

/// An index being changed, and where in it what is: thousands of images are entered without searching for each.
struct Entering<'a> {
    index: &'a mut LayoutIndex,
    /// The positions of entries by their name; without one, by their digest.
    places: HashMap<Key, Vec<usize>>,
    /// How many entries have a digest.
    digests: HashMap<String, usize>,
    /// The digests of what was entered beside images.
    beside: HashSet<Digest>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Nameless(String),
}

impl Key {
    fn of(entry: &Descriptor, beside: Option<&Beside>) -> Self {
        // What `cosign save` keeps beside an image has no name of its own.
        let tag = beside.filter(|beside| beside.form == Form::Kind).map(|beside| &*beside.tag);
        match tag.or_else(|| entry_name(entry)) {
            Some(name) => Self::Name(name.to_owned()),
            None => Self::Nameless(entry.digest.to_string()),
        }
    }
}

impl<'a> Entering<'a> {
    fn new(index: &'a mut LayoutIndex) -> Self {
        let mut this =
            Self { index, places: HashMap::new(), digests: HashMap::new(), beside: HashSet::new() };
        this.look();
        this
    }

    fn look(&mut self) {
        self.places.clear();
        self.digests.clear();
        let besides = Besides::of(self.index.entries());
        for (at, entry) in self.index.entries().iter().enumerate() {
            self.places.entry(Key::of(entry, besides.at(at))).or_default().push(at);
            *self.digests.entry(entry.digest.to_string()).or_default() += 1;
        }
    }

    fn is_listed(&self, entry: &Descriptor) -> bool {
        self.digests.get(entry.digest.as_ref()).is_some_and(|count| *count > 0)
    }

    fn image(
        &mut self,
        image: &NewImage,
        is_referrer: &dyn Fn(&Descriptor) -> Result<bool>,
    ) -> Result<()> {
        if image.names.is_empty() && !self.is_listed(&image.entry) {
            self.check_nameless(is_referrer)?;
            self.push(image.entry.clone());
        }
        let own = image.names.iter().map(|name| (name, &image.entry));
        image.beside.iter().try_for_each(|new| self.check_before(new))?;
        self.beside.extend(image.beside.iter().map(|new| new.entry.digest.clone()));
        let beside = image.beside.iter().map(|new| (&new.tag, &new.entry));
        for (name, entry) in own.chain(beside) {
            let mut entry = entry.clone();
            name.put_on(&mut entry);
            self.take_over(entry);
        }
        for referrer in &image.referrers {
            if !self.is_listed(referrer) {
                let mut entry = referrer.clone();
                strip_names(&mut entry);
                self.push(entry);
            }
        }
        Ok(())
    }

    /// Refuses to replace what another writer put under a tag since it was asked for: a signature would be lost.
    fn check_before(&self, new: &NewBeside) -> Result<()> {
        let tag = new.tag.name.as_str();
        let (Some(before), Some(places)) =
            (&new.before, self.places.get(&Key::Name(tag.to_owned())))
        else {
            return Ok(());
        };
        let Some(now) = places.first().map(|at| &self.index.entries()[*at].digest) else {
            return Ok(());
        };
        if before.as_ref() == Some(now) || *now == new.entry.digest || self.beside.contains(now) {
            return Ok(());
        }
        let message = format!("another writer changed {tag}, which is about the image, meanwhile");
        Err(Error::new(ErrorKind::Conflict, message).hint("sign or copy the image again"))
    }

    fn push(&mut self, entry: Descriptor) {
        let key = Key::of(&entry, None);
        self.places.entry(key).or_default().push(self.index.entries().len());
        *self.digests.entry(entry.digest.to_string()).or_default() += 1;
        self.index.push(entry);
    }

    /// Puts an entry in the place of the first that has its name; the others that have it go, and nameless ones of the
    /// same image, too.
    fn take_over(&mut self, entry: Descriptor) {
        let name = Key::of(&entry, None);
        let nameless = Key::Nameless(entry.digest.to_string());
        let places = [&name, &nameless].into_iter().filter_map(|key| self.places.get(key));
        let places: BTreeSet<usize> = places.flatten().copied().collect();
        let Some(&first) = places.first() else { return self.push(entry) };
        let old = self.index.entries()[first].clone();
        if old.digest == entry.digest {
            let both = merged(&old, entry);
            if both != old {
                self.index.replace(first, both);
            }
        } else {
            *self.digests.entry(old.digest.to_string()).or_default() -= 1;
            *self.digests.entry(entry.digest.to_string()).or_default() += 1;
            self.index.replace(first, entry);
        }
        if places.len() > 1 || Key::of(&old, None) != name {
            self.index.retain(|at, _| at == first || !places.contains(&at));
            self.look();
        }
    }

    /// Refuses a nameless image beside another one.
    fn check_nameless(&self, is_referrer: &dyn Fn(&Descriptor) -> Result<bool>) -> Result<()> {
        for other in self.index.entries().iter().filter(|entry| entry_name(entry).is_none()) {
            if !other.is_attestation() && !is_referrer(other)? {
                return Err(second_nameless(other));
            }
        }
        Ok(())
    }
}

/// The same image again: what was known of it stays, what is known better now changes.
fn merged(old: &Descriptor, new: Descriptor) -> Descriptor {
    let mut both = old.clone();
    both.annotations.extend(new.annotations);
    both.other.extend(new.other);
    both.platform = new.platform.or(both.platform);
    both.artifact_type = new.artifact_type.or(both.artifact_type);
    both.data = new.data.or(both.data);
    both
}

/// The error for a second image without a name: the two could not be told apart.
pub(crate) fn second_nameless(other: &Descriptor) -> Error {
    let message = format!("it holds an image without a name already, {}", other.digest);
    Error::new(ErrorKind::AlreadyExists, message).hint(Hint::NameImage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{ImageName, MediaType, sha256};

    fn image(content: &str, names: &[&str]) -> NewImage {
        let digest = sha256(content.as_bytes());
        let names = names.iter().map(|n| Written::new(&ImageName::new(n).unwrap()).unwrap());
        NewImage {
            names: names.collect(),
            entry: Descriptor::new(MediaType::ImageManifest, digest, content.len() as u64),
            beside: Vec::new(),
            referrers: Vec::new(),
            reached: BTreeSet::new(),
            needs: BTreeSet::new(),
            platform: None,
        }
    }

    fn listed(index: &LayoutIndex) -> Vec<(String, u64)> {
        let name = |e: &Descriptor| entry_name(e).unwrap_or("-").to_owned();
        index.entries().iter().map(|e| (name(e), e.size)).collect()
    }

    fn enter_them(index: &mut LayoutIndex, images: &[NewImage]) -> Result<()> {
        enter_all(index, images, &|_| Ok(false))
    }

    #[test]
    fn names_move() {
        let mut index = LayoutIndex::new();
        enter_them(&mut index, &[image("a", &["x", "y"]), image("bb", &["z"])]).unwrap();
        enter_them(&mut index, &[image("ccc", &["x", "docker.io/library/z:1"])]).unwrap();
        let expected = [("x", 3), ("y", 1), ("z", 2), ("docker.io/library/z:1", 3)];
        assert_eq!(listed(&index), expected.map(|(n, s)| (n.to_owned(), s)));
        // No nameless leftover, and none beside its name.
        enter_them(&mut index, &[image("dddd", &[]), image("dddd", &["y"])]).unwrap();
        let expected = [("x", 3), ("y", 4), ("z", 2), ("docker.io/library/z:1", 3)];
        assert_eq!(listed(&index), expected.map(|(n, s)| (n.to_owned(), s)));
    }

    #[test]
    fn what_another_writer_put_beside_an_image_is_not_replaced_unseen() {
        let with = |content: &str, before: Option<Asked>| {
            let tag = format!("sha256-{}.sig", "ab".repeat(32));
            let tag = Written::new(&ImageName::new(&tag).unwrap()).unwrap();
            let entry = image(content, &[]).entry;
            let mut new = image("image", &["x"]);
            new.beside.push(NewBeside { tag, entry, before });
            new
        };
        let digest = |content: &str| Some(sha256(content.as_bytes()));
        let mut index = LayoutIndex::new();
        let first = [with("1", Some(None)), with("22", Some(None))];
        enter_them(&mut index, &first).unwrap();
        for before in [None, digest("1")] {
            let error = enter_them(&mut index.clone(), &[with("333", Some(before))]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        for (content, before) in [("22", Some(None)), ("333", Some(digest("22"))), ("4444", None)] {
            enter_them(&mut index.clone(), &[with(content, before)]).unwrap();
        }
    }

    #[test]
    fn one_image_may_be_without_a_name() {
        let mut index = LayoutIndex::new();
        enter_them(&mut index, &[image("a", &["x"]), image("a", &[]), image("bb", &[])]).unwrap();
        enter_them(&mut index, &[image("bb", &[])]).unwrap();
        assert_eq!(listed(&index), [("x".to_owned(), 1), ("-".to_owned(), 2)]);
        let error = enter_them(&mut index, &[image("ccc", &[])]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("a name"), "{error}");
        enter_all(&mut index, &[image("ccc", &[])], &|entry| Ok(entry.size == 2)).unwrap();
    }

    #[test]
    fn the_same_again_keeps_what_others_wrote() {
        let mut index = LayoutIndex::new();
        let mut old = image("a", &["x"]);
        old.entry.annotations.insert("theirs".to_owned(), "1".to_owned());
        old.entry.other.insert("field".to_owned(), 7.into());
        let mut new = image("a", &["x"]);
        new.entry.platform = Some(Platform::new("linux", "amd64"));
        enter_them(&mut index, &[old, new]).unwrap();
        let [entry] = index.entries() else { panic!("{index:?}") };
        assert_eq!(entry.annotation("theirs"), Some("1"));
        assert!(entry.platform.is_some() && entry.other.contains_key("field"));
    }

    #[test]
    fn all_that_has_a_name_gives_way() {
        let mut index = LayoutIndex::new();
        for old in [image("a", &["x"]), image("bb", &["y"]), image("ccc", &["x"])] {
            let mut entry = old.entry.clone();
            old.names[0].put_on(&mut entry);
            index.push(entry);
        }
        index.push(image("dddd", &[]).entry);
        enter_them(&mut index, &[image("dddd", &["x", "y"]), image("dddd", &[])]).unwrap();
        let expected = [("x", 4), ("y", 4)];
        assert_eq!(listed(&index), expected.map(|(n, s)| (n.to_owned(), s)));
        enter_them(&mut index, &[image("a", &["x", "y"]), image("dddd", &[])]).unwrap();
        let expected = [("x", 1), ("y", 1), ("-", 4)];
        assert_eq!(listed(&index), expected.map(|(n, s)| (n.to_owned(), s)));
    }

    #[test]
    fn referrers_are_listed_once_and_without_a_name() {
        let mut index = LayoutIndex::new();
        let mut with = image("a", &["x"]);
        with.referrers.push(image("signature", &[]).entry);
        enter_them(&mut index, &[with.clone(), with, image("bb", &[])]).unwrap();
        let expected = [("x", 1), ("-", 9), ("-", 2)];
        assert_eq!(listed(&index), expected.map(|(n, s)| (n.to_owned(), s)));
    }
}
