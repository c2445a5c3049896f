//! A manifest that is about an image is found by the image it is about, whole, and is no image of its own.

use std::collections::HashSet;

use transship_core::{
    CollectMode, Commit, Descriptor, ImageDestination, ImageSource, Manifest, MediaType, WriteMode, sha256,
};

use super::collecting_takes_garbage_alone::collect;
use super::image_or_index;
use crate::broken::{While, hold};
use crate::lab::{Lab, put_all};
use crate::model::{Blob, Built, Config, Format, Image, Layer};
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law, Listed};

pub(crate) const LAW: Law = Law {
    name: "referrers_come_with_their_image",
    sentence: "A manifest that is about an image is found by the image it is about, whole, and is no image of its own.",
    promises: &[
        "Gives it no name.",
        "Every image stays whole, and so does what is about it.",
        "Each has the media type, digest, size and artifact type of its manifest",
        "In the order in which they were put, where the place keeps images in theirs",
    ],
    needs: &[Ability::Referrers],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let many = [(Image::simple(9), 40)];
    kit.each_with(&many, (plain_images(kit.facts()), 1_usize..4), |lab, (image, count)| {
        let built = image_or_index(lab, image)?;
        let about = all_about(lab, &built, *count)?;
        lab.step(write(lab, &built, &about))?;
        let (reversed, other): (Vec<_>, _) = (about.iter().rev().cloned().collect(), lab.another()?);
        other
            .step(write(&other, &built, &reversed))
            .map_err(|e| e.while_doing("each put before what it is about"))?;
        let images = lab.snapshot()?.images().len();
        hold!(images == 1, "{images} images are listed, of one with {} manifests about it", about.len());
        Ok(())
    })
}

/// What is about the root, about a manifest below it, and about what is about the root.
fn all_about(lab: &Lab, built: &Built, count: usize) -> Held<Vec<Built>> {
    let mut about =
        (0..count).map(|at| referrer(&built.root, at)).collect::<Held<Vec<_>>>()?;
    about.push(referrer(&about[0].root, 110)?);
    if let Some(child) = built.below.first() {
        about.push(referrer(child, 120)?);
        about.push(referrer(child, 121)?);
    }
    if lab.has(Ability::Indexes) {
        about.push(index_about(&built.root, 125)?);
    }
    about.push(referrer(&built.root, 130)?);
    Ok(about)
}

/// A manifest that is about another one, with a config and a layer of its own. The layer is a tar: some places take no others.
/// With an even number it has no `artifactType`: the type of its config counts.
pub(super) fn referrer(of: &Manifest, at: usize) -> Held<Built> {
    let subject = subject(of);
    let of = of.descriptor();
    let text = serde_json::json!({ "number": at, "of": of.digest }).to_string();
    let config = MediaType::from("application/vnd.example.signature.config+json");
    let config = Descriptor::new(config, sha256(text.as_bytes()), text.len() as u64);
    let number = u8::try_from(at).unwrap_or(u8::MAX);
    let seed = of.digest.encoded().bytes().fold(number, u8::wrapping_add);
    let layer = Layer::tar(seed, 300).build(Format::Oci)?;
    let mut manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer.descriptor],
        "subject": subject, "annotations": { "org.example.number": at.to_string() },
    });
    if at % 2 == 1 {
        manifest["artifactType"] = "application/vnd.example.signature".into();
    }
    let mut built = Built::new(Manifest::new(manifest.to_string())?);
    built.add(layer);
    built.add(Blob { descriptor: config, bytes: text.into() });
    Ok(built)
}

/// An index that is about a manifest, of one artifact, which is not.
pub(super) fn index_about(of: &Manifest, at: usize) -> Held<Built> {
    let of_its_own = Layer::tar(u8::try_from(at).unwrap_or(u8::MAX), 400);
    let artifact = Image { layers: vec![of_its_own], config: Config::Artifact, ..Image::simple(9) };
    let artifact = artifact.build()?;
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [artifact.root.descriptor()], "subject": subject(of),
        "artifactType": "application/vnd.example.signatures",
    });
    let mut built = Built::new(Manifest::new(index.to_string())?);
    built.take_in(artifact);
    Ok(built)
}

fn subject(of: &Manifest) -> Descriptor {
    let of = of.descriptor();
    Descriptor::new(of.media_type.clone(), of.digest.clone(), of.size)
}

