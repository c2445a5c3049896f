//! A commit of an image that lacks something which is not said to be absent is refused, names it, and shows nothing.

use proptest::prelude::*;
use transship_core::{
    Commit, Document, ErrorKind, ImageDestination, ImageName, Manifest, WriteMode,
};

use super::{all, fails};
use crate::broken::While;
use crate::expected::{self, Entry};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Image, Node};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::nodes;
use crate::{Found, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_missing_is_refused_at_commit",
    sentence: "A commit of an image that lacks something which is not said to be absent is refused, names it, shows nothing, and can be tried again.",
    promises: &["What the root refers to and is not there must be in [`Commit::absent`]; else it is refused."],
    not_claimed: all,
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let what = any::<prop::sample::Index>();
    kit.each((nodes(kit.claims()), what), |lab, (node, index)| {
        let built = node.build()?;
        let parts = built.blobs.len() + built.below.len() + built.absent.len();
        if parts == 0 {
            return Ok(());
        }
        let before = lab.snapshot()?;
        lab.step(resized(lab, &built))?;
        lab.snapshot()?.same(&before)?;
        lab.step(lacking(lab, &built, node, index.index(parts)))?;
        lab.snapshot()?.same(&before)?;
        if lab.holds_many() {
            let other = lab.another()?;
            in_a_writer(&other, &built, node, index.index(parts))?;
        }
        // A second try, with everything, succeeds.
        let written = lab.step(lab.write(&built, WriteMode::Create, &[]));
        let written = written.map_err(|e| e.while_doing("a second try, with everything"))?;
        lab.step(async {
            let source = lab.source(&written.references[0]).await?;
            Seen::read(&*source).await?.is(&built, lab.claims())
        })
    })
}

/// A layer of another size than the manifest says is not the one that it refers to.
async fn resized(lab: &Lab, built: &Built) -> Held {
    if lab.claims().found == Found::Trusted {
        // Such a place is asked by digest alone.
        return Ok(());
    }
    let Document::Image(image) = built.root.document() else { return Ok(()) };
    let Some(layer) = image.layers.first() else { return Ok(()) };
    let mut root: serde_json::Value = 
        serde_json::from_slice(built.root.bytes()).map_err(std::io::Error::from)?;
    root["layers"][0]["size"] = (layer.size + 1).into();
    let root = Manifest::new(root.to_string())?;
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    put_all(&*destination, built).await?;
    let committed = destination.commit(Commit::new(&root)).await;
    let kinds = [ErrorKind::NotFound, ErrorKind::Corrupt, ErrorKind::Unsupported];
    let what = "committing with a layer that is said to be larger than it is";
    fails(committed, &kinds, &[layer.digest.as_ref()], what)
}

/// An image of a writer that was refused is not among those that show.
fn in_a_writer(lab: &Lab, built: &Built, node: &Node, without: usize) -> Held {
    let whole = Image::simple(200);
    lab.step(async {
        let writer = lab.writer(WriteMode::Create).await?;
        let refused = writer.image(&[ImageName::new("docker.io/library/refused:1")?]).await?;
        refuse(refused, built, node, without).await?;
        let (built, names) = (whole.build()?, super::some_name(lab.claims()));
        let destination = writer.image(&names).await?;
        put_all(&*destination, &built).await?;
        commit(destination, &built).await?;
        writer.finish().await.during(|| "finishing, after a commit that was refused")
    })?;
    let want = [Entry { built: whole.build()?, names: super::some_name(lab.claims()) }];
    expected::check(&lab.snapshot()?, &want, lab.claims())
        .map_err(|e| e.while_doing("in a writer of which one commit was refused"))
}

async fn lacking(lab: &Lab, built: &Built, node: &Node, without: usize) -> Held {
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    refuse(destination, built, node, without).await
}

async fn refuse(
    destination: Box<dyn ImageDestination + '_>,
    built: &Built,
    node: &Node,
    without: usize,
) -> Held {
    let mut put = built.clone();
    let mut absent = built.absent.clone();
    let manifests = put.blobs.len() + put.below.len();
    let digest = if without < put.blobs.len() {
        put.blobs.remove(without).descriptor.digest
    } else if without < manifests {
        put.below.remove(without - put.blobs.len()).descriptor().digest.clone()
    } else {
        absent.remove(without - manifests).digest
    };
    // Listed twice as absent.
    absent.retain(|a| a.digest != digest);
    put_all(&*destination, &put).await?;
    let committed = destination.commit(Commit::new(&built.root).without(&absent)).await;
    let kinds = [ErrorKind::NotFound, ErrorKind::Corrupt, ErrorKind::Unsupported];
    let what = format!("committing {node:?} without {digest}");
    fails(committed, &kinds, &[digest.as_ref()], &what)
}
