//! [`SlippingDestination`]: writing, with a slip.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Accepts, Body, Commit, Committed, Contents, DeleteOptions, Descriptor, Digest, Document, Error,
    ErrorKind, Expect, ImageDestination, ImageName, Manifest, MediaType, PutBeside, PutSignatures,
    ReadOptions, Reference, Result, Shows, Staging, Stored, Transport, WriteMode, WriteOptions,
};

use super::transport::{LONG, Slipping, grow, later};
use super::{ANOTHER, OCI, Slip};

const LIMIT: u64 = 1 << 30;

#[derive(Debug)]
pub struct SlippingDestination<'w> {
    pub(super) of: Slipping,
    pub(super) at: Reference,
    /// How it is opened by itself.
    pub(super) how: Option<WriteOptions>,
    pub(super) inner: Box<dyn ImageDestination + 'w>,
    /// Written with the commit, where nothing is.
    files: Mutex<Vec<(PathBuf, Bytes)>>,
    has_put: AtomicBool,
}

impl<'w> SlippingDestination<'w> {
    pub fn new(
        of: Slipping,
        at: Reference,
        how: Option<WriteOptions>,
        inner: Box<dyn ImageDestination + 'w>,
    ) -> Self {
        Self { of, at, how, inner, files: Mutex::default(), has_put: AtomicBool::new(false) }
    }

    async fn read(&self, of: &Descriptor) -> Option<Manifest> {
        let body = self.inner.contents()?.read(of).await.ok()??;
        Manifest::verified(of, body.bytes(LIMIT).await.ok()?).ok()
    }

    /// Children of children.
    async fn below(&self, root: &Manifest) -> Vec<(Descriptor, Manifest)> {
        let (mut found, mut waiting) = (Vec::new(), vec![root.clone()]);
        while let Some(manifest) = waiting.pop() {
            let Document::Index(index) = manifest.document() else { continue };
            for child in &index.manifests {
                let Some(read) = self.read(child).await else { continue };
                found.push((child.clone(), read.clone()));
                waiting.push(read);
            }
        }
        found
    }

    /// What may be missing by a slip.
    async fn overlooked(&self, root: &Manifest) -> Vec<Descriptor> {
        let mut overlooked = Vec::new();
        if self.of.slip == Slip::DataIsTakenForPut {
            let parts = root.document().parts();
            overlooked.extend(parts.filter(|part| part.data.is_some()).cloned());
        }
        for (child, manifest) in self.below(root).await {
            let direct = root.document().parts().any(|own| own.digest == child.digest);
            match (self.of.slip, manifest.document()) {
                (Slip::CommitLooksOneLevelDeep, Document::Index(index)) if direct => {
                    for nested in &index.manifests {
                        overlooked.push(nested.clone());
                        let read = self.read(nested).await;
                        overlooked.extend(read.iter().flat_map(|m| m.document().parts()).cloned());
                    }
                }
                (Slip::CommitForgetsConfigsBelow, Document::Image(image)) => {
                    overlooked.push(image.config.clone());
                }
                _ => {}
            }
        }
        overlooked
    }

    /// Blobs that a walk with one set of digests does not reach.
    async fn lose(&self, root: &Manifest) {
        let below = self.below(root).await;
        let layers: HashSet<Digest> = below
            .iter()
            .filter(|(_, manifest)| matches!(manifest.document(), Document::Image(_)))
            .flat_map(|(_, manifest)| manifest.document().parts().map(|part| part.digest.clone()))
            .collect();
        let mut lost = self.of.state.lost.lock().unwrap();
        if self.of.slip == Slip::ContentIsLost {
            let manifests = below.iter().map(|(_, manifest)| manifest).chain([root]);
            let indexes = manifests.filter(|m| matches!(m.document(), Document::Index(_)));
            let contents = indexes.flat_map(|index| index.document().parts());
            let contents = contents.filter(|part| !part.may_be_manifest());
            lost.extend(contents.map(|part| part.digest.clone()));
        }
        for (child, manifest) in below.iter().filter(|(child, _)| layers.contains(&child.digest)) {
            match (self.of.slip, manifest.document()) {
                (Slip::OneSetOfDigests, Document::Image(image)) => {
                    lost.insert(image.config.digest.clone());
                }
                (Slip::LayerThatIsAManifestIsLost, _) => {
                    lost.insert(child.digest.clone());
                }
                _ => {}
            }
        }
    }

