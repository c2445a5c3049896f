//! [`OciLayout`] and [`OciArchive`]: the two transports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::{Compressor, TarIndex, comes_once};
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, Cancel, Candidate, CollectOptions, Collected,
    Collection, DeleteMode, DeleteOptions, DeletedNames, Deletion, Digest, Error, ErrorKind,
    Identity, ImageDestination, ImageSource, Observer, OnePass, Passed, ReadOptions, Recognized,
    Reference, Result, ResultExt, Settings, Staging, Transport, WriteMode, WriteOptions,
    run_blocking,
};
use transship_local::{LockWait, PathText};

use crate::Kind;
use crate::archive::{self, LayoutReader};
use crate::collect;
use crate::delete::{self, Chosen};
use crate::destination;
use crate::layout::Layout;
use crate::reference::{Locator, Selector};
use crate::select::{self, image_names};
use crate::source::LayoutSource;
use crate::storage::{FolderStorage, Storage, TarStorage};
use crate::write::Medium;

/// The most malformed entries that are warned of when an image is opened beside them.
const MALFORMED_WARNED: usize = 10;

const SYNTAX: &str = "PATH[:NAME|:@INDEX|@DIGEST]";

/// `oci:`, images in a layout in a folder.
#[derive(Clone, Debug, Default)]
pub struct OciLayout {
    shared_blobs: Option<PathBuf>,
}

impl OciLayout {
    /// With the blobs in each layout itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// As the setting `oci.shared-blob-dir` says.
    pub fn with_settings(settings: &Settings) -> Self {
        let shared = settings.get("oci", "shared-blob-dir").filter(|path| !path.is_empty());
        Self { shared_blobs: shared.map(PathBuf::from) }
    }

    /// With the blobs of all layouts in one folder, which may be on another filesystem.
    #[must_use]
    pub fn with_shared_blobs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.shared_blobs = Some(folder.into());
        self
    }

    fn medium(&self) -> Medium {
        Medium::Folder { shared: self.shared_blobs.clone() }
    }

    async fn open(&self, at: &Locator) -> Result<Arc<Layout>> {
        let (path, shared) = (PathBuf::from(&at.path), self.shared_blobs.clone());
        run_blocking(move |cancel| {
            check_folder(&path)?;
            let opened = opened(Box::new(FolderStorage::new(&path, shared.as_deref())), cancel);
            opened.map_err(|e| match e.kind() {
                ErrorKind::NotFound if path.join("version").is_file() => {
                    e.hint("it may be an image of dir:")
                }
                _ => e,
            })
        })
        .await
    }
}

/// `oci-archive:`, images in a layout in a tar.
#[derive(Clone, Debug)]
pub struct OciArchive {
    docker_manifest: bool,
    compressor: Option<Compressor>,
}

impl Default for OciArchive {
    fn default() -> Self {
        Self { docker_manifest: true, compressor: None }
    }
}

impl OciArchive {
    /// With a `manifest.json` for docker in what is written.
    pub fn new() -> Self {
        Self::default()
    }

    /// As the settings `oci-archive.docker-manifest` and `oci-archive.archive-compress` say.
    ///
    /// # Errors
    /// `InvalidInput` when the first is neither `true` nor `false`; see [`Compressor::parse`] for the other.
    pub fn with_settings(settings: &Settings) -> Result<Self> {
        let docker_manifest = match settings.get("oci-archive", "docker-manifest") {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => {
                let message =
                    format!("oci-archive.docker-manifest is {other:?}, neither true nor false");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        };
        let compressor = settings.get("oci-archive", "archive-compress").map(Compressor::parse);
        let compressor = compressor.transpose().context(|| "oci-archive.archive-compress")?;
        Ok(Self { docker_manifest, compressor })
    }

    fn medium(&self) -> Medium {
        Medium::Tar { docker_manifest: self.docker_manifest, compressor: self.compressor }
    }

    async fn open(at: &Locator, how: &ReadOptions) -> Result<Arc<Layout>> {
        let (path, how) = (PathBuf::from(&at.path), how.clone());
        run_blocking(move |cancel| {
            let index = TarIndex::open(&path, &how, cancel)?;
            let of_docker = index.contains(MANIFEST_NAME);
            opened(Box::new(TarStorage::new(Arc::new(index))), cancel).map_err(|e| match e.kind() {
                ErrorKind::NotFound if of_docker => {
                    e.hint("it is an archive of docker save: docker-archive: reads it")
                }
                _ => e,
            })
        })
        .await
    }
}

/// The path of what was found, as a locator has it.
fn path_text(found: &Candidate) -> Option<String> {
    // Only text can name the place.
    found.path().to_str().map(|path| PathText(path).to_string())
}

#[async_trait]
impl Transport for OciLayout {
    fn scheme(&self) -> &'static str {
        Kind::Folder.scheme()
    }

