//! `transship delete`.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use transship::transport::{DeleteMode, DeleteOptions, DeletedNames, Notice, Observer};
use transship::{Error, ErrorKind, ReadOptions, Reference, Tags, Transports};

use super::able;
use crate::args;
use crate::exit::{Done, Result};
use crate::output::{self, safe};
use crate::places;
use crate::session::Session;

#[derive(Serialize)]
struct Deleted {
    /// In a dry run, what would be.
    deleted: Vec<String>,
    dry_run: bool,
}

/// Something to delete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Target {
    at: Reference,
    names: DeletedNames,
    /// Whether it is known to have been there before anything was deleted.
    was_there: bool,
}

pub(super) async fn run(args: args::Delete, session: &Session) -> Result {
    let tags = args.tags.tags()?;
    let known = session.sources()?;
    let mut how = args.options();
    how.observer = session.reporter.observer();
    let mut targets = Vec::new();
    for text in &args.references {
        let input = places::input(text, &known, session).await?;
        // Before anything changes.
        deletion(&known, &input.reference)?;
        if tags.is_all() {
            targets.push(Target { at: input.reference, names: how.names, was_there: false });
        } else {
            targets.extend(chosen(&input, &tags, &known, how.names).await?);
        }
    }
    let mut targets = in_order(targets);
    look(&mut targets, &known, &session.read_options().with_compare(true)).await?;
    how.also = targets.iter().map(|target| target.at.clone()).collect();
    let mut done = Deleted { deleted: Vec::new(), dry_run: how.mode == DeleteMode::Look };
    let outcome = delete(targets, &known, &how, session, &mut done).await;
    // Also after a failure: what was deleted before it.
    let printed = if args.output.json { output::print_json(&done) } else { Ok(()) };
    outcome?;
    printed?;
    Ok(Done::Success)
}

/// The names that tags choose in an archive.
async fn chosen(
    place: &places::Input,
    tags: &Tags,
    known: &Transports,
    names: DeletedNames,
) -> transship::Result<Vec<Target>> {
    let at = &place.reference;
    let transport = known.of(at)?;
    let one_image = || {
        let message = format!("{at} is one image, and tags choose of an archive or repository");
        Error::new(ErrorKind::InvalidInput, message)
    };
    let archives = transport.archives().ok_or_else(one_image)?;
    let reader = archives.read(at, &place.how).await?;
    if archives.archive_of(at).is_some_and(|archive| archive != *at) || reader.reference() != at {
        return Err(one_image());
    }
    let counts = reader.entries().iter().map(|entry| (&entry.reference, entry.names.len()));
    let counts: HashMap<_, _> = counts.collect();
    let mut targets = Vec::new();
    for entry in tags.entries(&*reader)? {
        let all = counts.get(&entry.reference).copied().unwrap_or_default();
        if names == DeletedNames::All || entry.names.len() == all {
            // A registry lists each tag of an image as an entry of its own, and the others stay.
            let names = if all > 1 { DeletedNames::All } else { names };
            targets.push(Target { at: entry.reference, names, was_there: true });
            continue;
        }
        for name in &entry.names {
            let at = places::named(&**transport, at, name)?;
            targets.push(Target { at, names, was_there: true });
        }
    }
    Ok(targets)
}

/// Finds out which of several in one place are there: deleting one may take others along, names of one image.
async fn look(
    targets: &mut [Target],
    known: &Transports,
    how: &ReadOptions,
) -> transship::Result<()> {
    let places = targets.iter().map(|target| place_of(&target.at, known));
    let places: Vec<_> = places.collect::<transship::Result<_>>()?;
    for (at, target) in targets.iter_mut().enumerate().filter(|(_, target)| !target.was_there) {
        if places.iter().filter(|place| **place == places[at]).count() > 1 {
            // What cannot be looked at may be deleted all the same.
            target.was_there = look_at(target, known, how).await.is_ok();
        }
    }
    Ok(())
}

