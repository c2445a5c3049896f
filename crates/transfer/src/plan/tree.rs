//! [`Tree`]: the documents of an image or index, read once. Layers are not read.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    CONFIG_LIMIT, Descriptor, Digest, Error, ErrorKind, ImageConfig, ImageDocument, ImageSource,
    IndexDocument, LayerType, Listed, Manifest, Platform, Result, ResultExt, Sparse, Visit,
    Visitor, is_index_type, walk_from, walk_listed,
};

use super::select::describe;
use crate::open::boxed;

/// How many documents are asked for at once.
const AT_ONCE: usize = 16;

/// A manifest, and what is below it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) manifest: Manifest,
    pub(crate) node: Node,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are images")]
pub(crate) enum Node {
    Image(Image),
    Index { document: IndexDocument, children: Vec<Child> },
}

/// An image or artifact.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) document: ImageDocument,
    /// What the config says; `None` for artifacts, whose config is never parsed.
    pub(crate) config: Option<ImageConfig>,
}

/// What an index lists.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) descriptor: Descriptor,
    /// That of the descriptor, else that of the config.
    pub(crate) platform: Option<Platform>,
    pub(crate) found: Found,
}

#[derive(Debug)]
pub(crate) enum Found {
    Here(Box<Tree>),
    /// It is listed, and has not been read: its descriptor says its platform.
    Unread,
    /// The source does not hold it, as in a sparse index: what is missing.
    Absent(String),
}

impl Found {
    fn here(self) -> Result<Box<Tree>> {
        match self {
            Self::Here(tree) => Ok(tree),
            // Where a walk begins is read.
            Self::Unread | Self::Absent(_) => {
                Err(Error::new(ErrorKind::Unexpected, "the first manifest was not read"))
            }
        }
    }
}

impl Image {
    /// The diff ID of a layer, where the config has one for each.
    pub(crate) fn diff_id(&self, at: usize) -> Option<&Digest> {
        let diff_ids = self.config.as_ref()?.diff_ids.as_ref()?;
        diff_ids.get(at).filter(|_| diff_ids.len() == self.document.layers.len())
    }
}

/// How much of an index is read before it is known what is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// All that it lists.
    Whole,
    /// What is needed to choose: platforms are read as far as the index does not say them.
    ToChoose,
}

impl Child {
    pub(crate) fn new(descriptor: &Descriptor, found: Found) -> Self {
        let mut child = Self { descriptor: descriptor.clone(), platform: None, found };
        let of_config = match child.tree() {
            Some(Tree { node: Node::Image(image), .. }) => {
                image.config.as_ref().and_then(|config| config.platform.clone())
            }
            _ => None,
        };
        child.platform = descriptor.platform.clone().or(of_config);
        child
    }

    pub(crate) fn tree(&self) -> Option<&Tree> {
        match &self.found {
            Found::Here(tree) => Some(tree),
            Found::Unread | Found::Absent(_) => None,
        }
    }

    /// Whether the source holds it, as far as that is known.
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self.found, Found::Absent(_))
    }
}

impl Tree {
    /// Reads the documents of an image.
    ///
    /// `NotFound` is the root alone. Of an index, a manifest that is absent is no error where the source may be sparse.
    /// `Corrupt` for what is missing, damaged or malformed and for indexes that contain themselves, `LimitExceeded` for ones that
    /// are nested too deep.
    pub(crate) async fn load(source: &dyn ImageSource, reading: Reading) -> Result<Box<Self>> {
        let root = source.root().await?;
        let found = walk_from(source, &root, &Loader { source, reading }).await;
        // Only the root can be not there.
        found.map_err(Error::of_part)?.here()
    }

    /// Reads the documents of a manifest that is not the root. `NotFound` when it is not all there.
    pub(crate) async fn of(source: &dyn ImageSource, of: &Descriptor) -> Result<Box<Self>> {
        let manifest = source.manifest(of).await?;
        let loader = Loader { source, reading: Reading::Whole };
        let tree = walk_from(source, &manifest, &loader).await?.here()?;
        if let Node::Image(image) = &tree.node {
            ask_for_layers(source, &image.document).await?;
        }
        Ok(tree)
    }

    /// Reads what was chosen and is unread, and asks whether the layers of what was chosen are there where asking is cheap.
    pub(crate) async fn complete(
        &mut self,
        source: &dyn ImageSource,
        taken: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<()> {
        let loader = &Loader { source, reading: Reading::Whole };
        let mut leaves = Vec::new();
        self.leaves_mut(&mut leaves);
        let chosen = leaves.into_iter().enumerate().filter(|(at, _)| taken(*at));
        let mut chosen: Vec<&mut Child> = chosen.map(|(_, child)| child).collect();
        let unread: Vec<Descriptor> = chosen
            .iter()
            .filter(|child| matches!(child.found, Found::Unread))
            .map(|child| child.descriptor.clone())
            .collect();
        // By position: a stream of references is not `Send`.
        let read: Vec<Found> = stream::iter(0..unread.len())
            .map(|at| boxed(loader.read(&unread[at])))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let waiting = chosen.iter_mut().filter(|child| matches!(child.found, Found::Unread));
        for (child, found) in waiting.zip(read) {
            **child = Child::new(&child.descriptor, found);
        }
        for child in chosen {
            let Some(Tree { node: Node::Image(image), .. }) = child.tree() else { continue };
            ask_for_layers(source, &image.document)
                .await
                .map_err(|error| damaged(&child.descriptor, error))?;
        }
        Ok(())
    }

    /// In the order of [`leaves`](crate::plan::select::leaves).
    fn leaves_mut<'a>(&'a mut self, all: &mut Vec<&'a mut Child>) {
        let Node::Index { children, .. } = &mut self.node else { return };
        for child in children {
            if matches!(child.tree(), Some(Tree { node: Node::Index { .. }, .. })) {
                if let Found::Here(nested) = &mut child.found {
                    nested.leaves_mut(all);
                }
            } else {
                all.push(child);
            }
        }
    }
}