    /// Whether the image is there already.
    async fn is_there(&self, root: &Manifest) -> Option<Reference> {
        let place = self.of.place(&self.at);
        let reader =
            self.of.archives_of_memory().read(&place, &ReadOptions::default()).await.ok()?;
        for entry in reader.entries() {
            let there = reader.open(entry).await.ok()?.root().await.ok()?;
            if there.bytes() == root.bytes() {
                return Some(entry.reference.clone());
            }
        }
        None
    }

    /// What is there already, and comes again.
    async fn again(&self, what: &Commit<'_>) -> Result<Option<WriteOptions>> {
        let Some(there) = self.is_there(what.root).await else { return Ok(None) };
        let source = self.of.memory.source(&there, &ReadOptions::default()).await?;
        let digest = what.root.descriptor().digest.clone();
        match self.of.slip {
            Slip::AgainIsLast | Slip::SignaturesGoAgain => {
                let mut how = self.how.clone().unwrap_or_default();
                how.names.extend(source.names().iter().cloned());
                let delete = self.of.memory.deletion().unwrap();
                delete.delete(&there, &DeleteOptions::default()).await?;
                return Ok(Some(how));
            }
            Slip::LessIsMore => {
                let absent = what.absent.iter().map(|absent| absent.digest.clone());
                self.of.state.gone.lock().unwrap().insert(digest, absent.collect());
            }
            Slip::GapsStay => {
                let mut late = HashSet::new();
                for (child, _) in self.below(what.root).await {
                    if source.manifest(&child).await.is_err() {
                        late.insert(child.digest);
                    }
                }
                self.of.state.late.lock().unwrap().extend(late);
            }
            _ => {}
        }
        Ok(None)
    }

    async fn blocks(&self) -> Result<()> {
        let state = &self.of.state;
        match self.of.slip {
            Slip::CommitBlocks => std::thread::sleep(LONG),
            Slip::CommitSpins => {
                while state.busy.swap(1, Ordering::SeqCst) == 1 {
                    std::thread::yield_now();
                }
                tokio::task::yield_now().await;
                state.busy.store(0, Ordering::SeqCst);
            }
            _ => {}
        }
        self.of.in_first().await
    }

    async fn is_lost(&self, manifest: &Manifest) -> bool {
        let Some(subject) = manifest.document().subject() else { return false };
        let put = self.read(subject).await.is_some();
        let mut about = self.of.state.about.lock().unwrap();
        let digests: Vec<_> = about.iter().map(|m| &m.descriptor().digest).collect();
        let second = digests.contains(&&subject.digest);
        about.push(manifest.clone());
        match self.of.slip {
            Slip::SecondReferrerIsLost => second,
            Slip::IndexAboutIsLost => matches!(manifest.document(), Document::Index(_)),
            Slip::ReferrerOfAChildIsLost => put && !second,
            _ => false,
        }
    }
}

