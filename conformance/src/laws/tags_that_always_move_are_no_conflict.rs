//! Where tags beside images always move, a commit moves its tag, also if another writer moved it meanwhile.

use crate::beside::{Late, has_list};
use crate::broken::{While, hold};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "tags_that_always_move_are_no_conflict",
    sentence: "Where tags beside images always move, a commit moves its tag, also if another writer moved it meanwhile.",
    promises: &[
        "Where tags move [`Always`](TagsMove::Always), the commit moves a tag, also if another writer moved it meanwhile.",
    ],
    needs: &[Ability::Beside, Ability::Append, Ability::ManyWriters, Ability::TagsMoveAlways],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((0_u8..50, proptest::bool::ANY), |lab, (seed, signed)| lab.step(moves(lab, *seed, *signed)))
}

async fn moves(lab: &Lab, seed: u8, signed: bool) -> Held {
    let Late { built, second, done, .. } = Late::of(lab, seed, signed).await?;
    let committed = done.during(|| "committing what moves a tag from what came since it was asked for")?;
    let lost = &committed.lost;
    hold!(lost.is_empty(), "it says that it lost something: {}", lost.join("; "));
    has_list(&*lab.source(&committed.references[0]).await?, &built.root, &second).await
}
