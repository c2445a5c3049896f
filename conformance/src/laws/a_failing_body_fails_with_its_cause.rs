//! A body that fails midway fails the put with that cause, stores nothing, and the destination goes on.

use transship_core::{Body, Error, ErrorKind, Expect, WriteMode};

use super::fails;
use crate::broken::hold;
use crate::lab::{Lab, commit, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{Pick, plain_images};
use crate::streams::failing;
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_failing_body_fails_with_its_cause",
    sentence: "A body that fails midway fails the put with that cause, stores nothing, and the destination goes on.",
    promises: &["A body that fails midway fails the put with that cause."],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let at = (Pick::any(), Pick::any());
    kit.each((plain_images(kit.facts()), at), |lab, (image, (blob, after))| {
        lab.step(one(lab, image, blob, after))
    })
}

async fn one(lab: &Lab, image: &Image, blob: &Pick, after: &Pick) -> Held {
    let built = image.build()?;
    let blob = &built.blobs[blob.index(built.blobs.len())];
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied] {
        let error = Error::new(kind, "the kit gave up");
        let stream = failing(&blob.bytes, after.index(blob.bytes.len() + 1), error);
        let put = destination.put_blob(Expect::from(&blob.descriptor), Body::from_stream(stream));
        fails(put.await, &[kind], &["the kit gave up"], "putting a body that fails")?;
    }
    let has = destination.has(&Expect::from(&blob.descriptor)).await?;
    hold!(has.is_none(), "`has` finds the blob of a put that failed");
    put_all(&*destination, &built).await?;
    let committed = commit(destination, &built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(&built, lab.facts())
}