/// Puts an image with what is about it, in that order.
pub(super) async fn put_with(
    destination: &dyn ImageDestination,
    built: &Built,
    about: &[Built],
) -> Held {
    put_all(destination, built).await?;
    for about in about {
        put_all(destination, about).await.during(|| "what is about it")?;
        let put = destination.put_manifest(&about.root).await;
        put.during(|| "putting a manifest about it")?;
    }
    Ok(())
}

async fn write(lab: &Lab, built: &Built, about: &[Built]) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    put_with(&*destination, built, about).await?;
    let done = destination.commit(Commit::new(&built.root)).await.during(|| "committing")?;
    if lab.has(Ability::Collection) {
        // What is about an image is no garbage.
        collect(lab, CollectMode::Delete).await?;
    }
    let source = lab.source(&done.references[0]).await?;
    are_there(lab, &*source, about).await?;
    let Some(referrers) = source.referrers() else { return Ok(()) };
    let others = referrers.referrers(&sha256(b"other")).await?;
    hold!(others.is_empty(), "{} manifests are about what is not there", others.len());
    Ok(())
}

/// Whether each subject has those that are about it, as they are, in their order.
pub(super) async fn are_there(lab: &Lab, source: &dyn ImageSource, about: &[Built]) -> Held {
    let Some(referrers) = source.referrers() else {
        return Err(Broken::new("the source cannot say what is about it"));
    };
    let subject = |about: &Built| about.root.document().subject().map(|of| of.digest.clone());
    let subjects: HashSet<_> = about.iter().filter_map(subject).collect();
    for of in subjects {
        let found = referrers.referrers(&of).await.during(|| format!("what is about {of}"))?;
        let again = referrers.referrers(&of).await.during(|| format!("what is about {of}"))?;
        hold!(found == again, "what is about {of} comes in another order the second time");
        let mut want: Vec<_> = about.iter().filter(|about| subject(about).as_ref() == Some(&of)).collect();
        if !(lab.has(Ability::ManyImages) && lab.claims().listed == Listed::Images) {
            // In an order of its own.
            want.sort_by_key(|about| found.iter().position(|found| found.digest == about.root.descriptor().digest));
        }
        let digests = |all: &mut dyn Iterator<Item = &Descriptor>| {
            all.map(|one| one.digest.to_string()).collect::<Vec<_>>().join(", ")
        };
        let put = digests(&mut want.iter().map(|about| about.root.descriptor()));
        let have = digests(&mut found.iter());
        hold!(have == put, "the manifests about {of} were put in the order {put}, and are listed as {have}");
        for (found, put) in found.iter().zip(want) {
            is_listed(found, &put.root)?;
            is_whole(source, found, put).await?;
        }
    }
    Ok(())
}

/// Whether its manifest, and all that it is of, read as they were put.
async fn is_whole(source: &dyn ImageSource, found: &Descriptor, put: &Built) -> Held {
    let read = source.manifest(found).await.during(|| "reading what is about it")?;
    hold!(read.bytes() == put.root.bytes(), "what is about it reads as other bytes");
    for child in &put.below {
        let of = child.descriptor();
        let read = source.manifest(of).await;
        let read = read.during(|| format!("reading {}, of an index about it", of.digest))?;
        hold!(read.bytes() == child.bytes(), "{}, of an index about it, reads as other bytes", of.digest);
    }
    for blob in &put.blobs {
        let of = &blob.descriptor;
        let what = || format!("reading {}, {}, of what is about it", of.media_type, of.digest);
        let body = source.blob(of).await.during(what)?;
        let bytes = body.bytes(LIMIT).await.during(what)?;
        hold!(bytes == blob.bytes, "{}, of what is about it, reads as other bytes", of.digest);
    }
    Ok(())
}

fn is_listed(found: &Descriptor, put: &Manifest) -> Held {
    let want = put.as_referrer();
    hold!(
        (&found.media_type, found.size) == (&want.media_type, want.size),
        "what is about it is listed with type {} and {} B, and has {} and {}",
        found.media_type,
        found.size,
        want.media_type,
        want.size
    );
    hold!(
        found.artifact_type == want.artifact_type,
        "what is about it is listed with the artifact type {}, and has {}",
        found.artifact_type.as_deref().unwrap_or("none"),
        want.artifact_type.as_deref().unwrap_or("none")
    );
    Ok(())
}
