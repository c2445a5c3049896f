//! [`Found`]: signatures as they lie with an image, before anything of them is trusted.

use std::collections::BTreeMap;

use bytes::Bytes;
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, ImageSource, Referrers, Result,
};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundle::is_bundle;
use crate::json::Json;
use crate::{PAYLOAD_LIMIT, SIGNATURES_LIMIT, SimpleSignature};

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
/// Those of the source, where a signature could not be reached. One that is damaged, or beyond [`SIGNATURES_LIMIT`], is
/// [`Content::Unreadable`].
pub async fn found_with(
    source: &dyn ImageSource,
    of: &Digest,
    kinds: SignatureKinds,
) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    if kinds == SignatureKinds::default() {
        return Ok(all);
    }
    if let Some(detached) = source.signatures()
        && (kinds.sigstore || kinds.open_pgp)
    {
        let files = readable(detached.signatures(Some(of)).await);
        match files? {
            Ok(files) => {
                let places = (1..).map(|number| format!("signature-{number}"));
                all.extend(places.zip(&files).map(|(place, file)| Found::detached(place, file)));
            }
            Err(why) => all.push(Found::new("its detached signatures", why)),
        }
    }
    if let Some(referrers) = source.referrers()
        && kinds.sigstore
    {
        for (tag, root) in referrers.beside(of).await? {
            if tag.strip_suffix(".sig").is_some() {
                match readable(in_manifest(source, &tag, &root).await)? {
                    Ok(signatures) => all.extend(signatures),
                    Err(why) => all.push(Found::new(tag, why)),
                }
            }
        }
    }
    if let Some(referrers) = source.referrers()
        && kinds.bundles
    {
        all.extend(in_bundles(source, referrers, of).await?);
    }
    // All or none: which of them are looked at must not depend on their order.
    if all.len() > SIGNATURES_LIMIT {
        let why = format!("they are {}, and more than {SIGNATURES_LIMIT} are not read", all.len());
        return Ok(vec![Found::new("the signatures", Content::Unreadable(why))]);
    }
    Ok(all)
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

/// The bundles among what is about a manifest.
async fn in_bundles(
    source: &dyn ImageSource,
    referrers: &dyn Referrers,
    of: &Digest,
) -> Result<Vec<Found>> {
    let about = referrers.referrers(of).await?;
    let bundles =
        about.into_iter().filter(|about| about.artifact_type.as_deref().is_some_and(is_bundle));
    let mut all = Vec::new();
    for about in bundles.take(SIGNATURES_LIMIT + 1) {
        let content = match readable(in_bundle(source, &about).await)? {
            Ok(content) | Err(content) => content,
        };
        all.push(Found::new(format!("bundle {}", about.digest), content));
    }
    Ok(all)
}

async fn in_bundle(source: &dyn ImageSource, about: &Descriptor) -> Result<Content> {
    let manifest = source.manifest(about).await?;
    let layers = match manifest.document() {
        Document::Image(image) => &*image.layers,
        _ => &[],
    };
    let [layer] = layers else {
        let message = format!("it has {} blobs, and a bundle is one", layers.len());
        return Err(Error::new(ErrorKind::Corrupt, message));
    };
    if layer.size > PAYLOAD_LIMIT {
        let text = format!("it is larger than {PAYLOAD_LIMIT} bytes");
        return Ok(Content::Unreadable(text));
    }
    Ok(Content::Bundle(source.blob(layer).await?.bytes(PAYLOAD_LIMIT).await?))
}

/// The signatures that a manifest has as its layers.
async fn in_manifest(source: &dyn ImageSource, tag: &str, root: &Descriptor) -> Result<Vec<Found>> {
    let manifest = source.manifest(root).await?;
    let Document::Image(image) = manifest.document() else {
        let message = "it is an index, and holds no signatures";
        return Err(Error::new(ErrorKind::Corrupt, message));
    };
    if image.layers.len() > SIGNATURES_LIMIT {
        let message = format!("it has over {SIGNATURES_LIMIT} signatures");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    let mut all = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        let content = match readable(in_layer(source, layer).await)? {
            Ok(content) | Err(content) => content,
        };
        all.push(Found::new(format!("{tag}, signature {}", at + 1), content));
    }
    Ok(all)
}

async fn in_layer(source: &dyn ImageSource, layer: &Descriptor) -> Result<Content> {
    if layer.media_type.as_ref() != SIMPLE_SIGNING {
        return Ok(Content::Other(layer.media_type.to_string()));
    }
    if layer.size > PAYLOAD_LIMIT {
        let text = format!("its payload is larger than {PAYLOAD_LIMIT} bytes");
        return Ok(Content::Unreadable(text));
    }
    let payload = source.blob(layer).await?.bytes(PAYLOAD_LIMIT).await?;
    let annotations = &layer.annotations;
    Ok(simple(payload, |key| annotations.get(key).cloned()))
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
