//! A source says that an index may lack children if, and only if, its place takes sparse indexes.

use transship_core::WriteMode;

use super::some_name;
use crate::broken::hold;
use crate::model::Image;
use crate::runner::Kit;
use crate::{Claims, Held, Indexes, Law};

pub(crate) const LAW: Law = Law {
    name: "a_source_says_whether_it_may_be_sparse",
    sentence: "A source says that an index may lack children if, and only if, its place takes sparse indexes.",
    promises: &["It is [`Accepted`](Sparse::Accepted) where the place takes sparse indexes"],
    not_claimed,
    cost: 8,
    check,
};

fn not_claimed(claims: &Claims) -> Option<&'static str> {
    (claims.indexes == Indexes::Refused).then_some("single images only are held")
}

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let (built, names) = (Image::simple(*seed).build()?, some_name(lab.claims()));
        lab.step(async {
            let takes = lab.destination(WriteMode::Create, &names).await?.accepts().sparse;
            let committed = lab.write(&built, WriteMode::Create, &names).await?;
            let says = lab.source(&committed.references[0]).await?.sparse();
            hold!(says == takes, "its source says {says:?} of sparse indexes, its destination {takes:?}");
            Ok(())
        })
    })
}
