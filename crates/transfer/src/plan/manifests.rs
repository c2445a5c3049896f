//! Makes the plan of an image. Pure: documents, the compression of layers, and options in; a plan out.

use std::collections::HashMap;
use std::sync::Arc;

use transship_core::{
    Accepts, AcceptsManifests, Artifacts, Deltas, Descriptor, Digest, Error, ErrorKind, Hint,
    ImageDocument, IndexDocument, Manifest, MediaType, Result, ResultExt, Sparse, media_types,
};

use crate::codec::Compression;
use crate::commit::report::PlatformsReport;
use crate::commit::{image_type, index_type, lost_in_docker};
use crate::open::Attaches;
use crate::plan::layers::{Handling, LayerPlan, LayerRules, plan_layer};
use crate::plan::nodes::{ChildPlan, Fate, ImagePlan, IndexPlan, LeafPlan, NodePlan};
use crate::plan::select::{Choice, describe, leaves};
use crate::plan::tree::{Child, Found, Image, Node, Tree};
use crate::{Digests, Format, Subset, TransferOptions};

/// Plans one image.
pub(crate) fn plan(
    tree: &Tree,
    choice: &Choice,
    options: &TransferOptions,
    accepts: &Accepts,
    sniffed: &HashMap<Digest, Compression>,
) -> Result<ImagePlan> {
    if options.since.is_some() && accepts.deltas == Deltas::Refused {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the destination holds whole images only, and a delta leaves parts out",
        )
        .hint("write it as oci: or oci-archive:"));
    }
    let rules = LayerRules::new(options, accepts);
    let mut planner = Planner {
        options,
        accepts,
        rules: &rules,
        sniffed,
        choice,
        leaf: 0,
        absent: Vec::new(),
        platforms: PlatformsReport::default(),
        lost: Vec::new(),
        warnings: Vec::new(),
    };
    let root = planner.root(tree)?;
    let Planner { absent, platforms, lost, warnings, .. } = planner;
    let plan = ImagePlan {
        root,
        source: tree.manifest.descriptor().clone(),
        absent,
        attaches: Attaches::Nothing,
        referrers: Vec::new(),
        beside: Vec::new(),
        signatures: options.signatures,
        since: options.since.clone(),
        preferred: options.platforms.first(),
        platforms,
        lost,
        warnings,
    };
    plan.check_digests(options)?;
    Ok(plan)
}

impl ImagePlan {
    fn check_digests(&self, options: &TransferOptions) -> Result<()> {
        if options.digests == Digests::MayChange || self.root.is_kept() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} would have to change, and digests are to be preserved", self.source.digest),
        )
        .hint(Hint::AllowDigestChange))
    }
}

struct Planner<'a> {
    options: &'a TransferOptions,
    accepts: &'a Accepts,
    rules: &'a LayerRules,
    sniffed: &'a HashMap<Digest, Compression>,
    choice: &'a Choice,
    /// The position of the next leaf.
    leaf: usize,
    absent: Vec<Descriptor>,
    platforms: PlatformsReport,
    lost: Vec<String>,
    warnings: Vec<String>,
}

