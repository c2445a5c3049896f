//! In a container, names stay with their image, images stay in their order, and untagged ones stay reachable.

use transship_core::WriteMode;

use super::{containers, write_container};
use crate::expected;
use crate::runner::Kit;
use crate::strategies::{containers as generated, corner_containers};
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "names_stay_with_their_image",
    sentence: "In a container, names stay with their image, images stay in their order, and untagged ones stay reachable.",
    promises: &["Images are kept in the order of their commits.", "Untagged images are there."],
    not_claimed: containers,
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_containers(kit.claims()), generated(kit.claims(), 30), |lab, container| {
        let entries = expected::build(container)?;
        lab.step(write_container(lab, WriteMode::Create, &entries))?;
        let want = expected::shown(entries, lab.claims());
        expected::check(&lab.snapshot()?, &want, lab.claims())
    })
}
