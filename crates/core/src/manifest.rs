//! [`Manifest`]: stored bytes and a descriptor that is true of them; [`Document`]: what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::descriptor::{facts, or_default};
use crate::{Descriptor, Error, ErrorKind, Hasher, ImageConfig, MediaType, Result, fields};

/// The largest manifest or index that is read, in bytes.
pub const MANIFEST_LIMIT: u64 = 16 << 20;

/// The largest config that is read, in bytes.
pub const CONFIG_LIMIT: u64 = 8 << 20;

/// Media types that [`MediaType`](crate::MediaType) has no variant for.
pub mod media_types {
    /// An image manifest of docker, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// An index of docker.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// An image config of docker.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A plain layer of docker.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// A gzip layer of docker.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// A zstd layer of docker, as containerd and podman know it.
    pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    /// A layer of docker that is not to be distributed.
    pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
    /// A gzip layer of docker that is not to be distributed.
    pub const DOCKER_FOREIGN_LAYER_GZIP: &str =
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

/// A manifest or index: its bytes exactly as stored, never re-serialized, and a descriptor that is true of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    descriptor: Descriptor,
    bytes: Bytes,
    document: Arc<Document>,
}

impl Manifest {
    /// Takes bytes that were just made or have no digest to hold them to; the descriptor is computed (sha256).
    ///
    /// The media type is the one that the document names, else the one that its fields mean.
    ///
    /// # Errors
    /// `Corrupt` when they are no manifest, `Unsupported` for schema 1.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        let document = Arc::new(Document::parse(&bytes)?);
        let digest = crate::sha256(&bytes);
        let descriptor = Descriptor::new(document.media_type().clone(), digest, bytes.len() as u64);
        Ok(Self { descriptor, bytes, document })
    }

    /// Takes bytes that have to be what a descriptor says: digest, size, and media type where both give one.
    /// The manifest keeps the whole descriptor, annotations and platform too.
    ///
    /// # Errors
    /// `Corrupt` when they are not, `Unsupported` for digests that cannot be checked.
    pub fn verified(descriptor: &Descriptor, bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        check_bytes(descriptor, &bytes)?;
        let (document, typed) = Document::parse_typed(&bytes)
            .map_err(|e| e.context(format!("manifest {}", descriptor.digest)))?;
        let mut descriptor = descriptor.clone();
        if descriptor.media_type.as_ref().is_empty() {
            descriptor.media_type = document.media_type().clone();
        } else if is_other(&descriptor.media_type, &document, typed) {
            let (digest, described) = (&descriptor.digest, &descriptor.media_type);
            let message = format!("manifest {digest} is described as {described} but is not one");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Self { descriptor, bytes, document: Arc::new(document) })
    }

    /// What is true of the bytes.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The descriptor by which a place lists it among the manifests about another: with its artifact type.
    pub fn as_referrer(&self) -> Descriptor {
        let mut listed = self.descriptor.clone();
        let own = || self.document.artifact_type().map(str::to_owned);
        listed.artifact_type = listed.artifact_type.or_else(own);
        listed
    }

    /// The bytes, exactly as stored.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What the bytes say.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

/// A parsed manifest or index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "few are alive at a time, and a box would be in every match"
)]
#[non_exhaustive]
pub enum Document {
    /// One image, or an artifact.
    Image(ImageDocument),
    /// A list of manifests.
    Index(IndexDocument),
}

/// An [image manifest](https://github.com/opencontainers/image-spec/blob/main/manifest.md), of OCI or docker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageDocument {
    /// Its type, as it says or as its fields mean.
    pub media_type: MediaType,
    /// The config.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// What it is about, for a referrer.
    pub subject: Option<Descriptor>,
    /// For an artifact: its type.
    pub artifact_type: Option<String>,
    /// Free facts.
    pub annotations: BTreeMap<String, String>,
}

/// An [image index](https://github.com/opencontainers/image-spec/blob/main/image-index.md), of OCI or docker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexDocument {
    /// Its type, as it says or as its fields mean.
    pub media_type: MediaType,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What it is about, for a referrer.
    pub subject: Option<Descriptor>,
    /// For an artifact: its type.
    pub artifact_type: Option<String>,
    /// Free facts.
    pub annotations: BTreeMap<String, String>,
}

/// A list that is there, perhaps as the `null` that Go writes for an empty one, or is not there.
#[derive(Default)]
struct Listed(Option<Vec<Descriptor>>);

fn listed<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Listed, D::Error> {
    or_default(from).map(|list| Listed(Some(list)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "listed")]
    layers: Listed,
    #[serde(default, deserialize_with = "listed")]
    manifests: Listed,
    #[serde(default)]
    fs_layers: Option<Value>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "facts")]
    annotations: BTreeMap<String, String>,
}

