//! A `finish` that is dropped at any of its await points shows all of the archive or nothing, and a retry succeeds.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use transship_core::WriteMode;

use crate::broken::While;
use crate::expected::{self, Entry};
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::{Lab, commit, put_all};
use crate::model::Archive;
use crate::runner::Kit;
use crate::strategies::{archives as generated, plain_images};
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_finish_is_all_or_nothing",
    sentence: "A `finish` that is dropped at any of its await points shows all of the archive or nothing, and a retry succeeds.",
    promises: &["All or nothing, durably, also when its future is dropped."],
    needs: &[Ability::ManyImages, Ability::ShowsAtFinish],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let linger = select(vec![0_u64, 0, 30, 100, 300, 1000, 3000]);
    let images = (plain_images(kit.facts()), generated(kit.facts(), 5));
    kit.each((images, (linger, any::<bool>())), |lab, ((first, archive), (micros, there))| {
        for polls in 0..MOST_POLLS {
            let lab = lab.another()?;
            if *there {
                lab.step(async { lab.write(&first.build()?, WriteMode::Create, &[]).await })?;
            }
            let ended = one(&lab, archive, polls, Duration::from_micros(*micros));
            if ended.map_err(|e| e.while_doing(format!("dropped after {polls} polls")))? {
                break;
            }
        }
        Ok(())
    })
}

/// Whether it ended before it was dropped.
fn one(lab: &Lab, archive: &Archive, polls: usize, linger: Duration) -> Held<bool> {
    let before = lab.snapshot()?;
    let ended = lab.step(async {
        let mut writer = fill(lab, archive).await?;
        Ok(dropped_after(writer.finish(), polls, linger).await)
    })?;
    let want = || -> Held<Vec<Entry>> {
        Ok(expected::shown(expected::build(archive)?, lab.facts()))
    };
    let all = shows(lab, &want()?);
    let is_done = ended.is_some();
    match ended {
        Some(done) => done.during(|| "finishing").and(all)?,
        None if all.is_ok() => {}
        None => lab
            .snapshot()?
            .same_but_abandoned(&before, lab.claims().abandoned)
            .map_err(|e| e.while_doing("neither all nor nothing"))?,
    }
    lab.step(async { fill(lab, archive).await?.finish().await.during(|| "trying again") })?;
    shows(lab, &want()?).map_err(|e| e.while_doing("after the second try"))?;
    Ok(is_done)
}

fn shows(lab: &Lab, want: &[Entry]) -> Held {
    let snapshot = lab.snapshot()?;
    if snapshot.is_absent() {
        return Err(Broken::new("the archive is not there"));
    }
    expected::check(&snapshot, want, lab.facts())
}

async fn fill(lab: &Lab, archive: &Archive) -> Held<Box<dyn transship_core::ArchiveWriter>> {
    let writer = lab.writer(WriteMode::Replace).await?;
    for entry in expected::build(archive)? {
        let destination = writer.image(&entry.names).await.during(|| "opening an image")?;
        put_all(&*destination, &entry.built).await?;
        commit(destination, &entry.built).await?;
    }
    Ok(writer)
}
