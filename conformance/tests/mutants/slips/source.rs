//! [`SlippingSource`]: reading, with a slip.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use transship_core::{
    Body, Descriptor, Digest, Document, Error, ErrorKind, Expect, ImageName, ImageSource, Manifest,
    MediaType, Reference, Referrers, Result, Signatures, Sparse,
};

use super::Slip;
use super::transport::Slipping;

#[derive(Debug)]
pub struct SlippingSource {
    of: Slipping,
    inner: Box<dyn ImageSource>,
    /// What is said of the root without reading it.
    pub root: Option<Descriptor>,
}

impl SlippingSource {
    pub fn new(of: Slipping, inner: Box<dyn ImageSource>) -> Self {
        Self { of, inner, root: None }
    }

    pub async fn said(&self) -> Result<Option<Descriptor>> {
        let (Slip::RootAloneHasNoSize | Slip::RootAloneIsAnImage) = self.of.slip else {
            return Ok(None);
        };
        let mut root = self.inner.root().await?.descriptor().clone();
        match self.of.slip {
            Slip::RootAloneHasNoSize => root.size = 0,
            _ => root.media_type = MediaType::ImageManifest,
        }
        Ok(Some(root))
    }

    fn missing(of: &Descriptor) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no {}", of.digest))
    }
}

/// A body is read in chunks of so many bytes.
const CHUNK: usize = 1 << 20;

/// Counts from the first chunk of a body to its last.
struct Reading(Arc<AtomicUsize>);

impl Reading {
    fn begin(counted: &Arc<AtomicUsize>) -> Self {
        counted.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counted))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ImageSource for SlippingSource {
    fn reference(&self) -> &Reference {
        self.inner.reference()
    }

    fn names(&self) -> &[ImageName] {
        self.inner.names()
    }

    fn needs(&self) -> Option<&HashSet<Digest>> {
        static NOTHING: LazyLock<HashSet<Digest>> = LazyLock::new(HashSet::new);
        let needs = self.inner.needs();
        if self.of.slip == Slip::WholeNeedsNothing { needs.or(Some(&NOTHING)) } else { needs }
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        self.root.as_ref().or_else(|| self.inner.root_descriptor())
    }

    async fn root(&self) -> Result<Manifest> {
        self.inner.root().await
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let manifest = self.inner.manifest(of).await?;
        let root = self.inner.root_descriptor().map(|root| root.digest.clone());
        let is_root = root.as_ref() == Some(&of.digest);
        let mut descriptor = manifest.descriptor().clone();
        match self.of.slip {
            Slip::ChildForgetsItsPlatform => descriptor.platform = None,
            Slip::ChildForgetsItsOsVersion => {
                if let Some(platform) = &mut descriptor.platform {
                    platform.os_version = None;
                }
            }
            Slip::ChildForgetsItsAnnotations => descriptor.annotations.clear(),
            Slip::GrandchildIsNotFound if !is_root => {
                let root = self.inner.root().await?;
                let own = root.document().parts().any(|child| child.digest == of.digest);
                if !own && manifest.document().subject().is_none() {
                    return Err(Self::missing(of));
                }
            }
            Slip::LessIsMore => {
                let gone = self.of.state.gone.lock().unwrap();
                if root
                    .and_then(|root| gone.get(&root))
                    .is_some_and(|gone| gone.contains(&of.digest))
                {
                    return Err(Self::missing(of));
                }
            }
            Slip::GapsStay => {
                let late = self.of.state.late.lock().unwrap();
                if late.contains(&of.digest) {
                    return Err(Self::missing(of));
                }
            }
            _ => {}
        }
        Manifest::verified(&descriptor, manifest.bytes().clone())
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let state = &self.of.state;
        if state.lost.lock().unwrap().contains(&of.digest) {
            return Err(Self::missing(of));
        }
        if self.of.slip == Slip::ForeignLayersAreLost && of.is_nondistributable() {
            return Err(Self::missing(of));
        }
        let body = self.inner.blob(of).await?;
        if self.of.slip == Slip::DamageStays
            && let Some(folder) = crate::transport::folder(self.inner.reference())
            && let Ok(stored) = std::fs::read(folder.join(of.digest.encoded()))
        {
            return Body::from_bytes(stored).expecting(&Expect::from(of));
        }
        let mut turn = match self.of.slip {
            Slip::BodiesTakeTurns | Slip::BodiesAreFew => {
                Arc::clone(&state.turns).acquire_owned().await.ok()
            }
            Slip::PutWaitsForReaders => None,
            _ => return Ok(body),
        };
        let (counted, mut reading) = (Arc::clone(&state.reading), None);
        let bytes = body.bytes(1 << 30).await?;
        let pieces: Vec<_> = bytes.chunks(CHUNK).map(|piece| bytes.slice_ref(piece)).collect();
        let last = pieces.len().saturating_sub(1);
        let stream = futures_util::stream::iter(pieces).enumerate().map(move |(at, piece)| {
            if at == 0 {
                reading = Some(Reading::begin(&counted));
            }
            if at == last {
                drop((reading.take(), turn.take()));
            }
            Ok(piece)
        });
        Body::from_stream(stream.boxed()).expecting(&Expect::from(of))
    }

    async fn holds(&self, of: &Descriptor) -> Result<bool> {
        match self.of.slip {
            Slip::HoldsNothing => Ok(false),
            Slip::HoldsEverything => Ok(true),
            Slip::HoldsManifests if self.inner.manifest(of).await.is_ok() => Ok(true),
            _ => self.inner.holds(of).await,
        }
    }

    fn sparse(&self) -> Sparse {
        self.inner.sparse()
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for SlippingSource {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let mut found = self.inner.referrers().unwrap().referrers(of).await?;
        match self.of.slip {
            Slip::ReferrerForgetsItsType => {
                for found in &mut found {
                    found.artifact_type = None;
                }
            }
            Slip::ReferrerHasNoTypeOfItsConfig => {
                for found in &mut found {
                    let manifest = self.inner.manifest(found).await?;
                    if let Document::Image(image) = manifest.document() {
                        found.artifact_type.clone_from(&image.artifact_type);
                    }
                }
            }
            Slip::ReferrerHasNoSize => found.iter_mut().for_each(|found| found.size = 0),
            Slip::ReferrerIsAnyBytes => {
                let any = MediaType::from("application/octet-stream");
                for found in &mut found {
                    found.media_type = any.clone();
                }
            }
            Slip::ReferrersAreSorted => {
                found.sort_by_key(|found| found.digest.to_string());
            }
            _ => {}
        }
        Ok(found)
    }

    async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>> {
        let mut found = self.inner.referrers().unwrap().beside(of).await?;
        if self.of.slip == Slip::BesideIsEarly {
            let early = self.of.state.beside.lock().unwrap();
            let tag = format!("{}-{}.sig", of.algorithm(), of.encoded());
            let early = early.iter().filter(|(name, _)| *name == tag);
            found = early.map(|(name, root)| (name.clone(), root.descriptor().clone())).collect();
        }
        Ok(found)
    }
}

#[async_trait]
impl Signatures for SlippingSource {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        let mut found = self.inner.signatures().unwrap().signatures(of).await?;
        if self.of.slip == Slip::SignaturesAreSorted {
            found.sort();
        }
        Ok(found)
    }
}