impl Document {
    /// Reads a manifest or index.
    ///
    /// # Errors
    /// `Corrupt` when it is neither, or both at once (CVE-2021-41190), or has a field that readers take differently;
    /// `LimitExceeded` for too many values; `Unsupported` for schema 1.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_typed(bytes).map(|(document, _)| document)
    }

    /// As [`parse`](Self::parse), and whether the document names its type itself.
    fn parse_typed(bytes: &[u8]) -> Result<(Self, Typed)> {
        fields::check_manifest(bytes)?;
        let (document, typed) = Self::parse_fields(bytes)?;
        document.parts().chain(document.subject()).try_for_each(fields::check_descriptor)?;
        Ok((document, typed))
    }

    /// What it is made of: the config and the layers of an image, the manifests of an index.
    pub fn parts(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, others) = match self {
            Self::Image(image) => (Some(&image.config), &image.layers),
            Self::Index(index) => (None, &index.manifests),
        };
        config.into_iter().chain(others)
    }

    fn parse_fields(bytes: &[u8]) -> Result<(Self, Typed)> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "it is not a manifest").caused_by(e))?;
        let says_type = raw.media_type.as_ref().is_some_and(|said| !said.is_empty());
        let typed = if says_type { Typed::ByItself } else { Typed::ByItsFields };
        if raw.fs_layers.is_some() || raw.schema_version == Some(1) {
            return Err(Error::new(ErrorKind::Unsupported, "it is a docker manifest of schema 1")
                .hint("pull the image with a current docker or podman and copy that"));
        }
        if raw.schema_version.is_some_and(|v| v != 2) {
            return Err(Error::new(ErrorKind::Corrupt, "its schemaVersion is not 2"));
        }
        let document = match (
            raw.manifests.0.is_some(),
            raw.config.is_some() || raw.layers.0.is_some(),
        ) {
            (true, true) => Err(Error::new(
                ErrorKind::Corrupt,
                "it is both a manifest and an index, which readers take differently (CVE-2021-41190)",
            )),
            (true, false) => raw.index(),
            (false, _) => raw.image(),
        }?;
        Ok((document, typed))
    }

    /// Its media type.
    pub fn media_type(&self) -> &MediaType {
        match self {
            Self::Image(image) => &image.media_type,
            Self::Index(index) => &index.media_type,
        }
    }

    /// What it is an artifact of: its type as it says, or else that of its config.
    pub fn artifact_type(&self) -> Option<&str> {
        match self {
            Self::Image(image) => {
                image.artifact_type.as_deref().or(Some(image.config.media_type.as_ref()))
            }
            Self::Index(index) => index.artifact_type.as_deref(),
        }
    }

    /// Free facts.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Image(image) => &image.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::Index(_))
    }

    /// What it is about, for a referrer.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }
}

impl ImageDocument {
    /// Whether the config is an image's; if not it is an artifact, whose blobs are copied and never parsed.
    pub fn is_runnable(&self) -> bool {
        ImageConfig::is_type(&self.config.media_type)
    }
}

impl Raw {
    fn image(self) -> Result<Document> {
        let Some(config) = self.config else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "it is neither a manifest nor an index: it has no config",
            ));
        };
        let media_type = typed(self.media_type, MediaType::ImageManifest, false)?;
        Ok(Document::Image(ImageDocument {
            media_type,
            config,
            layers: self.layers.0.unwrap_or_default(),
            subject: self.subject,
            artifact_type: self.artifact_type,
            annotations: self.annotations,
        }))
    }

    fn index(self) -> Result<Document> {
        let media_type = typed(self.media_type, MediaType::ImageIndex, true)?;
        Ok(Document::Index(IndexDocument {
            media_type,
            manifests: self.manifests.0.unwrap_or_default(),
            subject: self.subject,
            artifact_type: self.artifact_type,
            annotations: self.annotations,
        }))
    }
}

fn typed(said: Option<String>, default: MediaType, index: bool) -> Result<MediaType> {
    let Some(said) = said.filter(|s| !s.is_empty()) else { return Ok(default) };
    let said = MediaType::from(said.as_str());
    if is_index_type(&said).is_some_and(|i| i != index) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("it says that it is {said}, and its fields say otherwise"),
        ));
    }
    Ok(said)
}

/// Whether a media type is that of an index (`true`), of a manifest (`false`), or neither.
pub fn is_index_type(media_type: &MediaType) -> Option<bool> {
    match media_type {
        MediaType::ImageIndex => Some(true),
        MediaType::ImageManifest => Some(false),
        other if other.as_ref() == media_types::DOCKER_LIST => Some(true),
        other if other.as_ref() == media_types::DOCKER_MANIFEST => Some(false),
        _ => None,
    }
}

/// Where the type of a document comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typed {
    ByItself,
    ByItsFields,
}

/// Whether a descriptor's media type is another one than that of the document: what it says, or else whether it is an index.
fn is_other(described: &MediaType, document: &Document, typed: Typed) -> bool {
    let Some(index) = is_index_type(described) else { return false };
    let known = is_index_type(document.media_type()).is_some();
    index != document.is_index()
        || (typed == Typed::ByItself && known && document.media_type() != described)
}

