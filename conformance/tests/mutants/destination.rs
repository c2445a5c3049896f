//! [`BrokenDestination`]: writing an image, with a mistake.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use transship_core::{
    Accepts, AcceptsLayers, AcceptsManifests, AcceptsNameless, AcceptsNames, AcceptsReferrers,
    Artifacts, Body, Commit, Committed, DeleteOptions, Deltas, Descriptor, Digest, Error,
    ErrorKind, Expect, FileRange, ImageDestination, ImageName, Manifest, MediaType, PutSignatures,
    ReadOptions, Reference, Result, Shows, Staged, Staging, Stored, Transport,
};

use crate::bytes::{is_compressed, named, unchecked};
use crate::commits::{in_two_steps, lacks, locked};
use crate::disk::{add_to_pages, is_damaged, keep_manifest, keeps_blobs, store_carelessly};
use crate::fault::Fault;
use crate::manifests::{by_the_config, children, preferred};
use crate::referrers::referrer_is_lost;
use crate::table::keep_beside;
use crate::transport::{Mutant, folder, make_empty, place};

const LIMIT: u64 = 1 << 30;

#[derive(Debug)]
pub struct BrokenDestination<'w> {
    of: Mutant,
    at: Reference,
    names: Vec<ImageName>,
    accepts: Accepts,
    inner: Option<Box<dyn ImageDestination + 'w>>,
    /// What a table that is too early says is there.
    early: std::sync::Mutex<Vec<Stored>>,
    /// How often it was collected before.
    collected: usize,
    /// What has blobs, too.
    also: Option<Box<dyn ImageDestination + 'w>>,
    /// Shared with each step that runs.
    steps: Arc<()>,
}

impl<'w> BrokenDestination<'w> {
    pub fn new(
        of: Mutant,
        at: Reference,
        names: Vec<ImageName>,
        inner: Box<dyn ImageDestination + 'w>,
    ) -> Self {
        let mut accepts = inner.accepts().clone();
        match of.fault {
            Fault::AcceptsTooLittle => {
                accepts.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest]);
            }
            Fault::AcceptsTooMuch | Fault::RefusesAsCorrupt => {
                accepts.layers = AcceptsLayers::PlainOnly;
            }
            Fault::LayersGoByTheConfig => {
                accepts.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest]);
                accepts.artifacts = Artifacts::Refused;
            }
            Fault::OffersWhatItDoesNotAccept => accepts.referrers = AcceptsReferrers::Refused,
            Fault::DeltasAreTaken => accepts.deltas = Deltas::Refused,
            Fault::SecondNamelessIsTaken => accepts.nameless = AcceptsNameless::One,
            Fault::NamesAreIgnored => accepts.names = AcceptsNames::None,
            _ => {}
        }
        of.state.open.fetch_add(1, Ordering::SeqCst);
        let (inner, early) = (Some(inner), std::sync::Mutex::default());
        let collected = of.state.counter.load(Ordering::SeqCst);
        Self { of, at, names, accepts, inner, early, collected, also: None, steps: Arc::default() }
    }

    fn inner(&self) -> &(dyn ImageDestination + 'w) {
        &**self.inner.as_ref().unwrap()
    }

    pub fn has_also(&mut self, also: Box<dyn ImageDestination + 'w>) {
        self.also = Some(also);
    }

    /// Of an image in a writer.
    pub fn says_at_finish(&mut self) {
        self.accepts.shows = Shows::AtFinish;
    }

    fn enter(&self, expect: &Expect) {
        if let (Some(digest), Some(size)) = (&expect.digest, expect.size) {
            self.early.lock().unwrap().push(Stored::new(digest.clone(), size));
        }
    }

    async fn put(&self, expect: Expect, body: Body) -> Result<Stored> {
        let fault = self.of.fault;
        match fault {
            Fault::PutChecksNothing => {
                let bytes = unchecked(body).await?;
                self.inner().put_blob(named(&expect, &bytes), Body::from_bytes(bytes)).await
            }
            Fault::PutChecksSizes => {
                let size = expect.size.or(body.expected().size);
                let bytes = unchecked(body).await?;
                let mut only = Expect::anything();
                only.size = size;
                self.inner().put_blob(only, Body::from_bytes(bytes)).await
            }
            Fault::PutBelievesStreams if body.is_one_shot() => {
                let bytes = unchecked(body).await?;
                self.inner().put_blob(Expect::anything(), Body::from_bytes(bytes)).await
            }
            Fault::PutIgnoresLoneSizes if expect.digest.is_none() => {
                let mut expect = expect;
                expect.size = None;
                self.inner().put_blob(expect, body).await
            }
            Fault::PutIgnoresTheBodysOwn => {
                let bytes = unchecked(body).await?;
                self.inner().put_blob(expect, Body::from_bytes(bytes)).await
            }
            Fault::PutRefusesAsUnexpected => {
                let put = self.inner().put_blob(expect, body).await;
                put.map_err(|e| Error::new(ErrorKind::Unexpected, e.to_string()))
            }
            Fault::FailedStreamHasEnded => {
                let bytes = unchecked(body).await?;
                self.inner().put_blob(Expect::anything(), Body::from_bytes(bytes)).await
            }
            Fault::PutErrorsAreAnonymous => {
                let put = self.inner().put_blob(expect, body).await;
                put.map_err(|e| Error::new(e.kind(), "the bytes are wrong"))
            }
            Fault::FailedStreamIsCorrupt => {
                let put = self.inner().put_blob(expect, body).await;
                put.map_err(|e| Error::new(ErrorKind::Corrupt, e.to_string()))
            }
            Fault::PutsAtOnceMix => {
                if self.of.state.busy.fetch_add(1, Ordering::SeqCst) > 0 {
                    tokio::task::yield_now().await;
                    return Err(Error::new(ErrorKind::Corrupt, "other bytes are here"));
                }
                tokio::task::yield_now().await;
                let put = self.inner().put_blob(expect, body).await;
                self.of.state.busy.store(0, Ordering::SeqCst);
                put
            }
            Fault::UnknownIsCalledEmpty if expect.digest.is_none() => {
                self.inner().put_blob(expect, body).await?;
                Ok(Stored::new(transship_core::sha256(b""), 0))
            }
            _ => self.inner().put_blob(expect, body).await,
        }
    }
}