/// The archive, engine or repository that an image is in.
fn place_of(at: &Reference, known: &Transports) -> transship::Result<Option<Reference>> {
    Ok(known.of(at)?.archives().and_then(|archives| archives.archive_of(at)))
}

/// Looks whether it is there. In a registry it costs less to open an image for comparing than to look as a deletion does.
async fn look_at(target: &Target, known: &Transports, how: &ReadOptions) -> transship::Result<()> {
    let transport = known.of(&target.at)?;
    if transport.compares_roots() {
        return transport.source(&target.at, how).await.map(drop);
    }
    let look = DeleteOptions::default().with_mode(DeleteMode::Look).with_names(target.names);
    let look = look.with_observer(how.observer.clone());
    deletion(known, &target.at)?.delete(&target.at, &look).await
}

/// Deletes one after the other, up to the first that fails.
async fn delete(
    targets: Vec<Target>,
    known: &Transports,
    how: &DeleteOptions,
    session: &Session,
    done: &mut Deleted,
) -> transship::Result<()> {
    let mut changed = HashSet::new();
    for Target { at, names, was_there } in targets {
        let gone = Arc::<Mutex<Vec<Reference>>>::default();
        let how = how.clone().with_names(names).with_observer(noting(&gone, &how.observer));
        let outcome = deletion(known, &at)?.delete(&at, &how).await;
        let place = place_of(&at, known)?;
        let may_have_gone = was_there && !done.dry_run && changed.contains(&place);
        match outcome {
            // It went with another tag of its image.
            Err(error) if may_have_gone && error.kind() == ErrorKind::NotFound => {}
            outcome => outcome?,
        }
        let deleted = if done.dry_run { "would be deleted:" } else { "deleted" };
        let others = std::mem::take(&mut *gone.lock().unwrap_or_else(PoisonError::into_inner));
        for gone in [&at].into_iter().chain(&others).map(ToString::to_string) {
            // It may have gone with another name of its image.
            if !done.deleted.contains(&gone) {
                session.reporter.say(&safe(&format!("{deleted} {gone}")));
                done.deleted.push(gone);
            }
        }
        changed.insert(place);
    }
    Ok(())
}

/// Notes the names that go with an image, and passes on what else there is to tell.
fn noting(gone: &Arc<Mutex<Vec<Reference>>>, observer: &Observer) -> Observer {
    let (gone, observer) = (Arc::clone(gone), observer.clone());
    Observer::new(move |notice| match notice {
        Notice::Deleted(name) => {
            gone.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
        notice => observer.notify(notice),
    })
}

fn deletion<'t>(
    known: &'t Transports,
    at: &Reference,
) -> transship::Result<&'t dyn transship::transport::Deletion> {
    known.of(at)?.deletion().ok_or_else(|| {
        let able = able(known, |transport| transport.deletion().is_some());
        let message = format!("{at}: deleting is not supported in {}:", at.scheme());
        Error::new(ErrorKind::Unsupported, message).hint(format!("it is supported in {able}"))
    })
}

/// Those given by position first, from the last to the first: deleting one moves those behind it.
fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    let mut seen = HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    let position = |target: &Target| {
        let (_, index) = target.at.locator().rsplit_once(":@")?;
        index.parse::<usize>().ok()
    };
    targets.sort_by_key(|target| Reverse(position(target)));
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_do_not_move_before_they_are_used() {
        let references = ["a", "a:@0", "b:@10", "a:x", "a:@2", "a:@0"];
        let targets = references.map(|locator| {
            let at = Reference::new("oci", locator);
            Target { at, names: DeletedNames::Given, was_there: false }
        });
        let ordered = in_order(targets.to_vec());
        let ordered: Vec<_> = ordered.iter().map(|target| target.at.locator()).collect();
        assert_eq!(ordered, ["b:@10", "a:@2", "a:@0", "a", "a:x"]);
    }
}
