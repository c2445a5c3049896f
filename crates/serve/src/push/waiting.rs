//! [`Waiting`]: uploads, and blobs that no manifest names yet, in files that are open only while a request reads or writes them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use transship_core::{
    Digest, Error, FileRange, Hint, Observer, Result, run_blocking, spool_folder,
};
use transship_local::StagedFolder;

use super::uploads::Upload;
use crate::protocol::Refusal;

/// How long an upload that was begun, or a blob that no manifest names yet, is kept after it was last used.
const KEPT: Duration = Duration::from_secs(3600);

/// How often is looked for what is too old.
const LOOK: Duration = Duration::from_secs(30);

/// The most uploads and blobs that are kept so.
const MOST_KEPT: usize = 4096;

/// What waits for its manifest.
#[derive(Debug)]
pub(super) struct Waiting {
    spool: Option<PathBuf>,
    observer: Observer,
    kept: Mutex<Kept>,
    /// Made for the first upload; it goes with this.
    folder: tokio::sync::OnceCell<Arc<StagedFolder>>,
}

#[derive(Debug)]
struct Kept {
    uploads: HashMap<String, Aged<SharedUpload>>,
    blobs: HashMap<Digest, Aged<Arc<WaitingFile>>>,
    looked: Instant,
}

/// It is taken out when it is done.
type SharedUpload = Arc<tokio::sync::Mutex<Option<Upload>>>;

/// A value, and when it was last used.
#[derive(Debug)]
struct Aged<T> {
    used: Instant,
    value: T,
}

/// A file of its own, which is removed with this.
#[derive(Debug)]
pub(super) struct WaitingFile {
    path: Arc<Path>,
    _folder: Arc<StagedFolder>,
}

impl Waiting {
    pub(super) fn new(spool: Option<PathBuf>, observer: Observer) -> Self {
        let (uploads, blobs) = (HashMap::new(), HashMap::new());
        let kept = Mutex::new(Kept { uploads, blobs, looked: Instant::now() });
        Self { spool, observer, kept, folder: tokio::sync::OnceCell::new() }
    }

    /// An empty file.
    pub(super) async fn file(&self, name: String) -> Result<WaitingFile> {
        let folder = Arc::clone(self.folder.get_or_try_init(|| self.make_folder()).await?);
        run_blocking(move |_| {
            let path: Arc<Path> = folder.path().join(name).into();
            File::create_new(&path).map_err(|e| Error::io("making", &path, e))?;
            Ok(WaitingFile { path, _folder: folder })
        })
        .await
    }

    async fn make_folder(&self) -> Result<Arc<StagedFolder>> {
        let (folder, observer) = (spool_folder(self.spool.as_ref()), self.observer.clone());
        let made = run_blocking(move |_| {
            StagedFolder::in_folder(&folder).map(|made| made.with_observer(&observer))
        });
        made.await.map(Arc::new).map_err(|e| e.of_option().hint(Hint::ChangeSpoolFolder))
    }

    /// An upload that was begun.
    pub(super) fn upload(&self, id: &str) -> Option<SharedUpload> {
        self.kept().uploads.get_mut(id).map(Aged::used)
    }

    pub(super) fn keep_upload(&self, id: String, upload: Upload) {
        let upload = Arc::new(tokio::sync::Mutex::new(Some(upload)));
        self.kept().uploads.insert(id, Aged::new(upload));
    }

    pub(super) fn remove_upload(&self, id: &str) {
        self.kept().uploads.remove(id);
    }

