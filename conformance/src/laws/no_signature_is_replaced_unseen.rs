//! What came under a tag since a writer asked for it is not replaced: the commit fails, and all of it stays.

use transship_core::{Commit, ErrorKind, WriteMode};

use super::fails;
use crate::beside::{has_list, is_able, list, put_list, show, there, write};
use crate::broken::{While, hold};
use crate::lab::{Lab, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "no_signature_is_replaced_unseen",
    sentence: "What came under a tag since a writer asked for it is not replaced: the commit fails, and all of it stays.",
    promises: &[
        "Where another writer changed it until the commit, that fails with `Conflict`, except where tags are written without any condition",
    ],
    needs: &[Ability::Append, Ability::ManyWriters],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((0_u8..50, proptest::bool::ANY), |lab, (seed, signed)| {
        if !is_able(kit, lab)? {
            return Ok(());
        }
        if lab.transport().compares_roots() {
            kit.not_able("tags are written without any condition");
            return Ok(());
        }
        lab.step(unseen(lab, *seed, *signed))
    })
}

/// Two writers ask, and each puts what the other one has not seen.
async fn unseen(lab: &Lab, seed: u8, signed: bool) -> Held {
    let built = Image::simple(seed).build()?;
    if signed {
        write(lab, &built, &list(&[seed])?, WriteMode::Create).await?;
    } else {
        lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await?;
    }
    let (first, second) = (list(&[60])?, list(&[61])?);
    let late = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
    let before = there(&*late, &built.root).await?.len();
    hold!(before == usize::from(signed), "{before} manifests have the tag of an image with {}", usize::from(signed));
    put_all(&*late, &built).await?;
    put_list(&*late, &built.root, &second).await?;
    let at = sign(lab, &built, &first).await?;
    let done = late.commit(Commit::new(&built.root)).await;
    fails(done, &[ErrorKind::Conflict], &[], "a signature is replaced that came since the tag was asked for")?;
    has_list(&*lab.source(&at).await?, &built.root, &first).await.during(|| "after the conflict")?;
    // Who has seen it, replaces it.
    let at = sign(lab, &built, &second).await?;
    has_list(&*lab.source(&at).await?, &built.root, &second).await
}

async fn sign(lab: &Lab, built: &Built, list: &Built) -> Held<transship_core::Reference> {
    let destination = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
    there(&*destination, &built.root).await?;
    put_all(&*destination, built).await?;
    put_list(&*destination, &built.root, list).await?;
    show(destination, built).await
}
