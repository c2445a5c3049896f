//! [`Source`]: one image being read.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tonic::Streaming;
use transship_core::{
    Body, ByteStream, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, ImageSource,
    LayerType, MANIFEST_LIMIT, Manifest, MediaType, Reference, Referrers, Result, ResultExt,
    parse_digest,
};

use crate::api::{self, Containerd};
use crate::find::Stored;
use crate::labels;
use crate::proto::ReadResponse;

/// An image, opened: its root stays the one that it was, whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    names: Vec<ImageName>,
    containerd: Containerd,
    root: Manifest,
}

impl Source {
    pub(crate) async fn open(
        containerd: Containerd,
        reference: Reference,
        stored: &Stored,
    ) -> Result<Self> {
        let read = document(&containerd, &stored.root).await;
        let root = match read {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(lost(&containerd, stored, error).await);
            }
            read => read?,
        };
        Ok(Self { reference, names: stored.names(), containerd, root })
    }

    /// What it means that a part is not there: the image may have been deleted.
    async fn missing(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.containerd.size(&self.root.descriptor().digest).await {
            Ok(None) => gone(error),
            _ => error,
        }
    }

    /// How layers come back that containerd does not keep, as where Kubernetes' nodes save space.
    fn fetched_again(&self) -> String {
        let name = self.names.first().map_or_else(|| "NAME".to_owned(), ToString::to_string);
        let namespace = self.containerd.namespace();
        format!(
            "containerd discards layers that it has unpacked where discard_unpacked_layers is set: get them again with ctr -n {namespace} content fetch {name}, or copy the image from its registry"
        )
    }
}

/// A record whose root is not there: deleted meanwhile, or never pulled whole.
async fn lost(containerd: &Containerd, stored: &Stored, error: Error) -> Error {
    match containerd.images_of(&stored.root.digest).await {
        Ok(records) if records.is_empty() => gone(error),
        _ => {
            let message = format!("its root {} is not there", stored.root.digest);
            Error::new(ErrorKind::Corrupt, message).hint("pull the image again")
        }
    }
}

fn gone(error: Error) -> Error {
    Error::new(ErrorKind::Conflict, "the image was deleted while it was read").caused_by(error)
}

/// A manifest or index.
pub(crate) async fn document(from: &Containerd, of: &Descriptor) -> Result<Manifest> {
    let read = async {
        let bytes = body(from, of).await?.bytes(MANIFEST_LIMIT).await?;
        Manifest::verified(of, bytes)
    };
    read.await.context(|| format!("manifest {}", of.digest))
}

/// A blob. That it is there has been seen when this returns.
pub(crate) async fn body(from: &Containerd, of: &Descriptor) -> Result<Body> {
    let size = from
        .size(&of.digest)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{} is not there", of.digest)))?;
    let (from, digest) = (from.clone(), of.digest.clone());
    let body = Body::from_fn(move |at| {
        let (from, digest) = (from.clone(), digest.clone());
        async move {
            // containerd refuses to read from the end on.
            let bytes: ByteStream = if at >= size {
                Box::pin(stream::empty())
            } else {
                bytes(from, digest, at).await?
            };
            Ok(bytes)
        }
    });
    body.expecting(&Expect::from(of))
}

async fn bytes(
    from: Containerd,
    digest: Digest,
    at: u64,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let answers = Some(from.read(&digest, at).await?);
    let next = move |answers: Option<Streaming<ReadResponse>>| {
        let from = from.clone();
        async move {
            let mut answers = answers?;
            match from.while_it_runs(answers.message()).await {
                Ok(answer) => answer.map(|answer| (Ok(answer.data), Some(answers))),
                Err(status) => Some((Err(from.error(status).await), None)),
            }
        }
    };
    Ok(stream::unfold(answers, next).boxed())
}

#[async_trait]
impl ImageSource for Source {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        Some(self.root.descriptor())
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        if of.digest == self.root.descriptor().digest {
            return Manifest::verified(of, self.root.bytes().clone());
        }
        match document(&self.containerd, of).await {
            Err(error) => Err(self.missing(error).await),
            read => read,
        }
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let error = match body(&self.containerd, of).await {
            Ok(body) => return Ok(body),
            Err(error) => self.missing(error).await.context(format!("blob {}", of.digest)),
        };
        let is_layer = LayerType::of(&of.media_type).is_some();
        if is_layer && error.kind() == ErrorKind::NotFound {
            return Err(error.hint(self.fetched_again()));
        }
        Err(error)
    }

    async fn holds(&self, of: &Descriptor) -> Result<bool> {
        Ok(self.containerd.size(&of.digest).await?.is_some())
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for Source {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let mut listed = BTreeSet::new();
        for holder in [of, &self.root.descriptor().digest] {
            match self.containerd.info(holder).await {
                Ok(info) => listed.extend(labels::referrers(&info.labels)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let mut stored = Vec::new();
        for digest in listed {
            match self.containerd.info(&parse_digest(&digest)?).await {
                Ok(info) => stored.push(info),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // In the order in which they came here.
        stored
            .sort_by_cached_key(|info| (info.created_at.unwrap_or_default(), info.digest.clone()));
        let mut found = Vec::new();
        for info in stored {
            let (digest, size) = (parse_digest(&info.digest)?, api::size(info.size)?);
            let described = Descriptor::new(MediaType::ImageManifest, digest, size);
            let bytes = body(&self.containerd, &described).await?.bytes(MANIFEST_LIMIT).await?;
            let manifest = Manifest::new(bytes)?;
            if manifest.document().subject().is_some_and(|subject| subject.digest == *of) {
                found.push(manifest.as_referrer());
            }
        }
        Ok(found)
    }
}
