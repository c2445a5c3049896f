//! [`Verdicts`]: whether blobs are what their digests say, found out once for all who wait for it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use transship_core::{
    Cancel, Digest, Error, Expect, FileRange, Result, Stored, cancelled, run_blocking,
};

/// How many blobs are hashed at once.
const AT_ONCE: usize = 4;

/// The bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// What is known of blobs, and being found out.
#[derive(Debug)]
pub(crate) struct Verdicts {
    known: Mutex<Known>,
    permits: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    good: HashSet<Digest>,
    running: HashMap<Digest, Receiver>,
}

type Receiver = watch::Receiver<Option<Result<(), Error>>>;

impl Default for Verdicts {
    fn default() -> Self {
        Self { known: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }
}

impl Verdicts {
    pub(crate) fn is_good(&self, digest: &Digest) -> bool {
        self.known().good.contains(digest)
    }

    pub(crate) fn good(&self, digest: &Digest) {
        self.known().good.insert(digest.clone());
    }

    /// Whether a file has that digest. It is read beside those who ask, once for all of them, and a wrong one is
    /// forgotten: it may be replaced.
    pub(crate) fn of(
        self: &Arc<Self>,
        digest: &Digest,
        file: &FileRange,
        expect: Expect,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let running = self.known().running.get(digest).cloned();
        let mut receiver = running.unwrap_or_else(|| self.begin(digest, file, expect));
        async move {
            let verdict = receiver.wait_for(Option::is_some).await.map_err(|_| cancelled())?;
            verdict.clone().unwrap_or_else(|| Err(cancelled()))
        }
    }

    fn begin(self: &Arc<Self>, digest: &Digest, file: &FileRange, expect: Expect) -> Receiver {
        let (send, receiver) = watch::channel(None);
        self.known().running.insert(digest.clone(), receiver.clone());
        let (this, digest, file) = (Arc::clone(self), digest.clone(), file.clone());
        tokio::spawn(async move {
            // It is closed only with the process.
            let _permit = this.permits.acquire().await.ok();
            let verdict = run_blocking(move |cancel| hash(&file, &expect, cancel)).await;
            let mut known = this.known();
            known.running.remove(&digest);
            if verdict.is_ok() {
                known.good.insert(digest);
            }
            drop(known);
            // Those who asked may have gone.
            let _ = send.send(Some(verdict));
        });
        receiver
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(file: &FileRange, expect: &Expect, cancel: &Cancel) -> Result<()> {
    let (mut hasher, mut at) = (expect.hasher()?, 0);
    let mut buffer = vec![0; CHUNK];
    while at < file.len() {
        cancel.check()?;
        let read = file.read_at(at, &mut buffer)?;
        hasher.update(&buffer[..read]);
        at += read as u64;
    }
    expect.check(&Stored::new(hasher.finish(), at))
}
