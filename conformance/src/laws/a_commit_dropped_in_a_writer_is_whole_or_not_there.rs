//! A commit in a writer that is dropped at any of its await points has its image whole or not there, and a retry succeeds.

use std::time::Duration;

use proptest::sample::select;
use transship_core::{Commit, ImageName};

use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::{Lab, commit, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_commit_dropped_in_a_writer_is_whole_or_not_there",
    sentence: "A commit in a writer that is dropped at any of its await points has its image whole or not there, and a retry succeeds.",
    promises: &["Each name, durably, all at once or not at all, also when it fails or its future is dropped."],
    needs: &[Ability::ManyImages, Ability::Names],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    let linger = select(vec![0_u64, 100, 1000]);
    kit.each((images, linger), |lab, ((first, second), micros)| {
        for polls in 0..MOST_POLLS {
            let lab = lab.another()?;
            let linger = Duration::from_micros(*micros);
            let done = one(&lab, first, second, polls, linger);
            if done.map_err(|e| e.while_doing(format!("dropped after {polls} polls")))? {
                break;
            }
        }
        Ok(())
    })
}

fn entry(image: &Image, at: u8) -> Held<Entry> {
    let image = Image { seed: at, ..image.clone() };
    let name = ImageName::new(&format!("docker.io/library/kit:{at}"))?;
    Ok(Entry { built: image.build()?, names: vec![name] })
}

/// Whether the commit ended before it was dropped.
fn one(lab: &Lab, first: &Image, second: &Image, polls: usize, linger: Duration) -> Held<bool> {
    let ended = lab.step(write(lab, [entry(first, 1)?, entry(second, 2)?], polls, linger, false))?;
    let both = expected::shown(vec![entry(first, 1)?, entry(second, 2)?], lab.facts());
    let alone = expected::shown(vec![entry(first, 1)?], lab.facts());
    let snapshot = lab.snapshot()?;
    let whole = expected::check(&snapshot, &both, lab.facts());
    if ended {
        whole?;
    } else {
        whole.or_else(|_| expected::check(&snapshot, &alone, lab.facts()))?;
    }
    lab.step(write(lab, [entry(first, 1)?, entry(second, 2)?], polls, linger, true))?;
    expected::check(&lab.snapshot()?, &both, lab.facts())
        .map_err(|e| e.while_doing("after the second try"))?;
    Ok(ended)
}

async fn write(
    lab: &Lab,
    [first, second]: [Entry; 2],
    polls: usize,
    linger: Duration,
    retry: bool,
) -> Held<bool> {
    let mut writer = lab.writer(lab.again()).await?;
    let destination = writer.image(&first.names).await.during(|| "opening an image")?;
    put_all(&*destination, &first.built).await?;
    commit(destination, &first.built).await?;
    let destination = writer.image(&second.names).await.during(|| "opening an image")?;
    put_all(&*destination, &second.built).await?;
    let what = Commit::new(&second.built.root);
    let ended = dropped_after(destination.commit(what), polls, linger).await;
    let ended = ended.transpose().during(|| "committing")?.is_some();
    if retry {
        let destination = writer.image(&second.names).await.during(|| "opening it again")?;
        put_all(&*destination, &second.built).await.during(|| "putting it again")?;
        let again = commit(destination, &second.built).await.during(|| "trying again")?;
        hold!(!again.references.is_empty(), "the second commit gives no reference");
    }
    writer.finish().await.during(|| "finishing")?;
    Ok(ended)
}
