//! Dropping a destination or writer waits for no step that still runs: it may need an async task of the same thread.

use std::io::{self, Read};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use proptest::prelude::*;
use transship_core::{Body, Commit, Expect, ImageDestination, WriteMode};

use crate::broken::{While, hold, listed};
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "dropping_waits_for_nothing",
    sentence: "Dropping a destination or writer waits for no step that still runs: it may need an async task of the same thread.",
    promises: &[
        "Drop waits for nothing, so that it is safe in every runtime: where a step still runs, its end cleans up.",
    ],
    needs: &[],
    cost: 2,
    check,
};

/// What is dropped while a put that was given up has not ended.
#[derive(Clone, Copy, Debug)]
enum What {
    /// The destination, or the writer.
    Whole,
    /// Its commit, or its `finish`, after a first look.
    Last,
}

fn check(kit: &Kit) -> Held {
    let what = prop::sample::select(vec![What::Whole, What::Last]);
    let how = (what, any::<bool>(), any::<bool>(), 0_usize..3);
    kit.each((plain_images(kit.facts()), how), |lab, (image, (what, writer, alone, pieces))| {
        let before = lab.fixture_snapshot()?;
        let step = async {
            if *writer && lab.has(Ability::ManyImages) {
                of_writer(lab, *what, *pieces).await
            } else {
                of_destination(lab, *what, *pieces, image).await
            }
        };
        // Alone, the task that feeds the put has the thread that drops.
        let finished = if *alone { lab.step_on_one_thread(step) } else { lab.step(step) }?;
        let after = lab.fixture_snapshot()?;
        let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
        hold!(finished || after == before, "when all steps had ended, these were left: {}", listed(new));
        Ok(())
    })
}

/// Whether it ended before it was dropped.
async fn of_destination(lab: &Lab, what: What, pieces: usize, image: &Image) -> Held<bool> {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let feed = given_up(&*destination, pieces).await?;
    match what {
        What::Whole => feed.while_dropped(destination)?,
        What::Last => {
            let built = image.build()?;
            let mut commit = destination.commit(Commit::new(&built.root));
            let done = (&mut commit).now_or_never();
            hold!(!matches!(done, Some(Ok(_))), "an image of which nothing was put is committed");
            feed.while_dropped(commit)?;
        }
    }
    Ok(false)
}

async fn of_writer(lab: &Lab, what: What, pieces: usize) -> Held<bool> {
    let mut writer = lab.writer(WriteMode::Create).await?;
    let names = lab.facts().some_name();
    let image = writer.image(&names).await.during(|| "opening an image")?;
    let feed = given_up(&*image, pieces).await?;
    drop(image);
    match what {
        What::Whole => feed.while_dropped(writer).map(|()| false),
        What::Last => {
            let mut finish = writer.finish();
            let done = (&mut finish).now_or_never().is_some();
            feed.while_dropped(finish).map(|()| done)
        }
    }
}

/// A put that reads what an async task gives, given up when it waits for it.
async fn given_up(destination: &dyn ImageDestination, pieces: usize) -> Held<Feed> {
    let (feed, body) = Feed::pair();
    for _ in 0..pieces {
        feed.give();
    }
    let waited = Arc::clone(&feed.asked);
    let waits = async {
        while waited.load(Ordering::SeqCst) <= pieces {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let put = destination.put_blob(Expect::anything(), Body::from_reader(body));
    match select(put, pin!(waits)).await {
        Either::Left(_) => {
            Err(Broken::new("a put has ended before its body did"))
        }
        Either::Right(((), put)) => {
            drop(put);
            Ok(feed)
        }
    }
}

/// Gives a body its bytes.
struct Feed {
    pieces: Sender<Vec<u8>>,
    asked: Arc<AtomicUsize>,
    starved: Arc<AtomicUsize>,
}

/// A body that comes from a task.
struct Fed {
    pieces: Mutex<Receiver<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
    starved: Arc<AtomicUsize>,
}

/// How long a piece is waited for; then whatever waits for the step goes on, and is found out.
const STARVED: Duration = Duration::from_secs(3);

impl Feed {
    fn pair() -> (Self, Fed) {
        let (pieces, come) = channel();
        let (asked, starved) = (Arc::default(), Arc::default());
        let body = Fed {
            pieces: Mutex::new(come),
            asked: Arc::clone(&asked),
            starved: Arc::clone(&starved),
        };
        (Self { pieces, asked, starved }, body)
    }

    fn give(&self) {
        // The reader may have gone.
        let _ = self.pieces.send(vec![7; 1000]);
    }

    /// Drops something while a task has the next piece, and has not been asked yet.
    fn while_dropped<T>(self, dropped: T) -> Held {
        let starved = Arc::clone(&self.starved);
        tokio::spawn(async move {
            self.give();
        });
        drop(dropped);
        let starved = starved.load(Ordering::SeqCst) > 0;
        hold!(!starved, "its drop waits for a step that waits for a task of this thread: it would hang");
        Ok(())
    }
}

impl Read for Fed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Ok(come) = self.pieces.lock() else { return Ok(0) };
        match come.recv_timeout(STARVED) {
            Ok(piece) => {
                let some = into.len().min(piece.len());
                into[..some].copy_from_slice(&piece[..some]);
                Ok(some)
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(0),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                self.starved.fetch_add(1, Ordering::SeqCst);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}
