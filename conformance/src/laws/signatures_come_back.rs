//! Detached signatures come back as they were put, in their order, with the image they are of, and with no other one.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use transship_core::{Committed, Digest, WriteMode};

use super::image_or_index;
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Built, noise};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "signatures_come_back",
    sentence: "Detached signatures come back as they were put, in their order, with the image they are of, and with no other one.",
    promises: &[
        "In the order in which they were put, those of that manifest alone; none where there are none.",
        "They show with the commit, and not without it.",
    ],
    needs: &[Ability::Signatures],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let few = || vec(prop_oneof![0_usize..3, 500_usize..600, Just(70_000)], 0..4);
    // So many that a place which sorts them by a number's text has the eleventh before the third.
    let many = || vec(3_usize..600, 11..14);
    let sizes = || prop_oneof![5 => few(), 1 => many()];
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each((images, sizes(), sizes()), |lab, ((first, second), root, child)| {
        let built = image_or_index(lab, first)?;
        let (root, child) = (signatures(1, root), signatures(2, child));
        lab.step(abandoned(lab, &built, &root))?;
        lab.step(come_back(lab, &built, &root, &child))?;
        lab.step(stay(lab, &built, &root, &child))?;
        lab.step(signed_again(lab, &built, &root))?;
        // What takes its place is not signed by them.
        lab.step(come_back(lab, &second.build()?, &[], &[]))
    })
}

fn signatures(seed: u64, sizes: &[usize]) -> Vec<Bytes> {
    let one = |(at, size): (usize, &usize)| noise(seed * 100 + at as u64, *size).into();
    sizes.iter().enumerate().map(one).collect()
}

async fn put(lab: &Lab, built: &Built, root: &[Bytes], child: &[Bytes]) -> Held<Box<dyn transship_core::ImageDestination>> {
    let destination = lab.destination(WriteMode::Replace, &lab.facts().some_name()).await?;
    let Some(signatures) = destination.signatures() else {
        return Err(Broken::new(
            "it keeps detached signatures of a place where nothing is, and has no signatures() here",
        ));
    };
    // The root is meant by its digest, too.
    let by_digest = (root.len() % 2 == 1).then_some(&built.root.descriptor().digest);
    signatures.put_signatures(by_digest, root.to_vec()).await.during(|| "putting signatures of the root")?;
    if let Some(below) = built.below.first() {
        let of = Some(&below.descriptor().digest);
        signatures.put_signatures(of, child.to_vec()).await.during(|| "putting signatures of a child")?;
    }
    put_all(&*destination, built).await?;
    Ok(destination)
}

async fn abandoned(lab: &Lab, built: &Built, root: &[Bytes]) -> Held {
    drop(put(lab, built, root, root).await?);
    let there = lab.transport().source(lab.at(), &transship_core::ReadOptions::default()).await;
    hold!(there.is_err(), "an image shows that was only signed");
    Ok(())
}

async fn come_back(lab: &Lab, built: &Built, root: &[Bytes], child: &[Bytes]) -> Held {
    let destination = put(lab, built, root, child).await?;
    let committed = commit(destination, built).await?;
    are_kept(lab, built, &committed, root, child).await
}

/// An image that comes again without signatures keeps those that it has.
async fn stay(lab: &Lab, built: &Built, root: &[Bytes], child: &[Bytes]) -> Held {
    if !lab.has(Ability::Append) {
        return Ok(());
    }
    let committed = lab.write(built, WriteMode::Append, &lab.facts().some_name()).await?;
    let kept = are_kept(lab, built, &committed, root, child).await;
    kept.during(|| "after the image came again without signatures")
}

/// An image that comes again with a signature of a child alone has that one, and keeps those of its root.
async fn signed_again(lab: &Lab, built: &Built, root: &[Bytes]) -> Held {
    let Some(below) = built.below.first().filter(|_| lab.has(Ability::Append)) else { return Ok(()) };
    let destination = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
    let Some(able) = destination.signatures() else {
        return Err(Broken::new("it keeps detached signatures, and has no signatures() here"));
    };
    let (child, new) = (Some(&below.descriptor().digest), signatures(3, &[400]));
    able.put_signatures(child, new.clone()).await.during(|| "putting a signature of a child")?;
    put_all(&*destination, built).await?;
    let committed = commit(destination, built).await?;
    let source = lab.source(&committed.references[0]).await?;
    let Some(kept) = source.signatures() else {
        return Err(Broken::new("it keeps signatures, and its source has no signatures()"));
    };
    let of_root = kept.signatures(None).await.during(|| "reading signatures")?;
    hold!(of_root == root, "after the image came again with a signature of a child, its root has {} signatures, which are not the {} that it had", of_root.len(), root.len());
    let of_child = kept.signatures(child).await.during(|| "reading signatures of a child")?;
    hold!(of_child.ends_with(&new), "a signature of a child that came with the image again is not the last of the child");
    Ok(())
}

async fn are_kept(
    lab: &Lab,
    built: &Built,
    committed: &Committed,
    root: &[Bytes],
    child: &[Bytes],
) -> Held {
    let source = lab.source(&committed.references[0]).await?;
    let Some(kept) = source.signatures() else {
        return Err(Broken::new("it keeps signatures, and its source has no signatures()"));
    };
    let same = |found: Vec<Bytes>, want: &[Bytes], of: &str| {
        let sizes = |all: &[Bytes]| all.iter().map(Bytes::len).collect::<Vec<_>>();
        let (have, put) = (sizes(&found), sizes(want));
        hold!(found == want, "the signatures of {of} come back with {have:?} B, {put:?} B were put");
        Ok(())
    };
    let of = |digest: Option<Digest>| async move {
        kept.signatures(digest.as_ref()).await.during(|| "reading signatures")
    };
    same(of(None).await?, root, "the root")?;
    same(of(Some(committed.descriptor.digest.clone())).await?, root, "the root, by its digest")?;
    for (at, manifest) in built.below.iter().enumerate() {
        let want = if at == 0 { child } else { &[] };
        same(of(Some(manifest.descriptor().digest.clone())).await?, want, "a child")?;
    }
    same(of(Some(transship_core::sha256(b"other"))).await?, &[], "what is not there")
}
