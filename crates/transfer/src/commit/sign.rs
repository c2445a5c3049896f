//! Signs an image where it is going, before it shows there.

use std::collections::HashMap;

use bytes::Bytes;
use transship_core::{
    Accepts, AcceptsReferrers, Artifacts, Descriptor, Digest, DockerName, Error, ErrorKind, Hint,
    ImageDestination, ImageName, ImageSource, Manifest, Result, ResultExt, TagsMove, WithoutBeside,
};
use transship_trust::{
    Attachment, PublicKey, SIGN_PREDICATE, SignatureKinds, SimpleSignature, found_with,
    signatures_tag,
};

use super::beside;
use super::manifests::Built;
use crate::open::Batch;
use crate::options::{Sign, SignatureForm};

/// Signatures that `dir:` and its like get as files, by the manifest that they are of.
pub(crate) type Files = HashMap<Digest, Made>;

/// What was signed, and is still to be kept.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    /// Files that the place keeps with the image's own.
    pub(super) files: Files,
    /// What was put under tags from which another writer may take it unseen, by the manifest that each is of.
    pub(super) tags: Vec<(Digest, Made)>,
}

/// A signature that was made, and the key that checks it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    signature: SimpleSignature,
    by: PublicKey,
}

impl Made {
    /// Adds it to files of signatures, unless one says the same by the same key.
    pub(super) fn add_to(&self, files: &mut Vec<Bytes>) {
        if !self.signature.is_among(files, &self.by) {
            files.push(self.signature.to_file());
        }
    }

    /// Whether a list of signatures has one that says the same by the same key.
    pub(super) fn is_in(&self, list: &Manifest) -> bool {
        self.signature.is_in(list, &self.by)
    }
}

/// That the destination can hold signatures of the form, and that there is a name to sign.
pub(crate) async fn check(
    batch: &Batch<'_>,
    sign: &Sign,
    place: &dyn ImageDestination,
) -> Result<()> {
    let at = place.reference();
    let holds = match sign.form {
        SignatureForm::Tag => place.beside().is_some() || place.signatures().is_some(),
        SignatureForm::Bundle => holds_referrers(place.accepts()),
    };
    if !holds {
        let message = format!("{at} cannot hold signatures of the form {}", sign.form);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let name = batch.signed_name(place).await?;
    if name.is_none() && sign.form == SignatureForm::Tag {
        let message = format!("a signature names an image, and {at} says no name");
        return Err(Error::new(ErrorKind::InvalidInput, message).hint(Hint::SayIdentity));
    }
    Ok(())
}

/// An image that is to be signed does not show without its signature.
pub(super) fn without_signature(batch: &Batch<'_>) -> WithoutBeside {
    if batch.options.sign.is_some() { WithoutBeside::Fails } else { WithoutBeside::Shows }
}

fn holds_referrers(accepts: &Accepts) -> bool {
    accepts.referrers != AcceptsReferrers::Refused && accepts.artifacts != Artifacts::Refused
}

/// Signs the root and all manifests below it. What comes with the image is in `carried`.
pub(super) async fn sign(
    batch: &Batch<'_>,
    place: &dyn ImageDestination,
    source: &dyn ImageSource,
    built: &Built,
    carried: &HashMap<String, Manifest>,
) -> Result<Signatures> {
    let mut all = Signatures::default();
    let Some(sign) = &batch.options.sign else { return Ok(all) };
    let name = batch.signed_name(place).await?.unwrap_or_default();
    for manifest in built.below.iter().map(|(_, below)| below).chain([&built.root]) {
        let descriptor = manifest.descriptor();
        let done = match sign.form {
            SignatureForm::Bundle => bundle(sign, place, descriptor, source).await,
            SignatureForm::Tag => {
                let of = &descriptor.digest;
                let signature = sign.key.sign_simple(of, &name)?;
                let made = Made { signature, by: sign.key.public()? };
                if let Some(able) = place.beside() {
                    let put = add(place, of, &made, carried.get(&signatures_tag(of))).await;
                    if able.tags_move() == TagsMove::Always {
                        all.tags.push((of.clone(), made));
                    }
                    put
                } else {
                    all.files.insert(of.clone(), made);
                    Ok(())
                }
            }
        };
        done.context(|| format!("signing {}", descriptor.digest))?;
    }
    Ok(all)
}

async fn bundle(
    sign: &Sign,
    place: &dyn ImageDestination,
    of: &Descriptor,
    source: &dyn ImageSource,
) -> Result<()> {
    // `sign` writes an image to where it is: what the key signed there already stays.
    if source.reference() == place.reference() {
        let kinds = SignatureKinds::SIGSTORE.only_bundles();
        let (there, by) = (found_with(source, &of.digest, kinds).await?, sign.key.public()?);
        if there.iter().any(|found| found.is_bundle_of(&of.digest, &by)) {
            return Ok(());
        }
    }
    let bundle = sign.key.sign_bundle(&of.digest)?;
    let attachment = Attachment::of_bundle(of, bundle, SIGN_PREDICATE)?;
    beside::put_blobs(place, &attachment).await?;
    place.put_manifest(&attachment.manifest).await
}

/// Adds a signature to those under the tag: the ones that come with the image, else the ones that are there.
pub(super) async fn add(
    place: &dyn ImageDestination,
    of: &Digest,
    made: &Made,
    carried: Option<&Manifest>,
) -> Result<()> {
    let Some(able) = place.beside() else { return Ok(()) };
    let tag = signatures_tag(of);
    let there = match carried {
        Some(carried) => vec![carried.clone()],
        None => able.beside(&tag).await?,
    };
    let attachment = Attachment::of_simple(&there, &made.signature, &made.by).context(|| &tag)?;
    beside::put(place, able, &tag, &attachment).await
}

/// A docker name that says its registry. A name as `1`, which layouts have, is short for what nobody means by it.
fn written_out(name: &ImageName) -> Option<DockerName> {
    let docker = name.docker()?;
    let host = format!("{}/", docker.domain());
    name.as_str().starts_with(&host).then_some(docker)
}

impl Batch<'_> {
    /// The name that is signed of an image: the one that is given, else the one that it gets.
    pub(crate) async fn signed_name(&self, place: &dyn ImageDestination) -> Result<Option<String>> {
        if let Some(given) = self.options.sign.as_ref().and_then(|sign| sign.identity.as_ref()) {
            return Ok(Some(given.to_string()));
        }
        let docker: Vec<_> = place.names().iter().filter_map(written_out).collect();
        match &docker[..] {
            [] => {
                let identity = crate::open::identity(place.reference(), &self.to).await?;
                Ok(identity.name().map(ToString::to_string))
            }
            [name] => Ok(Some(name.clone().or_latest().to_string())),
            _ => {
                let message = format!(
                    "a signature names one image, and {} gets several names",
                    place.reference()
                );
                let hints = vec![Hint::SayIdentity, Hint::from("copy under one name at a time")];
                Err(Error::new(ErrorKind::InvalidInput, message).hint(Hint::AnyOf(hints)))
            }
        }
    }
}
