//! [`Image`]: an image opened for an application that wants its parts, and not a copy of it.

mod artifact;
mod layer;
mod writer;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Body, CONFIG_LIMIT, Descriptor, Digest, Document, Error, ErrorKind, Expect, Hint, ImageConfig,
    ImageDocument, ImageName, ImageSource, IndexDocument, Listed, Manifest, Platform, ReadOptions,
    Reference, Result, ResultExt, Sparse, Transports, Visit, Visitor, is_index_type, walk_from,
};

pub use artifact::Artifact;
pub use layer::Layer;
pub use writer::ImageWriter;

/// An image, index or artifact, opened from any transport: its manifest, config, layers and other blobs.
///
/// What it gives is held to the digests that the manifest names, while it is read. Opening reads the manifest alone.
///
/// ```
/// use transship::{Image, Platform, Settings, Transports};
///
/// # async fn example(place: &str) -> transship::Result<()> {
/// let transports = Transports::linked(&Settings::new())?;
/// let at = transports.parse(place)?; // "docker://alpine:3", "docker-archive:images.tar:alpine:3"
/// let image = Image::open(&transports, &at).await?.select(&Platform::parse("linux/amd64")?).await?;
/// for layer in image.layers()? {
///     let tar = layer.tar().await?.into_reader(); // an AsyncRead, and a Stream
///     tar.finish().await?; // all of it was read, and is true to its diff ID
/// }
/// # Ok(())
/// # }
/// # let place = concat!("docker-archive:", env!("CARGO_MANIFEST_DIR"), "/../../examples/data/hello.tar:example/hello:1");
/// # tokio::runtime::Runtime::new()?.block_on(example(place))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Image {
    source: Arc<dyn ImageSource>,
    manifest: Manifest,
}

/// The config of an image: its bytes as stored, and what they say of platform and layers.
///
/// The rest (environment, entry point, labels, history) is in the bytes. They are JSON: with the crate `oci-spec`,
/// `oci_spec::image::ImageConfiguration::from_reader(&*config.bytes)` reads them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The bytes, exactly as stored.
    pub bytes: Bytes,
    /// Platform and diff IDs.
    pub parsed: ImageConfig,
}

impl Image {
    /// Opens an image with the default options.
    ///
    /// # Errors
    /// Those of [`Transport::source`](transship_core::Transport::source): `NotFound`, `Ambiguous`, ..
    pub async fn open(transports: &Transports, at: &Reference) -> Result<Self> {
        Self::open_with(transports, at, &ReadOptions::default()).await
    }

