//! `transship gc`.

use serde::Serialize;
use transship::transport::{CollectMode, CollectOptions};
use transship::{Error, ErrorKind};

use crate::args;
use crate::exit::{Done, Result};
use crate::output::{self, count, safe, size};
use crate::places;
use crate::session::Session;

/// The JSON value.
#[derive(Serialize)]
struct Found {
    reference: String,
    deleted: bool,
    bytes: u64,
    garbage: Vec<Blob>,
    spared: Vec<Stays>,
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct Stays {
    what: String,
    why: String,
}

pub(super) async fn run(args: args::Gc, session: &Session) -> Result {
    let known = session.sources()?;
    let at = places::input(&args.reference, &known, session).await?.reference;
    let Some(collection) = known.of(&at)?.collection() else {
        let able = known.iter().filter(|transport| transport.collection().is_some());
        let able: Vec<&str> = able.map(|transport| transport.scheme()).collect();
        let message = format!("{at}: {}: has no garbage collection", at.scheme());
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint(format!(
                "`gc` is for {}:; `delete` removes the blobs of an archive at once",
                able.join(":, ")
            ))
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
    let spared = collected.kept.into_iter().map(|stays| Stays { what: stays.what, why: stays.why });
    let found = Found {
        reference: at.to_string(),
        deleted: args.delete,
        bytes,
        garbage: garbage.collect(),
        spared: spared.collect(),
    };
    if args.output.json {
        output::print_json(&found)?;
    } else {
        list(&found)?;
    }
    tell(&found, session);
    Ok(Done::Well)
}

fn list(found: &Found) -> Result<()> {
    let rows = found.garbage.iter().map(|blob| vec![blob.digest.clone(), size(blob.size)]);
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        output::print(&output::columns(&rows))?;
    }
    Ok(())
}

fn tell(found: &Found, session: &Session) {
    for stays in &found.spared {
        session.reporter.warn(&safe(&format!("{} is kept: {}", stays.what, stays.why)));
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
