//! Texts that are nearly the reference of an image open that image or nothing, and change nothing.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::sample::select;
use transship_core::{ErrorKind, ImageName, ReadOptions, WriteMode};

use super::{one_line, write_archive};
use crate::broken::{While, hold, listed as all};
use crate::expected::Entry;
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::Pick;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_reference_opens_its_image_or_nothing",
    sentence: "Texts that are nearly the reference of an image open that image or nothing, and change nothing.",
    promises: &[
        "What cannot be expressed is refused with `InvalidInput` and the reason, never turned into something else.",
        "`NotFound` when the archive or the image is not there; the error lists the names that are.",
    ],
    needs: &[Ability::ManyImages, Ability::Names],
    cost: 2,
    check,
};

/// Names that begin, end and sort alike.
const NAMES: [&str; 3] =
    ["docker.io/library/kit:1", "docker.io/library/kit:10", "docker.io/library/kit2:1"];

fn check(kit: &Kit) -> Held {
    let pieces = select(vec![
        "", ":", "1", "0", "kit", "kit:1", "library/", "docker.io/", "@0", "@1", "@2", "@3", "@-1", "@01",
        "#0", "#1", "KIT:1", " ", "/", "::", "@sha256:", "latest", "\u{e9}", ":kit2:1",
    ]);
    let text = (0_usize..4, vec(pieces, 0..3), Pick::any());
    kit.each(vec(text, 12), |lab, texts| {
        let entries = NAMES.iter().zip(1..).map(|(name, seed)| {
            Ok(Entry { built: Image::simple(seed).build()?, names: vec![ImageName::new(name)?] })
        });
        let entries = entries.collect::<Held<Vec<_>>>()?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        let before = lab.snapshot()?;
        let listed: Vec<String> = before.images().iter().map(|i| i.reference.clone()).collect();
        for (which, pieces, cut) in texts {
            let name = NAMES.get(*which).map(|name| format!(":{name}")).unwrap_or_default();
            let mut end = cut.index(name.len() + 1);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            // Whole as often as not.
            let name = if cut.index(2) == 0 { name.as_str() } else { &name[..end] };
            let text = format!("{}{name}{}", lab.at().locator(), pieces.concat());
            lab.step(one(lab, &text, &entries, &listed)).map_err(|e| e.while_doing(format!("{text:?}")))?;
        }
        lab.snapshot()?.same(&before)
    })
}

async fn one(lab: &Lab, text: &str, entries: &[Entry], listed: &[String]) -> Held {
    let Ok(at) = lab.transport().parse(text) else { return Ok(()) };
    match lab.transport().source(&at, &ReadOptions::default()).await {
        Ok(source) => {
            let seen = Seen::read(&*source).await.during(|| format!("reading {at}"))?;
            let is = entries.iter().position(|entry| seen.is(&entry.built, lab.facts()).is_ok());
            let Some(is) = is else {
                return Err(crate::Broken::new(format!("{at} opens what is no image of the archive")));
            };
            let rest = at.locator().strip_prefix(lab.at().locator()).unwrap_or_default();
            let meant = meant(rest, &at.to_string(), listed);
            let one = meant.as_ref().is_none_or(|meant| meant.contains(&is));
            let meant = all(meant.iter().flatten().map(|image| NAMES[*image]));
            hold!(one, "{at} opens the image {}, and means {meant}", NAMES[is]);
            Ok(())
        }
        Err(e) => {
            let kinds = [
                ErrorKind::NotFound,
                ErrorKind::Ambiguous,
                ErrorKind::InvalidInput,
                ErrorKind::Unsupported,
            ];
            hold!(kinds.contains(&e.kind()), "{at} fails as \"{}\": {e}", e.kind());
            one_line(&e)
        }
    }
}

/// The images that a text can mean, as far as anybody can say: as it is listed, or by a name.
fn meant(rest: &str, text: &str, listed: &[String]) -> Option<BTreeSet<usize>> {
    if let Some(at) = listed.iter().position(|reference| reference == text) {
        return Some(BTreeSet::from([at]));
    }
    // With others it may be an index or a digest.
    let name = rest.strip_prefix(':').filter(|name| !name.contains(['@', '#']))?;
    let canonical = ImageName::new(name).ok().and_then(|name| name.docker());
    let canonical = canonical.map_or_else(|| name.to_owned(), |name| name.or_latest().to_string());
    Some(NAMES.iter().position(|name| *name == canonical).into_iter().collect())
}