    /// Opens an image.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        transports: &Transports,
        at: &Reference,
        how: &ReadOptions,
    ) -> Result<Self> {
        Self::of(transports.of(at)?.source(at, how).await?).await
    }

    /// An image whose source is open.
    ///
    /// # Errors
    /// Those of reading its manifest.
    pub async fn of(source: Box<dyn ImageSource>) -> Result<Self> {
        let root = source.root().await?;
        Ok(Self { source: source.into(), manifest: root })
    }

    /// The descriptor that a reference stands for now, in a registry by one HEAD request, which is not counted as a pull.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn resolve(transports: &Transports, at: &Reference) -> Result<Descriptor> {
        let how = ReadOptions::default().with_compare(true);
        let transport = transports.of(at)?;
        let source = transport.source(at, &how).await?;
        if transport.compares_roots()
            && let Some(descriptor) = source.root_descriptor()
        {
            return Ok(descriptor.clone());
        }
        Ok(source.root().await?.descriptor().clone())
    }

    /// The reference that it was opened from.
    pub fn reference(&self) -> &Reference {
        self.source.reference()
    }

    /// Its source, for what is not here.
    pub fn source(&self) -> &dyn ImageSource {
        &*self.source
    }

    /// The names that it is stored under.
    pub fn names(&self) -> &[ImageName] {
        self.source.names()
    }

    /// The manifest or index.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the manifest says.
    pub fn document(&self) -> &Document {
        self.manifest.document()
    }

    /// The descriptor of the manifest.
    pub fn descriptor(&self) -> &Descriptor {
        self.manifest.descriptor()
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> &Digest {
        &self.descriptor().digest
    }

    /// The images that an index lists, nested ones too, without attestations; of a single image, itself. Each descriptor
    /// has its platform, which is read from the config where the index does not say it.
    ///
    /// # Errors
    /// `LimitExceeded` for indexes nested more than 16 deep; those of reading documents. An image that is listed and not
    /// here is listed all the same.
    pub async fn images(&self) -> Result<Vec<Descriptor>> {
        let listing = Listing { source: self.source(), indexes: Mutex::default() };
        walk_from(self.source(), &self.manifest, &listing).await
    }

    /// What it runs on: one platform for each image.
    ///
    /// # Errors
    /// As [`images`](Self::images).
    pub async fn platforms(&self) -> Result<Vec<Platform>> {
        let images = self.images().await?;
        Ok(images.into_iter().filter_map(|image| image.platform).collect())
    }

    /// The image of an index that fits a machine best, of those that are here; a single image, unless it says that it is for
    /// another machine.
    ///
    /// # Errors
    /// `NotFound`, with the platforms that there are; `Corrupt` when it is missing from a source that is to hold all that its
    /// indexes list; and as [`images`](Self::images).
    pub async fn select(&self, machine: &Platform) -> Result<Self> {
        let images = self.images().await?;
        if !self.document().is_index() && images.iter().all(|image| image.platform.is_none()) {
            return Ok(self.clone());
        }
        let fit = |image: &Descriptor| machine.fit(image.platform.as_ref()?);
        let fitting = images.iter().filter_map(|image| Some((fit(image)?, image)));
        let mut fitting: Vec<_> = fitting.collect();
        // Of equals the first.
        fitting.sort_by_key(|(fit, _)| *fit);
        let mut absent = None;
        for (_, image) in fitting {
            match self.child(image).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    absent.get_or_insert(error.context(format!("the image for {machine}")));
                }
                found => return found,
            }
        }
        Err(match absent {
            Some(error) if self.source.sparse() == Sparse::Refused => error.of_part(),
            Some(error) => error.hint("the index is sparse: its other images are elsewhere"),
            None => {
                let there = images.iter().filter_map(|image| image.platform.as_ref());
                let there: Vec<_> = there.map(|p| p.clone().normalized().to_string()).collect();
                let message = format!("there is no image for {machine}");
                Error::new(ErrorKind::NotFound, message)
                    .context(self.reference())
                    .hint(Hint::SelectPlatform(there.join(", ")))
            }
        })
    }

    /// A manifest from the same source: one that an index lists, or a [referrer](Self::referrers).
    ///
    /// # Errors
    /// `NotFound` when it is absent, `Corrupt` when its bytes are not what the descriptor says.
    pub async fn child(&self, of: &Descriptor) -> Result<Self> {
        if of.digest == *self.digest() {
            return Ok(self.clone());
        }
        let manifest = self.source.manifest(of).await.context(|| self.reference())?;
        Ok(Self { source: Arc::clone(&self.source), manifest })
    }

    /// The manifests whose subject is this one: signatures, SBOMs, attestations. None where the source keeps none.
    ///
    /// # Errors
    /// Those of the source.
    pub async fn referrers(&self) -> Result<Vec<Descriptor>> {
        match self.source.referrers() {
            Some(referrers) => referrers.referrers(self.digest()).await,
            None => Ok(Vec::new()),
        }
    }

    /// The config.
    ///
    /// # Errors
    /// `Ambiguous` for an index, `Unsupported` for an artifact, whose config is a [blob](Self::blob) like others;
    /// `Corrupt` when it is malformed.
    pub async fn config(&self) -> Result<Config> {
        let image = self.image()?;
        if !image.is_runnable() {
            let message =
                format!("its config is of type {}, and none of an image", image.config.media_type);
            return Err(Error::new(ErrorKind::Unsupported, message).context(self.reference()));
        }
        let bytes = self.read(&image.config).await?.bytes(CONFIG_LIMIT).await?;
        let parsed = ImageConfig::parse(&bytes).context(|| self.reference())?;
        Ok(Config { bytes, parsed })
    }

    /// The layers, the lowest first; for an artifact, its blobs.
    ///
    /// # Errors
    /// `Ambiguous` for an index.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        (0..self.image()?.layers.len()).map(|at| self.layer(at)).collect()
    }

    /// One of the layers, from 0, the lowest.
    ///
    /// # Errors
    /// `Ambiguous` for an index, `NotFound` when there are not so many.
    pub fn layer(&self, at: usize) -> Result<Layer> {
        let layers = &self.image()?.layers;
        let Some(descriptor) = layers.get(at) else {
            let message = format!("there is no layer {at}: it has {}", layers.len());
            return Err(Error::new(ErrorKind::NotFound, message).context(self.reference()));
        };
        Ok(Layer { image: self.clone(), descriptor: descriptor.clone(), at })
    }

    /// The blob or manifest with a digest that a document of this image names: config, layer, or image of an index.
    ///
    /// # Errors
    /// `NotFound` when no document names it, or it is absent.
    pub async fn blob(&self, digest: &Digest) -> Result<Body> {
        let named = |image: &Self| image.named(digest).cloned();
        if let Some(of) = named(self) {
            return self.read(&of).await;
        }
        if let Document::Index(_) = self.document() {
            for child in self.images().await? {
                let image = self.child(&child).await.if_found()?;
                if let Some(of) = image.as_ref().and_then(named) {
                    return self.read(&of).await;
                }
            }
        }
        let message = format!("no manifest of it names {digest}");
        Err(Error::new(ErrorKind::NotFound, message).context(self.reference()))
    }

    /// What a descriptor stands for: a blob or a manifest.
    ///
    /// # Errors
    /// `NotFound` when it is absent.
    pub async fn read(&self, of: &Descriptor) -> Result<Body> {
        if of.digest == *self.digest() || is_index_type(&of.media_type).is_some() {
            let manifest = self.child(of).await?.manifest;
            return Body::from_bytes(manifest.bytes().clone()).expecting(&Expect::from(of));
        }
        self.source.blob(of).await.context(|| self.reference())
    }

    fn named(&self, digest: &Digest) -> Option<&Descriptor> {
        let below: Vec<&Descriptor> = match self.document() {
            Document::Image(image) => image.layers.iter().chain([&image.config]).collect(),
            Document::Index(index) => index.manifests.iter().collect(),
            _ => Vec::new(),
        };
        below.into_iter().chain([self.descriptor()]).find(|of| of.digest == *digest)
    }

    fn is_runnable(&self) -> bool {
        matches!(self.document(), Document::Image(image) if image.is_runnable())
    }

    fn image(&self) -> Result<&ImageDocument> {
        match self.document() {
            Document::Image(image) => Ok(image),
            _ => Err(Error::new(ErrorKind::Ambiguous, "it is an index of several images")
                .hint("select one by its platform")
                .context(self.reference())),
        }
    }
}

