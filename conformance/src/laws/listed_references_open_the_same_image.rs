//! Every reference that a listing or a commit prints opens the same image in a new transport value.

use transship_core::{ErrorKind, ReadOptions, WriteMode};

use super::fails;
use crate::broken::{While, hold};
use crate::expected;
use crate::lab::{Lab, commit, put_all};
use crate::model::Archive;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Broken, Held, Law, Listed};

pub(crate) const LAW: Law = Law {
    name: "listed_references_open_the_same_image",
    sentence: "Every reference that a listing or a commit prints opens the same image in a new transport value.",
    promises: &[
        "Each entry's reference opens the same image in a new transport value",
        "Untagged images are there.",
        "An entry of another reader is `NotFound`.",
    ],
    needs: &[Ability::ManyImages],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_archives(kit.facts()), generated(kit.facts(), 12), |lab, archive| {
        let (committed, entries) = lab.step(write(lab, archive))?;
        lab.step(others(lab, archive))?;
        for (reference, at) in committed {
            lab.step(same(lab, &reference, &entries[at].built))?;
        }
        for shown in lab.snapshot()?.images() {
            let mut seen = lab.step(open(lab, &shown.reference))?;
            if lab.claims().listed == Listed::Names {
                // What was opened by one name need not know the others.
                seen.names.clone_from(&shown.seen.names);
            }
            hold!(seen == shown.seen, "{} opens another image than its entry", shown.reference);
        }
        Ok(())
    })
}

/// An entry of another reader is none of this one.
async fn others(lab: &Lab, archive: &Archive) -> Held {
    if archive.images.len() > 4 {
        return Ok(());
    }
    let other = lab.another()?;
    write(&other, archive).await?;
    let (ours, theirs) = (lab.reader().await?, other.reader().await?);
    for entry in theirs.entries() {
        let opened = ours.open(entry).await;
        fails(opened, &[ErrorKind::NotFound], &[], "opening an entry of another reader")?;
    }
    Ok(())
}

type Written = (Vec<(String, usize)>, Vec<expected::Entry>);

async fn write(lab: &Lab, archive: &Archive) -> Held<Written> {
    let entries = expected::build(archive)?;
    let mut writer = lab.writer(WriteMode::Create).await?;
    let mut committed = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let destination = writer.image(&entry.names).await.during(|| "opening an image")?;
        put_all(&*destination, &entry.built).await?;
        let done = commit(destination, &entry.built).await?;
        hold!(!done.references.is_empty(), "a commit gives no reference");
        committed.extend(done.references.iter().map(|r| (r.to_string(), at)));
    }
    writer.finish().await.during(|| "finishing")?;
    Ok((committed, entries))
}

async fn same(lab: &Lab, reference: &str, built: &crate::model::Built) -> Held {
    let seen = open(lab, reference).await?;
    seen.is(built, lab.facts()).during(|| format!("{reference}, which its commit gave"))
}

async fn open(lab: &Lab, text: &str) -> Held<Seen> {
    let transport = lab.other_transport();
    let locator = text.split_once(':').map(|(_, locator)| locator);
    let locator = locator.ok_or_else(|| Broken::new(format!("{text:?} is no reference")))?;
    let at = transport.parse(locator).during(|| format!("parsing {text}"))?;
    hold!(at.to_string() == text, "{text} is printed, and its canonical text is {at}");
    let source = transport.source(&at, &ReadOptions::default()).await;
    Seen::read(&*source.during(|| format!("opening {text}"))?).await
}
