//! Reading changes nothing at the place.

use std::fs;
use std::path::Path;

use transship_core::{WriteMode, sha256};

use crate::broken::hold;
use crate::runner::Kit;
use crate::strategies::nodes;
use crate::{Abandoned, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "reading_changes_nothing",
    sentence: "Reading changes nothing at the place.",
    promises: &["Reading changes nothing."],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(nodes(kit.facts()), |lab, node| {
        let built = node.build()?;
        let committed = lab.step(lab.write(&built, WriteMode::Create, &[]))?;
        let file = Path::new(lab.at().locator());
        let as_it_was = fs::read(file).ok().map(|bytes| sha256(&bytes));
        let before = lab.snapshot()?;
        lab.step(async {
            let source = lab.source(&committed.references[0]).await?;
            crate::seen::Seen::read(&*source).await
        })?;
        // The snapshot itself reads everything.
        let after = lab.snapshot()?;
        after.same(&before)?;
        after.same_files(&before, Abandoned::Nothing)?;
        // Of a database the fixture sees rows alone.
        let Some(as_it_was) = as_it_was.filter(|_| lab.files().is_some()) else { return Ok(()) };
        hold!(sha256(&fs::read(file)?) == as_it_was, "reading changes bytes of {}", file.display());
        Ok(())
    })
}
