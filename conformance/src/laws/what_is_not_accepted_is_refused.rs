//! What `accepts` says is what the claims say, and what is not accepted is refused with `Unsupported` and leaves no trace.

use transship_core::{
    AcceptsLayers, AcceptsNameless, AcceptsNames, Artifacts as AcceptsArtifacts, Commit, ErrorKind, Expect,
    ImageDestination, Result, Sparse, WriteMode,
};

use super::{all, fails};
use crate::broken::hold;
use crate::lab::Way;
use crate::model::{Built, Node};
use crate::runner::Kit;
use crate::strategies::{corner_nodes, nodes};
use crate::{Artifacts, Claims, Held, Indexes, Layers, Law, Names, Untagged};

pub(crate) const LAW: Law = Law {
    name: "what_is_not_accepted_is_refused",
    sentence: "What `accepts` says is what the claims say, and what is not accepted is refused with `Unsupported` and leaves no trace.",
    promises: &["What it lists can be committed; what it does not is refused with `Unsupported`."],
    not_claimed: all,
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    // Everything that there is, whatever is claimed.
    kit.each_with(&corner_nodes(&Claims::default()), nodes(&Claims::default()), |lab, node| {
        let built = node.build()?;
        let before = lab.snapshot()?;
        let refused = lab.step(async {
            let destination = lab.destination(WriteMode::Create, &[]).await?;
            agree(&*destination, lab.claims())?;
            if is_held(node, lab.claims()) {
                return Ok(false);
            }
            let done = written(destination, &built).await;
            fails(done, &[ErrorKind::Unsupported], &[], "writing what is not accepted")?;
            Ok(true)
        })?;
        if refused { lab.snapshot()?.same(&before) } else { Ok(()) }
    })
}

async fn written(destination: Box<dyn ImageDestination>, built: &Built) -> Result<()> {
    for (at, blob) in built.blobs.iter().enumerate() {
        let body = Way::nth(at).body(&blob.bytes).map_err(|broken| {
            transship_core::Error::new(ErrorKind::Unexpected, broken.to_string())
        })?;
        destination.put_blob(Expect::from(&blob.descriptor), body).await?;
    }
    for manifest in &built.below {
        destination.put_manifest(manifest).await?;
    }
    let what = Commit::new(&built.root).without(&built.absent);
    destination.commit(what).await.map(|_| ())
}

/// Whether all of it is within the claims.
fn is_held(node: &Node, claims: &Claims) -> bool {
    match node {
        Node::Index(_) => claims.indexes == Indexes::Held,
        Node::Image(image) => {
            let artifact = image.config == crate::model::Config::Artifact;
            let plain = image.layers.iter().all(|l| l.form == crate::model::Form::Plain);
            (!artifact || claims.artifacts == Artifacts::Held)
                && (plain || claims.layers == Layers::Any)
        }
    }
}

fn agree(destination: &dyn ImageDestination, claims: &Claims) -> Held {
    let accepts = destination.accepts();
    let says = |agrees: bool, of: &str| -> Held {
        hold!(agrees, "accepts and the claims disagree about {of}: {accepts:?}, {claims:?}");
        Ok(())
    };
    says(accepts.takes_indexes() == (claims.indexes == Indexes::Held), "indexes")?;
    says((accepts.artifacts == AcceptsArtifacts::Accepted) == (claims.artifacts == Artifacts::Held), "artifacts")?;
    says((accepts.layers == AcceptsLayers::Any) == (claims.layers == Layers::Any), "layers")?;
    says((accepts.names == AcceptsNames::None) == (claims.names == Names::None), "names")?;
    let one = accepts.nameless == AcceptsNameless::One;
    says(one == (claims.untagged == Untagged::One), "images without a name")?;
    let sparse = accepts.sparse == Sparse::Accepted;
    says(sparse == (claims.indexes == Indexes::Held), "sparse indexes")
}
