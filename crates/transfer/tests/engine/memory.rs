//! A transport over memory: one archive, what it can hold as a test says, and faults on demand.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use transship_core::*;

use crate::faults::{Faults, not_there, refuse};
use crate::once::Streams;

/// An image that shows.
#[derive(Clone, Debug)]
pub struct Shown {
    pub names: Vec<ImageName>,
    pub root: Manifest,
    pub absent: Vec<Digest>,
}

#[derive(Debug, Default)]
pub struct State {
    pub blobs: HashMap<Digest, Bytes>,
    pub manifests: HashMap<Digest, Manifest>,
    pub images: Vec<Shown>,
    pub signatures: HashMap<Option<Digest>, Vec<Bytes>>,
    pub faults: Faults,
    /// What was done, in order: `put DIGEST`, `manifest DIGEST`, `commit DIGEST`, `finish`.
    pub log: Vec<String>,
    /// Destinations that are open.
    pub open: usize,
    /// Blobs that are being put now, and the most that were.
    pub putting: (usize, usize),
    /// How often each manifest was read, and each blob opened.
    pub asked: HashMap<Digest, usize>,
    /// Whether it says of an image that it shows it already.
    pub tells: bool,
}

/// One archive in memory, and the transport to it.
#[derive(Clone, Debug)]
pub struct Memory {
    pub scheme: &'static str,
    pub state: Arc<Mutex<State>>,
    pub accepts: Accepts,
    /// Whether it can be opened as an archive.
    pub many: bool,
    /// Whether it holds only docker names.
    pub docker_names: bool,
    pub signatures: bool,
    pub streams: Streams,
    /// Bounds the requests that are open at once, as one host does for source and destination.
    pub line: Arc<Semaphore>,
}

