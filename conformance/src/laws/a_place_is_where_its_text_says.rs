//! A path in a reference is taken as it is written: an image is not found by another spelling of its path.

use transship_core::{ErrorKind, ReadOptions, Reference, WriteMode};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, how, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_place_is_where_its_text_says",
    sentence: "A path in a reference is taken as it is written: an image is not found by another spelling of its path.",
    promises: &["A path is taken as it is written: nothing in it is decoded, trimmed or folded."],
    needs: &[],
    cost: 16,
    check,
};

/// Ends of a path that are one for a transport that decodes, trims or folds.
const TWINS: &[(&str, &str)] = &[
    ("%41", "A"),
    ("A", "%41"),
    ("%20b", " b"),
    ("a+b", "a b"),
    (" ", ""),
    (".", ""),
    ("aB", "ab"),
    ("a-b", "a_b"),
    ("a\\b", "a/b"),
    ("\u{e9}", "e\u{301}"),
    ("$HOME", ""),
    ("~", ""),
    ("\u{1f600} x", "x"),
    ("\"a\"", "a"),
];

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        for (end, other) in TWINS {
            // Some systems fold, or drop what is at the end.
            if cfg!(target_os = "linux") || (*end == "%41" && *other == "A") {
                let lab = lab.another()?;
                one(&lab, end, other, *seed).during(|| format!("a path that ends in {end:?}"))?;
            }
        }
        Ok(())
    })
}

fn one(lab: &Lab, end: &str, other: &str, seed: u8) -> Held {
    let with = |end: &str| lab.transport().parse(&format!("{}{end}", lab.at().locator()));
    let (Some(at), other) = (expressible(with(end))?, expressible(with(other))?) else { return Ok(()) };
    if let Some(other) = &other {
        hold!(at != *other, "it is the same reference as one that is written otherwise, {at}");
    }
    let built = Image::simple(seed).build()?;
    lab.step(async {
        let how = how(WriteMode::Create, &lab.facts().some_name());
        let opened = lab.transport().destination(&at, &how).await;
        let destination = opened.during(|| format!("opening {at} to write"))?;
        put_all(&*destination, &built).await?;
        let written = commit(destination, &built).await?;
        let source = lab.other_transport().source(&written.references[0], &ReadOptions::default()).await;
        let found = Seen::read(&*source.during(|| "opening what was written")?).await?;
        found.is(&built, lab.facts())?;
        if let Some(other) = &other {
            let opened = lab.transport().source(other, &ReadOptions::default()).await;
            let kinds = [ErrorKind::NotFound, ErrorKind::InvalidInput, ErrorKind::Corrupt, ErrorKind::Unsupported];
            fails(opened, &kinds, &[], &format!("opening {other}, where nothing was written"))?;
        }
        Ok(())
    })
}

/// What a transport cannot express it refuses.
fn expressible(parsed: transship_core::Result<Reference>) -> Held<Option<Reference>> {
    match parsed {
        Err(e) if e.kind() == ErrorKind::InvalidInput => Ok(None),
        parsed => Ok(Some(parsed?)),
    }
}