/// Reads documents.
struct Loader<'s> {
    source: &'s dyn ImageSource,
    reading: Reading,
}

impl Loader<'_> {
    /// Reads what an index lists and was not read.
    async fn read(&self, of: &Descriptor) -> Result<Found> {
        walk_listed(self.source, of, self).await.map_err(|error| damaged(of, error))
    }

    /// Whether what is said of a manifest is enough to choose.
    fn is_read_later(&self, listed: Listed<'_>) -> bool {
        let of = listed.descriptor;
        let said = of.platform.is_some() || of.is_attestation();
        let is_image = is_index_type(&of.media_type) == Some(false);
        !listed.is_first() && is_image && said && self.reading == Reading::ToChoose
    }
}

#[async_trait]
impl Visitor for Loader<'_> {
    type Output = Found;

    fn skip(&self, listed: Listed<'_>) -> Option<Found> {
        let whole = self.source.sparse() == Sparse::Refused;
        (whole && self.is_read_later(listed)).then_some(Found::Unread)
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Found> {
        if self.is_read_later(of.listed) {
            return Ok(Found::Unread);
        }
        let config = match load_config(self.source, image).await {
            Err(error) if !of.listed.is_first() => {
                return Err(damaged(of.listed.descriptor, error));
            }
            config => config?,
        };
        let node = Node::Image(Image { document: image.clone(), config });
        Ok(Found::Here(Box::new(Tree { manifest: of.manifest.clone(), node })))
    }

    async fn index(
        &self,
        of: Visit<'_>,
        index: &IndexDocument,
        found: Vec<Found>,
    ) -> Result<Found> {
        let children = index.manifests.iter().zip(found);
        let children = children.map(|(child, found)| Child::new(child, found)).collect();
        let node = Node::Index { document: index.clone(), children };
        Ok(Found::Here(Box::new(Tree { manifest: of.manifest.clone(), node })))
    }

    fn absent(&self, listed: Listed<'_>, error: Error) -> Result<Found> {
        match self.source.sparse() {
            Sparse::Accepted => Ok(Found::Absent(error.to_string())),
            _ => Err(damaged(listed.descriptor, error)),
        }
    }
}

/// What is listed, or said by what is there, and is not there is damage.
fn damaged(of: &Descriptor, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let what = describe(of.platform.as_ref(), of);
    error
        .of_part()
        .context(format!("{what} is listed, and not whole"))
        .with_hint("choose a platform whose image is whole")
}

/// Some tools keep the manifests and configs of all platforms, and the layers of one. Where that is usual, on disks, asking
/// before the copy begins costs little; elsewhere the copy finds out before it shows anything.
async fn ask_for_layers(source: &dyn ImageSource, document: &ImageDocument) -> Result<()> {
    if source.sparse() == Sparse::Refused {
        return Ok(());
    }
    for layer in &document.layers {
        let distributable =
            LayerType::of(&layer.media_type).is_none_or(|known| known.distributable);
        if distributable && !source.holds(layer).await? {
            // For its error, which says what is absent where.
            source.blob(layer).await?;
        }
    }
    Ok(())
}

async fn load_config(
    source: &dyn ImageSource,
    document: &ImageDocument,
) -> Result<Option<ImageConfig>> {
    if !document.is_runnable() {
        return Ok(None);
    }
    let what = || format!("config {}", document.config.digest);
    let body = source.blob(&document.config).await?;
    let bytes = body.bytes(CONFIG_LIMIT).await.context(what)?;
    let config = ImageConfig::parse(&bytes).context(what)?;
    check_count(&config, document).context(what)?;
    Ok(Some(config))
}

/// Each layer has a diff ID. Where some are of unknown types, builders leave them out.
fn check_count(config: &ImageConfig, document: &ImageDocument) -> Result<()> {
    let Some(diff_ids) = &config.diff_ids else { return Ok(()) };
    let (ids, layers) = (diff_ids.len(), document.layers.len());
    let known = document.layers.iter().all(|layer| LayerType::of(&layer.media_type).is_some());
    if !known || ids == layers {
        return Ok(());
    }
    let message = format!("it has {ids} diff IDs, and the manifest has {layers} layers");
    Err(Error::new(ErrorKind::Corrupt, message))
}
