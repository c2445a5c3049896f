//! [`Engine`]: what is asked of an engine, and what it answers. Shared by the transports of engines.

use std::fmt;

use crate::known::Memory;
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;
use transship_core::{
    Descriptor, Digest, DockerName, EntryDetails, Error, ErrorKind, ImageName, MediaType, Platform,
    Reference, Result, ResultExt, few, parse_digest,
};

/// An engine: a place that saves and loads images as tars.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// The reference of an image of this engine.
    fn reference(&self, image: &Locator) -> Reference;

    /// The name or the ID that [`Locator::Unresolved`] stands for; anything else as it is.
    ///
    /// # Errors
    /// `NotFound`; `Ambiguous` when several images begin so.
    async fn resolve(&self, image: Locator) -> Result<Locator> {
        Ok(image)
    }

    /// How it keeps images.
    async fn store(&self) -> Result<Store>;

    /// Whether it can load layers that are compressed with zstd. One that cannot gets them decompressed.
    async fn takes_zstd(&self) -> Result<bool>;

    /// All images, but for those that the engine calls intermediate: they have no name, and another one is built on them.
    async fn images(&self) -> Result<Vec<Listed>>;

    /// One image, by what the engine calls it.
    ///
    /// # Errors
    /// `NotFound`, which lists the names that are there: see [`with_names`].
    async fn inspect(&self, image: &str) -> Result<Inspected>;

    /// Images by ID, as far as they are there.
    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.inspect(id).await.if_found()?);
        }
        Ok(found)
    }

    /// Says of an image that somebody asked for, and that is not there, where it was looked for.
    async fn not_there(&self, error: Error) -> Error {
        error
    }

    /// What is remembered of the layers that it has, so that they are left out of what it loads; `None` for an engine that takes
    /// whole images only.
    async fn memory(&self) -> Result<Option<&Memory>> {
        Ok(None)
    }

    /// Why it cannot keep a name; `None` where it can.
    fn refuses(&self, name: &DockerName) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Gives an image a name, which it takes from the image that had it.
    async fn tag(&self, image: &str, name: &DockerName) -> Result<()>;

    /// Removes a name, and the image with its last one; by ID, an image that has none.
    ///
    /// # Errors
    /// `Conflict` when a container uses the image.
    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()>;

    /// The tar of images.
    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>>;

    /// Loads a tar, and gives the ID of what was loaded, where the engine says it. The engine keeps nothing of a tar whose
    /// pieces end without [`Piece::End`], or when the future is dropped before.
    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>>;
}

/// What a reference names in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// All images.
    All,
    /// By a name with a tag or a digest.
    Name(DockerName),
    /// By ID.
    Id(Digest),
    /// By what only the engine can read, as the first digits of an ID: [`Engine::resolve`].
    Unresolved(String),
}

impl Locator {
    /// What the engine calls it; `None` for all images.
    pub fn in_engine(&self) -> Option<String> {
        (*self != Self::All).then(|| self.to_string())
    }

    /// The name that an image gets under it.
    pub(crate) fn as_name(&self) -> Option<DockerName> {
        match self {
            Self::Name(name) if name.digest().is_none() => Some(name.clone()),
            Self::Unresolved(text) => DockerName::parse(text).ok().map(DockerName::or_latest),
            _ => None,
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
            Self::Unresolved(text) => f.write_str(text),
        }
    }
}

/// What becomes of images without names that a removed one was built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseImages {
    /// They stay. An engine that always removes them fails with `Unsupported`, before it removes anything.
    Stay,
    /// They stay, but in an engine that always removes them.
    StayIfPossible,
}

/// How an engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Layers unpacked, by chain; it makes manifests anew.
    GraphDriver,
    /// Blobs as they were pulled.
    Containerd,
    /// As the first, behind podman.
    Podman,
}

/// What an engine says of an image in its list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    /// With `sha256:`.
    pub id: String,
    /// Its names.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
}

impl Listed {
    /// Its names that are some.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        named(self.repo_tags.as_ref())
    }
}

/// Those of raw names that are names of docker.
pub(crate) fn image_names<'a>(raw: impl Iterator<Item = &'a String>) -> Vec<ImageName> {
    raw.filter_map(|raw| DockerName::parse(raw).ok()).map(|name| ImageName::from(&name)).collect()
}

fn named(tags: Option<&Vec<String>>) -> impl Iterator<Item = &String> {
    tags.into_iter().flatten().filter(|name| !name.starts_with("<none>"))
}

