//! Equal references open equal images, by any value of the transport, also after another value has written there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use transship_core::{ErrorKind, ReadOptions, Reference, Transport, WriteMode};

use super::fails;
use crate::broken::{While, hold, listed};
use crate::expected;
use crate::lab::{Lab, commit, how, put_all};
use crate::model::Built;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "equal_references_open_equal_images",
    sentence: "Equal references open equal images, by any value of the transport, also after another value has written there.",
    promises: &["Equal references open equal images: by any value of the transport, what another one wrote too."],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each(images, |lab, (first, second)| {
        let (first, second) = (first.build()?, second.build()?);
        // Both live on, with all that they remember.
        let values = [lab.other_transport(), lab.other_transport()];
        let before = parsed(lab);
        let mut at = lab.step(write(lab, &values[0], &first))?;
        // Which image an archive is may be a matter of its name.
        at.extend(Some(lab.at().clone()).filter(|_| lab.has(Ability::Ambiguity)));
        lab.step(equal(lab, &values, &at, &first))?;
        let mut at = lab.step(write(lab, &values[1], &second))?;
        // Beside what stays without a name, it is one of two.
        let alone = expected::unnamed(&[&first], &second, lab.facts()).is_empty();
        at.extend(Some(lab.at().clone()).filter(|_| lab.has(Ability::Ambiguity) && alone));
        lab.step(equal(lab, &values, &at, &second))
            .map_err(|e| e.while_doing("after another value of the transport has written"))?;
        if let (Some(folder), Some(at)) = (lab.files(), at.first()) {
            lab.step(moved_away(folder, &values, at))?;
        }
        let after = parsed(lab);
        hold!(before == after, "texts parse as {} where nothing is, and then as {}",
            listed(before.iter().flatten()),
            listed(after.iter().flatten()));
        Ok(())
    })
}

/// What was moved away by hand is not there, until it is back.
async fn moved_away(folder: &Path, values: &[Arc<dyn Transport>], at: &Reference) -> Held {
    let away = tempfile::tempdir_in(folder.parent().unwrap_or(folder))?;
    move_all(folder, away.path())?;
    for value in values {
        let opened = value.source(at, &ReadOptions::default()).await;
        fails(opened, &[ErrorKind::NotFound], &[], "opening what was moved away")?;
    }
    move_all(away.path(), folder)
}

fn move_all(from: &Path, to: &Path) -> Held {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// What texts mean, which is none of the place's business.
fn parsed(lab: &Lab) -> Vec<Option<Reference>> {
    let ends = ["", ":kit:1", ":docker.io/library/kit:1", ":kit", "/kit", "/", "@0", ":@0", "#0"];
    let parse = |end: &&str| lab.transport().parse(&format!("{}{end}", lab.at().locator())).ok();
    ends.iter().map(parse).collect()
}

async fn write(lab: &Lab, transport: &Arc<dyn Transport>, built: &Built) -> Held<Vec<Reference>> {
    let how = how(WriteMode::Replace, &lab.facts().some_name());
    let destination = transport.destination(lab.at(), &how).await.during(|| "opening to replace")?;
    put_all(&*destination, built).await?;
    Ok(commit(destination, built).await?.references)
}

async fn equal(lab: &Lab, values: &[Arc<dyn Transport>; 2], at: &[Reference], want: &Built) -> Held {
    let place = lab.at().locator();
    for at in at {
        for value in values {
            opens(lab, &**value, at, want).await?;
        }
    }
    // The image's name as people write it: it may be no name here, but no other image's.
    for name in ["kit:1", "library/kit:1", "docker.io/library/kit:1"] {
        let text = format!("{place}:{name}");
        let parsed = [values[0].parse(&text).ok(), values[1].parse(&text).ok()];
        hold!(parsed[0] == parsed[1], "two values of the transport parse {text:?} as different references");
        let known = parsed[0].as_ref().filter(|parsed| at.contains(parsed));
        if let Some(known) = known {
            opens(lab, &*values[0], known, want).await?;
        }
    }
    Ok(())
}

async fn opens(lab: &Lab, value: &dyn Transport, at: &Reference, want: &Built) -> Held {
    let at = value.parse(at.locator())?;
    let source = value.source(&at, &ReadOptions::default()).await;
    let source = source.during(|| format!("opening {at}"))?;
    hold!(source.reference() == &at, "{at} opens, and says that it is {}", source.reference());
    let seen = Seen::read(&*source).await.during(|| format!("reading {at}"))?;
    seen.is(want, lab.facts()).during(|| at.to_string())
}
