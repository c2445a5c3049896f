//! [`Archives`], [`ArchiveReader`], [`ArchiveWriter`]: archives.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;

use crate::{
    EntryDetails, ImageDestination, ImageName, ImageSource, OnePass, ReadOptions, Reference,
    Result, ResultExt, Staging, WriteOptions,
};

/// The ability to hold several images in one archive.
#[async_trait]
pub trait Archives: Send + Sync {
    /// Opens and indexes an archive.
    ///
    /// - What the reference says beyond the archive's place is not looked at.
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>>;

    /// The archive that a reference is in, where its text alone tells: then a reference that is another one names an image, and
    /// nothing has to be listed to see that.
    ///
    /// - It is the archive that [`read`](Self::read) opens for that reference.
    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        let _ = at;
        None
    }

    /// Whether a reference may be that of an archive: only then there is something to list.
    ///
    /// - It may be, for the reference of each archive that is there.
    fn may_be_archive(&self, at: &Reference) -> bool {
        self.archive_of(at).is_none_or(|place| place == *at)
    }

    /// Begins to write an archive.
    ///
    /// - Nothing changes that shows.
    /// - `InvalidInput` when the reference names an image in it: names are given to each image.
    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>>;

    /// The ability to read an archive that comes once.
    fn one_pass(&self) -> Option<&dyn OnePass> {
        None
    }
}

/// An archive of images, opened and indexed once.
#[async_trait]
pub trait ArchiveReader: fmt::Debug + Send + Sync {
    /// The archive.
    fn reference(&self) -> &Reference;

    /// Its images, in stored order.
    ///
    /// - Each entry's reference opens the same image in a new transport value, in another process too.
    /// - Untagged images are there. Only an engine may leave out those that another image is built on.
    /// - What stands [beside](crate::PutBeside) an image is no image: it is not there.
    /// - Each name is there once, if a writer wrote it; archives of other tools may have it more often.
    fn entries(&self) -> &[ArchiveEntry];

    /// What stands [beside](crate::PutBeside) its images under names of its own, and can be [opened](Self::open): signatures,
    /// attestations, SBOMs. Callers that serve or copy all that is here need them; where they cost requests, they may be left out.
    fn beside(&self) -> &[ArchiveEntry] {
        &[]
    }

    /// How many of these there are, also where [`beside`](Self::beside) leaves them out.
    fn count_beside(&self) -> usize {
        self.beside().len()
    }

    /// What is known of an image without reading its layers.
    ///
    /// - What it says is what reading the image would say. Where [details are costly](Self::details_are_costly), the root, the
    ///   image ID and variants of platforms may be left out, and the size may be an estimate.
    ///
    /// By default it opens the image and [reads](EntryDetails::read) its manifests and configs, which is enough unless
    /// the archive knows it for less.
    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        let source = self.open(entry).await?;
        EntryDetails::read(&*source).await.context(|| &entry.reference)
    }

    /// Whether the [details](Self::details) of each image cost requests to another machine. Then a program that lists many images
    /// shows their names, and asks for details only if somebody wants them.
    fn details_are_costly(&self) -> bool {
        false
    }

    /// Opens one of its images. The source may outlive the reader.
    ///
    /// - An entry of another reader is `NotFound`.
    /// - After a write it is the image that the reader lists, or an error, and never another one.
    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>>;
}

/// One image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveEntry {
    /// Its position, from 0: the `N` of `@N`.
    pub index: usize,
    /// A reference that opens it, whatever its names.
    pub reference: Reference,
    /// Its names.
    pub names: Vec<ImageName>,
    /// Its names as they stand in the archive, also those that are no names.
    pub raw_names: Vec<String>,
    /// What is wrong with it without making it unreadable.
    pub warnings: Vec<String>,
}

impl ArchiveEntry {
    /// An entry without names and warnings.
    pub fn new(index: usize, reference: Reference) -> Self {
        Self { index, reference, names: Vec::new(), raw_names: Vec::new(), warnings: Vec::new() }
    }

    /// Warns, in each entry, of the names that others have too.
    pub fn warn_of_shared_names(entries: &mut [Self]) {
        let mut holders = HashMap::<ImageName, usize>::new();
        for name in entries.iter().flat_map(|entry| &entry.names) {
            *holders.entry(name.clone()).or_default() += 1;
        }
        for entry in entries {
            let shared = entry.names.iter().filter(|name| holders[*name] > 1);
            entry.warnings.extend(shared.map(|name| format!("another image is named {name} too")));
        }
    }
}

/// An archive being written. Its images share blobs; they share no names.
///
/// - A blob that images share is stored once.
/// - Dropped without [`finish`](Self::finish), it leaves what was there as it was.
#[async_trait]
pub trait ArchiveWriter: fmt::Debug + Send + Sync {
    /// The archive.
    fn reference(&self) -> &Reference;

    /// Opens a place for one more image. It borrows the writer, so no image can be open at `finish`. Several may be open
    /// at once.
    ///
    /// - Images are kept in the order of their commits.
    /// - A name that an earlier image has is taken over.
    /// - An image that is there already gets the names in addition.
    /// - Where [one](crate::AcceptsNameless::One) image may be without a name, a second one is refused with
    ///   `AlreadyExists`: here, at its commit or at `finish`.
    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>>;

    /// The ability to keep blobs before it is known what they are for, shared by all its images.
    fn staging(&self) -> Option<&dyn Staging> {
        None
    }

    /// Writes the table of contents and puts the archive in place. Where
    /// [`shows`](crate::Accepts::shows) is `AtFinish`, nothing shows without it.
    ///
    /// - All or nothing, durably, also when its future is dropped.
    /// - When it fails, it can be called again: all images that were committed are still there for it. What goes out while
    ///   it is written, as to a pipe or an engine, cannot be taken back: then it fails again.
    async fn finish(&mut self) -> Result<()>;
}