#[async_trait]
impl ImageDestination for BrokenDestination<'_> {
    fn reference(&self) -> &Reference {
        self.inner().reference()
    }

    fn names(&self) -> &[ImageName] {
        match self.of.fault {
            Fault::CommitInTwoSteps | Fault::NamesComeOneByOne => &self.names,
            Fault::NamesAreCountedTwice if self.names.len() > 1 => &self.names,
            _ => self.inner().names(),
        }
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn shows(&self, root: &Descriptor) -> Result<Option<Committed>> {
        let all = || Committed::new(root.clone(), vec![self.reference().clone()]);
        Ok((self.of.fault == Fault::AnythingShows).then(all))
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let early =
            self.early.lock().unwrap().iter().any(|s| Some(&s.digest) == want.digest.as_ref());
        match (self.of.fault, &want.digest) {
            (Fault::HasByExistence, Some(digest)) => {
                let any = self.inner().has(&Expect::digest(digest.clone())).await?;
                Ok(any.map(|found| Stored::new(digest.clone(), want.size.unwrap_or(found.size))))
            }
            (Fault::HasAnything, None) => {
                Ok(want.size.map(|size| Stored::new(transship_core::sha256(b""), size)))
            }
            (Fault::HasOfAnotherPlace, Some(digest))
                if self.of.state.asked.lock().unwrap().contains_key(digest.as_ref()) =>
            {
                Ok(Some(Stored::new(digest.clone(), want.size.unwrap_or_default())))
            }
            (Fault::VerifyForgetsOne, Some(digest)) if self.was_put(digest, want.size) => {
                Ok(want.size.map(|size| Stored::new(digest.clone(), size)))
            }
            (fault, Some(_)) if is_damaged(fault, self.inner(), &self.at, want).await? => Ok(None),
            (Fault::HasOfTheReplaced, _) if self.also.is_some() => {
                self.also.as_ref().unwrap().has(want).await
            }
            (fault, Some(digest)) if early || fault == Fault::HasEverything => {
                Ok(Some(Stored::new(digest.clone(), want.size.unwrap_or_default())))
            }
            _ => self.inner().has(want).await,
        }
    }

    async fn verify_found(&self, what: Commit<'_>) -> Result<Vec<Digest>> {
        match self.of.fault {
            Fault::VerifyForgetsOne => {
                let mut lacking = Vec::new();
                for part in children(what.root) {
                    if self.inner().has(&Expect::digest(part.digest.clone())).await?.is_none() {
                        lacking.push(part.digest);
                    }
                }
                lacking.pop();
                Ok(lacking)
            }
            Fault::VerifyGivesOthers => Ok(vec![transship_core::sha256(b"another")]),
            _ => self.inner().verify_found(what).await,
        }
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let mut want = want.clone();
        match (self.of.fault, &want.digest, want.size) {
            (Fault::TakesNothing, Some(digest), Some(size)) => {
                return Ok(Some(Stored::new(digest.clone(), size)));
            }
            (Fault::TakeRefusesOthers, ..) => {
                self.of.memory.parse(from.locator())?;
                if from.scheme() != self.of.memory.scheme() {
                    let message = format!("{from} is no reference of it");
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
            }
            (Fault::TakesAnySize, ..) => want.size = None,
            _ => {}
        }
        let taken = self.inner().take_from(&want, from).await?;
        if self.of.fault == Fault::TakesAway && taken.is_some() {
            let _ =
                self.of.memory.deletion().unwrap().delete(from, &DeleteOptions::default()).await;
        }
        Ok(taken)
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        Some(self)
    }

    fn staging(&self) -> Option<&dyn Staging> {
        let able = matches!(self.of.fault, Fault::StagedIsForgotten | Fault::StagedStays);
        able.then_some(self)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let state = &self.of.state;
        match self.of.fault {
            Fault::DroppedPutKeepsItsTurn if state.busy.swap(1, Ordering::SeqCst) == 1 => {
                return Err(Error::new(ErrorKind::Unexpected, "another put has not ended"));
            }
            Fault::FailureSpoilsTheRest if state.busy.load(Ordering::SeqCst) == 1 => {
                return Err(Error::new(ErrorKind::Unexpected, "an earlier put failed"));
            }
            Fault::RefusesAsCorrupt if is_compressed(&expect) => {
                return Err(Error::new(ErrorKind::Corrupt, "it is no plain layer"));
            }
            Fault::PutEntersBeforeItChecks | Fault::DroppedPutIsThere => self.enter(&expect),
            _ => {}
        }
        let being_put = folder(&self.at).filter(|_| self.of.fault == Fault::GivenUpPutForgetsAFile);
        let being_put = being_put.map(|folder| folder.join("being-put"));
        if let Some(file) = &being_put {
            std::fs::write(file, b"").map_err(|e| Error::io("writing", file, e))?;
        }
        let step = Arc::clone(&self.steps);
        let body = self.mirror(&expect, body).await?.on_progress(move |_| {
            // Dropped when the step ends.
            let _ = &step;
        });
        let done = self.put(expect, body).await;
        if let Some(file) = &being_put {
            std::fs::remove_file(file).map_err(|e| Error::io("removing", file, e))?;
        }
        let spoils = self.of.fault == Fault::FailureSpoilsTheRest;
        if !spoils || done.is_err() {
            state.busy.store(usize::from(spoils), Ordering::SeqCst);
        }
        let mut stored = done?;
        if self.of.fault == Fault::HasOfAnotherPlace {
            state.asked.lock().unwrap().insert(stored.digest.to_string(), 1);
        }
        if self.of.fault == Fault::VerifyForgetsOne {
            let size = usize::try_from(stored.size).unwrap();
            state.asked.lock().unwrap().insert(self.here(&stored.digest), size);
        }
        if self.of.fault == Fault::PutSaysNothing {
            stored.size = 0;
        }
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        if manifest.document().subject().is_some()
            && referrer_is_lost(&self.of, &self.at, self.inner(), manifest).await?
        {
            return Ok(());
        }
        keep_manifest(&self.of, &self.at, manifest)?;
        self.inner().put_manifest(manifest).await
    }

    async fn commit(mut self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        if self.of.fault == Fault::CollectsWhatIsPut
            && self.of.state.counter.load(Ordering::SeqCst) > self.collected
        {
            return Err(Error::new(ErrorKind::Unavailable, "a blob was removed meanwhile"));
        }
        keep_beside(&self.of, &self.at, what.root)?;
        let inner = self.inner.take().unwrap();
        let missing = children(what.root);
        let config = missing.first().cloned().into_iter().collect::<Vec<_>>();
        let all: Vec<Descriptor> = what.absent.iter().chain(&missing).cloned().collect();
        let without: Vec<Descriptor> = what.absent.iter().chain(&config).cloned().collect();
        if self.of.fault == Fault::RefusedCommitStays
            && self.accepts.shows == Shows::AtFinish
            && let Some(missing) = lacks(&*inner, &missing).await?
        {
            inner.commit(Commit::new(what.root).without(&all)).await?;
            return Err(Error::new(ErrorKind::NotFound, format!("{missing} was not put")));
        }
        let mut committed = match self.of.fault {
            Fault::CommitChecksNothing => {
                inner.commit(Commit::new(what.root).without(&all)).await?
            }
            Fault::CommitForgetsTheConfig => {
                inner.commit(Commit::new(what.root).without(&without)).await?
            }
            Fault::NeedsAreAbsent => {
                let absent: Vec<Descriptor> =
                    what.absent.iter().chain(what.needs).cloned().collect();
                inner.commit(Commit::new(what.root).without(&absent)).await?
            }
            Fault::CommitInTwoSteps | Fault::NamesComeOneByOne => {
                in_two_steps(&self.of, &self.at, &self.names, inner, what).await?
            }
            Fault::LayersGoByTheConfig | Fault::PreferredIsAll => {
                let root = match what.platform {
                    Some(platform) => preferred(&*inner, what.root, platform).await?,
                    None => by_the_config(&*inner, what.root).await?,
                };
                let mut what = what;
                what.root = root.as_ref().unwrap_or(what.root);
                inner.commit(what).await?
            }
            Fault::ReplaceInTwoSteps => {
                make_empty(&self.of.memory, &self.at).await?;
                // Long enough for somebody to look.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                inner.commit(what).await?
            }
            Fault::DroppedCommitKeepsItsLock | Fault::DroppedCommitKeepsTheWriter => {
                locked(&self.of, &self.at, inner, what).await?
            }
            Fault::BusyIsDone if self.of.state.open.load(Ordering::SeqCst) > 1 => {
                Committed::new(what.root.descriptor().clone(), vec![inner.reference().clone()])
            }
            _ => inner.commit(what).await?,
        };
        self.falsify(&mut committed, config);
        Ok(committed)
    }
}

impl BrokenDestination<'_> {
    fn here(&self, digest: &Digest) -> String {
        format!("{} {digest}", place(&self.of.memory, &self.at))
    }

    fn was_put(&self, digest: &Digest, size: Option<u64>) -> bool {
        let put = self.of.state.asked.lock().unwrap().get(&self.here(digest)).copied();
        put.and_then(|put| u64::try_from(put).ok()).is_some_and(|put| size == Some(put))
    }

    /// What goes wrong after the commit, or in what it says.
    fn falsify(&self, committed: &mut Committed, config: Vec<Descriptor>) {
        match self.of.fault {
            Fault::CommitGivesThePlace => {
                committed.references = vec![place(&self.of.memory, &self.at)];
            }
            Fault::CommitGivesTheConfig | Fault::CommitOfTarsGivesTheConfig => {
                committed.descriptor =
                    config.into_iter().next().unwrap_or(committed.descriptor.clone());
            }
            Fault::ForgetsToSyncAFile
            | Fault::ForgetsToSyncTheFolder
            | Fault::ForgetsToSyncTheFolderAbove
            | Fault::SyncsAfterTheRename
            | Fault::ForgetsToSyncTheRemoval => {
                store_carelessly(self.of.fault, &folder(&self.at).unwrap()).unwrap();
            }
            Fault::BytesHoldACounter => {
                let number = self.of.state.counter.fetch_add(1, Ordering::Relaxed).to_string();
                std::fs::write(folder(&self.at).unwrap().join("index"), number).unwrap();
            }
            Fault::BytesHoldTheSecond => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let second = now.unwrap().as_secs().to_string();
                std::fs::write(folder(&self.at).unwrap().join("index"), second).unwrap();
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Staging for BrokenDestination<'_> {
    async fn stage(&self, body: Body) -> Result<Staged> {
        let bytes = body.bytes(LIMIT).await?;
        let stored = Stored::new(transship_core::sha256(&bytes), bytes.len() as u64);
        if self.of.fault == Fault::StagedStays {
            let path = folder(&self.at).unwrap().join(stored.digest.encoded());
            std::fs::write(path, &bytes).unwrap();
            let body = Body::from_bytes(bytes.clone());
            self.inner().put_blob(Expect::anything(), body).await?;
        }
        let path = std::path::Path::new("what is staged");
        Ok(Staged::new(stored, FileRange::in_memory(bytes, path)))
    }
}

#[async_trait]
impl PutSignatures for BrokenDestination<'_> {
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()> {
        let of = of.filter(|_| self.of.fault != Fault::SignaturesAreOfTheRoot);
        self.inner().signatures().unwrap().put_signatures(of, signatures).await
    }
}

impl BrokenDestination<'_> {
    /// Whether there are images already.
    async fn joins(&self) -> bool {
        let (memory, how) = (&self.of.memory, ReadOptions::default());
        memory.archives().unwrap().read(&place(memory, &self.at), &how).await.is_ok()
    }

    /// Some keep blobs as files, too. Gives back a body of the same bytes.
    async fn mirror(&self, expect: &Expect, body: Body) -> Result<Body> {
        let Some(folder) = folder(&self.at) else { return Ok(body) };
        let bytes = body.expecting(expect)?.bytes(LIMIT).await?;
        let digest = expect.digest.as_ref().unwrap().encoded();
        let number = self.of.state.counter.fetch_add(1, Ordering::Relaxed);
        let name = match self.of.fault {
            fault if keeps_blobs(fault) => digest.to_owned(),
            Fault::BlobsAreStoredTwice => format!("{digest}-{number}"),
            Fault::PagesHoldEachCopy | Fault::PagesAreNeverFree => {
                return add_to_pages(&folder, bytes);
            }
            Fault::DropForgetsAFile => "temporary".to_owned(),
            Fault::DroppedFileIsNotCollected if self.joins().await => "temporary".to_owned(),
            _ => return Ok(Body::from_bytes(bytes)),
        };
        std::fs::write(folder.join(name), &bytes).map_err(|e| Error::io("writing", folder, e))?;
        Ok(Body::from_bytes(bytes))
    }
}

impl Drop for BrokenDestination<'_> {
    fn drop(&mut self) {
        self.of.state.open.fetch_sub(1, Ordering::SeqCst);
        if self.inner.is_none() {
            return;
        }
        match self.of.fault {
            Fault::DropWaits => {
                while Arc::strong_count(&self.steps) > 1 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            Fault::DropLeavesATask => {
                drop(tokio::spawn(std::future::pending::<()>()));
            }
            Fault::DropMakesThePlace => {
                make_empty(&self.of.memory, &self.at).now_or_never();
            }
            Fault::DroppedImageLeavesItsName => {
                self.of.state.orphans.lock().unwrap().append(&mut self.names);
            }
            _ => {}
        }
    }
}
