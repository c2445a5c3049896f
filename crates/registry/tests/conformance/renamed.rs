//! A repository holds tags, and the kit asks for whole names: this writes them as tags, and reads them back. All else is the
//! registry's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Archives, Error, ErrorKind, ImageDestination,
    ImageName, ImageSource, ReadOptions, Reference, Result, Transport, WrapArchives,
    WrapDestination, WrapReader, WrapSource, WrapTransport, WrapWriter, WriteOptions, sha256,
};
use transship_registry::Registry;

/// The registry, with names as tags.
#[derive(Debug)]
pub(crate) struct Renamed(pub(crate) Registry);

fn to_tag(name: &ImageName) -> Result<ImageName> {
    // As the registry would: what is no docker name has no place in it.
    let Some(docker) = name.docker() else {
        let message = format!("{name} is not a name that a registry can hold");
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    let name = docker.or_latest().to_string();
    let mut tag = "n".to_owned();
    for byte in name.bytes() {
        let _ = write!(tag, "{byte:02x}");
    }
    if tag.len() > LONGEST {
        tag = format!("l{}", sha256(name.as_bytes()).encoded());
        long().insert(tag.clone(), name);
    }
    ImageName::new(&tag)
}

/// The longest tag, in bytes.
const LONGEST: usize = 128;

/// Names that are too long to be spelled out in a tag. Those that laws give to other processes are short.
fn long() -> MutexGuard<'static, BTreeMap<String, String>> {
    static LONG: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    LONG.lock().unwrap_or_else(PoisonError::into_inner)
}

fn from_tag(name: &ImageName) -> Option<ImageName> {
    let tag = name.as_str().rsplit_once(':')?.1;
    if let Some(name) = long().get(tag) {
        return ImageName::new(name).ok();
    }
    let hex = tag.strip_prefix('n')?;
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    ImageName::new(&String::from_utf8(bytes?).ok()?).ok()
}

fn to_tags(names: &[ImageName]) -> Result<Vec<ImageName>> {
    names.iter().map(to_tag).collect()
}

fn from_tags(names: &[ImageName]) -> Vec<ImageName> {
    names.iter().filter_map(from_tag).collect()
}

fn with_tags(how: &WriteOptions) -> Result<WriteOptions> {
    let mut how = how.clone();
    how.names = to_tags(&how.names)?;
    Ok(how)
}

#[async_trait]
impl WrapTransport for Renamed {
    fn inner(&self) -> &dyn Transport {
        &self.0
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(Source::new(self.0.source(at, how).await?)))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let inner = self.0.destination(at, &with_tags(how)?).await?;
        Ok(Box::new(Destination { names: from_tags(inner.names()), inner }))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }
}

#[async_trait]
impl WrapArchives for Renamed {
    fn inner(&self) -> &dyn Archives {
        &self.0
    }

    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let inner = self.0.read(at, how).await?;
        let mut entries = inner.entries().to_vec();
        for entry in &mut entries {
            entry.names = from_tags(&entry.names);
            entry.raw_names = entry.names.iter().map(ToString::to_string).collect();
        }
        Ok(Box::new(Reader { inner, entries }))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        Ok(Box::new(Writer(self.0.write(at, &with_tags(how)?).await?)))
    }
}

#[derive(Debug)]
struct Source {
    names: Vec<ImageName>,
    inner: Box<dyn ImageSource>,
}

impl Source {
    fn new(inner: Box<dyn ImageSource>) -> Self {
        Self { names: from_tags(inner.names()), inner }
    }
}

impl WrapSource for Source {
    fn inner(&self) -> &dyn ImageSource {
        &*self.inner
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }
}

#[derive(Debug)]
struct Destination<'w> {
    names: Vec<ImageName>,
    inner: Box<dyn ImageDestination + 'w>,
}

impl WrapDestination for Destination<'_> {
    fn inner(&self) -> &dyn ImageDestination {
        &*self.inner
    }

    fn into_inner<'a>(self: Box<Self>) -> Box<dyn ImageDestination + 'a>
    where
        Self: 'a,
    {
        self.inner
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }
}

#[derive(Debug)]
struct Reader {
    inner: Box<dyn ArchiveReader>,
    entries: Vec<ArchiveEntry>,
}

#[async_trait]
impl WrapReader for Reader {
    fn inner(&self) -> &dyn ArchiveReader {
        &*self.inner
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(Source::new(self.inner.open(entry).await?)))
    }
}

#[derive(Debug)]
struct Writer(Box<dyn ArchiveWriter>);

#[async_trait]
impl WrapWriter for Writer {
    fn inner(&self) -> &dyn ArchiveWriter {
        &*self.0
    }

    fn inner_mut(&mut self) -> &mut dyn ArchiveWriter {
        &mut *self.0
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let inner = self.0.image(&to_tags(names)?).await?;
        Ok(Box::new(Destination { names: from_tags(inner.names()), inner }))
    }
}
