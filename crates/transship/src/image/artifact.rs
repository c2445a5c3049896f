//! [`Artifact`]: bytes of any kind, kept and moved as images are.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use transship_core::{
    Body, Commit, Committed, Descriptor, Document, ErrorKind, Manifest, MediaType, ReadOptions,
    Reference, Result, ResultExt, Transports, WriteMode, WriteOptions,
};

use super::{Image, ImageWriter};

/// The type of a config that says nothing, after the
/// [image spec](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The annotation that names a file.
const TITLE: &str = "org.opencontainers.image.title";

/// An artifact to be pushed: a wasm module, a chart, an SBOM, a signature.
///
/// ```
/// use transship::{Artifact, Image, Settings, Transports};
///
/// # async fn example(place: &str) -> transship::Result<()> {
/// let transports = Transports::linked(&Settings::new())?;
/// let at = transports.parse(place)?; // "docker://registry.local/team/hello:1"
/// Artifact::new("application/vnd.example.module")
///     .with_file("hello.wasm", "application/wasm", b"\0asm\x01\0\0\0".to_vec())
///     .with_annotation("org.opencontainers.image.version", "1.0")
///     .push(&transports, &at)
///     .await?;
/// let pulled = Image::open(&transports, &at).await?.layer(0)?.stored().await?;
/// assert_eq!(&pulled.bytes(1 << 20).await?[..4], b"\0asm");
/// # Ok(())
/// # }
/// # let folder = std::env::temp_dir().join(format!("transship-artifact-{}", std::process::id()));
/// # let done = tokio::runtime::Runtime::new()?.block_on(example(&format!("oci:{}:hello:1", folder.display())));
/// # std::fs::remove_dir_all(&folder)?;
/// # done?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Artifact {
    kind: String,
    config: (MediaType, Bytes),
    blobs: Vec<Part>,
    annotations: BTreeMap<String, String>,
    subject: Option<Descriptor>,
}

#[derive(Debug)]
struct Part {
    media_type: MediaType,
    body: Body,
    annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// An artifact of a type, without blobs and with the empty config.
    pub fn new(artifact_type: impl Into<String>) -> Self {
        Self {
            kind: artifact_type.into(),
            config: (EMPTY.into(), Bytes::from_static(b"{}")),
            blobs: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
        }
    }

    /// Gives it a config of its own.
    #[must_use]
    pub fn with_config(
        mut self,
        media_type: impl Into<MediaType>,
        bytes: impl Into<Bytes>,
    ) -> Self {
        self.config = (media_type.into(), bytes.into());
        self
    }

    /// Adds a blob.
    #[must_use]
    pub fn with_blob(self, media_type: impl Into<MediaType>, body: impl Into<Body>) -> Self {
        self.with_annotated_blob(media_type, body, BTreeMap::new())
    }

    /// Adds a blob with the name of a file, as an annotation says it that other clients know.
    #[must_use]
    pub fn with_file(
        self,
        name: impl Into<String>,
        media_type: impl Into<MediaType>,
        body: impl Into<Body>,
    ) -> Self {
        self.with_annotated_blob(
            media_type,
            body,
            BTreeMap::from([(TITLE.to_owned(), name.into())]),
        )
    }

    /// Adds a blob with annotations.
    #[must_use]
    pub fn with_annotated_blob(
        mut self,
        media_type: impl Into<MediaType>,
        body: impl Into<Body>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let (media_type, body) = (media_type.into(), body.into());
        self.blobs.push(Part { media_type, body, annotations });
        self
    }

    /// Adds an annotation of the manifest.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Says which manifest it is about: then it is one of that manifest's referrers.
    #[must_use]
    pub fn with_subject(mut self, subject: &Descriptor) -> Self {
        let Descriptor { media_type, digest, size, .. } = subject.clone();
        self.subject = Some(Descriptor::new(media_type, digest, size));
        self
    }

    /// Writes it under the name in a reference.
    ///
    /// # Errors
    /// `Unsupported` where artifacts cannot be held, and those of the place.
    pub async fn push(self, transports: &Transports, at: &Reference) -> Result<Committed> {
        let writer = ImageWriter::open(transports, at, &WriteOptions::default()).await?;
        let manifest = self.put(&writer).await?;
        writer.commit(&manifest).await
    }

    /// Writes it beside an image, as one of its referrers, without a name of its own. The image stays as it is; so do its
    /// names, where the transport lets an image be written without them.
    ///
    /// # Errors
    /// `Unsupported` where referrers cannot be held, and those of the place.
    pub async fn attach(self, transports: &Transports, to: &Image) -> Result<Descriptor> {
        let writer = beside(transports, to).await?;
        let manifest = self.with_subject(to.descriptor()).put(&writer).await?;
        writer.put_manifest(&manifest).await?;
        let absent = absent(to).await?;
        writer.commit_as(Commit::new(to.manifest()).without(&absent)).await?;
        Ok(manifest.descriptor().clone())
    }

    /// Stores the blobs, and makes the manifest.
    async fn put(self, writer: &ImageWriter) -> Result<Manifest> {
        let (media_type, bytes) = self.config;
        let config = writer.put_blob(media_type, bytes).await?;
        let mut layers = Vec::new();
        for Part { media_type, body, annotations } in self.blobs {
            let mut layer = writer.put_blob(media_type, body).await?;
            layer.annotations = annotations;
            layers.push(layer);
        }
        if layers.is_empty() {
            // Some readers refuse an empty list.
            layers.push(writer.put_blob(EMPTY, "{}").await?);
        }
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageManifest.as_ref(),
            "artifactType": self.kind,
            "config": config,
            "layers": layers,
        });
        if let Some(subject) = self.subject {
            manifest["subject"] = json!(subject);
        }
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        Manifest::new(manifest.to_string())
    }
}

/// Opens the place of an image again: by its digest or without a name where that is possible, because its name may have
/// moved meanwhile.
async fn beside(transports: &Transports, image: &Image) -> Result<ImageWriter> {
    let at = image.reference();
    let transport = transports.of(at)?;
    let how = WriteOptions::default().with_mode(WriteMode::Append);
    if let Some(archives) = transport.archives() {
        let place = match archives.archive_of(at) {
            Some(place) => place,
            None => archives.read(at, &ReadOptions::default()).await?.reference().clone(),
        };
        let by_digest = transport.parse(&format!("{}@{}", place.locator(), image.digest()));
        for at in by_digest.into_iter().chain([place]) {
            match ImageWriter::open(transports, &at, &how).await {
                Err(error) if error.kind() == ErrorKind::InvalidInput => {}
                opened => return opened,
            }
        }
    }
    ImageWriter::open(transports, at, &how).await
}

/// What an index lists and its source does not hold.
async fn absent(image: &Image) -> Result<Vec<Descriptor>> {
    let Document::Index(index) = image.document() else { return Ok(Vec::new()) };
    let mut absent = Vec::new();
    for child in &index.manifests {
        if image.child(child).await.if_found()?.is_none() {
            absent.push(child.clone());
        }
    }
    Ok(absent)
}
