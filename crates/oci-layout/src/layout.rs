//! [`Layout`]: an opened layout, wherever its files are.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use bytes::Bytes;
use transship_archive::docker_save::{
    MANIFEST_LIMIT as DOCKER_LIMIT, MANIFEST_NAME, parse_manifest,
};
use transship_archive::layout::{
    INDEX_FILE, INDEX_LIMIT, LAYOUT_FILE, LAYOUT_LIMIT, LayoutIndex, check_layout,
};
use transship_archive::{check_content, embedded_content};
use transship_core::{
    Body, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, FileRange, MANIFEST_LIMIT,
    Manifest, Result, ResultExt, sha256, subject_of_tag,
};

use crate::beside::Besides;
use crate::select::Root;
use crate::storage::Storage;

/// An opened layout: its `index.json` as it was then, and its blobs. Methods block.
#[derive(Debug)]
pub(crate) struct Layout {
    storage: Box<dyn Storage>,
    index: LayoutIndex,
    /// Of the bytes of `index.json`; `None` where it was not looked at.
    digest: Option<Digest>,
    /// What is said to be lacking, and is.
    needs: HashSet<Digest>,
    /// The entries whose manifests are about others, by the digest of what they are about.
    about: OnceLock<HashMap<Digest, Vec<Descriptor>>>,
    besides: Besides,
}

impl Layout {
    /// Reads `oci-layout` and `index.json`.
    pub(crate) fn open(storage: Box<dyn Storage>, cancel: &Cancel) -> Result<Self> {
        let Some(version) = storage.document(LAYOUT_FILE, LAYOUT_LIMIT)? else {
            return Err(no_layout("it has no file oci-layout"));
        };
        check_layout(&version)?;
        let Some(index) = storage.document(INDEX_FILE, INDEX_LIMIT)? else {
            return Err(no_layout("it has no file index.json"));
        };
        cancel.check()?;
        let digest = Some(sha256(&index));
        let index = LayoutIndex::parse(&index)?;
        let mut needs = HashSet::new();
        for digest in index.needs()? {
            cancel.check()?;
            if storage.blob(&digest)?.is_none() {
                needs.insert(digest);
            }
        }
        let besides = Besides::of(index.entries());
        Ok(Self { storage, index, digest, needs, about: OnceLock::new(), besides })
    }

    /// The blobs of a layout whose `index.json` is not looked at.
    pub(crate) fn over(storage: Box<dyn Storage>) -> Self {
        let (index, needs) = (LayoutIndex::new(), HashSet::new());
        let (about, besides) = (OnceLock::new(), Besides::default());
        Self { storage, index, digest: None, needs, about, besides }
    }

    /// For a delta: what the layout leaves out because the receiver has it.
    pub(crate) fn needs(&self) -> &HashSet<Digest> {
        &self.needs
    }

    /// `index.json` as it was.
    pub(crate) fn index(&self) -> &LayoutIndex {
        &self.index
    }

    /// All bytes of a blob, true to its digest; `None` when it is not here.
    pub(crate) fn bytes_of(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>> {
        let Some(range) = self.storage.blob(digest)? else { return Ok(None) };
        let of = Descriptor::new(transship_core::MediaType::from(""), digest.clone(), range.len());
        let bytes = range.bytes(limit, "it")?;
        check_content(&bytes, &of)?;
        Ok(Some(bytes))
    }

    /// Whether a blob begins as a JSON object does.
    pub(crate) fn begins_as_json(&self, digest: &Digest) -> Result<bool> {
        let Some(range) = self.storage.blob(digest)? else { return Ok(false) };
        let mut head = [0; 64];
        let read = range.read_at(0, &mut head)?;
        // Blanks in front are allowed; 64 of them are taken for an object.
        Ok(head[..read].trim_ascii_start().first().is_none_or(|first| *first == b'{'))
    }

    /// Whether a blob is here; its bytes are not looked at.
    pub(crate) fn holds(&self, digest: &Digest) -> Result<bool> {
        Ok(self.storage.blob(digest)?.is_some())
    }

    /// The entries of `index.json`.
    pub(crate) fn entries(&self) -> &[Descriptor] {
        self.index.entries()
    }

    /// Which of them stand beside an image.
    pub(crate) fn besides(&self) -> &Besides {
        &self.besides
    }

    /// The manifest that stands beside an image under a tag.
    pub(crate) fn manifest_beside(&self, tag: &str) -> Result<Option<Manifest>> {
        let Some(subject) = subject_of_tag(tag) else { return Ok(None) };
        let found = self.besides.about(&subject).into_iter().find(|(_, beside)| beside.tag == tag);
        found.map(|(at, _)| self.manifest(&self.entries()[at])).transpose()
    }

    /// A manifest or index, checked.
    pub(crate) fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        Manifest::verified(of, self.unchecked(of, MANIFEST_LIMIT, "manifest")?)
    }

