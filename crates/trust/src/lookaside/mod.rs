//! [`Lookaside`]: signatures of images in registries that lie at a place of their own, as `registries.d` says.

mod registries;
mod storage;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Digest, DockerName, Error, ErrorKind, Identity, ImageSource, OncePer, Result, run_blocking,
};

use crate::found::{found_at, found_with};
use crate::{Applied, Content, Found, SignatureKinds};
use registries::RegistriesD;
pub(crate) use storage::Folder;
use storage::Storage;

/// The scheme whose images have lookaside storage.
const SCHEME: &str = "docker";

/// Signatures of images in registries that lie at a place of their own, as
/// [`registries.d`](https://github.com/containers/image/blob/main/docs/containers-registries.d.5.md) says. GPG signatures are there.
///
/// Nothing is read before the first image whose policy asks for a signature.
#[derive(Debug)]
pub struct Lookaside {
    files: Arc<Files>,
    fetch: Option<Arc<dyn Fetch>>,
}

/// Reads files from servers of lookaside storage.
#[async_trait]
pub trait Fetch: fmt::Debug + Send + Sync {
    /// What a URL of http or https leads to; `None` where nothing is there.
    ///
    /// # Errors
    /// `LimitExceeded` beyond `limit` bytes, and those of the connection.
    async fn fetch(&self, url: &str, limit: u64) -> Result<Option<Bytes>>;
}

struct Files {
    folder: PathBuf,
    /// Where signatures are of which no file says it.
    storage: Option<PathBuf>,
    read: OncePer<(), Arc<RegistriesD>>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, storage, .. } = self;
        f.debug_struct("Files").field("folder", folder).field("storage", storage).finish()
    }
}

impl Lookaside {
    /// What the `*.yaml` in a folder say. It need not be there.
    pub fn new(registries_d: impl Into<PathBuf>) -> Self {
        let files = Files { folder: registries_d.into(), storage: None, read: OncePer::default() };
        Self { files: Arc::new(files), fetch: None }
    }

    /// The folder with the signatures of images of which no file says where they are.
    #[must_use]
    pub fn with_storage(self, folder: impl Into<PathBuf>) -> Self {
        let registries_d = self.files.folder.clone();
        let storage = Some(folder.into());
        let files = Files { folder: registries_d, storage, read: OncePer::default() };
        Self { files: Arc::new(files), ..self }
    }

    /// What reads storage of `http` and `https`. Without it such storage is an error.
    #[must_use]
    pub fn with_fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    async fn registries(&self) -> Result<Arc<RegistriesD>> {
        let files = Arc::clone(&self.files);
        let load = move || {
            let Files { folder, storage, .. } = &*files;
            let load = || RegistriesD::load(folder, storage.clone()).map(Arc::new);
            files.read.get_or_compute((), load)
        };
        run_blocking(move |_| load()).await
    }

    /// Where the signatures of a manifest are, if a place is known.
    fn signatures_of(
        &self,
        registries: &RegistriesD,
        image: &Identity,
        of: &Digest,
    ) -> Result<Option<Folder>> {
        let Some(name) = image.name() else { return Ok(None) };
        let Some((storage, origin)) = registries.storage(image) else { return Ok(None) };
        if let (Storage::Server(url), None) = (storage, &self.fetch) {
            let message = format!("{origin}: {url} is a server, and none can be asked here");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let (path, fetch) = (path_of(name, of), self.fetch.clone());
        Ok(Some(Folder { storage: storage.clone(), path, origin, fetch }))
    }
}

/// Where the signatures of a manifest are in all storage.
fn path_of(name: &DockerName, of: &Digest) -> String {
    format!("{}@{}={}", name.path(), of.algorithm(), of.encoded())
}

impl Applied {
    /// The signatures of a manifest of an image: those with it, and those in lookaside storage.
    ///
    /// # Errors
    /// Those of [`found_with`], `InvalidInput` for a malformed file of `registries.d`, and those of lookaside storage.
    pub async fn signatures(
        &self,
        source: &dyn ImageSource,
        image: &Identity,
        of: &Digest,
        kinds: SignatureKinds,
    ) -> Result<Vec<Found>> {
        let asked = self.scheme() == SCHEME && kinds != SignatureKinds::default();
        let Some(lookaside) = self.lookaside().filter(|_| asked) else {
            let mut found = found_with(source, of, kinds).await?;
            if asked && kinds.open_pgp {
                let why = Content::Absent("the caller gives no lookaside storage".to_owned());
                found.push(Found::new("lookaside storage", why));
            }
            return Ok(found);
        };
        let registries = lookaside.registries().await?;
        let (mut kinds, mut notes) = (kinds, Vec::new());
        if let Some((false, origin)) = registries.attachments(image) {
            if kinds.sigstore {
                let why = "use-sigstore-attachments is false, and signatures in the registry are not read";
                notes.push(Found::new(origin, Content::Unreadable(why.to_owned())));
            }
            kinds = SignatureKinds { open_pgp: kinds.open_pgp, ..SignatureKinds::default() };
        }
        let mut folder = None;
        if kinds.open_pgp {
            folder = lookaside.signatures_of(&registries, image, of)?;
            let none =
                || Found::new("lookaside storage", Content::Absent("no file names it".into()));
            notes.extend(folder.is_none().then(none));
        }
        let mut found = found_at(source, of, kinds, folder.as_ref()).await?;
        found.extend(notes);
        Ok(found)
    }
}
