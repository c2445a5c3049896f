//! Signs an image where it is going, before it shows there.

use std::collections::HashMap;

use bytes::Bytes;
use transship_core::{
    Accepts, AcceptsReferrers, Artifacts, Body, Descriptor, Digest, DockerName, Error, ErrorKind,
    Expect, ImageDestination, ImageName, Manifest, Result, ResultExt,
};
use transship_trust::{Attachment, SIGN_PREDICATE, signatures_tag};

use super::manifests::Built;
use crate::open::Batch;
use crate::options::{Sign, SignatureForm};

/// Files of signatures that `dir:` and its like get, by the manifest that they are of.
pub(crate) type Files = HashMap<Digest, Bytes>;

/// That the destination can hold signatures of the form, and that there is a name to sign.
pub(crate) fn check(sign: &Sign, place: &dyn ImageDestination, name: Option<&str>) -> Result<()> {
    let at = place.reference();
    let holds = match sign.form {
        SignatureForm::Tag => place.beside().is_some() || place.signatures().is_some(),
        SignatureForm::Bundle => holds_referrers(place.accepts()),
    };
    if !holds {
        let message = format!("{at} cannot hold signatures of the form {}", sign.form);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if name.is_none() && sign.form == SignatureForm::Tag {
        let message = format!("a signature names an image, and {at} says no name");
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .hint("say the name that is signed, as registry.example.com/app:1"));
    }
    Ok(())
}

/// That nothing was lost beside an image that is signed: a signature that a registry refuses is no warning.
pub(super) fn check_kept(batch: &Batch<'_>, lost: &[String]) -> Result<()> {
    if batch.options.sign.is_none() || lost.is_empty() {
        return Ok(());
    }
    let message = format!("the image is there, and may lack its signature: {}", lost.join("; "));
    Err(Error::new(ErrorKind::Denied, message)
        .hint("let the registry take it, and sign the image again"))
}

fn holds_referrers(accepts: &Accepts) -> bool {
    accepts.referrers != AcceptsReferrers::Refused && accepts.artifacts != Artifacts::Refused
}

/// Signs the root and all manifests below it. What comes with the image is in `carried`; files that the place keeps with
/// the image's own are given back.
pub(super) async fn sign(
    batch: &Batch<'_>,
    place: &dyn ImageDestination,
    built: &Built,
    carried: &HashMap<String, Manifest>,
) -> Result<Files> {
    let mut files = Files::new();
    let Some(sign) = &batch.options.sign else { return Ok(files) };
    let name = batch.signed_name(place).await?.unwrap_or_default();
    for manifest in built.below.iter().map(|(_, below)| below).chain([&built.root]) {
        let descriptor = manifest.descriptor();
        let done = match sign.form {
            SignatureForm::Bundle => bundle(sign, place, descriptor).await,
            SignatureForm::Tag if place.beside().is_some() => {
                tag(sign, place, &descriptor.digest, &name, carried).await
            }
            SignatureForm::Tag => {
                let signature = sign.key.sign_simple(&descriptor.digest, &name)?;
                files.insert(descriptor.digest.clone(), signature.to_file());
                Ok(())
            }
        };
        done.context(|| format!("signing {}", descriptor.digest))?;
    }
    Ok(files)
}

async fn bundle(sign: &Sign, place: &dyn ImageDestination, of: &Descriptor) -> Result<()> {
    let bundle = sign.key.sign_bundle(&of.digest)?;
    let attachment = Attachment::of_bundle(of, bundle, SIGN_PREDICATE)?;
    put(place, &attachment).await
}

/// Adds a signature to those under the tag: the ones that come with the image, else the ones that are there.
async fn tag(
    sign: &Sign,
    place: &dyn ImageDestination,
    of: &Digest,
    name: &str,
    carried: &HashMap<String, Manifest>,
) -> Result<()> {
    let Some(beside) = place.beside() else { return Ok(()) };
    let tag = signatures_tag(of);
    let there = match carried.get(&tag) {
        Some(carried) => Some(carried.clone()),
        None => beside.beside(&tag).await?,
    };
    let signature = sign.key.sign_simple(of, name)?;
    let attachment = Attachment::of_simple(there.as_ref(), &signature).context(|| &tag)?;
    put(place, &attachment).await?;
    beside.put_beside(&tag, &attachment.manifest).await
}

async fn put(place: &dyn ImageDestination, attachment: &Attachment) -> Result<()> {
    for (media_type, bytes) in &attachment.blobs {
        let (size, digest) = (bytes.len() as u64, transship_core::sha256(bytes));
        let expect = Expect::from(&Descriptor::new(media_type.clone(), digest, size));
        if place.has(&expect).await?.is_none() {
            place.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
        }
    }
    place.put_manifest(&attachment.manifest).await
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
                Err(Error::new(ErrorKind::InvalidInput, message)
                    .hint("say the name that is signed, or copy under one name at a time"))
            }
        }
    }
}