/// What an engine says of one image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspected {
    /// With `sha256:`.
    pub id: String,
    /// Its names.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// What an index has, in an engine with the containerd store.
    #[serde(default)]
    pub manifests: Option<Vec<Part>>,
    /// What it runs on.
    #[serde(default)]
    pub os: Option<String>,
    /// The same.
    #[serde(default)]
    pub architecture: Option<String>,
    /// The same.
    #[serde(default)]
    pub variant: Option<String>,
    /// The bytes that it takes.
    #[serde(default)]
    pub size: u64,
    /// The root, in an engine with the containerd store.
    #[serde(default)]
    pub descriptor: Option<Root>,
    /// Its layers.
    #[serde(default, rename = "RootFS")]
    pub root_fs: Option<RootFs>,
}

/// The root of an image, in an engine with the containerd store.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Its type.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
}

/// The layers of an image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// Their diff IDs, the lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

impl Inspected {
    /// Its names that are some.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        named(self.repo_tags.as_ref())
    }

    /// What the engine says of it, without reading it. Where it makes manifests there is no root, and the ID is the digest of the
    /// config. The size is what it takes there.
    ///
    /// # Errors
    /// `InvalidInput` when it says of a digest what is none.
    pub fn details(&self) -> Result<EntryDetails> {
        let mut details = EntryDetails::default();
        details.size = self.size;
        match &self.descriptor {
            Some(root) => {
                let media_type = MediaType::from(root.media_type.as_str());
                let digest = parse_digest(&root.digest)?;
                details.root = Some(Descriptor::new(media_type, digest, root.size));
            }
            None => details.image_id = Some(parse_digest(&self.id)?),
        }
        let Some(parts) = &self.manifests else {
            let [os, architecture] = [&self.os, &self.architecture].map(Option::as_deref);
            let mut platform =
                Platform::new(os.unwrap_or_default(), architecture.unwrap_or_default());
            platform.variant.clone_from(&self.variant);
            details.platforms.extend(known(platform));
            return Ok(details);
        };
        details.platforms.extend(parts.iter().filter_map(Part::runs_on));
        Ok(details)
    }

    /// The diff IDs of its layers.
    pub fn layers(&self) -> &[String] {
        self.root_fs.as_ref().and_then(|root_fs| root_fs.layers.as_deref()).unwrap_or_default()
    }
}

/// A manifest below an index, in an engine with the containerd store.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Part {
    /// The digest of the manifest.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether the engine has all of it.
    #[serde(default)]
    pub available: bool,
    /// Of an image, also where the engine lacks it. Of an attestation only where the engine lacks that, too.
    #[serde(default)]
    pub image_data: Option<ImageData>,
    /// What the index says of it.
    #[serde(default)]
    pub descriptor: Option<Listing>,
}

impl Part {
    /// What it runs on; also of one that the engine lacks, as the index says it.
    fn runs_on(&self) -> Option<Platform> {
        let said = self.image_data.as_ref().map(|image| &image.platform);
        let listed = self.descriptor.as_ref().map(|listed| &listed.platform);
        let fields = said.or(listed)?.clone();
        let platform = known(serde_json::from_value(Value::Object(fields)).ok()?)?;
        (!platform.is_unknown()).then_some(platform)
    }
}

/// What an index says of a manifest.
#[derive(Clone, Debug, Deserialize)]
pub struct Listing {
    /// What it runs on.
    #[serde(default)]
    pub platform: Map<String, Value>,
}

/// What is said of an image below an index.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageData {
    /// What it runs on: what the index says, and where it says nothing the config.
    #[serde(default)]
    pub platform: Map<String, Value>,
}

/// The engine gives an empty text for what it does not know.
fn known(mut platform: Platform) -> Option<Platform> {
    platform.variant.take_if(|variant| variant.is_empty());
    (!platform.os.is_empty() && !platform.architecture.is_empty()).then_some(platform)
}

/// A part of a tar that is sent.
#[derive(Debug)]
pub enum Piece {
    /// Some bytes.
    Bytes(Bytes),
    /// The tar is whole.
    End,
}

/// Bytes that come.
#[async_trait]
pub trait Chunks: fmt::Debug + Send {
    /// Some bytes; none at the end.
    ///
    /// # Errors
    /// `Unavailable` when they end early.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// The error for an image that is not there or not chosen, with the names that are there.
pub fn with_names<'a>(error: Error, names: impl IntoIterator<Item = &'a String>) -> Error {
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() {
        return error.hint("the engine has no images with names");
    }
    names.sort_unstable();
    error.hint(format!("it has {}", few(names)))
}