    /// A manifest, if it is here and is one: for looking at entries that may not be what is asked for, whose
    /// faults must not hide the others.
    pub(crate) fn glance(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        if !of.may_be_manifest() {
            return Ok(None);
        }
        match self.manifest(of) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(e) if e.kind().is_of_content() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The paths of the configs that the `manifest.json` of `docker save` lists beside `index.json`: none where it is not there,
    /// or where docker could not read it either.
    pub(crate) fn configs_for_docker(&self) -> Result<HashSet<String>> {
        let bytes = self.storage.document(MANIFEST_NAME, DOCKER_LIMIT);
        let images =
            bytes.and_then(|bytes| bytes.map_or(Ok(Vec::new()), |bytes| parse_manifest(&bytes)));
        match images {
            Ok(images) => Ok(images.into_iter().map(|image| image.config).collect()),
            Err(e) if e.kind().is_of_content() => Ok(HashSet::new()),
            Err(e) => Err(e),
        }
    }

    /// All bytes of a small blob, checked; `what` says what it is, in errors.
    pub(crate) fn document(&self, of: &Descriptor, limit: u64, what: &str) -> Result<Bytes> {
        let bytes = self.unchecked(of, limit, what)?;
        check_content(&bytes, of).context(|| format!("{what} {}", of.digest))?;
        Ok(bytes)
    }

    fn unchecked(&self, of: &Descriptor, limit: u64, what: &str) -> Result<Bytes> {
        let name = || format!("{what} {}", of.digest);
        if of.size > limit {
            let message = format!("it has {} bytes, {limit} are the most", of.size);
            return Err(Error::new(ErrorKind::LimitExceeded, message).context(name()));
        }
        match self.range(of, what)? {
            Found::Embedded(bytes) => Ok(bytes),
            Found::File(range) if range.len() != of.size => {
                let message = format!("it has {} bytes, {} expected", range.len(), of.size);
                Err(Error::new(ErrorKind::Corrupt, message).context(name()))
            }
            Found::File(range) => range.bytes(limit, what).context(name),
        }
    }

    /// A config or layer; the body holds its bytes to the descriptor.
    pub(crate) fn blob(&self, of: &Descriptor) -> Result<Body> {
        let body = match self.range(of, "blob")? {
            Found::Embedded(bytes) => Body::from_bytes(bytes),
            Found::File(range) => Body::from_file(range),
        };
        body.expecting(&Expect::from(of)).context(|| format!("blob {}", of.digest))
    }

    /// Whether `index.json` still lists an image that was opened.
    ///
    /// # Errors
    /// `Corrupt`, I/O errors.
    pub(crate) fn still_lists(&self, root: &Root) -> Result<bool> {
        let Some(now) = self.storage.document(INDEX_FILE, INDEX_LIMIT)? else { return Ok(false) };
        if self.digest == Some(sha256(&now)) {
            return Ok(true);
        }
        let now = LayoutIndex::parse(&now)?;
        let listed: HashSet<&Digest> = now.entries().iter().map(|entry| &entry.digest).collect();
        Ok(match root {
            Root::Entry(at) => listed.contains(&self.entries()[*at].digest),
            // It may be below any of them, and is made of all of them.
            Root::Below(_) | Root::Together(_) => {
                self.entries().iter().all(|entry| listed.contains(&entry.digest))
            }
        })
    }

    /// What a manifest is about, if it is here and is about something.
    pub(crate) fn subject(&self, of: &Descriptor) -> Result<Option<Descriptor>> {
        Ok(self.glance(of)?.and_then(|manifest| manifest.document().subject().cloned()))
    }

    /// The entries whose manifests are about one, in stored order. All entries are read the first time.
    pub(crate) fn about(&self, subject: &Digest, cancel: &Cancel) -> Result<Vec<Descriptor>> {
        let about = if let Some(about) = self.about.get() {
            about
        } else {
            let found = self.find_subjects(cancel)?;
            self.about.get_or_init(|| found)
        };
        Ok(about.get(subject).cloned().unwrap_or_default())
    }

    fn find_subjects(&self, cancel: &Cancel) -> Result<HashMap<Digest, Vec<Descriptor>>> {
        let mut about: HashMap<Digest, Vec<Descriptor>> = HashMap::new();
        let mut seen = HashSet::new();
        for entry in self.entries() {
            cancel.check()?;
            if !seen.insert(&entry.digest) {
                continue;
            }
            if let Some(subject) = self.subject(entry)? {
                about.entry(subject.digest).or_default().push(entry.clone());
            }
        }
        Ok(about)
    }

    fn range(&self, of: &Descriptor, what: &str) -> Result<Found> {
        let embedded = embedded_content(of)?;
        match (self.storage.blob(&of.digest)?, embedded) {
            (Some(range), _) => Ok(Found::File(range)),
            (None, Some(bytes)) => Ok(Found::Embedded(bytes)),
            (None, None) if self.needs.contains(&of.digest) => Err(left_out(of, what)),
            (None, None) => Err(not_here(of, what)),
        }
    }
}

enum Found {
    File(FileRange),
    Embedded(Bytes),
}

/// The error of a blob that is not in the layout.
pub(crate) fn not_here(of: &Descriptor, what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{what} {} is not in the layout", of.digest))
}

fn left_out(of: &Descriptor, what: &str) -> Error {
    let message = format!("{what} {} is left out of this delta", of.digest);
    Error::new(ErrorKind::NotFound, message)
        .hint("copy the delta to a place that has what it was made against")
}

fn no_layout(why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::NotFound, why).context("there is no OCI layout")
}