    fn syntax(&self) -> &'static str {
        SYNTAX
    }

    fn default_mode(&self) -> WriteMode {
        Kind::Folder.default_mode()
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        parse(Kind::Folder, locator)
    }

    fn recognize(&self, found: &Candidate, _: &Cancel) -> Result<Option<Recognized>> {
        let is_layout = found.is_folder() && found.path().join("oci-layout").is_file();
        Ok(path_text(found).filter(|_| is_layout).map(Recognized::new))
    }

    fn identity(&self, at: &Reference) -> Identity {
        identity(at)
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let place = Kind::Folder.place(at)?;
        let layout = self.open(&place).await.context(|| at)?;
        source(layout, at, place, &how.observer).await
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        destination::open(self.medium(), at, how).await
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }

    fn collection(&self) -> Option<&dyn Collection> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for OciLayout {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        self.delete_where(at, None, how).await
    }

    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        self.delete_where(at, Some(root.clone()), how).await
    }
}

impl OciLayout {
    async fn delete_where(
        &self,
        at: &Reference,
        root: Option<Digest>,
        how: &DeleteOptions,
    ) -> Result<()> {
        let (place, shared) = (Kind::Folder.place(at)?, self.shared_blobs.clone());
        if how.mode == DeleteMode::Look {
            let layout = self.open(&place).await.context(|| at)?;
            return look(layout, place, root, how.names).await.context(|| at);
        }
        let (wait, names) = (LockWait::from(how), how.names);
        let deleted = run_blocking(move |cancel| {
            let path = Path::new(&place.path);
            check_folder(path)?;
            let chosen = Chosen { select: &place.select, names, root: root.as_ref() };
            delete::from_folder(path, shared.as_deref(), chosen, &wait, cancel)
        });
        deleted.await.context(|| at)
    }
}

#[async_trait]
impl Collection for OciLayout {
    async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected> {
        let (place, how) = (Kind::Folder.place(at)?, how.clone());
        if place.select != Selector::None {
            let message =
                format!("{at} names an image, and garbage is collected in a whole layout");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("leave out what stands behind the path"));
        }
        if let Some(shared) = &self.shared_blobs {
            let message =
                format!("{} is shared, and other layouts may need its blobs", shared.display());
            return Err(Error::new(ErrorKind::Unsupported, message).context(at));
        }
        let collected = run_blocking(move |cancel| {
            let path = Path::new(&place.path);
            check_folder(path)?;
            collect::collect(path, &how, cancel)
        });
        collected.await.context(|| at)
    }
}

#[async_trait]
impl Archives for OciLayout {
    async fn read(&self, at: &Reference, _how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let place = Kind::Folder.place(at)?;
        let layout = self.open(&place).await.context(|| at)?;
        reader(Kind::Folder, layout, at, place).await
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        archive::write(self.medium(), at, how).await
    }
}

#[async_trait]
impl Transport for OciArchive {
    fn scheme(&self) -> &'static str {
        Kind::Tar.scheme()
    }

    fn syntax(&self) -> &'static str {
        SYNTAX
    }

    fn default_mode(&self) -> WriteMode {
        Kind::Tar.default_mode()
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        parse(Kind::Tar, locator)
    }

    fn recognize(&self, found: &Candidate, cancel: &Cancel) -> Result<Option<Recognized>> {
        let Some((tar, opened)) = TarIndex::of_candidate(found, cancel)? else { return Ok(None) };
        let is_layout = tar.contains("index.json");
        let path = path_text(found).filter(|_| is_layout);
        Ok(path.map(|path| Recognized::new(path).opened(opened)))
    }

    fn identity(&self, at: &Reference) -> Identity {
        identity(at)
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let place = Kind::Tar.place(at)?;
        let layout = Self::open(&place, how).await.context(|| at)?;
        source(layout, at, place, &how.observer).await
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        destination::open(self.medium(), at, how).await
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for OciArchive {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        Self::delete_where(at, None, how).await
    }

    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        Self::delete_where(at, Some(root.clone()), how).await
    }
}

