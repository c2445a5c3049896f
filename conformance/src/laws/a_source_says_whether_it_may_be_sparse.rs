//! A source says that an index may lack children if, and only if, its place takes sparse indexes.

use transship_core::WriteMode;

use crate::broken::hold;
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_source_says_whether_it_may_be_sparse",
    sentence: "A source says that an index may lack children if, and only if, its place takes sparse indexes.",
    promises: &["It is [`Accepted`](Sparse::Accepted) where the place takes sparse indexes"],
    needs: &[Ability::Indexes],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let (built, names) = (Image::simple(*seed).build()?, lab.facts().some_name());
        lab.step(async {
            let takes = lab.destination(WriteMode::Create, &names).await?.accepts().sparse;
            let committed = lab.write(&built, WriteMode::Create, &names).await?;
            let says = lab.source(&committed.references[0]).await?.sparse();
            hold!(says == takes, "its source says {says:?} of sparse indexes, its destination {takes:?}");
            Ok(())
        })
    })
}
