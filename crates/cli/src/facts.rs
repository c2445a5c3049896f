//! What an image says of itself, read without its layers.

use serde_json::Value;
use transship::{
    CONFIG_LIMIT, Descriptor, Document, Error, ErrorKind, ImageDocument, ImageSource,
    IndexDocument, Manifest, Platform, Result, ResultExt,
};

/// The deepest nesting of indexes.
const DEPTH: usize = 16;

/// An image's config: its bytes, and what they say.
pub(crate) struct Config {
    pub(crate) bytes: Vec<u8>,
    pub(crate) value: Value,
}

impl Config {
    /// Reads the config of an image.
    ///
    /// # Errors
    /// `Corrupt` when it is not JSON.
    pub(crate) async fn read(source: &dyn ImageSource, of: &Descriptor) -> Result<Self> {
        let what = || format!("config {}", of.digest);
        let bytes = source.blob(of).await?.bytes(CONFIG_LIMIT).await.context(what)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "it is not JSON").caused_by(e))
            .context(what)?;
        Ok(Self { bytes: bytes.into(), value })
    }

    /// A text in it.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// What the image runs on.
    pub(crate) fn platform(&self) -> Option<Platform> {
        let mut platform = Platform::new(self.text("os")?, self.text("architecture")?);
        platform.variant = self.text("variant").map(str::to_owned);
        platform.os_version = self.text("os.version").map(str::to_owned);
        Some(platform.normalized())
    }

    /// The digests of the plain layers.
    pub(crate) fn diff_ids(&self) -> impl Iterator<Item = &str> {
        let listed = self.value.pointer("/rootfs/diff_ids").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// An entry of an index, or of an index in it.
pub(crate) struct Child {
    pub(crate) descriptor: Descriptor,
    /// Its manifest, if it is there.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) platform: Option<Platform>,
}

/// Everything that an index lists, those of nested indexes in their place.
pub(crate) async fn children(
    source: &dyn ImageSource,
    index: &IndexDocument,
) -> Result<Vec<Child>> {
    let mut found = Vec::new();
    // A stack keeps the order: what an index lists is pushed backwards.
    let mut stack: Vec<(Descriptor, usize)> =
        index.manifests.iter().rev().map(|d| (d.clone(), 1)).collect();
    while let Some((descriptor, depth)) = stack.pop() {
        let manifest = match source.manifest(&descriptor).await {
            Ok(manifest) => Some(manifest),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match manifest.as_ref().map(Manifest::document) {
            Some(Document::Index(_)) if depth == DEPTH => {
                let text = format!("indexes are nested deeper than {DEPTH}");
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            Some(Document::Index(inner)) => {
                stack.extend(inner.manifests.iter().rev().map(|d| (d.clone(), depth + 1)));
            }
            document => {
                let platform = platform(source, &descriptor, document).await?;
                found.push(Child { descriptor, manifest, platform });
            }
        }
    }
    Ok(found)
}

async fn platform(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    document: Option<&Document>,
) -> Result<Option<Platform>> {
    if let Some(said) = &descriptor.platform {
        return Ok(Some(said.clone().normalized()));
    }
    match document {
        Some(Document::Image(image)) if image.is_runnable() => {
            Ok(Config::read(source, &image.config).await?.platform())
        }
        _ => Ok(None),
    }
}

/// The child that fits a platform best.
///
/// # Errors
/// `NotFound`, listing what there is.
pub(crate) fn choose(children: Vec<Child>, wanted: &Platform) -> Result<Manifest> {
    let there: Vec<String> =
        children.iter().filter_map(|c| c.platform.as_ref()).map(ToString::to_string).collect();
    let runs = |child: &Child| child.platform.as_ref().and_then(|p| wanted.fit(p));
    let best = children
        .into_iter()
        .filter(|child| !child.descriptor.is_attestation())
        .filter_map(|child| Some((runs(&child)?, child)))
        .min_by_key(|(fit, child)| (*fit, child.manifest.is_none()));
    match best {
        Some((_, Child { manifest: Some(manifest), .. })) => Ok(manifest),
        Some((_, child)) => Err(Error::new(
            ErrorKind::NotFound,
            format!("the image for {wanted}, {}, is not here", child.descriptor.digest),
        )
        .hint("the index is sparse: its other images are elsewhere")),
        None => Err(Error::new(ErrorKind::NotFound, format!("there is no image for {wanted}"))
            .hint(format!("there is {}", there.join(", ")))),
    }
}

/// The size of an image's layers, as stored.
pub(crate) fn layers_size(image: &ImageDocument) -> u64 {
    image.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}
