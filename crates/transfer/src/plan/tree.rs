//! [`Tree`]: the documents of an image or index, read once. Layers are not read.

use std::pin::Pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    CONFIG_LIMIT, Descriptor, Digest, Document, Error, ErrorKind, ImageConfig, ImageDocument,
    ImageSource, IndexDocument, LayerType, Manifest, Platform, Result, ResultExt, Sparse,
    is_index_type,
};

use crate::plan::select::describe;

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 16;

/// How many documents are asked for at once.
const AT_ONCE: usize = 8;

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
    pub(crate) config: Option<Config>,
}

/// What the engine has to know of an image's config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) platform: Option<Platform>,
    /// One for each layer; `None` where the config has none.
    pub(crate) diff_ids: Option<Vec<Digest>>,
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
    /// It is listed, and has not been read: its descriptor says what it is for.
    Unread,
    /// The source does not hold it, as in a sparse index: what is missing.
    Absent(String),
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
    fn new(descriptor: &Descriptor, found: Found) -> Self {
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
    /// Of an index, what is absent is no error where the source may be sparse; of a single image it is `NotFound`.
    /// `Corrupt` for what is damaged or malformed and for indexes that contain themselves, `LimitExceeded` for ones that
    /// are nested too deep.
    pub(crate) async fn load(source: &dyn ImageSource, reading: Reading) -> Result<Box<Self>> {
        let root = source.root().await?;
        Loader { source, reading }.load(root, Vec::new()).await
    }

    /// Reads the documents of a manifest that is not the root. `NotFound` when it is not all there.
    pub(crate) async fn of(source: &dyn ImageSource, of: &Descriptor) -> Result<Box<Self>> {
        let manifest = source.manifest(of).await?;
        let tree = Loader { source, reading: Reading::Whole }.load(manifest, Vec::new()).await?;
        if let Node::Image(image) = &tree.node {
            ask_for_layers(source, &image.document).await?;
        }
        Ok(tree)
    }

    /// Reads what was chosen and is unread, and asks whether the layers of what was chosen are there where asking is cheap.
    ///
    /// # Errors
    /// `Corrupt` for what is listed and damaged.
    pub(crate) async fn complete(
        &mut self,
        source: &dyn ImageSource,
        taken: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<()> {
        let loader = Loader { source, reading: Reading::Whole };
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
            .map(|at| Box::pin(loader.look_for(&unread[at], &[])))
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

/// Boxes, so that deep nesting needs little stack.
type Loading<'a> = Pin<Box<dyn Future<Output = Result<Box<Tree>>> + Send + 'a>>;

/// Reads documents.
#[derive(Clone, Copy)]
struct Loader<'s> {
    source: &'s dyn ImageSource,
    reading: Reading,
}

impl<'s> Loader<'s> {
    fn load(self, manifest: Manifest, above: Vec<Digest>) -> Loading<'s> {
        Box::pin(async move {
            let node = match manifest.document() {
                Document::Image(document) => {
                    let config = load_config(self.source, document).await?;
                    Node::Image(Image { document: document.clone(), config })
                }
                Document::Index(document) => {
                    let path = below(&above, manifest.descriptor())?;
                    let children = self.children(document, &path).await?;
                    Node::Index { document: document.clone(), children }
                }
                _ => return Err(unknown(manifest.descriptor())),
            };
            Ok(Box::new(Tree { manifest, node }))
        })
    }

    async fn children(self, document: &IndexDocument, path: &[Digest]) -> Result<Vec<Child>> {
        // By position: a stream of references is not `Send`.
        let found: Vec<Found> = stream::iter(0..document.manifests.len())
            .map(|at| Box::pin(self.look_for(&document.manifests[at], path)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let children = document.manifests.iter().zip(found);
        Ok(children.map(|(child, found)| Child::new(child, found)).collect())
    }

    async fn look_for(self, of: &Descriptor, path: &[Digest]) -> Result<Found> {
        let kind = is_index_type(&of.media_type);
        if kind == Some(true) {
            below(path, of)?;
        }
        let told = kind == Some(false) && (of.platform.is_some() || of.is_attestation());
        let later = told && self.reading == Reading::ToChoose;
        let sparse = self.source.sparse() == Sparse::Accepted;
        if later && !sparse {
            return Ok(Found::Unread);
        }
        let manifest = match self.source.manifest(of).await {
            Ok(_) if later => return Ok(Found::Unread),
            Ok(manifest) => manifest,
            Err(error) if sparse && error.kind() == ErrorKind::NotFound => {
                return Ok(Found::Absent(error.to_string()));
            }
            Err(error) => return Err(damaged(of, error)),
        };
        let tree = self.load(manifest, path.to_vec()).await;
        tree.map(Found::Here).map_err(|error| damaged(of, error))
    }
}

/// What is listed, or said by what is there, and is not there is damage.
fn damaged(of: &Descriptor, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let what = describe(of.platform.as_ref(), of);
    Error::new(ErrorKind::Corrupt, format!("{what} is listed, and not whole: {error}"))
        .hint("what is whole can be copied by its platform")
}

fn unknown(descriptor: &Descriptor) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("manifest {} is neither an image nor an index", descriptor.digest),
    )
}

fn below(above: &[Digest], index: &Descriptor) -> Result<Vec<Digest>> {
    if above.contains(&index.digest) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("index {} contains itself", index.digest),
        ));
    }
    if above.len() >= MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("index {} is nested deeper than {MAX_DEPTH}", index.digest),
        ));
    }
    let mut path = above.to_vec();
    path.push(index.digest.clone());
    Ok(path)
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

async fn load_config(source: &dyn ImageSource, document: &ImageDocument) -> Result<Option<Config>> {
    if !document.is_runnable() {
        return Ok(None);
    }
    let what = || format!("config {}", document.config.digest);
    let body = source.blob(&document.config).await?;
    let bytes = body.bytes(CONFIG_LIMIT).await.context(what)?;
    let config = Config::parse(&bytes).context(what)?;
    config.check_count(document).context(what)?;
    Ok(Some(config))
}

impl Config {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let ImageConfig { platform, diff_ids, .. } = ImageConfig::parse(bytes)?;
        Ok(Self { platform, diff_ids })
    }

    /// Each layer has a diff ID. Where some are of unknown types, builders leave them out.
    fn check_count(&self, document: &ImageDocument) -> Result<()> {
        let Some(diff_ids) = &self.diff_ids else { return Ok(()) };
        let known = document.layers.iter().all(|layer| LayerType::of(&layer.media_type).is_some());
        if !known || diff_ids.len() == document.layers.len() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "it has {} diff IDs, and the manifest has {} layers",
                diff_ids.len(),
                document.layers.len()
            ),
        ))
    }

    /// The diff ID of a layer, by its position among `layers` layers.
    pub(crate) fn diff_id(&self, at: usize, layers: usize) -> Option<&Digest> {
        self.diff_ids.as_ref().filter(|ids| ids.len() == layers)?.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_says_platform_and_diff_ids() {
        let config = Config::parse(
            br#"{"os":"linux","architecture":"arm","variant":"v7","rootfs":{"diff_ids":
            ["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]},"x":1}"#,
        )
        .unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm/v7");
        assert_eq!(config.diff_ids.unwrap().len(), 1);
        let empty = Config::parse(b"{}").unwrap();
        assert_eq!(empty, Config::default());
    }

    #[test]
    fn what_is_no_config_is_corrupt() {
        for bad in ["", "hello", "[1]", r#"{"rootfs":{"diff_ids":["x"]}}"#] {
            assert_eq!(Config::parse(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
