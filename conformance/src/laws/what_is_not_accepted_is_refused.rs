//! What is not accepted is refused with `Unsupported` and leaves no trace.

use transship_core::{Commit, Descriptor, DigestAlgorithm, Error, ErrorKind, Expect, ImageDestination, Manifest, Result, WriteMode};

use super::fails;
use crate::lab::Way;
use crate::model::{Built, Config, Form, Image, Layer, Node, Presence};
use crate::runner::Kit;
use crate::strategies::{corner_nodes, nodes};
use crate::{Ability, Digests, Facts, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_not_accepted_is_refused",
    sentence: "What is not accepted is refused with `Unsupported` and leaves no trace.",
    promises: &["What it lists can be committed; what it does not is refused with `Unsupported`."],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    // Everything that there is, whatever is claimed.
    let mut corners = corner_nodes(&Facts::strictest());
    corners.insert(0, Node::Image(Image { layers: vec![Layer::small(4, 700)], ..Image::simple(1) }));
    kit.each_with(&corners, nodes(&Facts::strictest()), |lab, node| {
        let built = node.build()?;
        let before = lab.snapshot()?;
        let refused = lab.step(async {
            let destination = lab.destination(WriteMode::Create, &[]).await?;
            let is_held = is_held(node, lab.facts()) && !is_long_for(&built, lab.facts());
            let has_noise = has_noise_for(node, lab.facts());
            if is_held && !has_noise {
                return Ok(false);
            }
            let done = written(destination, &built).await;
            // A layer that is no tar may as well be a broken one.
            let kinds = [ErrorKind::Unsupported, ErrorKind::Corrupt];
            let kinds = if has_noise { &kinds[..] } else { &kinds[..1] };
            fails(done, kinds, &[], "writing what is not accepted")?;
            Ok(true)
        })?;
        if refused { lab.snapshot()?.same(&before) } else { Ok(()) }
    })
}

async fn written(destination: Box<dyn ImageDestination>, built: &Built) -> Result<()> {
    for (at, blob) in built.blobs.iter().enumerate() {
        let body = Way::nth(at).body(&blob.bytes).map_err(|broken| {
            Error::new(ErrorKind::Unexpected, broken.to_string())
        })?;
        destination.put_blob(Expect::from(&blob.descriptor), body).await?;
    }
    for manifest in &built.below {
        destination.put_manifest(manifest).await?;
    }
    let what = Commit::new(&built.root).without(&built.absent);
    destination.commit(what).await.map(|_| ())
}

/// Whether it has a digest of sha512, where sha256 alone is claimed.
fn is_long_for(built: &Built, facts: &Facts) -> bool {
    let blobs = built.blobs.iter().map(|blob| &blob.descriptor);
    let mut all = blobs.chain(built.below.iter().map(Manifest::descriptor));
    let is_long = |of: &Descriptor| *of.digest.algorithm() != DigestAlgorithm::Sha256;
    facts.claims.digests == Digests::Sha256 && all.any(is_long)
}

/// Whether a layer is no tar, where tars alone are claimed.
fn has_noise_for(node: &Node, facts: &Facts) -> bool {
    !facts.has(Ability::AnyLayers)
        && match node {
            Node::Image(image) => image.layers.iter().any(Layer::is_no_tar),
            Node::Index(index) => index.children.iter().any(|child| {
                child.presence != Presence::Absent && has_noise_for(&child.node, facts)
            }),
        }
}

/// Whether all of it is accepted.
fn is_held(node: &Node, facts: &Facts) -> bool {
    match node {
        Node::Index(index) => {
            facts.has(Ability::Indexes)
                && node.is_of(&facts.index_formats())
                && (facts.has(Ability::SparseIndexes) || node.is_whole())
                && index.children.iter().all(|child| {
                    child.presence == Presence::Absent || is_held(&child.node, facts)
                })
        }
        Node::Image(image) => {
            let artifact = image.config == Config::Artifact;
            let plain = image.layers.iter().all(|layer| layer.form == Form::Plain);
            node.is_of(&facts.formats())
                && (!artifact || facts.has(Ability::Artifacts))
                && (plain || facts.has(Ability::CompressedLayers))
        }
    }
}
