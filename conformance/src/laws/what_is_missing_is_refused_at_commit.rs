//! A commit of an image that lacks something which is not said to be absent is refused, names it, shows nothing, and can be tried again.

use proptest::prelude::*;
use transship_core::{
    Commit, ErrorKind, ImageDestination, ImageName, Manifest, WriteMode,
};

use super::fails;
use super::referrers_come_with_their_image::referrer;
use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Child, Config, Format, Image, Index, Layer, Node, Presence};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{corner_nodes, nodes};
use crate::{Ability, Found, Held, Law, Manifests};

pub(crate) const LAW: Law = Law {
    name: "what_is_missing_is_refused_at_commit",
    sentence: "A commit of an image that lacks something which is not said to be absent is refused, names it, shows nothing, and can be tried again.",
    promises: &[
        "What the root refers to and is not there must be in [`Commit::absent`]; else it is refused.",
        "A layer that is not to be distributed and says where else it is, in `urls`, may be missing",
    ],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let corners = corner_nodes(kit.facts()).into_iter().filter(|node| is_nested(node) || has_data(node));
    let corners: Vec<_> = corners.flat_map(|node| (0..9_usize).map(move |at| (node.clone(), at))).collect();
    kit.each_with(&corners, (nodes(kit.facts()), any::<usize>()), |lab, (node, which)| {
        let built = node.build()?;
        let parts = built.blobs.len() + built.below.len() + built.absent.len();
        if parts == 0 {
            return Ok(());
        }
        if *which % 5 == 0 {
            foreign(&lab.another()?, Presence::Absent)?;
            foreign(&lab.another()?, Presence::Here)?;
            lacking_about(&lab.another()?)?;
            resized_below(&lab.another()?)?;
        }
        let which = which % parts;
        let before = lab.snapshot()?;
        lab.step(resized(lab, &built))?;
        lab.snapshot()?.same(&before)?;
        lab.step(lacking(lab, &built, node, which))?;
        lab.snapshot()?.same(&before)?;
        if lab.has(Ability::ManyImages) {
            let other = lab.another()?;
            in_a_writer(&other, &built, node, which)?;
        }
        // A second try, with everything, succeeds.
        let written = lab.step(lab.write(&built, WriteMode::Create, &[]));
        let written = written.map_err(|e| e.while_doing("a second try, with everything"))?;
        lab.step(async {
            let source = lab.source(&written.references[0]).await?;
            Seen::read(&*source).await?.is(&built, lab.facts())
        })
    })
}

/// An index in an index.
fn is_nested(node: &Node) -> bool {
    let is_index = |child: &Child| matches!(child.node, Node::Index(_));
    matches!(node, Node::Index(index) if index.children.iter().any(is_index))
}

/// An artifact whose config is in its manifest, too.
fn has_data(node: &Node) -> bool {
    matches!(node, Node::Image(image) if image.described && image.config == Config::Artifact)
}

/// A layer that nobody may give away need not be there, and is kept where it is.
fn foreign(lab: &Lab, presence: Presence) -> Held {
    if !lab.has(Ability::CompressedLayers) || lab.claims().manifests == Manifests::Rebuilt {
        return Ok(());
    }
    let layers = vec![Layer::tar(4, 300), Layer::tar(8, 500)];
    let mut built = Image { layers, ..Image::simple(7) }.build()?;
    let mut root: serde_json::Value =
        serde_json::from_slice(built.root.bytes()).map_err(std::io::Error::from)?;
    let layer = &mut root["layers"][1];
    layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
    layer["urls"] = serde_json::json!(["https://example.invalid/layer"]);
    built.root = Manifest::new(root.to_string())?;
    let Some(foreign) = built.root.document().parts().last().cloned() else { return Ok(()) };
    if presence == Presence::Absent {
        built.blobs.retain(|blob| blob.descriptor.digest != foreign.digest);
    }
    lab.step(async {
        let what = || "an image with a layer that is not to be distributed";
        let written = lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await;
        let written = written.map_err(|e| e.while_doing(what()))?;
        let source = lab.source(&written.references[0]).await?;
        if presence == Presence::Here {
            let body = source.blob(&foreign).await.during(what)?;
            body.bytes(foreign.size).await.during(what)?;
            return Ok(());
        }
        let holds = source.holds(&foreign).await.during(what)?;
        hold!(!holds, "a layer is said to be here that nobody put");
        fails(source.blob(&foreign).await, &[ErrorKind::NotFound], &[], "reading that layer")
    })
}

