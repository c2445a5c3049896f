//! What becomes of an image: the plan, from which the blobs to move and the new manifests follow.

use std::collections::HashSet;
use std::sync::Arc;

use transship_core::{Descriptor, Digest, Manifest, MediaType, Platform};

use crate::commit::report::{LayerElsewhere, PlatformsReport};
use crate::commit::{image_type, index_type};
use crate::open::Attaches;
use crate::plan::layers::{Handling, LayerPlan};
use crate::{DetachedSignatures, Format, Since};

/// What becomes of an image or index.
#[derive(Debug)]
pub(crate) struct ImagePlan {
    pub(crate) root: NodePlan,
    /// The root at the source.
    pub(crate) source: Descriptor,
    /// What the new root lists and is knowingly left out.
    pub(crate) absent: Vec<Descriptor>,
    /// Which of what is about it comes with it.
    pub(crate) attaches: Attaches,
    /// What is about it and comes with it, each after what it is about.
    pub(crate) referrers: Vec<NodePlan>,
    /// Of these, the ones that are about it by a tag.
    pub(crate) beside: Vec<(Digest, String)>,
    /// What becomes of its detached signatures.
    pub(crate) signatures: DetachedSignatures,
    /// What is left out of it, wherever it turns up.
    pub(crate) since: Option<Since>,
    /// The platform that was asked for first.
    pub(crate) preferred: Option<Platform>,
    pub(crate) platforms: PlatformsReport,
    pub(crate) lost: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum NodePlan {
    Image(LeafPlan),
    Index(IndexPlan),
}

/// What becomes of one manifest.
#[derive(Debug)]
pub(crate) struct LeafPlan {
    pub(crate) manifest: Manifest,
    /// The format that it gets, if another.
    pub(crate) format: Option<Format>,
    pub(crate) config: Arc<Descriptor>,
    pub(crate) layers: Vec<LayerPlan>,
}

/// What becomes of an index.
#[derive(Debug)]
pub(crate) struct IndexPlan {
    pub(crate) manifest: Manifest,
    pub(crate) format: Option<Format>,
    pub(crate) children: Vec<ChildPlan>,
}

#[derive(Debug)]
pub(crate) struct ChildPlan {
    pub(crate) descriptor: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) fate: Fate,
}

#[derive(Debug)]
pub(crate) enum Fate {
    Copy(Box<NodePlan>),
    /// Listed, and not there.
    Absent,
    /// Not listed any more.
    Gone,
}

impl ImagePlan {
    /// About how many bytes of memory it needs.
    pub(crate) fn weight(&self) -> usize {
        /// For each layer: descriptors, digests, types.
        const LAYER: usize = 1 << 10;
        let all = [&self.root].into_iter().chain(&self.referrers);
        let manifests: usize = all.map(NodePlan::weight).sum();
        manifests + self.images().iter().map(|leaf| leaf.layers.len() * LAYER).sum::<usize>()
    }

    /// Whether a place that shows its root needs nothing more. That is not known where an index stays incomplete, or where layers come
    /// that are not to be distributed: the place may have the root without them. And a delta is for another place.
    pub(crate) fn is_told_by_its_root(&self) -> bool {
        let may_be_lacking = |layer: &LayerPlan| {
            layer.handling != Handling::LeaveOut && layer.source.is_nondistributable()
        };
        self.absent.is_empty() && self.since.is_none() && !self.layers().any(may_be_lacking)
    }

    /// The layers that stay behind, each once.
    pub(crate) fn not_distributed(&self) -> Vec<LayerElsewhere> {
        let mut seen = HashSet::new();
        let stay = self.layers().filter(|layer| layer.handling == Handling::LeaveOut);
        stay.filter(|layer| seen.insert(&layer.source.digest))
            .map(|layer| LayerElsewhere::from(&*layer.source))
            .collect()
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &LayerPlan> {
        self.images().into_iter().flat_map(|leaf| &leaf.layers)
    }

    /// All manifests of images and artifacts, in the order in which their blobs go.
    pub(crate) fn images(&self) -> Vec<&LeafPlan> {
        let all = [&self.root].into_iter().chain(&self.referrers);
        all.flat_map(NodePlan::images).collect()
    }
}

impl LeafPlan {
    /// Whether it keeps its bytes.
    pub(crate) fn is_kept(&self) -> bool {
        self.format.is_none() && self.layers.iter().all(LayerPlan::is_kept)
    }
}

impl NodePlan {
    /// Whether it keeps its bytes.
    pub(crate) fn is_kept(&self) -> bool {
        match self {
            Self::Image(leaf) => leaf.is_kept(),
            Self::Index(index) => {
                index.format.is_none()
                    && index.children.iter().all(|child| match &child.fate {
                        Fate::Copy(node) => node.is_kept(),
                        Fate::Absent => true,
                        Fate::Gone => false,
                    })
            }
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Image(leaf) => &leaf.manifest,
            Self::Index(index) => &index.manifest,
        }
    }

    /// The type that it gets.
    pub(crate) fn media_type(&self) -> MediaType {
        match self {
            Self::Image(LeafPlan { format: Some(format), .. }) => image_type(*format),
            Self::Index(IndexPlan { format: Some(format), .. }) => index_type(*format),
            _ => self.manifest().descriptor().media_type.clone(),
        }
    }

    /// Its documents, which are also kept parsed.
    fn weight(&self) -> usize {
        let own = self.manifest().bytes().len().saturating_mul(3);
        self.copied().map(Self::weight).fold(own, usize::saturating_add)
    }

    /// The digests at the source of all that is copied, and whether each is kept, from the root down.
    pub(crate) fn digests(&self) -> Vec<(Digest, bool)> {
        let mut all = vec![(self.manifest().descriptor().digest.clone(), self.is_kept())];
        all.extend(self.copied().flat_map(Self::digests));
        all
    }

    /// The types of all that is copied.
    pub(crate) fn media_types(&self) -> Vec<MediaType> {
        let mut all = vec![self.media_type()];
        all.extend(self.copied().flat_map(Self::media_types));
        all
    }

    fn copied(&self) -> impl Iterator<Item = &Self> {
        let children = match self {
            Self::Image(_) => &[][..],
            Self::Index(index) => &index.children,
        };
        children.iter().filter_map(|child| match &child.fate {
            Fate::Copy(node) => Some(&**node),
            _ => None,
        })
    }

    /// The manifests below it, in the order in which their blobs go.
    pub(crate) fn images(&self) -> Vec<&LeafPlan> {
        match self {
            Self::Image(leaf) => vec![leaf],
            Self::Index(_) => self.copied().flat_map(Self::images).collect(),
        }
    }
}
