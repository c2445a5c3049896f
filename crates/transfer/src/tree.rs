//! [`Tree`]: the documents of an image or index, read once. Layers are not read.

use std::pin::Pin;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use transship_core::{
    CONFIG_LIMIT, Descriptor, Digest, Document, Error, ErrorKind, ImageDocument, ImageSource,
    IndexDocument, Manifest, Platform, Result, ResultExt, is_index_type,
};

use crate::layer::LayerType;

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
    /// The source does not have it, or not all of it: what is missing.
    Absent(String),
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
            Found::Absent(_) => None,
        }
    }
}

impl Tree {
    /// Reads the documents of an image.
    ///
    /// Of an index, what is absent is no error; of a single image it is `NotFound`. `Corrupt` for what is malformed
    /// and for indexes that contain themselves, `LimitExceeded` for ones that are nested too deep.
    pub(crate) async fn load(source: &dyn ImageSource) -> Result<Box<Self>> {
        let root = source.root().await?;
        load(source, root, Vec::new()).await
    }

    /// Reads the documents of a manifest that is not the root. `NotFound` when it is not all there.
    pub(crate) async fn of(source: &dyn ImageSource, of: &Descriptor) -> Result<Box<Self>> {
        find_child(source, of, &[]).await
    }
}

/// Boxes, so that deep nesting needs little stack.
type Loading<'a> = Pin<Box<dyn Future<Output = Result<Box<Tree>>> + Send + 'a>>;

fn load(source: &dyn ImageSource, manifest: Manifest, above: Vec<Digest>) -> Loading<'_> {
    Box::pin(async move {
        let node = match manifest.document()? {
            Document::Image(document) => {
                let config = load_config(source, &document).await?;
                Node::Image(Image { document, config })
            }
            Document::Index(document) => {
                let path = below(&above, manifest.descriptor())?;
                let children = load_children(source, &document, &path).await?;
                Node::Index { document, children }
            }
            _ => return Err(unknown(manifest.descriptor())),
        };
        Ok(Box::new(Tree { manifest, node }))
    })
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

async fn load_children(
    source: &dyn ImageSource,
    document: &IndexDocument,
    path: &[Digest],
) -> Result<Vec<Child>> {
    // By position: a stream of references is not `Send`.
    let found: Vec<Found> = stream::iter(0..document.manifests.len())
        .map(|at| Box::pin(look_for(source, &document.manifests[at], path)))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(document
        .manifests
        .iter()
        .zip(found)
        .map(|(child, found)| Child::new(child, found))
        .collect())
}

async fn look_for(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    path: &[Digest],
) -> Result<Found> {
    if is_index_type(&descriptor.media_type) == Some(true) {
        below(path, descriptor)?;
    }
    match find_child(source, descriptor, path).await {
        Ok(tree) => Ok(Found::Here(tree)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Absent(error.to_string())),
        Err(error) => Err(error),
    }
}

async fn find_child(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    path: &[Digest],
) -> Result<Box<Tree>> {
    let manifest = source.manifest(descriptor).await?;
    let tree = load(source, manifest, path.to_vec()).await?;
    if let Node::Image(image) = &tree.node {
        ask_for_layers(source, &image.document).await?;
    }
    Ok(tree)
}

/// Some tools keep the manifests and configs of all platforms, and the layers of one.
async fn ask_for_layers(source: &dyn ImageSource, document: &ImageDocument) -> Result<()> {
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

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default)]
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

impl Config {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let raw: RawConfig = serde_json::from_slice(bytes).map_err(|e| {
            Error::new(ErrorKind::Corrupt, "it is not an image config").caused_by(e)
        })?;
        let platform = match (raw.os, raw.architecture) {
            (Some(os), Some(architecture)) if !os.is_empty() && !architecture.is_empty() => {
                let mut platform = Platform::new(os, architecture);
                platform.variant = raw.variant.filter(|variant| !variant.is_empty());
                platform.os_version = raw.os_version.filter(|version| !version.is_empty());
                Some(platform)
            }
            _ => None,
        };
        let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids);
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
