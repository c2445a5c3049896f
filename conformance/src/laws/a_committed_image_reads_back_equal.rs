//! A committed image reads back equal: manifests, blobs, order and names; and the commit says what is there.

use std::collections::BTreeSet;

use transship_core::{
    AcceptsOrder, Commit, Descriptor, Document, ErrorKind, ImageDestination, ImageName, ImageSource,
    Manifest, WriteMode,
};

use super::fails;
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, Child, Form, Format, Image, Index, Layer, Node, Presence};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{corner_nodes, meaning, names, nodes};
use crate::{Ability, Broken, Contradictions, Held, Law, Layers, Listed, Manifests};

pub(crate) const LAW: Law = Law {
    name: "a_committed_image_reads_back_equal",
    sentence: "A committed image reads back equal: manifests, blobs, order and names; and the commit says what is there.",
    promises: &[
        "Its bytes are as stored, and true to their digest.",
        "Its descriptor has the media type, digest and size of the manifest.",
        "Its descriptor is the one that was asked for, with platform, annotations and all.",
        "It stores the root, which need not be put before, and may be.",
        "It is known when the destination is opened, and does not change.",
        "What it lists can be committed; what it does not is refused with `Unsupported`.",
        "Each name, durably, all at once or not at all",
        "What it takes reads back as it was given",
        "They do not change.",
        "What it refers to need not be there yet, its subject neither: the commit looks at that.",
        "All of an index is kept, whatever [platform](Commit::platform) is preferred of it.",
    ],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let most = if kit.facts().has(Ability::SeveralNames) { 3 } else { 2 };
    let names = proptest::collection::vec(names(kit.facts()), 0..most);
    let mut corners = corner_nodes(kit.facts());
    corners.extend(kit.facts().has(Ability::Indexes).then(wide));
    let corners: Vec<_> = corners.into_iter().map(|node| (node, Vec::new())).collect();
    kit.each_with(&corners, (nodes(kit.facts()), names), |lab, (node, names)| {
        let names = if lab.has(Ability::Names) { names } else { &[][..] };
        lab.step(one(lab, node, names))?;
        match node {
            Node::Image(image) if lab.claims().manifests == Manifests::Rebuilt => {
                contradictory(&lab.another()?, image)
            }
            Node::Image(image) if image.layers.is_empty() => long(&lab.another()?, image),
            _ => Ok(()),
        }
    })
}

/// An index of many images, and of another index before and behind them.
fn wide() -> Node {
    let of = |node| Child { node, presence: Presence::Here };
    let image = |seed| of(Node::Image(Image::simple(seed)));
    let index = |children| Node::Index(Index { format: Format::Oci, children, described: false });
    let nested = |seed| of(index(vec![image(seed)]));
    index([nested(0)].into_iter().chain((1..60).map(image)).chain([nested(60)]).collect())
}

/// How long a manifest is that every place has to take: registries take 4 MiB.
const LONG: usize = 3 << 20;

/// An image with a long manifest reads back.
fn long(lab: &Lab, image: &Image) -> Held {
    let mut built = image.build()?;
    let mut root: serde_json::Value =
        serde_json::from_slice(built.root.bytes()).map_err(std::io::Error::from)?;
    root["annotations"]["org.example.kit.long"] = "x".repeat(LONG).into();
    built.root = Manifest::new(root.to_string())?;
    lab.step(async {
        let written = lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await?;
        let source = lab.source(&written.references[0]).await?;
        Seen::read(&*source).await?.is(&built, lab.facts())
    })
    .during(|| format!("an image with a manifest of more than {LONG} B"))
}

/// An image whose layers are not in the order that its config says reads back as it is, or is refused, or is taken as is claimed.
fn contradictory(lab: &Lab, image: &Image) -> Held {
    let takes = lab.claims().contradictions == Contradictions::CorruptWhenRead;
    if let Some(built) = in_another_order(image)? {
        return lab.step(async {
            match taken(lab, &built).await? {
                Some(source) if takes && is_corrupt(&*source).await => Ok(()),
                Some(source) => Seen::read(&*source).await?.is(&built, lab.facts()),
                None => Ok(()),
            }
            .during(|| OTHER_ORDER)
        });
    }
    // There is nothing to change in this one.
    let gzip = |seed| Layer { form: Form::Gzip(1), ..Layer::tar(seed, 900) };
    let image = Image { layers: vec![gzip(1), gzip(2)], ..Image::simple(1) };
    let Some(built) = in_another_order(&image)?.filter(|_| takes) else { return Ok(()) };
    lab.step(async {
        let source = taken(lab, &built).await?;
        let Some(source) = source else {
            return Err(Broken::new("it is refused, so `contradictions: CorruptWhenRead` is claimed without need"));
        };
        hold!(is_corrupt(&*source).await, "no layer is `Corrupt`, as `contradictions: CorruptWhenRead` says");
        Ok(())
    })
    .during(|| OTHER_ORDER)
}

const OTHER_ORDER: &str = "committing layers in another order than the config says";