/// Lists images with their platforms. Manifests are read only where the index does not say what they run on.
struct Listing<'a> {
    source: &'a dyn ImageSource,
    /// The indexes that were read: the same one again lists nothing new.
    indexes: Mutex<HashSet<Digest>>,
}

#[async_trait]
impl Visitor for Listing<'_> {
    type Output = Vec<Descriptor>;

    fn skip(&self, listed: Listed<'_>) -> Option<Vec<Descriptor>> {
        let of = listed.descriptor;
        if of.is_attestation() && !listed.is_first() {
            return Some(Vec::new());
        }
        if is_index_type(&of.media_type) == Some(false) {
            return of.platform.is_some().then(|| vec![of.clone()]);
        }
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        (!indexes.insert(of.digest.clone())).then(Vec::new)
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Vec<Descriptor>> {
        let mut descriptor = of.listed.descriptor.clone();
        if descriptor.platform.is_none() && image.is_runnable() {
            let bytes = self.source.blob(&image.config).await?.bytes(CONFIG_LIMIT).await?;
            descriptor.platform = ImageConfig::parse(&bytes)?.platform;
        }
        Ok(vec![descriptor])
    }

    async fn index(
        &self,
        _: Visit<'_>,
        _: &IndexDocument,
        images: Vec<Vec<Descriptor>>,
    ) -> Result<Vec<Descriptor>> {
        Ok(images.into_iter().flatten().collect())
    }

    fn absent(&self, listed: Listed<'_>, _: Error) -> Result<Vec<Descriptor>> {
        Ok(vec![listed.descriptor.clone()])
    }
}
