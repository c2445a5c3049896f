//! What is given up leaves no temporary files: looked at in a process of its own, where no others are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;
use std::{env, fs, io};

use transship_core::{Body, Expect, Reference, Transport, WriteMode};

use super::image;
use crate::broken::{While, hold};
use crate::lab::{how, tasks_end};
use crate::model::Blob;
use crate::streams::stuck;
use crate::{Broken, Dropped, Facts, Held};

/// So long a put waits for a body that does not go on.
const STUCK: Duration = Duration::from_millis(50);

/// Gives up an image of which one blob was put and another one was being put.
pub(super) fn leaves_nothing(
    transport: &dyn Transport,
    at: &Reference,
    number: u8,
    facts: &Facts,
) -> Held {
    let blobs = image(number)?.blobs;
    let [whole, half, ..] = &blobs[..] else { return Err(Broken::new("an image of one blob")) };
    let before = temporary()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(give_up(transport, at, [whole, half], facts))?;
    // This waits for its blocking work.
    drop(runtime);
    let after = temporary()?;
    let new: Vec<_> = after.difference(&before).map(|name| name.display().to_string()).collect();
    let new = new.join(", ");
    hold!(
        new.is_empty(),
        "writing was given up, and these stay in {}: {new}",
        env::temp_dir().display()
    );
    Ok(())
}

async fn give_up(
    transport: &dyn Transport,
    at: &Reference,
    [whole, half]: [&Blob; 2],
    facts: &Facts,
) -> Held {
    let how = how(WriteMode::Create, &facts.some_name());
    let destination = transport.destination(at, &how).await.during(|| "opening to write")?;
    let all = Body::from_bytes(whole.bytes.clone());
    let put = destination.put_blob(Expect::from(&whole.descriptor), all).await;
    put.during(|| "putting a blob")?;
    let part = Body::from_stream(stuck(&half.bytes, half.bytes.len() / 2));
    let put = destination.put_blob(Expect::from(&half.descriptor), part);
    let ended = tokio::time::timeout(STUCK, put).await;
    hold!(ended.is_err(), "a put of a body that never ends has ended");
    drop(destination);
    if facts.claims.dropped == Dropped::InTasks {
        tasks_end().await?;
    }
    Ok(())
}

/// The names of all temporary files.
fn temporary() -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(env::temp_dir())?.map(|entry| Ok(entry?.file_name())).collect()
}
