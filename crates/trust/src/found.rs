//! [`Found`]: signatures as they lie with an image, before anything of them is trusted.

use std::collections::BTreeMap;

use bytes::Bytes;
use transship_core::{Descriptor, Digest, Document, Error, ErrorKind, ImageSource, Result};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundle::is_bundle;
use crate::json::Json;
use crate::lookaside::Folder;
use crate::{
    PAYLOAD_LIMIT, SIGNATURES_LIMIT, SIGNATURES_SIZE_LIMIT, SimpleSignature, signatures_tag,
};

/// The media type of a payload that cosign and skopeo sign.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const LOG: &str = "dev.sigstore.cosign/bundle";

/// A signature, and where it lies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Where it lies, for messages.
    pub place: String,
    /// What it is.
    pub content: Content,
}

/// What a signature is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// A payload and a signature over it.
    Simple(SimpleSignature),
    /// A bundle, as cosign makes it since its version 3. It names no image.
    Bundle(Bytes),
    /// An `OpenPGP` message.
    OpenPgp(Bytes),
    /// Something else that was attached: its type.
    Other(String),
    /// It cannot be read, for this reason. It never counts.
    Unreadable(String),
    /// No GPG signature is at this place, where one was looked for: what led there.
    Absent(String),
}

/// Kinds of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureKinds {
    /// Those that cosign and skopeo make with keys.
    pub sigstore: bool,
    /// Bundles.
    pub bundles: bool,
    /// Those of `OpenPGP`.
    pub open_pgp: bool,
}

impl SignatureKinds {
    /// Those that cosign and skopeo make with keys.
    pub const SIGSTORE: Self = Self { sigstore: true, bundles: true, open_pgp: false };

    /// Those of `OpenPGP`.
    pub const OPEN_PGP: Self = Self { sigstore: false, bundles: false, open_pgp: true };

    /// Without bundles.
    #[must_use]
    pub fn without_bundles(self) -> Self {
        Self { bundles: false, ..self }
    }

    /// Bundles alone, if they are among them.
    #[must_use]
    pub fn only_bundles(self) -> Self {
        Self { bundles: self.bundles, ..Self::default() }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sigstore: self.sigstore || other.sigstore,
            bundles: self.bundles || other.bundles,
            open_pgp: self.open_pgp || other.open_pgp,
        }
    }
}

impl Found {
    /// A signature at a place.
    pub fn new(place: impl Into<String>, content: Content) -> Self {
        Self { place: place.into(), content }
    }

    /// Reads a file as `dir:` keeps signatures.
    pub fn detached(place: impl Into<String>, file: &Bytes) -> Self {
        let content = match file.strip_prefix(b"\0") {
            None => Content::OpenPgp(file.clone()),
            Some(rest) => match rest.strip_prefix(b"sigstore-json\n") {
                Some(json) => sigstore_file(json)
                    .unwrap_or_else(|error| Content::Unreadable(error.to_string())),
                None => Content::Other("a signature of an unknown format".to_owned()),
            },
        };
        Self { place: place.into(), content }
    }
}

/// The signatures of a manifest that lie with an image: beside it, as its detached signatures.
///
/// # Errors
/// Those of the source, where a signature could not be reached. One that is damaged is [`Content::Unreadable`]. Where they are more
/// than [`SIGNATURES_LIMIT`], or together larger than [`SIGNATURES_SIZE_LIMIT`], none is given but one that is unreadable: which of
/// them are looked at must not depend on their order.
pub async fn found_with(
    source: &dyn ImageSource,
    of: &Digest,
    kinds: SignatureKinds,
) -> Result<Vec<Found>> {
    found_at(source, of, kinds, None).await
}

