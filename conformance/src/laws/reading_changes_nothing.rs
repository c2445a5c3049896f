//! Reading changes nothing at the place.

use std::fs;

use transship_core::{Digest, WriteMode, sha256};

use crate::broken::hold;
use crate::lab::Lab;
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
        let before = lab.snapshot()?;
        let as_it_was = file_digest(lab);
        lab.step(async {
            let source = lab.source(&committed.references[0]).await?;
            crate::seen::Seen::read(&*source).await
        })?;
        // Of a database the fixture sees rows alone.
        let path = lab.path().display();
        hold!(file_digest(lab) == as_it_was, "reading changes bytes of {path}");
        // The snapshot itself reads everything.
        let after = lab.snapshot()?;
        after.same(&before)?;
        after.same_files(&before, Abandoned::Nothing)
    })
}

/// A digest of the bytes of the place, where it is a file.
fn file_digest(lab: &Lab) -> Option<Digest> {
    lab.files()?;
    fs::read(lab.path()).ok().map(|bytes| sha256(&bytes))
}
