//! Blobs that are put at once, again, and without saying what they are, are all there, and each put says what it stored.

use futures_util::future::join_all;
use transship_core::{AcceptsOrder, Body, Expect, ImageDestination, Stored, WriteMode, sha256};

use crate::broken::{While, hold};
use crate::lab::{Lab, Way, commit, put};
use crate::model::{Blob, Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{corner_images, plain_images};
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "blobs_put_at_once_are_all_there",
    sentence: "Blobs that are put at once, again, and without saying what they are, are all there, and each put says what it stored.",
    promises: &[
        "Stores a blob, and says what is there now, also when nothing of it was known before.",
        "Several may be put at once, the same one too, where the order is [`Any`](AcceptsOrder::Any).",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let facts = kit.facts().without_artifacts();
    let corners: Vec<Image> = corner_images(&facts).into_iter().step_by(2).collect();
    kit.each_with(&corners, plain_images(kit.facts()), |lab, image| {
        let built = image.build()?;
        lab.step(at_once(lab, &built))?;
        let other = lab.another()?;
        other.step(unknown(&other, &built))
    })
}

async fn read_back(lab: &Lab, destination: Box<dyn ImageDestination>, built: &Built) -> Held {
    let committed = commit(destination, built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(built, lab.facts())
}

async fn at_once(lab: &Lab, built: &Built) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let one = &*destination;
    // Each twice, of which the second is the same by other doors.
    let twice = built.blobs.iter().chain(&built.blobs).enumerate();
    let mut all: Vec<Held> = Vec::new();
    if destination.accepts().order == AcceptsOrder::Any {
        all = join_all(twice.map(|(at, blob)| put(one, blob, Way::nth(at)))).await;
    } else {
        for (at, blob) in twice {
            all.push(put(one, blob, Way::nth(at)).await);
        }
    }
    all.into_iter().collect::<Held<Vec<_>>>().during(|| "putting each blob twice")?;
    read_back(lab, destination, built).await
}

/// Nothing is said of the bytes but their type.
async fn unknown(lab: &Lab, built: &Built) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    for (at, blob) in built.blobs.iter().enumerate() {
        let sha256_named = blob.descriptor.digest == sha256(&blob.bytes);
        if sha256_named {
            says(&*destination, blob, Way::nth(at)).await?;
        } else {
            put(&*destination, blob, Way::nth(at)).await?;
        }
    }
    read_back(lab, destination, built).await.during(|| "of blobs that were put without a digest")
}

async fn says(destination: &dyn ImageDestination, blob: &Blob, way: Way) -> Held {
    let expect = Expect::anything().with_media_type(blob.descriptor.media_type.clone());
    let body: Body = way.body(&blob.bytes)?;
    let stored = destination.put_blob(expect, body).await;
    let stored = stored.during(|| format!("putting {} B without a digest", blob.bytes.len()))?;
    let want = Stored::new(blob.descriptor.digest.clone(), blob.descriptor.size);
    hold!(stored == want, "put_blob says that it stored {} B as {}, and that is {} B as {}", stored.size, stored.digest, want.size, want.digest);
    Ok(())
}
