//! The source of a delta says what the delta leaves out, and has all the rest. A place for whole images refuses deltas.

use std::collections::HashSet;

use proptest::prelude::*;
use transship_core::{
    Commit, Contents, Deltas, Descriptor, Digest, ErrorKind, WriteMode,
};

use super::fails;
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, Way, put};
use crate::model::Built;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::nodes;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_delta_says_what_it_needs",
    sentence: "The source of a delta says what the delta leaves out, and has all the rest. A place for whole images refuses deltas.",
    promises: &[
        "What is in [`Commit::needs`] may be missing, too",
        "Where [`Accepts::deltas`] refuses deltas, so does the commit, with `Unsupported`.",
        "`None` for an image that is whole.",
        "Reading it is `NotFound` here.",
        "What was put is read back, also before the commit.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let left = proptest::collection::vec(any::<bool>(), 1..12);
    kit.each((nodes(kit.facts()), left), |lab, (node, mask)| {
        let built = node.build()?;
        let left = leave_out(&built, mask);
        let before = lab.snapshot()?;
        if !lab.step(write(lab, &built, &left))? {
            lab.snapshot()?.same(&before)?;
        }
        lab.step(completed(lab, &built))
    })
}

/// What is below a manifest that is left out is left out, too, but for the root.
fn leave_out(built: &Built, mask: &[bool]) -> Vec<Descriptor> {
    let mut mask = mask.iter().copied().cycle();
    let mut next = || mask.next().unwrap_or_default();
    let blobs = built.blobs.iter().map(|blob| &blob.descriptor);
    let mut left: Vec<Descriptor> = blobs.filter(|_| next()).cloned().collect();
    for manifest in &built.below {
        let gone: HashSet<&Digest> =
            left.iter().chain(&built.absent).map(|left| &left.digest).collect();
        let alone = manifest.document().parts().all(|part| gone.contains(&part.digest));
        if alone && next() {
            left.push(manifest.descriptor().clone());
        }
    }
    if next() {
        left.push(built.root.descriptor().clone());
    }
    left
}

/// Whether it was taken.
async fn write(lab: &Lab, built: &Built, left: &[Descriptor]) -> Held<bool> {
    let is_left = |digest: &Digest| left.iter().any(|left| left.digest == *digest);
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let accepted = destination.accepts().deltas == Deltas::Accepted;
    for (at, blob) in built.blobs.iter().enumerate() {
        if !is_left(&blob.descriptor.digest) {
            put(&*destination, blob, Way::nth(at)).await?;
        }
    }
    for manifest in built.below.iter().filter(|below| !is_left(&below.descriptor().digest)) {
        destination.put_manifest(manifest).await.during(|| "putting a manifest")?;
    }
    if let Some(contents) = destination.contents() {
        read_back(contents, built, &is_left).await?;
    }
    let what = Commit::new(&built.root).without(&built.absent).needing(left);
    let committed = destination.commit(what).await;
    if left.is_empty() {
        committed.during(|| "committing an image of which nothing is left out")?;
        return Ok(true);
    }
    if !accepted {
        fails(committed, &[ErrorKind::Unsupported], &[], "committing a delta")?;
        return Ok(false);
    }
    let committed = committed.during(|| "committing a delta")?;
    read(lab, built, left, &committed.references[0]).await?;
    Ok(true)
}

/// An image that is whole is no delta, whatever was there before.
async fn completed(lab: &Lab, built: &Built) -> Held {
    let mode = if lab.has(Ability::Append) { WriteMode::Append } else { WriteMode::Replace };
    let committed = lab.write(built, mode, &lab.facts().some_name()).await?;
    let source = lab.source(&committed.references[0]).await?;
    if let Some(needs) = source.needs() {
        let needs = listed(needs);
        return Err(Broken::new(format!("an image that was put whole says that it is a delta, and needs {needs}")));
    }
    Seen::read(&*source).await?.is(built, lab.facts()).during(|| "the image, put whole after a delta of it")
}

async fn read_back(
    contents: &dyn Contents,
    built: &Built,
    is_left: &(dyn Fn(&Digest) -> bool + Sync),
) -> Held {
    for blob in &built.blobs {
        let digest = &blob.descriptor.digest;
        let found = contents.read(&blob.descriptor).await.during(|| "reading what was put")?;
        match (found, is_left(digest)) {
            (None, true) => {}
            (Some(body), false) => {
                let bytes = body.bytes(blob.descriptor.size).await?;
                hold!(bytes == blob.bytes, "{digest} is read back as other bytes");
                resized(contents, &blob.descriptor).await?;
            }
            (Some(_), true) => return Err(Broken::new(format!("{digest} was not put, and is read"))),
            (None, false) => return Err(Broken::new(format!("{digest} was put, and is not read"))),
        }
    }
    Ok(())
}

/// What [`has`](transship_core::ImageDestination::has) would not find, asked with another size, is not read either.
async fn resized(contents: &dyn Contents, of: &Descriptor) -> Held {
    let mut longer = of.clone();
    longer.size += 1;
    let read = match contents.read(&longer).await {
        Ok(Some(body)) => body.bytes(longer.size).await.is_ok(),
        Ok(None) | Err(_) => false,
    };
    hold!(!read, "{} is read back although it was asked for with another size", of.digest);
    Ok(())
}

async fn read(
    lab: &Lab,
    built: &Built,
    left: &[Descriptor],
    at: &transship_core::Reference,
) -> Held {
    let source = lab.source(at).await?;
    let said = source.needs().cloned().unwrap_or_default();
    let expected: HashSet<Digest> = left.iter().map(|left| left.digest.clone()).collect();
    hold!(said == expected, "it needs {}, and what is left out is {}", listed(said), listed(expected));
    let root = built.root.descriptor();
    if expected.contains(&root.digest) {
        fails(source.root().await, &[ErrorKind::NotFound], &[], "reading a root that is left out")?;
        let known = source.root_descriptor().map(|known| known.digest.clone());
        hold!(known.as_ref() == Some(&root.digest), "the root is {}, not {}", listed(known), root.digest);
    } else {
        let read = source.root().await.during(|| "reading the root of a delta")?;
        hold!(read.bytes() == built.root.bytes(), "the root of a delta has other bytes");
    }
    for manifest in &built.below {
        let of = manifest.descriptor();
        let read = source.manifest(of).await;
        if expected.contains(&of.digest) {
            fails(read, &[ErrorKind::NotFound], &[of.digest.as_ref()], "reading what is left out")?;
        } else {
            let read = read.during(|| "reading a manifest of a delta")?;
            hold!(read.bytes() == manifest.bytes(), "{} has other bytes", of.digest);
        }
    }
    for blob in &built.blobs {
        let of = &blob.descriptor;
        let read = source.blob(of).await;
        if expected.contains(&of.digest) {
            fails(read, &[ErrorKind::NotFound], &[of.digest.as_ref()], "reading what is left out")?;
        } else {
            let bytes = read.during(|| "reading a blob of a delta")?.bytes(of.size).await?;
            hold!(bytes == blob.bytes, "{} has other bytes", of.digest);
        }
    }
    Ok(())
}
