//! In an archive, names stay with their image, images stay in their order, and untagged ones stay reachable.

use transship_core::{ImageName, WriteMode};

use super::write_archive;
use crate::broken::{hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Held, Law, Listed, Names};

pub(crate) const LAW: Law = Law {
    name: "names_stay_with_their_image",
    sentence: "In an archive, names stay with their image, images stay in their order, and untagged ones stay reachable.",
    promises: &["Images are kept in the order of their commits.", "Untagged images are there."],
    needs: &[Ability::ManyImages],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_archives(kit.facts()), generated(kit.facts(), 30), |lab, archive| {
        let entries = expected::build(archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        let want = expected::shown(entries, lab.facts());
        expected::check(&lab.snapshot()?, &want, lab.facts())?;
        lab.step(entries_are_true(lab))
    })
}

/// Positions count from 0, and each name stands there as it is written.
async fn entries_are_true(lab: &Lab) -> Held {
    for (at, entry) in lab.reader().await?.entries().iter().enumerate() {
        // Names of one image may count.
        let first = at > 0 || entry.index == 0;
        hold!(first, "the first entry of a listing says that it is at {}", entry.index);
        let (raw, names) = (entry.raw_names.len(), entry.names.len());
        hold!(raw >= names, "entry {at} has {names} names, of which {raw} stand in the archive");
        if lab.claims().names == Names::AnyText {
            let stands = |name: &ImageName| entry.raw_names.iter().any(|raw| raw == name.as_str());
            let other = entry.names.iter().find(|name| !stands(name));
            hold!(other.is_none(), "entry {at} has the name {}, which stands there otherwise", listed(other));
        }
        let one = lab.claims().listed == Listed::Images || names <= 1;
        hold!(one, "entry {at} has {names} names, where each name is to be listed on its own");
    }
    Ok(())
}