fn check_bytes(descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    if descriptor.size != bytes.len() as u64 {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "manifest {} has {} bytes, {} expected",
                descriptor.digest,
                bytes.len(),
                descriptor.size
            ),
        ));
    }
    let mut hasher = Hasher::new(descriptor.digest.algorithm())?;
    hasher.update(bytes);
    let found = hasher.finish();
    if found == descriptor.digest {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("manifest {} has other content, of digest {found}", descriptor.digest),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    #[test]
    fn what_it_is() {
        let image =
            Manifest::new(format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":null}}"#))
                .unwrap();
        assert_eq!(image.descriptor().media_type, MediaType::ImageManifest);
        let index = Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        assert!(index.document().is_index());
        assert_eq!(Manifest::verified(index.descriptor(), index.bytes().clone()).unwrap(), index);
    }

    #[test]
    fn what_it_is_not() {
        for (text, kind) in [
            (
                format!(r#"{{"schemaVersion":2,"config":{CONFIG},"manifests":[]}}"#),
                ErrorKind::Corrupt,
            ),
            (r#"{"schemaVersion":2,"layers":[],"manifests":null}"#.to_owned(), ErrorKind::Corrupt),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), ErrorKind::Unsupported),
            (r#"{"schemaVersion":2}"#.to_owned(), ErrorKind::Corrupt),
            (r#"{"schemaVersion":3,"manifests":[]}"#.to_owned(), ErrorKind::Corrupt),
            ("[]".to_owned(), ErrorKind::Corrupt),
            (
                r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#
                    .to_owned(),
                ErrorKind::Corrupt,
            ),
        ] {
            assert_eq!(Manifest::new(text.clone()).unwrap_err().kind(), kind, "{text}");
        }
    }

    #[test]
    fn fields_that_readers_take_differently() {
        let layer = CONFIG.replace("size", "Size");
        for text in [
            format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"Layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"layer\u017f":[]}}"#),
            r#"{"schemaVersion":2,"manifests":[],"mediatype":"x"}"#.to_owned(),
            format!(r#"{{"config":{CONFIG},"layers":[{}]}}"#, layer.replace('}', r#","size":2}"#)),
            format!(
                r#"{{"manifests":[{}]}}"#,
                CONFIG.replace('}', r#","platform":{"os":"linux","OS":"plan9"}}"#)
            ),
        ] {
            let error = Manifest::new(text.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
            assert!(error.to_string().contains("some readers take the field"), "{error}");
        }
        let more =
            format!(r#"{{"config":{CONFIG},"layers":[],"layers2":[],"Vendor":{{"Size":1}}}}"#);
        Manifest::new(more).unwrap();
        let many = format!(r#"{{"manifests":[],"x":[{}1]}}"#, "1,".repeat(1 << 20));
        assert_eq!(Manifest::new(many).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn a_descriptor_and_its_document_are_of_one_type() {
        let docker = MediaType::from(media_types::DOCKER_MANIFEST);
        for (said, described, fits) in [
            (Some(&MediaType::ImageManifest), &MediaType::ImageManifest, true),
            (Some(&docker), &docker, true),
            (Some(&docker), &MediaType::ImageManifest, false),
            (Some(&MediaType::ImageManifest), &docker, false),
            (None, &docker, true),
            (None, &MediaType::ImageManifest, true),
            (None, &MediaType::ImageIndex, false),
            (Some(&docker), &MediaType::from("application/json"), true),
        ] {
            let said = said.map_or_else(String::new, |said| format!(r#""mediaType":"{said}","#));
            let made =
                Manifest::new(format!(r#"{{{said}"config":{CONFIG},"layers":[]}}"#)).unwrap();
            let mut of = made.descriptor().clone();
            of.media_type = described.clone();
            let found = Manifest::verified(&of, made.bytes().clone());
            assert_eq!(found.is_ok(), fits, "{said} {described}: {found:?}");
        }
    }

    #[test]
    fn null_is_empty_as_go_takes_it() {
        let entry = CONFIG.replace(
            '}',
            r#","annotations":{"k":null},"urls":[null],"data":null,"artifactType":null,
            "platform":{"os":null,"architecture":null,"variant":null,"os.features":[null]}}"#,
        );
        let text = format!(
            r#"{{"mediaType":null,"manifests":[{entry}],"annotations":{{"a":null}},"subject":null}}"#
        );
        let manifest = Manifest::new(text).unwrap();
        let Document::Index(index) = manifest.document() else { panic!("no index") };
        assert_eq!((index.annotations["a"].as_str(), index.manifests.len()), ("", 1));
        let entry = &index.manifests[0];
        assert_eq!(
            (entry.annotation("k"), entry.urls.as_slice()),
            (Some(""), &[String::new()][..])
        );
        assert!(entry.platform.as_ref().unwrap().is_unknown());
        let text = CONFIG.replace(r#""application/vnd.oci.image.config.v1+json""#, "null");
        let untyped: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(untyped.media_type.as_ref(), "");
    }

    #[test]
    fn other_bytes_are_corrupt() {
        let index = Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        let error = Manifest::verified(index.descriptor(), r#"{"schemaVersion":2,"manifests":{}}"#)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