impl Planner<'_> {
    fn root(&mut self, tree: &Tree) -> Result<NodePlan> {
        match (&tree.node, self.choice) {
            (Node::Index { .. }, Choice::Alone { at, why }) => self.alone(tree, *at, why.as_ref()),
            (Node::Index { document, children }, _) => {
                self.index(&tree.manifest, document, children).map(NodePlan::Index)
            }
            (Node::Image(image), _) => {
                if let Some(platform) = image.config.as_ref().and_then(|c| c.platform.clone()) {
                    self.platforms.copied.push(platform);
                }
                self.image(&tree.manifest, image).map(NodePlan::Image)
            }
        }
    }

    fn alone(&mut self, tree: &Tree, at: usize, why: Option<&String>) -> Result<NodePlan> {
        self.warnings.extend(why.cloned());
        let mut chosen = None;
        for (position, leaf) in leaves(tree).into_iter().enumerate() {
            if position == at {
                self.platforms.copied.extend(leaf.platform.clone());
                chosen = leaf.tree();
            } else {
                self.skip(leaf);
            }
        }
        match chosen {
            Some(Tree { manifest, node: Node::Image(image) }) => {
                self.image(manifest, image).map(NodePlan::Image)
            }
            // It was chosen because it is a present image.
            _ => Err(Error::new(ErrorKind::NotFound, "the chosen image is not present")),
        }
    }

    fn skip(&mut self, child: &Child) {
        if !child.descriptor.is_attestation() {
            self.platforms.skipped.extend(child.platform.clone());
        }
    }

    fn image(&mut self, manifest: &Manifest, image: &Image) -> Result<LeafPlan> {
        let digest = &manifest.descriptor().digest;
        let runnable = image.document.is_runnable();
        let format = self
            .format(&image.document.media_type, runnable)
            .context(|| format!("manifest {digest}"))?;
        if !runnable {
            return self.artifact(manifest, &image.document);
        }
        let mut layers = Vec::with_capacity(image.document.layers.len());
        for (at, layer) in image.document.layers.iter().enumerate() {
            let sniffed = self.sniffed.get(&layer.digest).copied();
            let plan = plan_layer(layer, image.diff_id(at), self.rules, format, sniffed)
                .context(|| format!("manifest {digest}"))?;
            layers.push(plan);
        }
        if format == Some(Format::Docker) {
            self.lost.extend(lost_in_docker(manifest)?);
        }
        self.warn_of_docker_zstd(&layers);
        let config = Arc::new(image.document.config.clone());
        Ok(LeafPlan { manifest: manifest.clone(), format, config, layers })
    }

    /// Of layers that become what few readers know: the copy would be found to be of no use elsewhere, and late.
    fn warn_of_docker_zstd(&mut self, layers: &[LayerPlan]) {
        let becomes = |layer: &LayerPlan| {
            let to = &layer.media_type;
            to.as_ref() == media_types::DOCKER_LAYER_ZSTD && *to != layer.source.media_type
        };
        let few = "containerd and BuildKit read zstd layers in docker's format; skopeo and podman refuse them, and read them in OCI's";
        if layers.iter().any(becomes) && !self.warnings.iter().any(|warning| warning == few) {
            self.warnings.push(few.to_owned());
        }
    }

    /// Artifacts are copied as they are, or not at all.
    fn artifact(&mut self, manifest: &Manifest, document: &ImageDocument) -> Result<LeafPlan> {
        if !self.holds_artifact(document) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} is an artifact (its config is {}), which the destination cannot hold",
                    manifest.descriptor().digest,
                    document.config.media_type
                ),
            )
            .hint("oci:, oci-archive: and dir: hold artifacts"));
        }
        Ok(as_it_is(manifest, document))
    }

    fn holds_artifact(&self, document: &ImageDocument) -> bool {
        self.accepts.artifacts == Artifacts::Accepted && self.accepts.takes(&document.media_type)
    }

    fn index(
        &mut self,
        manifest: &Manifest,
        document: &IndexDocument,
        children: &[Child],
    ) -> Result<IndexPlan> {
        let format = self
            .format(&document.media_type, true)
            .context(|| format!("index {}", manifest.descriptor().digest))?;
        let becomes_docker = format == Some(Format::Docker);
        if becomes_docker {
            self.lost.extend(lost_in_docker(manifest)?);
        }
        let children = children
            .iter()
            .map(|child| {
                let fate = self.child(child, becomes_docker)?;
                let Child { descriptor, platform, .. } = child;
                Ok(ChildPlan { descriptor: descriptor.clone(), platform: platform.clone(), fate })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(IndexPlan { manifest: manifest.clone(), format, children })
    }

    fn child(&mut self, child: &Child, docker: bool) -> Result<Fate> {
        if let Some(Tree { manifest, node: Node::Index { document, children } }) = child.tree() {
            if docker {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "docker's lists hold no indexes, and {} is one",
                        child.descriptor.digest
                    ),
                )
                .hint(Hint::UseOciFormat));
            }
            let absent = self.absent.len();
            let node = NodePlan::Index(self.index(manifest, document, children)?);
            // Of an index of which nothing is chosen nothing is kept, not an empty list.
            if matches!(self.choice, Choice::Some(_)) && node.images().is_empty() {
                self.absent.truncate(absent);
                return self.leave_out(child);
            }
            return Ok(Fate::Copy(Box::new(node)));
        }
        let taken = self.choice.takes(self.leaf);
        self.leaf += 1;
        match &child.found {
            Found::Absent(why) => self.leave_absent(child, taken.then_some(why)),
            // It was not chosen.
            Found::Unread => {
                self.skip(child);
                self.leave_out(child)
            }
            Found::Here(tree) => match &**tree {
                Tree { manifest, node: Node::Image(image) } if taken => {
                    self.take(child, manifest, image, docker)
                }
                _ => {
                    self.skip(child);
                    self.leave_out(child)
                }
            },
        }
    }

    fn take(
        &mut self,
        child: &Child,
        manifest: &Manifest,
        image: &Image,
        docker: bool,
    ) -> Result<Fate> {
        let what = describe(child.platform.as_ref(), &child.descriptor);
        let aside = child.descriptor.is_attestation() || !image.document.is_runnable();
        if !aside {
            let leaf = self.image(manifest, image).context(|| what)?;
            self.platforms.copied.extend(child.platform.clone());
            return Ok(Fate::Copy(Box::new(NodePlan::Image(leaf))));
        }
        if docker {
            self.lost.push(format!("{what}: docker's format has no place for it"));
            return Ok(Fate::Gone);
        }
        if !self.holds_artifact(&image.document) {
            self.lost.push(format!("{what}: the destination cannot hold it"));
            return self.leave_out(child);
        }
        Ok(Fate::Copy(Box::new(NodePlan::Image(as_it_is(manifest, &image.document)))))
    }

    fn leave_absent(&mut self, child: &Child, why: Option<&String>) -> Result<Fate> {
        match (why, &child.platform) {
            _ if child.descriptor.is_attestation() => {}
            (Some(_), Some(platform)) => self.platforms.absent.push(platform.clone()),
            (Some(why), None) => {
                let what = describe(None, &child.descriptor);
                self.warnings.push(format!("{what} is listed, and is not present: {why}"));
            }
            (None, _) => self.skip(child),
        }
        self.leave_out(child)
    }

    /// Keeps it in the list, or takes it out, as the options say and the destination allows.
    fn leave_out(&mut self, child: &Child) -> Result<Fate> {
        let gaps = self.accepts.sparse == Sparse::Accepted;
        let what = || describe(child.platform.as_ref(), &child.descriptor);
        match self.options.subset {
            Subset::Strip => Ok(Fate::Gone),
            Subset::Auto | Subset::Sparse if gaps => {
                self.absent.push(child.descriptor.clone());
                Ok(Fate::Absent)
            }
            Subset::Sparse => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the destination takes no index with gaps, and {} would be one", what()),
            )
            .hint(Hint::StripIndex)),
            Subset::Auto => {
                let what = what();
                self.lost.push(format!(
                    "{what}: taken out of the index, as the destination takes no gaps"
                ));
                Ok(Fate::Gone)
            }
        }
    }

    /// The format that a manifest has to change to.
    fn format(&self, media_type: &MediaType, convertible: bool) -> Result<Option<Format>> {
        let has = format_of(media_type);
        let wanted = self.options.format.filter(|_| convertible);
        let to = match (has, wanted) {
            (Some(has), Some(wanted)) if has != wanted => Some(wanted),
            (Some(has), None) if convertible && !self.accepts.takes(media_type) => Some(other(has)),
            _ => None,
        };
        let becomes = to.map_or_else(|| media_type.clone(), |to| same_kind(media_type, to));
        if self.accepts.takes(&becomes) {
            return Ok(to);
        }
        Err(self.not_held(&becomes))
    }

    fn not_held(&self, media_type: &MediaType) -> Error {
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("the destination cannot hold manifests of type {media_type}"),
        );
        match &self.accepts.manifests {
            AcceptsManifests::Only(types) => {
                let types: Vec<_> = types.iter().map(AsRef::<str>::as_ref).collect();
                error.hint(format!("it holds {}", types.join(", ")))
            }
            AcceptsManifests::Any | _ => error,
        }
    }
}

pub(crate) fn as_it_is(manifest: &Manifest, document: &ImageDocument) -> LeafPlan {
    let layers = document
        .layers
        .iter()
        .map(|layer| LayerPlan {
            source: Arc::new(layer.clone()),
            media_type: layer.media_type.clone(),
            handling: Handling::Keep,
            diff_id: None,
        })
        .collect();
    let config = Arc::new(document.config.clone());
    LeafPlan { manifest: manifest.clone(), format: None, config, layers }
}

fn format_of(media_type: &MediaType) -> Option<Format> {
    match media_type {
        MediaType::ImageManifest | MediaType::ImageIndex => Some(Format::Oci),
        other => match other.as_ref() {
            media_types::DOCKER_MANIFEST | media_types::DOCKER_LIST => Some(Format::Docker),
            _ => None,
        },
    }
}

fn other(format: Format) -> Format {
    match format {
        Format::Oci => Format::Docker,
        Format::Docker => Format::Oci,
    }
}

fn same_kind(media_type: &MediaType, format: Format) -> MediaType {
    match transship_core::is_index_type(media_type) {
        Some(true) => index_type(format),
        _ => image_type(format),
    }
}
