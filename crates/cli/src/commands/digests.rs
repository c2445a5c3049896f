//! `transship digests`.

use std::collections::BTreeSet;

use serde::Serialize;
use transship::transfer::digests;

use crate::args;
use crate::exit::{Done, Result};
use crate::places;
use crate::session::Session;

#[derive(Serialize)]
struct Listed {
    digests: BTreeSet<String>,
}

pub(super) async fn run(args: args::Digests, session: &Session) -> Result {
    let tags = args.tags.tags()?;
    let known = session.sources()?;
    let mut all = BTreeSet::new();
    for text in &args.references {
        let input = places::input(text, &known, session).await?;
        let found = digests(&input.reference, &tags, &known, &input.how).await?;
        all.extend(found.iter().map(ToString::to_string));
    }
    let listed = Listed { digests: all };
    args.output.print(&listed, || {
        let mut lines: Vec<&str> = listed.digests.iter().map(String::as_str).collect();
        // A line end behind the last.
        lines.push("");
        lines.join("\n")
    })?;
    Ok(Done::Success)
}