    /// Whether a blob waits for its manifest.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.file_of(digest).is_some()
    }

    /// A blob that waits for its manifest, opened.
    pub(super) async fn blob(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let Some(file) = self.file_of(digest) else { return Ok(None) };
        run_blocking(move |_| {
            let opened = File::open(&file.path).map_err(|e| Error::io("opening", &file.path, e))?;
            FileRange::whole(opened, Arc::clone(&file.path)).map(Some)
        })
        .await
    }

    pub(super) fn keep_blob(&self, digest: Digest, file: WaitingFile) {
        self.kept().blobs.insert(digest, Aged::new(Arc::new(file)));
    }

    /// Blobs that a manifest names now.
    pub(super) fn remove_blobs<'d>(&self, digests: impl Iterator<Item = &'d Digest>) {
        let mut kept = self.kept();
        for digest in digests {
            kept.blobs.remove(digest);
        }
    }

    /// Refuses more than can be kept.
    pub(super) fn room(&self) -> Result<(), Refusal> {
        let kept = self.kept();
        if kept.uploads.len() + kept.blobs.len() < MOST_KEPT {
            return Ok(());
        }
        let why = "too many uploads wait for their manifests";
        Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", why))
    }

    /// Removes what nobody has used for long.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        let old = {
            let mut kept = self.kept();
            if now.duration_since(kept.looked) < LOOK {
                return;
            }
            kept.take_old(now)
        };
        if !old.is_empty() {
            // Removing files may take a while, and nothing waits for it.
            drop(tokio::task::spawn_blocking(move || drop(old)));
        }
    }

    fn file_of(&self, digest: &Digest) -> Option<Arc<WaitingFile>> {
        self.kept().blobs.get_mut(digest).map(Aged::used)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was kept for too long.
#[derive(Debug, Default)]
struct Old(Vec<SharedUpload>, Vec<Arc<WaitingFile>>);

impl Old {
    fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty()
    }
}

impl Kept {
    /// What is used now stays.
    fn take_old(&mut self, now: Instant) -> Old {
        fn is_old<T>(aged: &Aged<Arc<T>>, now: Instant) -> bool {
            now.duration_since(aged.used) >= KEPT && Arc::strong_count(&aged.value) == 1
        }
        self.looked = now;
        let uploads = self.uploads.extract_if(|_, aged| is_old(aged, now));
        let uploads = uploads.map(|(_, aged)| aged.value).collect();
        let blobs = self.blobs.extract_if(|_, aged| is_old(aged, now));
        Old(uploads, blobs.map(|(_, aged)| aged.value).collect())
    }
}

impl<T> Aged<T> {
    fn new(value: T) -> Self {
        Self { used: Instant::now(), value }
    }
}

impl<T> Aged<Arc<T>> {
    fn used(&mut self) -> Arc<T> {
        self.used = Instant::now();
        Arc::clone(&self.value)
    }
}

impl WaitingFile {
    pub(super) fn path(&self) -> &Arc<Path> {
        &self.path
    }
}

impl Drop for WaitingFile {
    fn drop(&mut self) {
        // What cannot be removed goes with the folder.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use transship_core::sha256;

    use super::*;

    #[tokio::test]
    async fn what_nobody_uses_goes_and_what_is_used_stays() {
        let spool = tempfile::tempdir().unwrap();
        let waiting = Waiting::new(Some(spool.path().to_owned()), Observer::default());
        for id in ["idle", "busy", "fresh"] {
            let file = waiting.file(id.to_owned()).await.unwrap();
            waiting.keep_upload(id.to_owned(), Upload::new(file));
        }
        for blob in [&b"idle"[..], b"fresh"] {
            let file = waiting.file(format!("blob-{}", blob.len())).await.unwrap();
            waiting.keep_blob(sha256(blob), file);
        }
        let folder = Arc::clone(waiting.folder.get().unwrap());
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files(), 5);
        let later = Instant::now() + KEPT;
        let busy = waiting.upload("busy").unwrap();
        {
            let mut kept = waiting.kept();
            kept.uploads.get_mut("fresh").unwrap().used = later;
            kept.blobs.get_mut(&sha256(b"fresh")).unwrap().used = later;
            assert!(kept.take_old(Instant::now() + KEPT / 2).is_empty());
            let old = kept.take_old(later);
            assert_eq!((old.0.len(), old.1.len()), (1, 1));
        }
        assert_eq!(files(), 3);
        assert!(waiting.upload("idle").is_none() && waiting.upload("fresh").is_some());
        assert!(!waiting.has(&sha256(b"idle")) && waiting.has(&sha256(b"fresh")));
        drop((busy, folder, waiting));
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    }
}