/// As [`found_with`], and those in lookaside storage.
pub(crate) async fn found_at(
    source: &dyn ImageSource,
    of: &Digest,
    kinds: SignatureKinds,
    lookaside: Option<&Folder>,
) -> Result<Vec<Found>> {
    let mut reading = Reading { source, found: Vec::new(), size: 0 };
    match reading.all(of, kinds, lookaside).await {
        Ok(()) => Ok(reading.found),
        Err(Stop::TooMuch(why)) => Ok(vec![Found::new("the signatures", Content::Unreadable(why))]),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why no more signatures are read.
enum Stop {
    /// There are too many, or they are too large.
    TooMuch(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads signatures, up to a number and a size of all of them.
struct Reading<'a> {
    source: &'a dyn ImageSource,
    found: Vec<Found>,
    /// The bytes of all that were read, or will be next.
    size: u64,
}

impl Reading<'_> {
    async fn all(
        &mut self,
        of: &Digest,
        kinds: SignatureKinds,
        lookaside: Option<&Folder>,
    ) -> std::result::Result<(), Stop> {
        if let Some(folder) = lookaside {
            self.lookaside(folder).await?;
        }
        if let Some(detached) = self.source.signatures()
            && (kinds.sigstore || kinds.open_pgp)
        {
            self.detached(detached.signatures(Some(of)).await)?;
        }
        let Some(referrers) = self.source.referrers() else { return Ok(()) };
        if kinds.sigstore {
            for (tag, root) in referrers.beside(of).await? {
                if tag == signatures_tag(of) {
                    self.under_tag(tag, &root).await?;
                }
            }
        }
        if kinds.bundles {
            self.bundles(referrers.referrers(of).await?).await?;
        }
        Ok(())
    }

    /// The signatures in lookaside storage, up to the first number that none has.
    async fn lookaside(&mut self, folder: &Folder) -> std::result::Result<(), Stop> {
        for number in 1.. {
            let place = folder.place(number);
            let file = match folder.read(number).await {
                Ok(Some(file)) => Ok(file),
                Ok(None) if number == 1 => {
                    let why = Content::Absent(folder.origin().to_owned());
                    self.found.push(Found::new(place, why));
                    break;
                }
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::LimitExceeded => Err(error),
                Err(error) => return Err(Stop::Failed(error)),
            };
            let size = file.as_ref().map_or(PAYLOAD_LIMIT + 1, |file| file.len() as u64);
            self.reserve(1, [size])?;
            self.found.push(match file {
                Ok(file) => Found::detached(place, &file),
                Err(error) => Found::new(place, Content::Unreadable(error.message().to_owned())),
            });
        }
        Ok(())
    }

    fn detached(&mut self, files: Result<Vec<Bytes>>) -> std::result::Result<(), Stop> {
        match readable(files)? {
            Ok(files) => {
                self.reserve(files.len(), files.iter().map(|file| file.len() as u64))?;
                let places = (1..).map(|number| format!("signature-{number}"));
                let found = places.zip(&files).map(|(place, file)| Found::detached(place, file));
                self.found.extend(found);
            }
            Err(why) => self.found.push(Found::new("its detached signatures", why)),
        }
        Ok(())
    }

    /// The signatures that a manifest has as its layers.
    async fn under_tag(&mut self, tag: String, root: &Descriptor) -> std::result::Result<(), Stop> {
        let layers = match readable(layers(self.source, root).await)? {
            Ok(layers) => layers,
            Err(why) => {
                self.found.push(Found::new(tag, why));
                return Ok(());
            }
        };
        let read = layers.iter().filter(|layer| unread(layer).is_none());
        self.reserve(layers.len(), read.map(|layer| layer.size))?;
        for (at, layer) in layers.iter().enumerate() {
            let content = match unread(layer) {
                Some(why) => why,
                None => content_of(readable(in_layer(self.source, layer).await)?),
            };
            self.found.push(Found::new(format!("{tag}, signature {}", at + 1), content));
        }
        Ok(())
    }

    /// The bundles among what is about a manifest.
    async fn bundles(&mut self, about: Vec<Descriptor>) -> std::result::Result<(), Stop> {
        let is_of_bundle =
            |about: &Descriptor| about.artifact_type.as_deref().is_some_and(is_bundle);
        let bundles: Vec<_> = about.into_iter().filter(is_of_bundle).collect();
        self.reserve(bundles.len(), [])?;
        for about in bundles {
            let content = match readable(layers(self.source, &about).await)? {
                Ok(layers) => self.bundle(&layers).await?,
                Err(why) => why,
            };
            self.found.push(Found::new(format!("bundle {}", about.digest), content));
        }
        Ok(())
    }

    async fn bundle(&mut self, layers: &[Descriptor]) -> std::result::Result<Content, Stop> {
        let [layer] = layers else {
            let text = format!("it has {} blobs, and a bundle is one", layers.len());
            return Ok(Content::Unreadable(text));
        };
        if layer.size > PAYLOAD_LIMIT {
            let text = format!("it is larger than {PAYLOAD_LIMIT} bytes");
            return Ok(Content::Unreadable(text));
        }
        self.reserve(0, [layer.size])?;
        let bytes = readable(bytes_of(self.source, layer).await)?;
        Ok(content_of(bytes.map(Content::Bundle)))
    }

    /// That there is room for so many more signatures of these sizes, before they are read.
    fn reserve(
        &mut self,
        count: usize,
        sizes: impl IntoIterator<Item = u64>,
    ) -> std::result::Result<(), Stop> {
        let count = self.found.len() + count;
        if count > SIGNATURES_LIMIT {
            let why = format!("they are {count}, and more than {SIGNATURES_LIMIT} are not read");
            return Err(Stop::TooMuch(why));
        }
        self.size = sizes.into_iter().fold(self.size, u64::saturating_add);
        if self.size > SIGNATURES_SIZE_LIMIT {
            let why = format!(
                "they have {} bytes together, and more than {SIGNATURES_SIZE_LIMIT} are not read",
                self.size
            );
            return Err(Stop::TooMuch(why));
        }
        Ok(())
    }
}

/// What is wrong with a signature makes it count for nothing; what could not be reached is an error.
fn readable<T>(read: Result<T>) -> Result<std::result::Result<T, Content>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.kind().is_of_content() => {
            Ok(Err(Content::Unreadable(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

fn content_of(read: std::result::Result<Content, Content>) -> Content {
    match read {
        Ok(content) | Err(content) => content,
    }
}

/// The blobs of a manifest that holds signatures.
async fn layers(source: &dyn ImageSource, root: &Descriptor) -> Result<Vec<Descriptor>> {
    if let Document::Image(image) = source.manifest(root).await?.document() {
        return Ok(image.layers.clone());
    }
    Err(Error::new(ErrorKind::Corrupt, "it is an index, and holds no signatures"))
}

/// Why a layer is no signature, as far as its descriptor says: then its bytes are not read.
fn unread(layer: &Descriptor) -> Option<Content> {
    if layer.media_type.as_ref() != SIMPLE_SIGNING {
        return Some(Content::Other(layer.media_type.to_string()));
    }
    let why = if !layer.annotations.contains_key(SIGNATURE) {
        format!("it has no annotation {SIGNATURE}")
    } else if layer.size > PAYLOAD_LIMIT {
        format!("its payload is larger than {PAYLOAD_LIMIT} bytes")
    } else {
        return None;
    };
    Some(Content::Unreadable(why))
}

async fn in_layer(source: &dyn ImageSource, layer: &Descriptor) -> Result<Content> {
    let payload = bytes_of(source, layer).await?;
    let annotations = &layer.annotations;
    Ok(simple(payload, |key| annotations.get(key).cloned()))
}

async fn bytes_of(source: &dyn ImageSource, of: &Descriptor) -> Result<Bytes> {
    source.blob(of).await?.bytes(of.size).await
}

fn simple(payload: Bytes, annotation: impl Fn(&str) -> Option<String>) -> Content {
    match annotation(SIGNATURE) {
        Some(signature) => {
            Content::Simple(SimpleSignature { payload, signature, log: annotation(LOG) })
        }
        None => Content::Unreadable(format!("it has no annotation {SIGNATURE}")),
    }
}

/// Reads what follows the format's name in a file of `dir:`.
fn sigstore_file(json: &[u8]) -> Result<Content> {
    let mut file = Json::parse(json)?.fields("the signature")?;
    let kind = file.text("mimeType")?;
    let payload = file.text("payload")?;
    let annotations = match file.take("annotations") {
        None | Some(Json::Null) => BTreeMap::new(),
        Some(all) => {
            let all = all.fields("\"annotations\"")?.rest().into_iter();
            let all = all.map(|(key, value)| Ok((key, value.text("an annotation")?)));
            all.collect::<Result<BTreeMap<_, _>>>()?
        }
    };
    file.end()?;
    if kind != SIMPLE_SIGNING {
        return Ok(Content::Other(kind));
    }
    let payload = STANDARD
        .decode(payload)
        .map_err(|error| crate::json::malformed(format!("the payload is no base64: {error}")))?;
    Ok(simple(payload.into(), |key| annotations.get(key).cloned()))
}
