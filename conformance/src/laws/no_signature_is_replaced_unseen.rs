//! If a tag has moved since a writer asked for it, that writer's commit fails, and what another writer put there stays.

use transship_core::ErrorKind;

use super::fails;
use crate::beside::{Late, has_list, sign};
use crate::broken::While;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "no_signature_is_replaced_unseen",
    sentence: "If a tag has moved since a writer asked for it, that writer's commit fails, and what another writer put there stays.",
    promises: &[
        "Where tags move [`IfUnchanged`](TagsMove::IfUnchanged), and another writer moves it before the commit, the commit fails with `Conflict`.",
    ],
    needs: &[Ability::Beside, Ability::Append, Ability::ManyWriters, Ability::TagsMoveIfUnchanged],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((0_u8..50, proptest::bool::ANY), |lab, (seed, signed)| lab.step(unseen(lab, *seed, *signed)))
}

async fn unseen(lab: &Lab, seed: u8, signed: bool) -> Held {
    let Late { built, first, second, at, done } = Late::of(lab, seed, signed).await?;
    fails(done, &[ErrorKind::Conflict], &[], "a signature is replaced that came since the tag was asked for")?;
    has_list(&*lab.source(&at).await?, &built.root, &first).await.during(|| "after the conflict")?;
    // A writer that has seen it replaces it.
    let at = sign(lab, &built, &second).await?;
    has_list(&*lab.source(&at).await?, &built.root, &second).await
}
