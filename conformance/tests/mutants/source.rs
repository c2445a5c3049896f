//! [`BrokenSource`]: reading, with a mistake.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, ImageSource, Manifest,
    MediaType, ReadOptions, Reference, Result, Signatures, Sparse, Transport, sha256,
};

use crate::fault::Fault;
use crate::referrers::{forgets, is_kept};
use crate::transport::{Mutant, folder};

const LIMIT: u64 = 1 << 30;

#[derive(Debug)]
pub struct BrokenSource {
    pub of: Mutant,
    pub at: Reference,
    pub inner: Arc<dyn ImageSource>,
    /// What it says that it is.
    pub place: Option<Reference>,
}

impl BrokenSource {
    async fn bytes(&self, of: &Descriptor) -> Result<Bytes> {
        self.inner.blob(of).await?.bytes(LIMIT).await
    }

    fn missing(&self, of: &Descriptor, error: Error) -> Result<Body> {
        match self.of.fault {
            Fault::MissingBlobIsEmpty => Ok(Body::from_bytes(Bytes::new())),
            Fault::MissingBlobIsCorrupt => {
                Err(Error::new(ErrorKind::Corrupt, format!("{} is not there", of.digest)))
            }
            Fault::MissingBlobIsAnonymous => {
                Err(Error::new(ErrorKind::NotFound, "a blob is not there"))
            }
            _ => Err(error),
        }
    }

    fn asked(&self, of: &Descriptor) -> usize {
        let mut asked = self.of.state.asked.lock().unwrap();
        let key = format!("{} {}", self.at, of.digest);
        let times = asked.entry(key).or_default();
        *times += 1;
        *times
    }

    async fn now(&self) -> Result<Box<dyn ImageSource>> {
        self.of.memory.source(&self.at, &ReadOptions::default()).await
    }

    /// Bytes as they lie on the disk, which are believed, or not.
    async fn over_disk(&self, of: &Descriptor, or: Body) -> Result<Body> {
        let Some(found) = self.on_disk(of) else { return Ok(or) };
        if self.of.fault != Fault::WrongOnDiskIsUnexpected {
            return Ok(found);
        }
        let bytes = found.expecting(&Expect::from(of))?.bytes(LIMIT).await;
        let wrong = |_| Error::new(ErrorKind::Unexpected, "the disk is broken");
        Ok(Body::from_bytes(bytes.map_err(wrong)?))
    }

    fn on_disk(&self, of: &Descriptor) -> Option<Body> {
        let path = folder(&self.at)?.join(of.digest.encoded());
        std::fs::read(path).ok().map(Body::from_bytes)
    }
}

#[async_trait]
impl ImageSource for BrokenSource {
    fn reference(&self) -> &Reference {
        match &self.place {
            Some(place) => place,
            None => self.inner.reference(),
        }
    }

    fn names(&self) -> &[ImageName] {
        match self.of.fault {
            Fault::SourceHasNoNames => &[],
            Fault::OnlyTheFirstName => &self.inner.names()[..self.inner.names().len().min(1)],
            _ => self.inner.names(),
        }
    }

    fn needs(&self) -> Option<&HashSet<Digest>> {
        self.inner.needs().filter(|_| self.of.fault != Fault::NeedsAreForgotten)
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        static BEFORE: LazyLock<Descriptor> =
            LazyLock::new(|| Descriptor::new(MediaType::ImageManifest, sha256(b"before"), 6));
        match self.of.fault {
            Fault::RootIsRemembered => Some(&BEFORE),
            Fault::SaysItComparesRoots => None,
            _ => self.inner.root_descriptor(),
        }
    }

