//! A large layer is written and read in pieces: a process that does both needs less memory than the layer.

use crate::child::{self, Job, Kind};
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_large_layer_needs_little_memory",
    sentence: "A large layer is written and read in pieces: a process that does both needs less memory than the layer.",
    promises: &[
        "However large it is, a few pieces of it are in memory at once, unless memory is the place.",
        "However large it is, it is read in pieces.",
    ],
    needs: &[Ability::ManyProcesses],
    cost: 200,
    check,
};

fn check(kit: &Kit) -> Held {
    if !child::memory_is_known() {
        kit.not_able("this system does not say how much memory a process has");
        return Ok(());
    }
    kit.each(0_u8..50, |lab, number| {
        lab.process(Job { kind: Kind::Large, first: *number, count: 1 })?.end()
    })
}
