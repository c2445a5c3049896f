//! [`Contents`]: an archive, opened and indexed once, shared by its reader and its sources.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use transship_archive::TarIndex;
use transship_archive::docker_save::{self, MANIFEST_NAME, REPOSITORIES_NAME, SavedImage};
use transship_archive::layout::{INDEX_FILE, LAYOUT_FILE};
use transship_core::{
    ArchiveEntry, CONFIG_LIMIT, Cancel, Digest, Error, ErrorKind, Escaped, FileRange, ImageName,
    OncePer, ReadOptions, Result, ResultExt, sha256,
};

use crate::config::Config;
use crate::layer::Computed;
use crate::reference::{Locator, Selector, archive_name, reference_to};
use crate::stored::StoredManifests;

/// An archive, opened and indexed once.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The archive, without a choice among its images.
    pub(crate) place: Locator,
    pub(crate) index: Arc<TarIndex>,
    /// As `manifest.json` has them.
    pub(crate) images: Vec<SavedImage>,
    pub(crate) stored: StoredManifests,
    pub(crate) computed: Computed,
    /// By their entries: many images may have one.
    configs: OncePer<Arc<str>, Arc<ReadConfig>>,
}

/// A config that was read.
#[derive(Debug)]
struct ReadConfig {
    id: Digest,
    parsed: Result<Arc<Config>>,
}

impl Contents {
    /// Opens an archive and reads its headers and `manifest.json`.
    pub(crate) fn open(place: &Locator, how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        let place = place.with(Selector::None);
        let shown = || reference_to(&place);
        let index = TarIndex::open(Path::new(&place.path), how, cancel).context(shown)?;
        let index = Arc::new(index);
        Self::of(place.clone(), index, how).context(shown)
    }

    /// Of an archive that is indexed.
    pub(crate) fn of(place: Locator, index: Arc<TarIndex>, how: &ReadOptions) -> Result<Self> {
        if !index.contains(MANIFEST_NAME) {
            return Err(no_manifest(&index, &place));
        }
        let what = "the list of images";
        let manifest = index.document(MANIFEST_NAME, docker_save::MANIFEST_LIMIT, what)?;
        let images = docker_save::parse_manifest(&manifest)?;
        drop(manifest);
        let stored = StoredManifests::of(&index, &how.observer);
        let (computed, configs) = (Computed::default(), OncePer::default());
        Ok(Self { place, index, images, stored, computed, configs })
    }

    /// One for each image, in stored order. Large archives have ten thousands of names: this is work.
    pub(crate) fn entries(&self, cancel: &Cancel) -> Result<Vec<ArchiveEntry>> {
        let entry = |(at, image)| {
            cancel.check()?;
            Ok(entry_of(&self.place, &self.index, image, at))
        };
        let mut entries: Vec<_> =
            self.images.iter().enumerate().map(entry).collect::<Result<_>>()?;
        ArchiveEntry::warn_of_shared_names(&mut entries);
        Ok(entries)
    }

    /// The names of an image that are names, canonical, each once.
    pub(crate) fn names(&self, at: usize) -> Vec<ImageName> {
        names_of(&self.images[at]).filter_map(Result::ok).collect()
    }

    /// The config of an image, and where its bytes are.
    pub(crate) fn config(&self, at: usize) -> Result<(Arc<Config>, FileRange)> {
        let name = &self.images[at].config;
        let parsed = self.read_config(at).and_then(|read| read.parsed.clone());
        let config = parsed.context(|| format!("image @{at}: config \"{}\"", Escaped(name)))?;
        Ok((config, self.file(name)?))
    }

    /// The image ID of an image: its config's digest. What the config says is not looked at.
    pub(crate) fn id(&self, at: usize) -> Result<Digest> {
        Ok(self.read_config(at)?.id.clone())
    }

    fn read_config(&self, at: usize) -> Result<Arc<ReadConfig>> {
        let name = &self.images[at].config;
        let entry = self.index.target(name).map_err(incomplete)?;
        self.configs.get_or_compute(Arc::clone(entry), || {
            let bytes = self.index.document(name, CONFIG_LIMIT, "config")?;
            let parsed = Config::parse(&bytes).map(Arc::new);
            Ok(Arc::new(ReadConfig { id: sha256(&bytes), parsed }))
        })
    }

    /// A file that `manifest.json` names.
    pub(crate) fn file(&self, name: &str) -> Result<FileRange> {
        self.index.get(name).map_err(incomplete)
    }

    /// The archive as errors name it.
    pub(crate) fn shown(&self) -> String {
        reference_to(&self.place).to_string()
    }
}

/// What `manifest.json` names has to be there.
fn incomplete(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::new(ErrorKind::Corrupt, error.message().to_owned())
        .hint("manifest.json names it: the archive is incomplete")
}

fn no_manifest(index: &TarIndex, place: &Locator) -> Error {
    let unsupported = |message| Error::new(ErrorKind::Unsupported, message);
    if index.contains(INDEX_FILE) && index.contains(LAYOUT_FILE) {
        let path = place.to_string();
        return unsupported(
            "it holds an OCI layout, and no manifest.json as docker save writes it",
        )
        .hint(format!("read it as oci-archive:{path}"));
    }
    if index.contains(REPOSITORIES_NAME) {
        return unsupported(
            "it has no manifest.json: docker before 1.10 wrote it, and this release cannot read that form",
        )
        .hint("docker load it and docker save it again");
    }
    Error::new(ErrorKind::Corrupt, "it has no manifest.json: it is no archive of docker save")
}

fn entry_of(place: &Locator, index: &TarIndex, image: &SavedImage, at: usize) -> ArchiveEntry {
    let mut entry = ArchiveEntry::new(at, reference_to(&place.with(Selector::Index(at))));
    entry.raw_names = image.names().to_vec();
    for name in names_of(image) {
        match name {
            Ok(name) => entry.names.push(name),
            Err(error) => entry.warnings.push(error.to_string()),
        }
    }
    let files = std::iter::once(&image.config).chain(image.layer_names());
    for name in files {
        match index.get(name).map_err(|error| (error.kind(), error)) {
            Ok(_) => {}
            Err((ErrorKind::NotFound, _)) => {
                entry.warnings.push(format!("\"{}\" is missing", Escaped(name)));
            }
            Err((_, error)) => entry.warnings.push(error.to_string()),
        }
    }
    entry
}

/// The names of an image, canonical, each once; an error for each that is none.
fn names_of(image: &SavedImage) -> impl Iterator<Item = Result<ImageName>> {
    let mut seen = HashSet::new();
    image.names().iter().filter_map(move |raw| match archive_name(raw) {
        Ok(name) => {
            let name = ImageName::from(&name);
            seen.insert(name.clone()).then_some(Ok(name))
        }
        Err(error) => Some(Err(error)),
    })
}
