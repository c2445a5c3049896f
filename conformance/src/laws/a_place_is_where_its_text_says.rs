//! A path in a reference is taken as it is written: an image is not found by another spelling of its path.

use std::path::Path;

use transship_core::{ErrorKind, ReadOptions, Reference, WriteMode};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, how, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_place_is_where_its_text_says",
    sentence: "A path in a reference is taken as it is written: an image is not found by another spelling of its path.",
    promises: &[
        "A path is taken as it is written: nothing in it is decoded, trimmed or folded.",
        "It is the archive that [`read`](Self::read) opens for that reference.",
    ],
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
    ("?1", "?2"),
    ("?mode=ro", ""),
    ("&a", ""),
    (";a", ""),
    ("\u{1f600} x", "x"),
    ("\"a\"", "a"),
];

/// Ends of a path, with an escape before what ends a path in many texts, and one that looks like the beginning of a digest when a
/// name stands behind it. Where a transport takes it otherwise, it means something else, which has to be found, too.
const ESCAPED: &[&str] = &["\\:c", "\\@d", "\\\\e", "\\:c\\@d", "@sha256"];

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let built = Image::simple(*seed).build()?;
        for (end, other) in TWINS {
            // Some systems fold, or drop what is at the end.
            if cfg!(target_os = "linux") || (*end == "%41" && *other == "A") {
                let lab = lab.another()?;
                let locator = lab.at().locator();
                let done = one(&lab, &format!("{locator}{end}"), Some(&format!("{locator}{other}")), &built);
                done.during(|| format!("a path that ends in {end:?}"))?;
            }
        }
        // Elsewhere some of these are no names of files.
        for end in ESCAPED.iter().filter(|_| cfg!(unix)) {
            let lab = lab.another()?;
            let done = one(&lab, &format!("{}{end}", lab.at().locator()), None, &built);
            done.during(|| format!("a text that ends in {end:?}"))?;
        }
        behind_a_link(&lab.another()?, &built).during(|| "a path that goes up from a symbolic link")
    })
}

/// What goes up from a symbolic link is above what it links to.
fn behind_a_link(lab: &Lab, built: &Built) -> Held {
    let Some(folder) = lab.files() else { return Ok(()) };
    let Ok(place) = lab.path().strip_prefix(folder) else { return Ok(()) };
    let linked = folder.join("kit-a/kit-b");
    std::fs::create_dir_all(&linked)?;
    let link = folder.join("kit-link");
    if !links(&linked, &link)? {
        return Ok(());
    }
    let text = link.join("..").join(place);
    one(lab, &text.display().to_string(), Some(lab.at().locator()), built)
}

/// Makes a symbolic link, on systems where everybody may.
fn links(to: &Path, at: &Path) -> std::io::Result<bool> {
    #[cfg(unix)]
    std::os::unix::fs::symlink(to, at)?;
    let _ = (to, at);
    Ok(cfg!(unix))
}

/// An image that is written to a place is there, and not at the other one.
fn one(lab: &Lab, text: &str, other: Option<&str>, built: &Built) -> Held {
    let parse = |text| expressible(lab.transport().parse(text));
    let (Some(at), other) = (parse(text)?, other.map(parse).transpose()?.flatten()) else { return Ok(()) };
    if let Some(other) = &other {
        hold!(at != *other, "it is the same reference as one that is written otherwise, {at}");
    }
    lab.step(async {
        let mut how = how(WriteMode::Create, &[]);
        how.fallback_names = lab.facts().some_name();
        let opened = lab.transport().destination(&at, &how).await;
        let destination = opened.during(|| format!("opening {at} to write"))?;
        put_all(&*destination, built).await?;
        let written = commit(destination, built).await?;
        let source = lab.other_transport().source(&written.references[0], &ReadOptions::default()).await;
        let found = Seen::read(&*source.during(|| "opening what was written")?).await?;
        found.is(built, lab.facts())?;
        for at in written.references.iter().chain([&at]) {
            is_in_its_archive(lab, at).await?;
        }
        if let Some(other) = &other {
            let opened = lab.transport().source(other, &ReadOptions::default()).await;
            let kinds = [ErrorKind::NotFound, ErrorKind::InvalidInput, ErrorKind::Corrupt, ErrorKind::Unsupported];
            fails(opened, &kinds, &[], &format!("opening {other}, where nothing was written"))?;
        }
        Ok(())
    })
}

/// The archive that a reference is said to be in is the one that it opens.
async fn is_in_its_archive(lab: &Lab, at: &Reference) -> Held {
    let Some(archives) = lab.transport().archives() else { return Ok(()) };
    let Some(said) = archives.archive_of(at) else { return Ok(()) };
    let opened = archives.read(at, &ReadOptions::default()).await;
    let opened = opened.during(|| format!("opening the archive of {at}"))?;
    let is_in = opened.reference();
    hold!(said == *is_in, "{at} is said to be in {said}, and is in {is_in}");
    Ok(())
}

/// What a transport cannot express it refuses.
fn expressible(parsed: transship_core::Result<Reference>) -> Held<Option<Reference>> {
    match parsed {
        Err(e) if e.kind() == ErrorKind::InvalidInput => Ok(None),
        parsed => Ok(Some(parsed?)),
    }
}
