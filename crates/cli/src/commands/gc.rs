//! `transship gc`.

use serde::Serialize;
use transship::transport::{CollectMode, CollectOptions};
use transship::{Error, ErrorKind};

use super::able;
use crate::args;
use crate::exit::{Done, Result};
use crate::output::{columns, count, safe, size};
use crate::places;
use crate::session::Session;

#[derive(Serialize)]
struct Found {
    reference: String,
    deleted: bool,
    bytes: u64,
    garbage: Vec<Blob>,
    spared: Vec<Kept>,
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct Kept {
    what: String,
    why: String,
}

pub(super) async fn run(args: args::Gc, session: &Session) -> Result {
    let known = session.sources()?;
    let at = places::input(&args.reference, &known, session).await?.reference;
    let Some(collection) = known.of(&at)?.collection() else {
        let able = able(&known, |transport| transport.collection().is_some());
        let message = format!("{at}: {}: has no garbage collection", at.scheme());
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint(format!("`gc` is for {able}; `delete` removes the blobs of an archive at once"))
            .into());
    };
    let mode = if args.delete { CollectMode::Delete } else { CollectMode::Look };
    let mut how = CollectOptions::new(mode);
    how.min_age = args.min_age;
    how.observer = session.reporter.observer();
    how.lock_timeout = args.lock_timeout;
    let collected = collection.collect(&at, &how).await?;
    let bytes = collected.bytes();
    let garbage = collected
        .garbage
        .iter()
        .map(|blob| Blob { digest: blob.digest.to_string(), size: blob.size });
    let spared = collected.kept.into_iter().map(|kept| Kept { what: kept.what, why: kept.why });
    let found = Found {
        reference: at.to_string(),
        deleted: args.delete,
        bytes,
        garbage: garbage.collect(),
        spared: spared.collect(),
    };
    args.output.print(&found, || {
        let row = |blob: &Blob| vec![blob.digest.clone(), size(blob.size)];
        columns(&found.garbage.iter().map(row).collect::<Vec<_>>())
    })?;
    tell(&found, session);
    Ok(Done::Success)
}

fn tell(found: &Found, session: &Session) {
    for kept in &found.spared {
        session.reporter.warn(&safe(&format!("{} is kept: {}", kept.what, kept.why)));
    }
    let blobs = count(found.garbage.len(), "blob");
    let bytes = size(found.bytes);
    session.reporter.say(&if found.deleted {
        format!("{blobs} deleted ({bytes})")
    } else if found.garbage.is_empty() {
        "nothing to delete".to_owned()
    } else {
        format!("{blobs} would be deleted ({bytes}); --delete deletes them")
    });
}