impl OciArchive {
    async fn delete_where(at: &Reference, root: Option<Digest>, how: &DeleteOptions) -> Result<()> {
        let place = Kind::Tar.place(at)?;
        if how.mode == DeleteMode::Look {
            let read = ReadOptions::default().with_observer(how.observer.clone());
            let layout = Self::open(&place, &read).await.context(|| at)?;
            return look(layout, place, root, how.names).await.context(|| at);
        }
        let (wait, names) = (LockWait::from(how), how.names);
        let deleted = run_blocking(move |cancel| {
            let chosen = Chosen { select: &place.select, names, root: root.as_ref() };
            delete::from_tar(Path::new(&place.path), chosen, &wait, cancel)
        });
        deleted.await.context(|| at)
    }
}

#[async_trait]
impl Archives for OciArchive {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let place = Kind::Tar.place(at)?;
        let layout = Self::open(&place, how).await.context(|| at)?;
        reader(Kind::Tar, layout, at, place).await
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        archive::write(self.medium(), at, how).await
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

#[async_trait]
impl OnePass for OciArchive {
    async fn comes_once(&self, at: &Reference) -> bool {
        Kind::Tar.place(at).is_ok_and(|place| comes_once(Path::new(&place.path)))
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        let place = Kind::Tar.place(at)?;
        transship_archive::pass(Path::new(&place.path), how, into).await.context(|| at)
    }
}

fn parse(kind: Kind, locator: &str) -> Result<Reference> {
    Locator::parse(locator).map(|locator| kind.reference(&locator))
}

/// Whether what a deletion would delete is there.
async fn look(
    layout: Arc<Layout>,
    place: Locator,
    root: Option<Digest>,
    names: DeletedNames,
) -> Result<()> {
    let look = move |cancel: &Cancel| {
        let chosen = Chosen { select: &place.select, names, root: root.as_ref() };
        delete::without(&layout, chosen, cancel).map(drop)
    };
    run_blocking(look).await
}

/// The path counts, not the name in the layout. What comes through a pipe has no path.
fn identity(at: &Reference) -> Identity {
    match Locator::parse(at.locator()) {
        Ok(Locator { path, .. }) if path != "-" => Identity::of_path(Path::new(&path)),
        _ => Identity::unnamed(),
    }
}

fn opened(storage: Box<dyn Storage>, cancel: &Cancel) -> Result<Arc<Layout>> {
    Layout::open(storage, cancel).map(Arc::new)
}

/// Says what is wrong with a place where no layout can be.
fn check_folder(path: &Path) -> Result<()> {
    let found = path.metadata().map_err(|e| Error::io("opening", path, e))?;
    if found.is_dir() {
        return Ok(());
    }
    let message = format!("{} is no folder", path.display());
    Err(Error::new(ErrorKind::Unsupported, message).hint("a layout in a tar is oci-archive:"))
}

async fn source(
    layout: Arc<Layout>,
    at: &Reference,
    place: Locator,
    observer: &Observer,
) -> Result<Box<dyn ImageSource>> {
    if place.select == Selector::None {
        for entry in layout.index().malformed().take(MALFORMED_WARNED) {
            observer.warn(format!("{at}: it is not looked at: {}", entry.error()));
        }
    }
    let on = Arc::clone(&layout);
    let chosen = run_blocking(move |cancel| select::choose(&on, &place.select, cancel)).await;
    let chosen = chosen.context(|| at)?;
    let names = image_names(&chosen.raw_names);
    Ok(Box::new(LayoutSource::new(layout, at.clone(), chosen.root, names)))
}

async fn reader(
    kind: Kind,
    layout: Arc<Layout>,
    at: &Reference,
    place: Locator,
) -> Result<Box<dyn ArchiveReader>> {
    let reader = run_blocking(move |cancel| LayoutReader::new(kind, &place, layout, cancel)).await;
    Ok(Box::new(reader.context(|| at)?))
}