#[async_trait]
impl ImageDestination for SlippingDestination<'_> {
    fn reference(&self) -> &Reference {
        self.inner.reference()
    }

    fn names(&self) -> &[ImageName] {
        if self.of.slip == Slip::NamesComeWithPuts && !self.has_put.load(Ordering::SeqCst) {
            return &[];
        }
        self.inner.names()
    }

    fn pinned(&self) -> Vec<&Digest> {
        if self.of.slip == Slip::PinnedIsAnyImage { vec![&*ANOTHER] } else { self.inner.pinned() }
    }

    fn accepts(&self) -> &Accepts {
        match self.of.slip {
            Slip::TakesAnyType => &OCI,
            Slip::AcceptsLessAfterAPut if self.has_put.load(Ordering::SeqCst) => &OCI,
            _ => self.inner.accepts(),
        }
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let mut found = self.inner.has(want).await?;
        if self.of.slip == Slip::FoundHasNoSize
            && want.size.is_none()
            && let Some(found) = &mut found
        {
            found.size = 0;
        }
        if self.of.slip == Slip::HasLeavesAFile
            && found.is_some()
            && let Some(folder) = crate::transport::folder(&self.at)
        {
            crate::disk::add_to_pages(&folder, Bytes::from_static(b"found"))?;
        }
        Ok(found)
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        self.inner.take_from(want, from).await
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        self.of.in_first().await?;
        self.has_put.store(true, Ordering::SeqCst);
        if self.of.slip == Slip::SpoolsStay {
            let mut spools = self.of.state.spools.lock().unwrap();
            let name = format!("spool-{}-{}", std::process::id(), spools.len());
            let spool = std::env::temp_dir().join(name);
            std::fs::write(&spool, b"").map_err(|e| Error::io("writing", &spool, e))?;
            spools.push(spool);
        }
        let body = match self.of.slip {
            Slip::PutBlocks => {
                let body = body.expecting(&expect)?;
                Body::from_bytes(blocking(body.bytes(LIMIT))?)
            }
            Slip::PutNeedsSeveralThreads => tokio::task::block_in_place(|| body),
            _ => body,
        };
        while self.of.slip == Slip::PutWaitsForReaders
            && self.of.state.reading.load(Ordering::SeqCst) > 0
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        if self.of.slip == Slip::DamageStays
            && let Some(folder) = crate::transport::folder(&self.at)
        {
            let bytes = body.expecting(&expect)?.bytes(LIMIT).await?;
            let stored = self.inner.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
            self.files.lock().unwrap().push((folder.join(stored.digest.encoded()), bytes));
            return Ok(stored);
        }
        self.inner.put_blob(expect, body).await
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        if self.is_lost(manifest).await {
            return Ok(());
        }
        if self.of.slip == Slip::ManifestsComeLast
            && let Document::Image(image) = manifest.document()
            && self.inner.has(&Expect::from(&image.config)).await?.is_none()
        {
            let message = format!("{} is not there yet", image.config.digest);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        self.inner.put_manifest(manifest).await
    }

    async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>> {
        let mode = self.how.as_ref().and_then(|how| how.mode);
        let says_yes = match self.of.slip {
            Slip::ShowsByAnyName | Slip::SparseShows => true,
            Slip::ReplacedShows => mode == Some(WriteMode::Replace),
            Slip::ShowsByItsFirstName => {
                let first = self.of.memory.source(self.reference(), &ReadOptions::default()).await;
                match first {
                    Ok(first) => first.root().await?.descriptor().digest == root.digest,
                    Err(_) => false,
                }
            }
            _ => false,
        };
        if !says_yes {
            return self.inner.shows(root).await;
        }
        let place = self.of.place(&self.at);
        let reader = self.of.archives_of_memory().read(&place, &ReadOptions::default()).await;
        let Ok(reader) = reader else { return Ok(None) };
        for entry in reader.entries() {
            if reader.open(entry).await?.root().await?.descriptor().digest == root.digest {
                let references = vec![self.reference().clone()];
                return Ok(Some(Committed::new(root.clone(), references)));
            }
        }
        Ok(None)
    }

    fn staging(&self) -> Option<&dyn Staging> {
        self.inner.staging()
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        self.inner.signatures()
    }

    fn beside(&self) -> Option<&dyn PutBeside> {
        if self.of.slip.is_beside() { Some(self) } else { self.inner.beside() }
    }

    fn contents(&self) -> Option<&dyn Contents> {
        Some(self)
    }

    async fn commit(mut self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        self.blocks().await?;
        if let Some(how) = self.again(&what).await?.filter(|_| self.how.is_some()) {
            let inner = self.of.memory.destination(&self.at, &how).await?;
            for (_, manifest) in self.below(what.root).await {
                inner.put_manifest(&manifest).await?;
            }
            let parts =
                self.below(what.root).await.into_iter().map(|(_, m)| m).chain([what.root.clone()]);
            for part in parts.flat_map(|m| m.document().parts().cloned().collect::<Vec<_>>()) {
                if let Some(body) = self.inner.contents().unwrap().read(&part).await? {
                    inner.put_blob(Expect::from(&part), body).await?;
                }
            }
            self.inner = inner;
        }
        self.lose(what.root).await;
        let overlooked = self.overlooked(what.root).await;
        let absent: Vec<_> = what.absent.iter().chain(&overlooked).cloned().collect();
        let mut asked = Commit::new(what.root).without(&absent).needing(what.needs);
        asked.platform = what.platform;
        self.refuse(&what).await?;
        if self.of.slip == Slip::CommitEndsLater && self.accepts().shows == Shows::AtCommit {
            return self.commit_later(what);
        }
        let at_first = self.is_there(what.root).await.is_none();
        if self.of.slip == Slip::LaterReferrerIsLost && !at_first {
            let place = self.inner.reference().clone();
            let mut how = self.how.clone().unwrap_or_default();
            how.mode = Some(WriteMode::Append);
            let plain = self.of.memory.destination(&self.of.place(&place), &how).await?;
            return plain.commit(asked).await;
        }
        if self.of.slip.recognizes() {
            let place = self.of.place(&self.at);
            std::fs::write(place.locator(), super::transport::MARK).unwrap();
        }
        if self.of.slip.is_a_database() {
            grow(&self.of.place(&self.at), 100 << 10)?;
        }
        for (file, bytes) in self.files.lock().unwrap().iter().filter(|(file, _)| !file.exists()) {
            std::fs::write(file, bytes).map_err(|e| Error::io("writing", file, e))?;
        }
        let given_up = self.of.give_up_with_bases(&self.at, what.root).await?;
        let mut committed = self.inner.commit(asked).await?;
        given_up.commit();
        self.of.say_next(&self.at).await?;
        match self.of.slip {
            Slip::HiddenBasesAreGone => self.of.delete_bases(&self.at).await?,
            Slip::CommitTypeIsOfBytes => {
                let any = MediaType::from("application/octet-stream");
                committed.descriptor.media_type = any;
            }
            Slip::CommitGivesOneTwice => {
                let first = committed.references[0].clone();
                committed.references.fill(first);
            }
            _ => {}
        }
        Ok(committed)
    }
}

