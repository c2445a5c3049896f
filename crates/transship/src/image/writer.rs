//! [`ImageWriter`]: an image that an application makes itself, blob by blob.

use transship_core::{
    Body, Commit, Committed, Descriptor, Expect, ImageDestination, Manifest, MediaType, Reference,
    Result, ResultExt, Transports, WriteOptions,
};

/// Writes one image, index or artifact of an application's own making. Nothing shows before [`commit`](Self::commit);
/// dropped without it, nothing is left.
///
/// ```
/// use transship::{ImageWriter, Manifest, Settings, Transports, WriteOptions};
///
/// # async fn example(place: &str) -> transship::Result<()> {
/// let transports = Transports::linked(&Settings::new())?;
/// let at = transports.parse(place)?; // "docker://registry.local/team/app:1", "oci:layout:app:1"
/// let writer = ImageWriter::open(&transports, &at, &WriteOptions::default()).await?;
/// let layer = writer.put_blob("text/plain", "hello").await?;
/// let config = writer.put_blob("application/vnd.oci.empty.v1+json", "{}").await?;
/// let manifest = Manifest::new(format!(
///     r#"{{"schemaVersion":2,"artifactType":"text/plain","config":{},"layers":[{}]}}"#,
///     config.to_json(),
///     layer.to_json(),
/// ))?;
/// println!("{} is there", writer.commit(&manifest).await?.references[0]);
/// # Ok(())
/// # }
/// # let folder = std::env::temp_dir().join(format!("transship-writer-{}", std::process::id()));
/// # let done = tokio::runtime::Runtime::new()?.block_on(example(&format!("oci:{}:app:1", folder.display())));
/// # std::fs::remove_dir_all(&folder)?;
/// # done?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImageWriter {
    destination: Box<dyn ImageDestination>,
}

impl ImageWriter {
    /// Opens a place for one image, under the name in the reference and those of the options.
    ///
    /// # Errors
    /// Those of [`Transport::destination`](transship_core::Transport::destination).
    pub async fn open(transports: &Transports, at: &Reference, how: &WriteOptions) -> Result<Self> {
        let destination = transports.of(at)?.destination(at, how).await?;
        Ok(Self { destination })
    }

    /// Stores a blob, unless it is there, and gives its descriptor. A [`Body`] of a file or stream is not held in memory.
    ///
    /// # Errors
    /// `Corrupt` when the body is not what it is expected to be, and those of the place.
    pub async fn put_blob(
        &self,
        media_type: impl Into<MediaType>,
        body: impl Into<Body>,
    ) -> Result<Descriptor> {
        let (media_type, mut body) = (media_type.into(), body.into());
        if body.expected().digest.is_none()
            && let Some(bytes) = body.in_memory()
        {
            body = body.expecting(&of_bytes(&bytes))?;
        }
        let expect = body.expected().clone().with_media_type(media_type.clone());
        let there = match expect.digest {
            Some(_) => self.destination.has(&expect).await?,
            None => None,
        };
        let stored = match there {
            Some(stored) => stored,
            None => self.destination.put_blob(expect, body).await?,
        };
        Ok(Descriptor::new(media_type, stored.digest, stored.size))
    }

    /// Stores a manifest that the root lists, or that is about it. Of any media type: what counts is that it is built like
    /// an image manifest or an index. What it refers to is put before it.
    ///
    /// # Errors
    /// `Unsupported` when the place cannot hold it.
    pub async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.destination.put_manifest(manifest).await
    }

    /// Shows the image: the names stand for this manifest now.
    ///
    /// # Errors
    /// When something that it refers to is not there, and those of the place.
    pub async fn commit(self, root: &Manifest) -> Result<Committed> {
        self.commit_as(Commit::new(root)).await
    }

    /// As [`commit`](Self::commit), for an index of which something is left out, or a platform is preferred.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_as(self, what: Commit<'_>) -> Result<Committed> {
        let at = self.destination.reference().clone();
        self.destination.commit(what).await.context(|| at)
    }
}

fn of_bytes(bytes: &[u8]) -> Expect {
    Expect::digest(transship_core::sha256(bytes)).with_size(bytes.len() as u64)
}