impl Memory {
    pub fn new(scheme: &'static str) -> Self {
        Self {
            scheme,
            state: Arc::default(),
            accepts: Accepts::anything(),
            many: true,
            docker_names: false,
            signatures: false,
            streams: Streams::Never,
            line: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    pub fn accepting(mut self, change: impl FnOnce(&mut Accepts)) -> Self {
        change(&mut self.accepts);
        self
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The only transport of a program.
    pub fn alone(&self) -> Transports {
        Transports::new().with(Arc::new(self.clone()))
    }

    pub fn at(&self, locator: &str) -> Reference {
        Reference::new(self.scheme, locator)
    }

    /// One request. It takes a moment.
    async fn request(&self) {
        let _open = self.line.acquire().await.unwrap();
        tokio::task::yield_now().await;
    }

    pub fn puts(&self) -> usize {
        self.state().log.iter().filter(|line| line.starts_with("put ")).count()
    }

    pub fn add_blob(&self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.state().blobs.insert(digest.clone(), bytes);
        digest
    }

    pub fn add_manifest(&self, bytes: impl Into<Bytes>) -> Manifest {
        let manifest = Manifest::new(bytes).unwrap();
        let digest = manifest.descriptor().digest.clone();
        self.state().manifests.insert(digest, manifest.clone());
        manifest
    }

    pub fn show(&self, names: &[&str], root: &Manifest) {
        let names = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
        self.state().images.push(Shown { names, root: root.clone(), absent: Vec::new() });
    }

    fn source_of(&self, at: Reference, shown: Shown) -> Box<dyn ImageSource> {
        Box::new(MemorySource { memory: self.clone(), at, shown })
    }

    fn place(&self, names: Vec<ImageName>, pending: Option<Pending>) -> Box<dyn ImageDestination> {
        self.state().open += 1;
        let locator = names.first().map_or_else(|| "box".to_owned(), |name| format!("box:{name}"));
        Box::new(MemoryDestination { memory: self.clone(), at: self.at(&locator), names, pending })
    }

    fn check_names(&self, names: &[ImageName]) -> Result<()> {
        match names.iter().find(|name| self.docker_names && name.docker().is_none()) {
            Some(name) => {
                Err(Error::new(ErrorKind::InvalidInput, format!("{name} is not a docker name")))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Transport for Memory {
    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn syntax(&self) -> &'static str {
        "box[:NAME|:@INDEX]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(self.at(locator))
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let images = self.state().images.clone();
        let found = match at.locator().strip_prefix("box:") {
            None if images.len() == 1 => images.first().cloned(),
            None => {
                return Err(Error::new(ErrorKind::Ambiguous, "several images").hint("name one"));
            }
            Some(name) => match name.strip_prefix('@').and_then(|n| n.parse::<usize>().ok()) {
                Some(at) => images.get(at).cloned(),
                None => {
                    images.into_iter().find(|image| image.names.iter().any(|n| n.as_str() == name))
                }
            },
        };
        let shown = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such image"))?;
        Ok(self.source_of(at.clone(), shown))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let own = at.locator().strip_prefix("box:").map(|name| ImageName::new(name).unwrap());
        let mut names: Vec<ImageName> = own.into_iter().chain(how.names.clone()).collect();
        self.check_names(&names)?;
        if names.is_empty() {
            names.clone_from(&how.fallback_names);
            names.retain(|name| self.check_names(std::slice::from_ref(name)).is_ok());
        }
        Ok(self.place(names, None))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        self.many.then_some(self)
    }
}

#[async_trait]
impl Archives for Memory {
    async fn read(&self, _: &Reference, _: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let images = self.state().images.clone();
        let entries = images.iter().enumerate().map(|(index, shown)| {
            let mut entry = ArchiveEntry::new(index, self.at(&format!("box:@{index}")));
            entry.names.clone_from(&shown.names);
            entry
        });
        let entries = entries.collect();
        Ok(Box::new(MemoryReader { memory: self.clone(), at: self.at("box"), entries }))
    }

    async fn write(&self, at: &Reference, _: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        if at.locator() != "box" {
            return Err(Error::new(ErrorKind::InvalidInput, "it names an image"));
        }
        let pending = Arc::default();
        Ok(Box::new(MemoryWriter { memory: self.clone(), at: at.clone(), pending }))
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

type Pending = Arc<Mutex<Vec<Shown>>>;

#[derive(Debug)]
struct MemoryReader {
    memory: Memory,
    at: Reference,
    entries: Vec<ArchiveEntry>,
}

#[async_trait]
impl ArchiveReader for MemoryReader {
    fn reference(&self) -> &Reference {
        &self.at
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    async fn details(&self, _: &ArchiveEntry) -> Result<EntryDetails> {
        Ok(EntryDetails::default())
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let shown = self.memory.state().images[entry.index].clone();
        Ok(self.memory.source_of(entry.reference.clone(), shown))
    }
}

#[derive(Debug)]
struct MemoryWriter {
    memory: Memory,
    at: Reference,
    pending: Pending,
}

#[async_trait]
impl ArchiveWriter for MemoryWriter {
    fn reference(&self) -> &Reference {
        &self.at
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        self.memory.check_names(names)?;
        Ok(self.memory.place(names.to_vec(), Some(Arc::clone(&self.pending))))
    }

    fn staging(&self) -> Option<&dyn Staging> {
        (self.memory.streams == Streams::Stages).then_some(&self.memory)
    }

    async fn finish(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap());
        let mut state = self.memory.state();
        state.images.extend(pending);
        state.log.push("finish".to_owned());
        Ok(())
    }
}

#[derive(Debug)]
struct MemorySource {
    memory: Memory,
    at: Reference,
    shown: Shown,
}

#[async_trait]
impl ImageSource for MemorySource {
    fn reference(&self) -> &Reference {
        &self.at
    }

    fn names(&self) -> &[ImageName] {
        &self.shown.names
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.shown.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        self.memory.request().await;
        let mut state = self.memory.state();
        *state.asked.entry(of.digest.clone()).or_default() += 1;
        if state.faults.missing.contains(&of.digest) {
            return Err(not_there(&of.digest));
        }
        let found = state.manifests.get(&of.digest).ok_or_else(|| not_there(&of.digest))?;
        Manifest::verified(of, found.bytes().clone())
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        self.memory.request().await;
        self.memory.body(of)
    }

    fn sparse(&self) -> Sparse {
        self.memory.accepts.sparse
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        self.memory.signatures.then_some(self)
    }
}

#[async_trait]
impl Referrers for MemorySource {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let state = self.memory.state();
        let about = |manifest: &&Manifest| {
            let document = manifest.document();
            document.subject().is_some_and(|subject| subject.digest == *of)
        };
        let mut found: Vec<_> =
            state.manifests.values().filter(about).map(|m| m.descriptor().clone()).collect();
        found.sort_by_key(|descriptor| descriptor.digest.to_string());
        Ok(found)
    }
}

#[async_trait]
impl Signatures for MemorySource {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        Ok(self.memory.state().signatures.get(&of.cloned()).cloned().unwrap_or_default())
    }
}

struct MemoryDestination {
    memory: Memory,
    at: Reference,
    names: Vec<ImageName>,
    pending: Option<Pending>,
}

impl fmt::Debug for MemoryDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryDestination({})", self.at)
    }
}

impl Drop for MemoryDestination {
    fn drop(&mut self) {
        self.memory.state().open -= 1;
    }
}

struct Putting(Memory);

impl Putting {
    fn start(memory: &Memory) -> Self {
        let mut state = memory.state();
        state.putting.0 += 1;
        state.putting.1 = state.putting.1.max(state.putting.0);
        Self(memory.clone())
    }
}

impl Drop for Putting {
    fn drop(&mut self) {
        self.0.state().putting.0 -= 1;
    }
}

#[async_trait]
impl ImageDestination for MemoryDestination {
    fn reference(&self) -> &Reference {
        &self.at
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn accepts(&self) -> &Accepts {
        &self.memory.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        self.memory.request().await;
        let state = self.memory.state();
        let digest = want.digest.as_ref().expect("a digest to look for");
        let seen = state.blobs.get(digest).filter(|_| !state.faults.unseen.contains(digest));
        Ok(seen.map(|b| Stored::new(digest.clone(), b.len() as u64)))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let _putting = Putting::start(&self.memory);
        // Time for others to begin.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let body = body.expecting(&expect)?;
        if self.memory.refuses() {
            return refuse(body).await;
        }
        let bytes = body.bytes(1 << 30).await?;
        let digest = sha256(&bytes);
        let mut state = self.memory.state();
        if state.faults.unwritable.contains(&digest) {
            return Err(Error::new(ErrorKind::Unexpected, "the disk is full"));
        }
        state.log.push(format!("put {digest}"));
        let stored = Stored::new(digest.clone(), bytes.len() as u64);
        state.blobs.insert(digest, bytes);
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let digest = manifest.descriptor().digest.clone();
        let mut state = self.memory.state();
        state.log.push(format!("manifest {digest}"));
        state.manifests.insert(digest, manifest.clone());
        Ok(())
    }

    async fn shows_image(&self, root: &Manifest) -> Result<Option<Committed>> {
        let shows = self.memory.shows(&self.names, root);
        Ok(shows.then(|| Committed::new(root.descriptor().clone(), vec![self.at.clone()])))
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        self.memory.signatures.then_some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let root = what.root;
        self.memory.check_complete(&what);
        let mut state = self.memory.state();
        state.log.push(format!("commit {}", root.descriptor().digest));
        let absent = what.absent.iter().map(|absent| absent.digest.clone()).collect();
        let shown = Shown { names: self.names.clone(), root: root.clone(), absent };
        match &self.pending {
            Some(pending) => pending.lock().unwrap().push(shown),
            None => state.images.push(shown),
        }
        Ok(Committed::new(root.descriptor().clone(), vec![self.at.clone()]))
    }
}

#[async_trait]
impl PutSignatures for MemoryDestination {
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()> {
        self.memory.state().signatures.insert(of.cloned(), signatures);
        Ok(())
    }
}