impl SlippingDestination<'_> {
    /// Refuses what need not be refused.
    async fn refuse(&self, what: &Commit<'_>) -> Result<()> {
        let direct =
            |of: &Descriptor| what.root.document().parts().any(|own| own.digest == of.digest);
        if self.of.slip == Slip::AbsentBelowIsRefused
            && let Some(below) = what.absent.iter().find(|absent| !direct(absent))
        {
            let message = format!("{} was not put", below.digest);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let foreign = what.root.document().parts().filter(|part| part.is_nondistributable());
        for part in foreign {
            if self.of.slip == Slip::ForeignLayersAreMissed
                && self.inner.has(&Expect::from(part)).await?.is_none()
            {
                let message = format!("{} was not put", part.digest);
                return Err(Error::new(ErrorKind::NotFound, message));
            }
        }
        Ok(())
    }

    /// Says that it is done, and begins.
    fn commit_later(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let place = self.of.place(&self.at);
        let reference =
            |name: &ImageName| self.of.memory.parse(&format!("{}:{name}", place.locator()));
        let mut references =
            self.inner.names().iter().map(reference).collect::<Result<Vec<_>>>()?;
        if references.is_empty() {
            references.push(self.of.memory.parse(&format!("{}#0", place.locator()))?);
        }
        let committed = Committed::new(what.root.descriptor().clone(), references);
        let (of, at, how) =
            (self.of.clone(), self.at.clone(), self.how.clone().unwrap_or_default());
        let (root, absent) = (what.root.clone(), what.absent.to_vec());
        let parts = self.inner;
        let manifests = futures_util::FutureExt::now_or_never(copied(&*parts, &root));
        let manifests = manifests.unwrap_or_default();
        later(async move {
            let Ok(to) = of.memory.destination(&at, &how).await else { return };
            for (part, bytes) in manifests {
                let blob = transship_core::is_index_type(&part.media_type).is_none();
                let body = Body::from_bytes(bytes.clone());
                let done = match Manifest::verified(&part, bytes) {
                    Ok(manifest) if !blob => to.put_manifest(&manifest).await,
                    _ => to.put_blob(Expect::from(&part), body).await.map(drop),
                };
                drop(done);
            }
            drop(to.commit(Commit::new(&root).without(&absent)).await);
        });
        Ok(committed)
    }
}

/// All below a root, with its bytes.
async fn copied(of: &dyn ImageDestination, root: &Manifest) -> Vec<(Descriptor, Bytes)> {
    let (mut all, mut waiting) = (Vec::new(), vec![root.clone()]);
    while let Some(manifest) = waiting.pop() {
        for part in manifest.document().parts() {
            let Some(contents) = of.contents() else { continue };
            let Ok(Some(body)) = contents.read(part).await else { continue };
            let Ok(bytes) = body.bytes(LIMIT).await else { continue };
            waiting.extend(
                matches!(manifest.document(), Document::Index(_))
                    .then(|| Manifest::verified(part, bytes.clone()).ok())
                    .flatten(),
            );
            all.push((part.clone(), bytes));
        }
    }
    all
}

/// Waits on the thread of the runtime.
fn blocking<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::yield_now();
    }
}

#[async_trait]
impl Contents for SlippingDestination<'_> {
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        if self.of.slip == Slip::PutIsNotReadBack {
            return Ok(None);
        }
        self.inner.contents().unwrap().read(of).await
    }
}
