//! The manifests as they will be at the destination, once it is known what the blobs became. Pure.

use std::collections::HashMap;

use transship_core::{Descriptor, Digest, Error, ErrorKind, Manifest, Result, Stored};

use super::convert::{self, NewChild, NewLayer};
use crate::copy::task::{BlobTask, CopiedBlobs, TaskKey};
use crate::plan::layers::LayerPlan;
use crate::plan::nodes::{ChildPlan, Fate, ImagePlan, IndexPlan, LeafPlan, NodePlan};

/// A root, and the manifests below it, each before those that refer to it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) root: Manifest,
    /// With the digest that each had at the source.
    pub(crate) below: Vec<(Digest, Manifest)>,
}

/// The root that an image gets, where that is known before the copy: no layer changes form.
pub(crate) fn planned_root(plan: &ImagePlan, blobs: &[BlobTask]) -> Result<Option<Manifest>> {
    if blobs.iter().any(|blob| blob.key.to.is_some()) {
        return Ok(None);
    }
    let kept = |blob: &BlobTask| {
        let Descriptor { digest, size, .. } = &*blob.source;
        (blob.key.clone(), Stored::new(digest.clone(), *size))
    };
    let built = build(&plan.root, &blobs.iter().map(kept).collect())?;
    Ok(Some(built.root))
}

pub(crate) fn build(node: &NodePlan, copied: &CopiedBlobs) -> Result<Built> {
    let mut below = Vec::new();
    let root = one(node, copied, &mut below)?;
    Ok(Built { root, below })
}

fn one(
    node: &NodePlan,
    copied: &CopiedBlobs,
    below: &mut Vec<(Digest, Manifest)>,
) -> Result<Manifest> {
    match node {
        NodePlan::Image(leaf) => image(leaf, copied),
        NodePlan::Index(plan) => index(plan, copied, below),
    }
}

fn image(leaf: &LeafPlan, copied: &CopiedBlobs) -> Result<Manifest> {
    let layers =
        leaf.layers.iter().map(|layer| new_layer(layer, copied)).collect::<Result<Vec<_>>>()?;
    let same = leaf.layers.iter().zip(&layers).all(|(old, new)| {
        old.source.media_type == new.media_type && old.source.digest == new.stored.digest
    });
    if same && leaf.format.is_none() {
        return Ok(leaf.manifest.clone());
    }
    described(&leaf.manifest, &convert::image(&leaf.manifest, leaf.format, &layers)?)
}

fn new_layer(layer: &LayerPlan, copied: &CopiedBlobs) -> Result<NewLayer> {
    let stored = match TaskKey::of(layer) {
        None => Stored::new(layer.source.digest.clone(), layer.source.size),
        Some(key) => copied.get(&key).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("layer {} was not moved", key.digest))
        })?,
    };
    Ok(NewLayer { media_type: layer.media_type.clone(), stored })
}

fn index(
    plan: &IndexPlan,
    copied: &CopiedBlobs,
    below: &mut Vec<(Digest, Manifest)>,
) -> Result<Manifest> {
    let mut made: HashMap<&Digest, Manifest> = HashMap::new();
    for child in &plan.children {
        if let Fate::Copy(node) = &child.fate {
            let manifest = one(node, copied, below)?;
            made.insert(&child.descriptor.digest, manifest.clone());
            below.push((child.descriptor.digest.clone(), manifest));
        }
    }
    let changed = |child: &ChildPlan| {
        made.get(&child.descriptor.digest)
            .is_some_and(|new| new.descriptor().digest != child.descriptor.digest)
    };
    let gone = |child: &ChildPlan| matches!(child.fate, Fate::Gone);
    if plan.format.is_none() && !plan.children.iter().any(|child| changed(child) || gone(child)) {
        return Ok(plan.manifest.clone());
    }
    let children: Vec<NewChild> =
        plan.children.iter().map(|child| new_child(child, &made)).collect();
    described(&plan.manifest, &convert::index(&plan.manifest, plan.format, &children)?)
}

fn new_child(child: &ChildPlan, made: &HashMap<&Digest, Manifest>) -> NewChild {
    if matches!(child.fate, Fate::Gone) {
        return NewChild::Gone;
    }
    let platform = child.platform.clone();
    let subject = convert::attested(&child.descriptor)
        .and_then(|subject| Digest::try_from(subject).ok())
        .and_then(|subject| made.get(&subject))
        .map(|new| new.descriptor().digest.clone());
    match made.get(&child.descriptor.digest) {
        Some(new) if new.descriptor().digest != child.descriptor.digest => {
            let new = new.descriptor();
            let stored = Stored::new(new.digest.clone(), new.size);
            NewChild::Other { media_type: new.media_type.clone(), stored, platform }
        }
        _ => NewChild::Same { subject, platform },
    }
}

/// What the archive says of the old manifest is also true of the new one: platform and annotations.
fn described(old: &Manifest, new: &Manifest) -> Result<Manifest> {
    let mut descriptor = old.descriptor().clone();
    let made = new.descriptor();
    descriptor.media_type = made.media_type.clone();
    descriptor.digest = made.digest.clone();
    descriptor.size = made.size;
    descriptor.data = None;
    Manifest::verified(&descriptor, new.bytes().clone())
}
