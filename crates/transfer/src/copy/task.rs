//! [`BlobTask`]: one blob that an image needs, in the form that it gets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use transship_core::{Descriptor, Digest, Expect, LayerForm, MediaType, Stored, chain_id};

use crate::events::emit::Emitter;
use crate::plan::layers::{Handling, LayerPlan};
use crate::plan::nodes::ImagePlan;
use crate::{BlobId, EventKind};

/// A blob at the source, and the form it changes to: what is moved once for all who need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TaskKey {
    pub(crate) digest: Digest,
    pub(crate) to: Option<LayerForm>,
}

impl TaskKey {
    pub(crate) fn kept(descriptor: &Descriptor) -> Self {
        Self { digest: descriptor.digest.clone(), to: None }
    }

    /// `None` for what stays behind.
    pub(crate) fn of(layer: &LayerPlan) -> Option<Self> {
        let to = match layer.handling {
            Handling::LeaveOut => return None,
            Handling::Keep => None,
            Handling::Change(to) => Some(to),
        };
        Some(Self { digest: layer.source.digest.clone(), to })
    }
}

pub(crate) type CopiedBlobs = HashMap<TaskKey, Stored>;

/// One blob that an image needs.
#[derive(Clone, Debug)]
pub(crate) struct BlobTask {
    pub(crate) key: TaskKey,
    pub(crate) source: Arc<Descriptor>,
    /// The type that it gets.
    media_type: MediaType,
    pub(crate) diff_id: Option<Digest>,
    /// Of a layer, where the diff IDs of all layers up to it are known.
    chain: Option<Digest>,
    /// For a layer: its position, and how many there are.
    layer: Option<(usize, usize)>,
}

impl BlobTask {
    fn layer(layer: &LayerPlan, at: (usize, usize), chain: Option<Digest>) -> Option<Self> {
        Some(Self {
            key: TaskKey::of(layer)?,
            source: Arc::clone(&layer.source),
            media_type: layer.media_type.clone(),
            diff_id: layer.diff_id.clone(),
            chain,
            layer: Some(at),
        })
    }

    fn config(config: &Arc<Descriptor>) -> Self {
        Self {
            key: TaskKey::kept(config),
            source: Arc::clone(config),
            media_type: config.media_type.clone(),
            diff_id: None,
            chain: None,
            layer: None,
        }
    }

    /// For messages.
    pub(super) fn what(&self) -> String {
        let digest = &self.source.digest;
        match (self.layer, &self.diff_id) {
            (Some((at, of)), Some(diff_id)) if self.key.to.is_some() => {
                format!("layer {} of {of} ({digest}, diff ID {diff_id})", at + 1)
            }
            (Some((at, of)), _) => format!("layer {} of {of} ({digest})", at + 1),
            (None, _) => format!("config {digest}"),
        }
    }

    /// What will be there, as far as it is known before.
    pub(crate) fn expect(&self) -> Expect {
        let expect = match (self.key.to, &self.diff_id) {
            (None, _) => Expect::from(&*self.source),
            (Some(LayerForm::Plain), Some(diff_id)) => Expect::digest(diff_id.clone()),
            _ => Expect::anything(),
        };
        expect.with_media_type(self.media_type.clone()).with_chain(self.chain.clone())
    }
}

/// The blobs of an image, each once, in the order in which they go: of each manifest the layers from the lowest up,
/// then the config.
pub(crate) fn tasks(plan: &ImagePlan) -> Vec<BlobTask> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for leaf in plan.images() {
        let count = leaf.layers.len();
        let layers = leaf.layers.iter().zip(chains(&leaf.layers)).enumerate();
        let layers =
            layers.filter_map(|(at, (layer, chain))| BlobTask::layer(layer, (at, count), chain));
        for task in layers.chain([BlobTask::config(&leaf.config)]) {
            if seen.insert(task.key.clone()) {
                all.push(task);
            }
        }
    }
    all
}

/// The chain ID of each layer, up to the first whose diff ID is not known.
fn chains(layers: &[LayerPlan]) -> impl Iterator<Item = Option<Digest>> {
    let mut below = None;
    let mut known = true;
    layers.iter().map(move |layer| {
        known &= layer.diff_id.is_some();
        below = layer.diff_id.as_ref().filter(|_| known).map(|id| chain_id(below.as_ref(), id));
        below.clone()
    })
}

/// The numbers of all blobs of a transfer, in the order of the plan.
#[derive(Debug, Default)]
pub(crate) struct BlobNumbers {
    pub(super) ids: HashMap<TaskKey, BlobId>,
    /// Their size at their sources.
    bytes: u64,
}

impl BlobNumbers {
    pub(crate) fn add(&mut self, tasks: &[BlobTask]) {
        for task in tasks {
            let next = BlobId(self.ids.len());
            self.ids.entry(task.key.clone()).or_insert_with(|| {
                self.bytes = self.bytes.saturating_add(task.source.size);
                next
            });
        }
    }

    pub(crate) fn emit_planned(&self, images: usize, events: &Emitter) {
        let (blobs, bytes) = (self.ids.len(), self.bytes);
        events.emit(EventKind::Planned { images, blobs, bytes });
    }
}
