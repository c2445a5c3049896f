//! Bytes without the size and digest of the descriptor that asks for them are refused through every door.

use futures_util::StreamExt;
use transship_core::{
    Body, Descriptor, ErrorKind, ImageSource, Result, WriteMode, run_blocking, sha256,
};

use super::fails;
use crate::lab::Lab;
use crate::model::Node;
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::strategies::{corner_nodes, nodes};
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_asked_for_is_held_to_its_descriptor",
    sentence: "Bytes without the size and digest of the descriptor that asks for them are refused through every door.",
    promises: &[
        "The [`Body`] holds the bytes to the descriptor's digest and size.",
        "`Corrupt` if its bytes are not what the descriptor says.",
    ],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_nodes(kit.facts()), nodes(kit.facts()), |lab, node| lab.step(one(lab, node)))
}

async fn one(lab: &Lab, node: &Node) -> Held {
    let built = node.build()?;
    let committed = lab.write(&built, WriteMode::Create, &[]).await?;
    let source = lab.source(&committed.references[0]).await?;
    let root = source.root().await?;
    let kinds = [ErrorKind::Corrupt, ErrorKind::NotFound];
    for manifest in built.below.iter().chain([&root]) {
        let mut longer = manifest.descriptor().clone();
        longer.size += 1;
        let what = format!("asking for manifest {} with another size", longer.digest);
        fails(source.manifest(&longer).await, &kinds, &[], &what)?;
        if source.manifest(manifest.descriptor()).await.is_ok() {
            let what = format!("{what}, after it was read");
            fails(source.manifest(&longer).await, &kinds, &[], &what)?;
        }
    }
    for blob in &built.blobs {
        let mut longer = blob.descriptor.clone();
        longer.size += 1;
        every_door(&*source, &longer).await?;
        if blob.descriptor.size > 0 {
            let mut shorter = blob.descriptor.clone();
            shorter.size -= 1;
            every_door(&*source, &shorter).await?;
        }
    }
    let other = Descriptor::new(transship_core::MediaType::ImageLayer, sha256(b"other"), 3);
    every_door(&*source, &other).await
}

async fn every_door(source: &dyn ImageSource, of: &Descriptor) -> Held {
    let kinds = [ErrorKind::Corrupt, ErrorKind::NotFound];
    for door in [Door::Bytes, Door::Stream, Door::Chunks] {
        let read = match source.blob(of).await {
            Ok(body) => door.read(body).await,
            Err(e) => Err(e),
        };
        let what = format!("asking for {} as {} B ({door:?})", of.digest, of.size);
        fails(read, &kinds, &[], &what)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Bytes,
    Stream,
    Chunks,
}

impl Door {
    async fn read(self, body: Body) -> Result<()> {
        match self {
            Self::Bytes => body.bytes(LIMIT).await.map(|_| ()),
            Self::Stream => {
                let pieces: Vec<Result<bytes::Bytes>> = body.into_stream().collect().await;
                pieces.into_iter().collect::<Result<Vec<_>>>().map(|_| ())
            }
            Self::Chunks => {
                run_blocking(move |cancel| body.chunks(cancel)?.finish().map(|_| ())).await
            }
        }
    }
}
