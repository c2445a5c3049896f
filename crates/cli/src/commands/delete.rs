//! `transship delete`.

use std::cmp::Reverse;

use serde::Serialize;
use transship::transport::DeleteOptions;
use transship::{Error, ErrorKind, Reference, Transports};

use super::able;
use crate::args;
use crate::exit::{Done, Result};
use crate::output::{self, safe};
use crate::places;
use crate::session::Session;

#[derive(Serialize)]
struct Deleted {
    deleted: Vec<String>,
}

pub(super) async fn run(args: args::Delete, session: &Session) -> Result {
    let known = session.sources()?;
    let mut references = Vec::new();
    for text in &args.references {
        let reference = places::input(text, &known, session).await?.reference;
        // Before anything changes.
        deletion(&known, &reference)?;
        references.push(reference);
    }
    let mut how = DeleteOptions::default();
    how.observer = session.reporter.observer();
    how.lock_timeout = args.lock_timeout;
    let mut done = Deleted { deleted: Vec::new() };
    let outcome = delete(in_order(references), &known, &how, session, &mut done).await;
    // Also after a failure: what was deleted before it.
    let printed = if args.output.json { output::print_json(&done) } else { Ok(()) };
    outcome?;
    printed?;
    Ok(Done::Success)
}

/// Deletes one after the other, up to the first that fails.
async fn delete(
    references: Vec<Reference>,
    known: &Transports,
    how: &DeleteOptions,
    session: &Session,
    done: &mut Deleted,
) -> transship::Result<()> {
    for reference in references {
        deletion(known, &reference)?.delete(&reference, how).await?;
        session.reporter.say(&safe(&format!("deleted {reference}")));
        done.deleted.push(reference.to_string());
    }
    Ok(())
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
fn in_order(mut references: Vec<Reference>) -> Vec<Reference> {
    let mut seen = std::collections::HashSet::new();
    references.retain(|reference| seen.insert(reference.clone()));
    let position = |reference: &Reference| {
        let (_, index) = reference.locator().rsplit_once(":@")?;
        index.parse::<usize>().ok()
    };
    references.sort_by_key(|reference| Reverse(position(reference)));
    references
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_do_not_move_before_they_are_used() {
        let references = ["a", "a:@0", "b:@10", "a:x", "a:@2", "a:@0"];
        let references = references.map(|locator| Reference::new("oci", locator)).to_vec();
        let ordered: Vec<_> = in_order(references).iter().map(|r| r.locator().to_owned()).collect();
        assert_eq!(ordered, ["b:@10", "a:@2", "a:@0", "a", "a:x"]);
    }
}