    async fn root(&self) -> Result<Manifest> {
        match self.of.fault {
            Fault::RootIsWrittenAgain => {
                let root = self.inner.root().await?;
                let value: serde_json::Value = serde_json::from_slice(root.bytes()).unwrap();
                Manifest::new(value.to_string())
            }
            Fault::SourceLooksAgain => self.now().await?.root().await,
            _ => self.inner.root().await,
        }
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        if self.of.fault == Fault::RootIsNoManifest
            && self.inner.root().await?.descriptor().digest == of.digest
        {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no {}", of.digest)));
        }
        if self.of.fault == Fault::GoneIsNotFound {
            return self.now().await?.manifest(of).await;
        }
        if self.of.fault == Fault::ManifestSizeIsBelieved {
            let root = self.inner.root().await?;
            if root.descriptor().digest == of.digest {
                return Ok(root);
            }
        }
        if matches!(self.of.fault, Fault::ManifestsAreBelieved | Fault::StoredManifestsAreBelieved)
            && let Some(found) = self.on_disk(of)
        {
            return Manifest::new(found.bytes(LIMIT).await?);
        }
        self.inner.manifest(of).await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        is_kept(&self.of, of)?;
        let body = match self.inner.blob(of).await {
            Err(e) if e.kind() == ErrorKind::NotFound => return self.missing(of, e),
            body => body?,
        };
        match self.of.fault {
            Fault::ByteChangesBehindABlock => {
                let mut bytes = self.bytes(of).await?.to_vec();
                if let Some(byte) = bytes.get_mut(512) {
                    *byte ^= 1;
                }
                Ok(Body::from_bytes(bytes))
            }
            Fault::ReopensAtTheBeginning | Fault::ReopensOneByteOff => {
                let bytes = self.bytes(of).await?;
                let begins = self.of.fault == Fault::ReopensAtTheBeginning;
                Body::from_fn(move |at| {
                    let at = usize::try_from(at).unwrap();
                    let at = if begins { 0 } else { at + usize::from(at > 0) };
                    let rest = bytes.slice(at.min(bytes.len())..);
                    async move { Ok(Body::from_bytes(rest).into_stream()) }
                })
                .expecting(&Expect::from(of))
            }
            Fault::LastBlockIsLost => {
                let bytes = self.bytes(of).await?;
                let short = if bytes.len() % 512 == 0 { 512.min(bytes.len()) } else { 0 };
                Ok(Body::from_bytes(bytes.slice(..bytes.len() - short)))
            }
            Fault::SmallBlobsAreForgotten if of.size < 3 => {
                Err(Error::new(ErrorKind::NotFound, format!("there is no blob {}", of.digest)))
            }
            Fault::CacheBySize => {
                let bytes = self.bytes(of).await?;
                let mut cache = self.of.state.by_size.lock().unwrap();
                Ok(Body::from_bytes(cache.entry(of.size).or_insert(bytes).clone()))
            }
            Fault::SecondAskFails if self.asked(of) > 1 => {
                Err(Error::new(ErrorKind::Unexpected, "it was read already"))
            }
            Fault::SecondReadIsShort if self.asked(of) > 1 => {
                let bytes = self.bytes(of).await?;
                Ok(Body::from_bytes(bytes.slice(bytes.len().min(1)..)))
            }
            Fault::BodyHasNoExpectation => {
                let mut asked = of.clone();
                asked.size = real_size(&self.inner.root().await?, of).unwrap_or(of.size);
                Ok(Body::from_bytes(self.bytes(&asked).await?))
            }
            Fault::FilesAreBelieved
            | Fault::StoredBlobsAreBelieved
            | Fault::WrongOnDiskIsUnexpected => self.over_disk(of, body).await,
            Fault::HasLooksAtTheBeginning
            | Fault::LongDigestsAreBelieved
            | Fault::TakesWhatIsDamaged => {
                self.over_disk(of, body).await?.expecting(&Expect::from(of))
            }
            Fault::SourceLooksAgain | Fault::GoneIsNotFound => self.now().await?.blob(of).await,
            _ => body.expecting(&Expect::from(of)),
        }
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        Some(self)
    }

    fn sparse(&self) -> Sparse {
        match self.of.fault {
            Fault::GapsAreDenied => Sparse::Refused,
            _ => self.inner.sparse(),
        }
    }

    fn referrers(&self) -> Option<&dyn transship_core::Referrers> {
        let root = self.inner.root_descriptor();
        self.inner.referrers().filter(|_| !forgets(&self.of, &self.at, root))
    }
}

#[async_trait]
impl Signatures for BrokenSource {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        let mut found = self.inner.signatures().unwrap().signatures(of).await?;
        match self.of.fault {
            Fault::SignaturesAreReversed => found.reverse(),
            Fault::EmptySignaturesAreLost => found.retain(|signature| !signature.is_empty()),
            Fault::SignaturesOutliveTheirImage if of.is_none() => {
                let mut old = self.of.state.signatures.lock().unwrap();
                if found.is_empty() {
                    found.clone_from(&old);
                }
                old.clone_from(&found);
            }
            _ => {}
        }
        Ok(found)
    }
}

fn real_size(root: &Manifest, of: &Descriptor) -> Option<u64> {
    let transship_core::Document::Image(image) = root.document() else { return None };
    let mut all = image.layers.iter().chain([&image.config]);
    all.find(|found| found.digest == of.digest).map(|found| found.size)
}
