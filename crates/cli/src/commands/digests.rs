//! `transship digests`.

use std::collections::BTreeSet;

use serde::Serialize;
use transship::transfer::digests;

use crate::args;
use crate::exit::{Done, Result};
use crate::output;
use crate::places;
use crate::session::Session;

/// The JSON value.
#[derive(Serialize)]
struct Listed {
    digests: BTreeSet<String>,
}

pub(super) async fn run(args: args::Digests, session: &Session) -> Result {
    let known = session.sources()?;
    let mut all = BTreeSet::new();
    for text in &args.references {
        let input = places::input(text, &known, session).await?;
        let found = digests(&input.reference, &known, &input.how).await?;
        all.extend(found.iter().map(ToString::to_string));
    }
    if args.output.json {
        output::print_json(&Listed { digests: all })?;
    } else {
        let mut lines = Vec::from_iter(all);
        // A line end behind the last.
        lines.push(String::new());
        output::print(&lines.join("\n"))?;
    }
    Ok(Done::Well)
}
