//! Where references choose by position, `N` is the image that the listing has at `N`, and beyond the last there is none.

use transship_core::{ErrorKind, ReadOptions, WriteMode};

use super::{fails, write_archive};
use crate::broken::{While, hold};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_position_is_that_of_the_listing",
    sentence: "Where references choose by position, `N` is the image that the listing has at `N`, and beyond the last there is none.",
    promises: &["`NotFound` when the archive or the image is not there; the error lists the names that are."],
    needs: &[Ability::ManyImages],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let Some(sign) = sign(kit.transport().syntax()) else {
        kit.not_able("its references choose no image by position");
        return Ok(());
    };
    kit.each_with(&corner_archives(kit.facts()), generated(kit.facts(), 8), |lab, archive| {
        let entries = expected::build(archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        lab.step(by_position(lab, &sign))
    })
}

/// What stands before `INDEX` in the grammar of the locators.
fn sign(syntax: &str) -> Option<String> {
    let (before, _) = syntax.split_once("INDEX")?;
    let at = before.rfind(['[', '|', ' '])?;
    Some(before[at + 1..].to_owned())
}

async fn by_position(lab: &Lab, sign: &str) -> Held {
    let reader = lab.reader().await?;
    let place = lab.at().locator();
    let parse = |number: usize| {
        let text = format!("{place}{sign}{number}");
        lab.transport().parse(&text).during(|| format!("parsing {text}"))
    };
    for entry in reader.entries() {
        let at = parse(entry.index)?;
        let chosen = Seen::read(&*lab.source(&at).await?).await.during(|| at.to_string())?;
        let listed = reader.open(entry).await.during(|| entry.reference.to_string())?;
        let listed = Seen::read(&*listed).await.during(|| entry.reference.to_string())?;
        hold!(chosen == listed, "{at} is not what is listed at {}", entry.index);
    }
    // An image may stand there once for each of its names.
    let end = reader.entries().iter().map(|entry| entry.raw_names.len().max(1)).sum();
    // Numbers that are others in fewer bits, or with a sign.
    for far in [1_u64 << 31, 1 << 32, (1 << 32) + 1, 1 << 63, u64::MAX] {
        let Ok(at) = lab.transport().parse(&format!("{place}{sign}{far}")) else { continue };
        let opened = lab.transport().source(&at, &ReadOptions::default()).await;
        fails(opened, &[ErrorKind::NotFound], &[place], &format!("opening {at}"))?;
    }
    let end = parse(end)?;
    let opened = lab.transport().source(&end, &ReadOptions::default()).await;
    fails(opened, &[ErrorKind::NotFound], &[place], "opening the one behind the last")
}