/// An image that somebody asked for.
pub(crate) async fn asked_for(engine: &dyn Engine, image: &str) -> Result<Inspected> {
    match engine.inspect(image).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(engine.not_there(error).await),
        found => found,
    }
}

/// The kind of a failure that an engine has only words for.
pub fn kind_of(words: &str) -> ErrorKind {
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let ends_in_a_layer =
        has(&["ApplyLayer", "processing tar file"]) && words.contains("unexpected EOF");
    if has(&["no such image", "image not known"]) {
        ErrorKind::NotFound
    } else if has(&["invalid reference format"]) {
        ErrorKind::InvalidInput
    } else if has(&["no space left"]) {
        ErrorKind::NoSpace
    } else if has(&["image is in use", "image used by", "image is being used"]) {
        ErrorKind::Conflict
    } else if has(&["permission denied"]) {
        ErrorKind::Denied
    } else if ends_in_a_layer
        || has(&[
            "archive/tar: invalid tar header",
            "Digest did not match",
            "invalid diffID",
            "two different DiffID values",
        ])
    {
        // A layer is no tar, or not the one that the config says.
        ErrorKind::Corrupt
    } else {
        ErrorKind::Unexpected
    }
}

/// The only image of a list.
///
/// # Errors
/// `NotFound`; `Ambiguous`, with what there is.
pub(crate) fn sole(images: &[Listed]) -> Result<&Listed> {
    match images {
        [] => Err(no_images()),
        [image] => Ok(image),
        images => {
            let full =
                |raw: &String| DockerName::parse(raw).map_or(raw.clone(), |name| name.to_string());
            let choices: Vec<String> = images
                .iter()
                .map(|image| image.names().next().map_or_else(|| image.id.clone(), full))
                .collect();
            let message = format!("the engine has {} images, and none is chosen", images.len());
            Err(with_names(Error::new(ErrorKind::Ambiguous, message), &choices))
        }
    }
}

pub(crate) fn no_images() -> Error {
    Error::new(ErrorKind::NotFound, "the engine has no images")
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_what_engines_say() {
        for (words, kind) in [
            (
                "unable to load image: ApplyLayer stdout:  stderr: unexpected EOF",
                ErrorKind::Corrupt,
            ),
            ("Error processing tar file(exit status 1): unexpected EOF", ErrorKind::Corrupt),
            ("archive/tar: invalid tar header", ErrorKind::Corrupt),
            ("Layer tarfile a used for two different DiffID values", ErrorKind::Corrupt),
            ("unexpected EOF", ErrorKind::Unexpected),
            ("write /var/x: no space left on device", ErrorKind::NoSpace),
        ] {
            assert_eq!(kind_of(words), kind, "{words}");
        }
    }

    #[test]
    fn details_say_variants() {
        let id = format!("sha256:{}", "a".repeat(64));
        let platform = r#""Os":"linux","Architecture":"arm","Variant":"v7""#;
        let driver = format!(r#"{{"Id":"{id}",{platform}}}"#);
        let part = r#"{"os":"linux","architecture":"arm","variant":"v7"}"#;
        let part = format!(r#"{{"ID":"{id}","Available":true,"ImageData":{{"Platform":{part}}}}}"#);
        let containerd = format!(r#"{{"Id":"{id}","Manifests":[{part}]}}"#);
        let listed = r#"{"platform":{"os":"linux","architecture":"arm","variant":"v7"}}"#;
        let listed = format!(r#"{{"ID":"{id}","Available":false,"Descriptor":{listed}}}"#);
        let unknown = r#"{"os":"unknown","architecture":"unknown"}"#;
        let attested =
            format!(r#"{{"ID":"{id}","Available":true,"Descriptor":{{"platform":{unknown}}}}}"#);
        let absent =
            format!(r#"{{"ID":"{id}","Available":false,"ImageData":{{"Platform":{unknown}}}}}"#);
        let sparse = format!(r#"{{"Id":"{id}","Manifests":[{listed},{attested},{absent}]}}"#);
        for said in [driver, containerd, sparse] {
            let image: Inspected = serde_json::from_str(&said).unwrap();
            let platforms = image.details().unwrap().platforms;
            assert_eq!(platforms.len(), 1, "{said}");
            assert_eq!(platforms[0].to_string(), "linux/arm/v7", "{said}");
        }
    }
}
