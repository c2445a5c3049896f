//! A deletion that is for one root takes no image that gets the name meanwhile.

use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio::sync::oneshot;
use transship_core::{DeleteOptions, Digest, ErrorKind, ImageName, Reference, WriteMode};

use super::deleting_beside_writers_loses_nothing::NEEDS;
use super::one_line;
use crate::broken::While;
use crate::lab::{Lab, how, put_missing, try_commit};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_deletion_by_root_takes_no_newer_image",
    sentence: "An image that gets a name while another one is deleted by that name and its root stays, whole.",
    promises: &["Another root is a `Conflict`, and nothing has changed. Nobody comes between"],
    needs: NEEDS,
    cost: 4,
    check,
};

/// How often the two meet in each case, each time a bit later: in turns the one and the other.
const ROUNDS: u32 = 12;

/// So much later each time the commit begins.
const LATER: Duration = Duration::from_millis(1);

/// So many other images are written beside each.
const OTHERS: u8 = 20;

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.facts()), |lab, image| {
        let name = ImageName::new("docker.io/library/kit:moves")?;
        let mut built = of_seed(image, 0)?;
        let mut shown = lab.step(lab.write(&built, WriteMode::Create, slice::from_ref(&name)))?;
        let mut took = LATER;
        for (round, seed) in (1..=ROUNDS).zip(1_u8..) {
            let (old, at) = (built.root.descriptor().digest.clone(), shown.references.remove(0));
            built = of_seed(image, seed)?;
            let later = match round % 2 {
                // The commit may take long: then the deletion looks while it goes on.
                0 => Later::Deletion(took * round / ROUNDS),
                _ => Later::Commit(LATER * round),
            };
            let met = lab.step(meet(lab, &at, &old, &built, &name, later))?;
            let Some(committed) = met else {
                kit.not_able("images are not deleted by their roots");
                return Ok(());
            };
            if let Some(time) = committed {
                took = time;
                stays(lab, &built, &name)?;
            }
            let again = lab.step(lab.write(&built, WriteMode::Append, slice::from_ref(&name)))?;
            shown = again;
        }
        Ok(())
    })
}

fn of_seed(image: &Image, seed: u8) -> Held<Built> {
    Image { seed, ..image.clone() }.build()
}

/// Which of the two begins later, and by how much.
#[derive(Clone, Copy)]
enum Later {
    Commit(Duration),
    Deletion(Duration),
}

/// One deletes the old image while another one commits the new one. Gives how long the commit took, if it was not refused; `None` where
/// images cannot be deleted by their roots.
async fn meet(
    lab: &Lab,
    at: &Reference,
    old: &Digest,
    new: &Built,
    name: &ImageName,
    later: Later,
) -> Held<Option<Option<Duration>>> {
    let (commit_later, delete_later) = match later {
        Later::Commit(time) => (time, Duration::ZERO),
        Later::Deletion(time) => (Duration::ZERO, time),
    };
    // The deletion is counted from when the commit is ready to begin.
    let (ready, is_ready) = oneshot::channel();
    let is_over = AtomicBool::new(false);
    let both = async {
        let both = join(
            delete(lab, at, old, is_ready, delete_later),
            commit(lab, new, name, Some(ready), commit_later),
        )
        .await;
        is_over.store(true, Ordering::Relaxed);
        both
    };
    let ((deleted, committed), others) = join(both, write_until(lab, &is_over)).await;
    others?;
    let (is_able, committed) = (deleted?, committed?);
    Ok(is_able.then_some(committed))
}

/// Gives whether that can be done at all.
async fn delete(
    lab: &Lab,
    at: &Reference,
    root: &Digest,
    is_ready: oneshot::Receiver<()>,
    later: Duration,
) -> Held<bool> {
    let transport = lab.other_transport();
    // Where putting failed, the sender is dropped.
    let _ = is_ready.await;
    let deletion = transport.deletion().ok_or_else(|| Broken::new("it has no deletion()"))?;
    tokio::time::sleep(later).await;
    match deletion.delete_if(at, root, &DeleteOptions::default()).await {
        Err(e) if e.kind() == ErrorKind::Unsupported => Ok(false),
        // The new one was faster.
        Err(e) if e.kind() == ErrorKind::Conflict => one_line(&e).map(|()| true),
        done => done.during(|| format!("deleting {at}, if its root is {root}")).map(|()| true),
    }
}

/// Gives how long the commit took.
async fn commit(
    lab: &Lab,
    new: &Built,
    name: &ImageName,
    ready: Option<oneshot::Sender<()>>,
    later: Duration,
) -> Held<Option<Duration>> {
    let transport = lab.other_transport();
    let opened = transport.destination(lab.at(), &how(WriteMode::Append, slice::from_ref(name))).await;
    let destination = opened.during(|| "opening a place for an image beside a deletion")?;
    put_missing(&*destination, new).await?;
    // Nobody waits for those that are written beside.
    let _ = ready.map(|ready| ready.send(()));
    tokio::time::sleep(later).await;
    let begun = Instant::now();
    match try_commit(destination, new).await? {
        // What it found went with the old image.
        Err(e) if e.kind() == ErrorKind::Conflict => one_line(&e).map(|()| None),
        done => {
            done.during(|| format!("writing {name} beside a deletion"))?;
            Ok(Some(begun.elapsed()))
        }
    }
}

/// Writes other images, a few, with longer and longer pauses: a deletion of several steps then has to wait between them, and one that
/// waits for a moment without writers gets it.
async fn write_until(lab: &Lab, is_over: &AtomicBool) -> Held {
    let name = ImageName::new("docker.io/library/kit:other")?;
    for seed in 0..OTHERS {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        commit(lab, &Image::simple(seed).build()?, &name, None, Duration::ZERO).await?;
        tokio::time::sleep(Duration::from_millis(u64::from(seed))).await;
    }
    Ok(())
}

fn stays(lab: &Lab, new: &Built, name: &ImageName) -> Held {
    let snapshot = lab.snapshot().map_err(|e| e.while_doing("after a deletion by root"))?;
    let found = snapshot.images().iter().find(|image| image.seen.names.contains(name));
    let root = &new.root.descriptor().digest;
    let found = found.ok_or_else(|| {
        Broken::new(format!("{name} was committed beside a deletion of another root, and is lost: {root}"))
    })?;
    found.seen.is(new, lab.facts()).during(|| name.to_string())
}
