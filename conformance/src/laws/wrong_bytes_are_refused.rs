//! Bytes that are not what they have to be are `Corrupt` through every kind of body, and nothing of them is stored.

use proptest::sample::select;
use transship_core::{ErrorKind, Expect, ImageDestination, WriteMode};

use super::fails;
use crate::broken::hold;
use crate::lab::{Lab, Way, commit, put_all};
use crate::model::{Blob, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{Pick, plain_images};
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "wrong_bytes_are_refused",
    sentence: "Bytes that are not what they have to be are `Corrupt` through every kind of body, and nothing of them is stored.",
    promises: &[
        "An expectation, `expect`'s or the body's own, that does not hold fails the put and stores nothing.",
    ],
    needs: &[],
    cost: 1,
    check,
};

/// What is wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    OneByte,
    Short,
    Long,
    Size,
}

/// What says which bytes are right.
#[derive(Clone, Copy, Debug)]
enum Expects {
    Put,
    Body,
}

fn check(kit: &Kit) -> Held {
    let wrong = select(vec![Wrong::OneByte, Wrong::Short, Wrong::Long, Wrong::Size]);
    let expects = select(vec![Expects::Put, Expects::Body]);
    let what = (Pick::any(), wrong, expects);
    kit.each((plain_images(kit.facts()), what), |lab, (image, (blob, wrong, expects))| {
        let before = lab.snapshot()?;
        lab.step(one(lab, image, blob, *wrong, *expects))?;
        lab.snapshot()?.same(&before)?;
        lab.step(then_right(lab, image, blob, *wrong))
    })
}

async fn one(lab: &Lab, image: &Image, blob: &Pick, wrong: Wrong, expects: Expects) -> Held {
    let built = image.build()?;
    let blob = &built.blobs[blob.index(built.blobs.len())];
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    for way in Way::ALL {
        refused(&*destination, blob, wrong, expects, way).await?;
    }
    unknown_digest(&*destination, blob).await?;
    let longer = Expect::anything().with_size(blob.descriptor.size + 1);
    for way in [Way::Bytes, Way::Stream] {
        let put = destination.put_blob(longer.clone(), way.body(&blob.bytes)?).await;
        fails(put, &[ErrorKind::Corrupt], &[], &format!("putting bytes of another size, {way}"))?;
    }
    let has = destination.has(&Expect::from(&blob.descriptor)).await?;
    hold!(has.is_none(), "after a put that failed, has says that it is there");
    Ok(())
}

/// A digest that cannot be checked does not vouch for bytes.
async fn unknown_digest(destination: &dyn ImageDestination, blob: &Blob) -> Held {
    let Ok(digest) = format!("sha384:{}", "ab".repeat(48)).parse::<transship_core::Digest>() else {
        return Ok(());
    };
    let mut expect = Expect::from(&blob.descriptor);
    expect.digest = Some(digest);
    let put = destination.put_blob(expect, Way::Bytes.body(&blob.bytes)?).await;
    let kinds = [ErrorKind::Unsupported, ErrorKind::Corrupt];
    fails(put, &kinds, &[], "putting bytes under a digest of another algorithm")
}

async fn refused(
    destination: &dyn ImageDestination,
    blob: &Blob,
    wrong: Wrong,
    expects: Expects,
    way: Way,
) -> Held {
    let mut bytes = blob.bytes.to_vec();
    let mut expect = Expect::from(&blob.descriptor);
    match wrong {
        Wrong::OneByte if !bytes.is_empty() => {
            let last = bytes.len() - 1;
            bytes[last / 2] ^= 1;
        }
        Wrong::Short if !bytes.is_empty() => bytes.truncate(bytes.len() - 1),
        Wrong::Size => expect.size = expect.size.map(|size| size + 1),
        _ => bytes.push(0),
    }
    let body = way.body(&bytes.into())?;
    let put = match expects {
        Expects::Put => destination.put_blob(expect, body).await,
        Expects::Body => match body.expecting(&expect) {
            Ok(body) => destination.put_blob(media_type(&expect), body).await,
            Err(e) => Err(e),
        },
    };
    let what = format!("putting wrong bytes ({wrong:?}, expected by the {expects:?}, {way})");
    fails(put, &[ErrorKind::Corrupt], &[], &what)
}

fn media_type(expect: &Expect) -> Expect {
    let mut only = Expect::anything();
    only.media_type.clone_from(&expect.media_type);
    only
}

/// A put that failed does not spoil the ones that come after.
async fn then_right(lab: &Lab, image: &Image, blob: &Pick, wrong: Wrong) -> Held {
    let built = image.build()?;
    let one = &built.blobs[blob.index(built.blobs.len())];
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    refused(&*destination, one, wrong, Expects::Put, Way::Stream).await?;
    put_all(&*destination, &built).await?;
    refused(&*destination, one, wrong, Expects::Put, Way::Reader).await?;
    let committed = commit(destination, &built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(&built, lab.facts())
}

