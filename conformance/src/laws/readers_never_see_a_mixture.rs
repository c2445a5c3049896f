//! While an image is replaced again and again, each reader finds an image, and reads all of the old one or all of the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transship_core::{ReadOptions, Reference, Transport, WriteMode};

use crate::broken::{While, hold};
use crate::lab::Lab;
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::{Broken, Facts, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "readers_never_see_a_mixture",
    sentence: "While an image is replaced again and again, each reader finds an image, and reads all of the old one or all of the new one.",
    promises: &[
        "A source that was opened before a write still reads the old bytes or fails; it never mixes old and new.",
        "It is replaced as a whole, at once, when the new one is complete.",
    ],
    needs: &[],
    cost: 2,
    check,
};

/// How often the image is replaced.
const TIMES: usize = 6;

/// How many read meanwhile.
const READERS: usize = 3;

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), plain_images(kit.facts())), |lab, (first, second)| {
        lab.step(one(lab, first, second))
    })
}

async fn one(lab: &Lab, first: &Image, second: &Image) -> Held {
    let images = Arc::new([first.build()?, second.build()?]);
    let names = lab.facts().some_name();
    let at = lab.write(&images[0], WriteMode::Create, &names).await?.references.remove(0);
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (transport, at) = (lab.other_transport(), at.clone());
            let (images, done) = (Arc::clone(&images), Arc::clone(&done));
            let facts = lab.facts().clone();
            tokio::spawn(async move {
                while !done.load(Ordering::Acquire) {
                    read(&*transport, &at, &images, &facts).await?;
                    tokio::task::yield_now().await;
                }
                Ok::<(), Broken>(())
            })
        })
        .collect();
    let mut written = Ok(());
    for time in 1..=TIMES {
        let image = &images[time % 2];
        written = written.and(lab.write(image, WriteMode::Replace, &names).await.map(|_| ()));
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.await.map_err(|e| Broken::new(format!("a reader panicked: {e}")))??;
    }
    written
}

async fn read(
    transport: &dyn Transport,
    at: &Reference,
    images: &[Built; 2],
    facts: &Facts,
) -> Held {
    let opened = transport.source(at, &ReadOptions::default()).await;
    let source = opened.during(|| "opening an image while it is replaced")?;
    // What was replaced may be gone before all of it was read, and that is said.
    let Ok(seen) = Seen::read(&*source).await else { return Ok(()) };
    let one = images.iter().any(|image| seen.is(image, facts).is_ok());
    hold!(one, "what was read is neither of the two images");
    Ok(())
}