fn in_another_order(image: &Image) -> Held<Option<Built>> {
    let mut built = image.build()?;
    let mut root: serde_json::Value =
        serde_json::from_slice(built.root.bytes()).map_err(std::io::Error::from)?;
    let Some(layers) = root["layers"].as_array_mut() else { return Ok(None) };
    let before = layers.clone();
    layers.reverse();
    if *layers == before {
        return Ok(None);
    }
    built.root = Manifest::new(root.to_string())?;
    Ok(Some(built))
}

/// Commits an image that may be refused as one that contradicts itself.
async fn taken(lab: &Lab, built: &Built) -> Held<Option<Box<dyn ImageSource>>> {
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    put_all(&*destination, built).await?;
    match destination.commit(Commit::new(&built.root)).await {
        Ok(committed) => Ok(Some(lab.source(&committed.references[0]).await?)),
        refused => {
            let kinds = [ErrorKind::Unsupported, ErrorKind::Corrupt];
            fails(refused, &kinds, &[], OTHER_ORDER)?;
            Ok(None)
        }
    }
}

/// Whether the config is whole, and a layer is not what its descriptor says.
async fn is_corrupt(source: &dyn ImageSource) -> bool {
    let Ok(root) = source.root().await else { return false };
    let Document::Image(image) = root.document() else { return false };
    let read = async |blob: &Descriptor| source.blob(blob).await?.bytes(blob.size).await;
    if read(&image.config).await.is_err() {
        return false;
    }
    for layer in &image.layers {
        if read(layer).await.is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
            return true;
        }
    }
    false
}

/// Opens a destination and puts all of an image to it. What the destination says of itself stays as it is.
async fn put(lab: &Lab, built: &Built, names: &[ImageName]) -> Held<Box<dyn ImageDestination>> {
    let destination = lab.destination(WriteMode::Create, names).await?;
    let (opened_as, accepted) = (destination.names().to_vec(), destination.accepts().clone());
    if names.is_empty() && accepted.order == AcceptsOrder::Any {
        for manifest in &built.below {
            let what = || "putting a manifest before its blobs";
            destination.put_manifest(manifest).await.during(what)?;
        }
    }
    put_all(&*destination, built).await?;
    let (known_as, accepts) = (destination.names(), destination.accepts());
    hold!(known_as == opened_as, "opened as {}, it is {} after the puts", listed(opened_as), listed(known_as));
    hold!(*accepts == accepted, "what it accepts has changed with the puts");
    if names.len() == 1 && lab.claims().manifests == Manifests::Kept {
        destination.put_manifest(&built.root).await.during(|| "putting the root before the commit")?;
    }
    Ok(destination)
}

async fn one(lab: &Lab, node: &Node, names: &[ImageName]) -> Held {
    let built = node.build()?;
    let destination = put(lab, &built, names).await?;
    let committed = commit(destination, &built).await?;
    let distinct: BTreeSet<_> = names.iter().map(|name| meaning(name, lab.facts())).collect();
    let (given, want) = (committed.references.len(), distinct.len().max(1));
    hold!(given == want, "the commit gives {given} references of {} names", names.len());
    let different: BTreeSet<_> = committed.references.iter().map(ToString::to_string).collect();
    hold!(different.len() == given, "the commit gives a reference twice: {}", listed(different));
    for at in &committed.references {
        let source = lab.source(at).await.during(|| "opening what the commit gave")?;
        let seen = Seen::read(&*source).await?;
        seen.is(&built, lab.facts())?;
        let again = source.manifest(seen.root.descriptor()).await.during(|| "asking for the root")?;
        hold!(again.bytes() == seen.root.bytes(), "the root, asked for as a manifest, is another one");
        let (found, said) = (seen.root.descriptor(), &committed.descriptor);
        // A place that unpacks layers says the digest that was sent, and makes a manifest of its tars when it is read.
        let is_made = lab.claims().manifests == Manifests::Rebuilt && lab.claims().layers == Layers::Tars;
        let is = |of: &Descriptor| {
            (&of.digest, of.size, &of.media_type) == (&said.digest, said.size, &said.media_type)
        };
        hold!(
            is(found) || is_made && is(built.root.descriptor()),
            "the commit says that {} is there, of {} B and type {}, and it is {}, {} B, {}",
            said.digest,
            said.size,
            said.media_type,
            found.digest,
            found.size,
            found.media_type
        );
        let is_index = matches!(seen.root.document(), Document::Index(_));
        hold!(
            transship_core::is_index_type(&found.media_type) == Some(is_index),
            "the root is described as {}",
            found.media_type
        );
        let mut want: Vec<_> = names.iter().map(|name| meaning(name, lab.facts())).collect();
        let mut have: Vec<_> = seen.names.iter().map(|name| meaning(name, lab.facts())).collect();
        want.sort();
        want.dedup();
        have.sort();
        if lab.claims().listed == Listed::Names {
            // What was opened by one name need not know the others.
            want.retain(|name| have.contains(name));
            hold!(have.is_empty() == names.is_empty(), "the image has the names {}", listed(have));
        }
        hold!(have == want, "the image has the names {} instead of {}", listed(have), listed(want));
    }
    Ok(())
}
