//! Entries that stand beside an image: signatures, attestations and SBOMs that cosign keeps under tags.

use std::collections::{BTreeMap, HashMap, HashSet};

use transship_archive::layout::entry_name;
use transship_core::{Descriptor, Digest, tag_beside, tags_beside};

/// The annotation in which `cosign save` says what an entry is.
const KIND: &str = "kind";
const KIND_PREFIX: &str = "dev.cosignproject.cosign/";

/// Which entries of an `index.json` stand beside an image, and are none. Two ways are known: a name that is the tag, and the
/// annotation of `cosign save`, which writes no such name.
#[derive(Debug, Default)]
pub(crate) struct Besides {
    /// By the position among the entries.
    all: BTreeMap<usize, Beside>,
    /// The positions, by what they are about.
    about: HashMap<Digest, Vec<usize>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The tag that it has in a registry.
    pub(crate) tag: String,
    pub(crate) subject: Digest,
    pub(crate) form: Form,
}

/// Where an entry says it; of several with one tag, the first form counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The tag is its name.
    Tag,
    /// The tag is a part of its name.
    Name,
    /// `cosign save` says so.
    Kind,
}

impl Besides {
    pub(crate) fn of(entries: &[Descriptor]) -> Self {
        let saved = SavedImages::of(entries);
        let beside = |entry: &Descriptor| named(entry).or_else(|| saved.beside(entry));
        let mut this = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            if let Some(beside) = beside(entry) {
                this.about.entry(beside.subject.clone()).or_default().push(at);
                this.all.insert(at, beside);
            }
        }
        this
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn at(&self, position: usize) -> Option<&Beside> {
        self.all.get(&position)
    }

    /// What stands beside a manifest, with the positions: one of each tag.
    pub(crate) fn about(&self, subject: &Digest) -> Vec<(usize, &Beside)> {
        let all = self.about.get(subject).into_iter().flatten();
        let mut all: Vec<_> = all.filter_map(|at| Some((*at, self.at(*at)?))).collect();
        all.sort_by_key(|(at, beside)| (&beside.tag, beside.form, *at));
        all.dedup_by_key(|(_, beside)| &beside.tag);
        all
    }
}

fn named(entry: &Descriptor) -> Option<Beside> {
    let name = entry_name(entry)?;
    let (tag, subject) = tag_beside(name)?;
    let form = if name == tag { Form::Tag } else { Form::Name };
    Some(Beside { tag: tag.to_owned(), subject, form })
}

/// The images of `cosign save`, by their names; it writes one to a layout, and most often without a name.
struct SavedImages<'a>(HashMap<Option<&'a str>, HashSet<&'a Digest>>);

impl<'a> SavedImages<'a> {
    fn of(entries: &'a [Descriptor]) -> Self {
        let mut images: HashMap<_, HashSet<_>> = HashMap::new();
        for entry in entries.iter().filter(|e| matches!(kind(e), Some("image" | "imageIndex"))) {
            images.entry(entry_name(entry)).or_default().insert(&entry.digest);
        }
        Self(images)
    }

    /// What an entry says of the one image that has its name.
    fn beside(&self, entry: &Descriptor) -> Option<Beside> {
        let at = ["sigs", "atts", "sboms"].iter().position(|known| kind(entry) == Some(known))?;
        let images = self.0.get(&entry_name(entry)).filter(|images| images.len() == 1)?;
        let subject = (*images.iter().next()?).clone();
        let tag = tags_beside(&subject).into_iter().nth(at)?;
        Some(Beside { tag, subject, form: Form::Kind })
    }
}

fn kind(entry: &Descriptor) -> Option<&str> {
    entry.annotation(KIND)?.strip_prefix(KIND_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_archive::layout::REF_NAME;
    use transship_core::{MediaType, sha256};

    fn entry(content: &str, annotations: &[(&str, &str)]) -> Descriptor {
        let mut entry = Descriptor::new(MediaType::ImageManifest, sha256(content.as_bytes()), 1);
        let annotations = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        entry.annotations.extend(annotations);
        entry
    }

    fn found(entries: &[Descriptor]) -> Vec<(usize, String)> {
        let all = Besides::of(entries).all.into_iter();
        all.map(|(at, beside)| (at, beside.tag)).collect()
    }

    #[test]
    fn both_ways_are_known() {
        let [sig, att, _] = tags_beside(&sha256(b"image"));
        let named = [
            entry("image", &[(REF_NAME, "1")]),
            entry("s", &[(REF_NAME, &sig)]),
            entry("a", &[(REF_NAME, &format!("host.x/app:{att}"))]),
        ];
        assert_eq!(found(&named), [(1, sig.clone()), (2, att.clone())]);
        let [image, sigs, atts] = [
            "dev.cosignproject.cosign/image",
            "dev.cosignproject.cosign/sigs",
            "dev.cosignproject.cosign/atts",
        ];
        let saved = [
            entry("image", &[(KIND, image)]),
            entry("s", &[(KIND, sigs)]),
            entry("a", &[(KIND, atts)]),
            entry("other", &[(KIND, sigs), (REF_NAME, "other")]),
        ];
        assert_eq!(found(&saved), [(1, sig), (2, att)]);
        // Of which of two it is, nothing says.
        let two = [&saved[..2], &[entry("second", &[(KIND, image)])]].concat();
        assert_eq!(found(&two), []);
    }
}
