//! [`Verdicts`]: whether files are what their digests say, found out once for all who wait for it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use transship_core::{
    Cancel, Digest, Error, Expect, FileRange, Result, Stored, cancelled, run_blocking,
};
use transship_local::FileStamp;

/// How many blobs are hashed at once.
const AT_ONCE: usize = 4;

/// The bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// What is known of files, and being found out. A verdict is of a file in one state: it says nothing of another file that should
/// have the same content, nor of this one when it was written to or replaced.
#[derive(Debug)]
pub(crate) struct Verdicts {
    known: Mutex<Known>,
    permits: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    /// The state in which the file of a blob was found good.
    good: HashMap<Place, FileStamp>,
    running: HashMap<Checked, Receiver>,
}

/// Where a blob is: its digest, the file, and where in the file it begins.
type Place = (Digest, Arc<Path>, u64);

/// A file that should have a digest, in the state in which it is now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    place: Place,
    stamp: FileStamp,
}

type Receiver = watch::Receiver<Option<Result<(), Error>>>;

impl Default for Verdicts {
    fn default() -> Self {
        Self { known: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }
}

impl Verdicts {
    pub(crate) fn is_good(&self, of: &Checked) -> bool {
        self.known().good.get(&of.place) == Some(&of.stamp)
    }

    /// Whether a file has its digest. It is read beside those who ask, once for all of them, and a wrong one is
    /// forgotten: it may be replaced.
    pub(crate) fn of(
        self: &Arc<Self>,
        of: &Checked,
        file: &FileRange,
        expect: Expect,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let running = self.known().running.get(of).cloned();
        let mut receiver = running.unwrap_or_else(|| self.begin(of, file, expect));
        async move {
            let verdict = receiver.wait_for(Option::is_some).await.map_err(|_| cancelled())?;
            verdict.clone().unwrap_or_else(|| Err(cancelled()))
        }
    }

    fn begin(self: &Arc<Self>, of: &Checked, file: &FileRange, expect: Expect) -> Receiver {
        let (send, receiver) = watch::channel(None);
        self.known().running.insert(of.clone(), receiver.clone());
        let (this, of, file) = (Arc::clone(self), of.clone(), file.clone());
        tokio::spawn(async move {
            // It is closed only with the process.
            let _permit = this.permits.acquire().await.ok();
            let digest = of.place.0.clone();
            let hashed = run_blocking(move |cancel| {
                hash(&file, &expect, cancel)?;
                Ok(checked(&file, &digest))
            });
            let hashed = hashed.await;
            let mut known = this.known();
            known.running.remove(&of);
            // What was written to meanwhile is looked at again by the next request.
            if matches!(&hashed, Ok(Some(after)) if *after == of) {
                known.good.insert(of.place, of.stamp);
            }
            drop(known);
            let verdict = hashed.map(drop);
            // Those who asked may have gone.
            let _ = send.send(Some(verdict));
        });
        receiver
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that should have a digest, as it is now; `None` for bytes that are in no file. Blocks.
pub(crate) fn checked(file: &FileRange, digest: &Digest) -> Option<Checked> {
    let found = match file.file() {
        Some(open) => open.metadata(),
        None => std::fs::metadata(file.path()),
    };
    let stamp = FileStamp::of(&found.ok()?);
    Some(Checked { place: (digest.clone(), file.path().into(), file.offset()), stamp })
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