/// What is about an image is whole, too.
fn lacking_about(lab: &Lab) -> Held {
    // A remote place may take what lacks something, and not say what it misses.
    if !lab.has(Ability::Referrers) || lab.claims().found == Found::Trusted {
        return Ok(());
    }
    let built = Image::simple(8).build()?;
    let mut about = referrer(&built.root, 1)?;
    for lacking in 0..about.blobs.len() {
        let missing = about.blobs.remove(lacking);
        lab.step(async {
            let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
            put_all(&*destination, &built).await?;
            put_all(&*destination, &about).await?;
            let written = async {
                destination.put_manifest(&about.root).await?;
                destination.commit(Commit::new(&built.root)).await
            };
            let of = &missing.descriptor;
            let what = format!("committing with a manifest about it without {}, {}", of.media_type, of.digest);
            fails(written.await, &OTHER, &[of.digest.as_ref()], &what)
        })?;
        about.blobs.insert(lacking, missing);
        hold!(lab.snapshot()?.is_absent(), "an image shows, and its commit was refused");
    }
    Ok(())
}

/// The kinds of an error about something that is not what a manifest says.
const OTHER: [ErrorKind; 3] = [ErrorKind::NotFound, ErrorKind::Corrupt, ErrorKind::Unsupported];

/// A part of another size than the manifest says is not the one that it refers to.
async fn resized(lab: &Lab, built: &Built) -> Held {
    if lab.claims().found == Found::Trusted {
        // Such a place is asked by digest alone.
        return Ok(());
    }
    let parts = ["/layers/0", "/config", "/manifests/0"];
    for (part, more) in parts.into_iter().flat_map(|part| [(part, 1), (part, -1)]) {
        let Some((root, digest)) = with_more(&built.root, part, more)? else { continue };
        if built.absent.iter().any(|absent| absent.digest.as_ref() == digest) {
            continue;
        }
        let destination = lab.destination(WriteMode::Create, &[]).await?;
        put_all(&*destination, built).await?;
        let commit = Commit::new(&root).without(&built.absent);
        let committed = destination.commit(commit).await;
        let what = format!("committing with {part} that is said to have {more:+} bytes more than it has");
        fails(committed, &OTHER, &[&digest], &what)?;
    }
    Ok(())
}

/// The same manifest, of which a part is said to have so many bytes more; and the digest of that part, if there is one.
fn with_more(of: &Manifest, part: &str, more: i64) -> Held<Option<(Manifest, String)>> {
    let mut root: serde_json::Value =
        serde_json::from_slice(of.bytes()).map_err(std::io::Error::from)?;
    let Some(listed) = root.pointer_mut(part) else { return Ok(None) };
    let size = listed["size"].as_u64().unwrap_or_default();
    let Some(size) = size.checked_add_signed(more) else { return Ok(None) };
    listed["size"] = size.into();
    let digest = listed["digest"].as_str().unwrap_or_default().to_owned();
    Ok(Some((Manifest::new(root.to_string())?, digest)))
}

/// What is there already is not the child that an index says if it has another size.
fn resized_below(lab: &Lab) -> Held {
    let able = [Ability::Indexes, Ability::Append, Ability::Names];
    if !able.iter().all(|able| lab.has(*able)) || lab.claims().found == Found::Trusted {
        return Ok(());
    }
    let child = |seed| Child { node: Node::Image(Image::simple(seed)), presence: Presence::Here };
    let children = vec![child(1)];
    let index = Index { format: Format::Oci, children, described: false }.build()?;
    let there = Image::simple(1).build()?;
    lab.step(lab.write(&there, WriteMode::Create, &lab.facts().some_name()))?;
    let before = lab.snapshot()?;
    lab.step(async {
        let Some((root, digest)) = with_more(&index.root, "/manifests/0", 1)? else { return Ok(()) };
        let names = [ImageName::new("docker.io/library/refused:1")?];
        let destination = lab.destination(WriteMode::Append, &names).await?;
        let committed = destination.commit(Commit::new(&root)).await;
        let what = "committing an index whose child is said to be larger than the image that is there";
        fails(committed, &OTHER, &[&digest], what)
    })?;
    lab.snapshot()?.same(&before)
}

/// An image of a writer that was refused is not among those that show.
fn in_a_writer(lab: &Lab, built: &Built, node: &Node, without: usize) -> Held {
    let whole = Image::simple(200);
    lab.step(async {
        let mut writer = lab.writer(WriteMode::Create).await?;
        let refused = writer.image(&[ImageName::new("docker.io/library/refused:1")?]).await?;
        refuse(refused, built, node, without).await?;
        let (built, names) = (whole.build()?, lab.facts().some_name());
        let destination = writer.image(&names).await?;
        put_all(&*destination, &built).await?;
        commit(destination, &built).await?;
        writer.finish().await.during(|| "finishing, after a commit that was refused")
    })?;
    let want = [Entry { built: whole.build()?, names: lab.facts().some_name() }];
    expected::check(&lab.snapshot()?, &want, lab.facts())
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
    let what = format!("committing {node:?} without {digest}");
    fails(committed, &OTHER, &[digest.as_ref()], &what)
}
