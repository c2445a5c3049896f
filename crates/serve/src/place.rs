//! [`Place`]: where images are, and whether it has changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use transship_core::{
    ArchiveEntry, ArchiveReader, ErrorKind, ReadOptions, Reference, Result, Transport, WriteOptions,
};
use transship_local::{FileStamp, cut_path};

use crate::image::{FRESH, Image};
use crate::names::{Homes, served, served_beside};

/// The files by which a folder shows that its images have changed.
const TABLES: [&str; 2] = ["index.json", "manifest.json"];

/// A place whose images are served: an archive, a layout, a folder, a repository, an engine; or one image of it.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) reference: Reference,
    how: ReadOptions,
    path: Option<PathBuf>,
    pub(crate) writable: Option<WriteOptions>,
}

/// A place that was read.
#[derive(Debug)]
pub(crate) struct ReadPlace {
    pub(crate) images: Vec<Arc<Image>>,
    state: State,
    at: Instant,
}

/// By what a change shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It came through a pipe.
    Fixed,
    /// Of the file, or of the folder and its tables.
    Stamps(Vec<Option<FileStamp>>),
    /// It is no path.
    Unknown,
}

impl ReadPlace {
    /// The same, as of now.
    pub(crate) fn still(&self) -> Self {
        Self { images: self.images.clone(), state: self.state.clone(), at: Instant::now() }
    }
}

impl Place {
    /// A place, read by its transport.
    pub fn new(transport: Arc<dyn Transport>, reference: Reference, how: ReadOptions) -> Self {
        let archive = transport.archives().and_then(|archives| archives.archive_of(&reference));
        let (path, _) = cut_path(archive.as_ref().unwrap_or(&reference).locator());
        let path = PathBuf::from(path);
        let path = path.exists().then_some(path);
        // What was opened to recognize it would hide each change.
        let passed = how.passed.clone().filter(|_| path.is_none());
        let how = how.with_passed(passed);
        Self { transport, reference, how, path, writable: None }
    }

    /// It is pushed to as well, and need not be there yet. Only one place of a registry can be: a layout.
    #[must_use]
    pub fn writable(mut self, how: WriteOptions) -> Self {
        self.path.get_or_insert_with(|| PathBuf::from(cut_path(self.reference.locator()).0));
        self.writable = Some(how);
        self
    }

    /// Its reference.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Reads which images there are. Of a place that is gone, none.
    pub(crate) async fn read(&self, before: Option<&ReadPlace>) -> Result<ReadPlace> {
        let (state, at) = (self.state(), Instant::now());
        let may_be_gone = before.is_some() || self.writable.is_some();
        let images = match self.images(before).await {
            Err(error) if error.kind() == ErrorKind::NotFound && may_be_gone => Vec::new(),
            other => other?,
        };
        Ok(ReadPlace { images, state, at })
    }

    /// Whether it is a file or folder of this machine, as which it was found first.
    pub(crate) fn is_path(&self) -> bool {
        self.path.is_some()
    }

    /// Whether it has to be read again.
    pub(crate) fn has_changed(&self, read: &ReadPlace) -> bool {
        match &read.state {
            State::Fixed => false,
            State::Unknown => read.at.elapsed() >= FRESH,
            stamps @ State::Stamps(_) => self.state() != *stamps,
        }
    }

    async fn images(&self, before: Option<&ReadPlace>) -> Result<Vec<Arc<Image>>> {
        if let Some(reader) = self.reader().await? {
            let reader: Arc<dyn ArchiveReader> = reader.into();
            let is_only = reader.entries().len() == 1;
            let is_remote = self.transport.compares_roots() || reader.details_are_costly();
            let homes = homes(&*reader, is_only).await;
            let own = reader.entries().iter();
            let own = own.map(|entry| (entry, served(entry, is_only, reader.reference())));
            let beside = reader.beside().iter();
            let beside = beside.map(|entry| (entry, served_beside(entry, &homes)));
            let images = own.chain(beside).map(|(entry, served)| {
                // What is known of it still holds where the list says the same of it.
                let known = before.filter(|_| self.path.is_none()).and_then(|before| {
                    before
                        .images
                        .iter()
                        .find(|old| old.reference == entry.reference && old.served == served)
                });
                known.map_or_else(
                    || {
                        let (reader, entry) = (Arc::clone(&reader), entry.clone());
                        Arc::new(Image::of_archive(reader, entry, served.clone(), is_remote))
                    },
                    Arc::clone,
                )
            });
            return Ok(images.collect());
        }
        let source = self.transport.source(&self.reference, &self.how).await?;
        let mut entry = ArchiveEntry::new(0, self.reference.clone());
        entry.names = source.names().to_vec();
        let served = served(&entry, true, &self.reference);
        let (transport, reference) = (Arc::clone(&self.transport), self.reference.clone());
        Ok(vec![Arc::new(Image::alone(transport, reference, self.how.clone(), served))])
    }

    /// The archive, where the reference is not that of an image.
    async fn reader(&self) -> Result<Option<Box<dyn ArchiveReader>>> {
        let Some(archives) = self.transport.archives() else { return Ok(None) };
        if !archives.may_be_archive(&self.reference) {
            return Ok(None);
        }
        let reader = archives.read(&self.reference, &self.how).await?;
        Ok((*reader.reference() == self.reference).then_some(reader))
    }

    /// The image of a digest, whether or not it is listed.
    pub(crate) fn by_digest(&self, digest: &str) -> Option<Reference> {
        let archives = self.transport.archives()?;
        let place = archives.archive_of(&self.reference)?;
        self.transport.parse(&format!("{}@{digest}", place.locator())).ok()
    }

    pub(crate) fn how(&self) -> &ReadOptions {
        &self.how
    }

    fn state(&self) -> State {
        if self.how.passed.is_some() || cut_path(self.reference.locator()).0 == "-" {
            return State::Fixed;
        }
        let Some(path) = &self.path else { return State::Unknown };
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(|found| FileStamp::of(&found));
        let tables = TABLES.iter().map(|table| stamp(&path.join(table)));
        State::Stamps(std::iter::once(stamp(path)).chain(tables).collect())
    }
}

/// The repositories of the images that something may stand beside. What cannot be opened has nothing there.
async fn homes(reader: &dyn ArchiveReader, is_only: bool) -> Homes {
    let mut homes = Homes::new();
    if reader.beside().is_empty() {
        return homes;
    }
    for entry in reader.entries() {
        let Ok(source) = reader.open(entry).await else { continue };
        let Some(root) = source.root_descriptor() else { continue };
        let repositories = served(entry, is_only, reader.reference()).into_iter();
        homes
            .entry(root.digest.clone())
            .or_default()
            .extend(repositories.map(|served| served.repository));
    }
    homes
}
