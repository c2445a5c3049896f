//! What an archive should show after images were written to it one after the other.

use transship_core::{ArchiveEntry, Digest, ImageName};

use crate::broken::{While, hold};
use crate::model::{Archive, Built};
use crate::seen::Seen;
use crate::snapshot::{Shown, Snapshot};
use crate::strategies::meaning;
use crate::{Ability, Broken, Facts, Held, Listed, Manifests, Replaces, Taken};

/// An image that should be there.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) built: Built,
    pub(crate) names: Vec<ImageName>,
}

/// What makes two images one.
pub(crate) fn identity(built: &Built, facts: &Facts) -> Digest {
    match (facts.claims.manifests, built.config()) {
        (Manifests::Rebuilt, Some(config)) => config.descriptor.digest.clone(),
        _ => built.root.descriptor().digest.clone(),
    }
}

/// Builds the images of an archive.
pub(crate) fn build(archive: &Archive) -> Held<Vec<Entry>> {
    let one = |named: &crate::model::Named| {
        Ok(Entry { built: named.node.build()?, names: named.names.clone() })
    };
    archive.images.iter().map(one).collect()
}

/// What shows after these were written in order: an image that was there gets the names in addition, names move.
pub(crate) fn shown(written: Vec<Entry>, facts: &Facts) -> Vec<Entry> {
    let mut shown: Vec<Entry> = Vec::new();
    for new in written {
        let taken: Vec<_> = new.names.iter().map(|name| meaning(name, facts)).collect();
        let id = identity(&new.built, facts);
        let had_none = |old: &Entry| old.names.is_empty() && identity(&old.built, facts) == id;
        let gets_its_first = !new.names.is_empty() && shown.iter().any(had_none);
        shown.retain_mut(|old| {
            let named = !old.names.is_empty();
            old.names.retain(|name| !taken.contains(&meaning(name, facts)));
            let lost_all = named && old.names.is_empty() && identity(&old.built, facts) != id;
            !(lost_all && facts.has(Ability::OneWithoutName))
        });
        let Some(at) = shown.iter().position(|old| identity(&old.built, facts) == id) else {
            shown.push(new);
            continue;
        };
        shown[at].names.extend(new.names);
        if facts.claims.taken == Taken::WithItsNames && gets_its_first {
            let moved = shown.remove(at);
            shown.push(moved);
        }
    }
    shown
}

/// Those of replaced images that stay without a name, each once: where names are replaced, all but what the new one is.
pub(crate) fn unnamed<'b>(old: &[&'b Built], new: &Built, facts: &Facts) -> Vec<&'b Built> {
    let mut left: Vec<&Built> = Vec::new();
    for old in old.iter().filter(|_| facts.claims.replaces == Replaces::Names) {
        let same = |other: &Built| identity(other, facts) == identity(old, facts);
        if !same(new) && !left.iter().any(|left| same(left)) {
            left.push(*old);
        }
    }
    left
}

/// Whether a place shows an image that replaced others, and of those what is claimed to stay.
pub(crate) fn check_replaced(
    snapshot: &Snapshot,
    old: &[&Built],
    new: &Built,
    facts: &Facts,
) -> Held {
    let (images, left) = (snapshot.images(), unnamed(old, new, facts));
    hold!(
        images.len() == left.len() + 1,
        "{} images are there, of one that replaced others, of which {} stay without a name",
        images.len(),
        left.len()
    );
    let is_named = |image: &&Shown| left.is_empty() || !image.seen.names.is_empty();
    let (named, unnamed): (Vec<_>, Vec<_>) = images.iter().partition(is_named);
    hold!(named.len() == 1, "{} images have a name, of one that replaced others", named.len());
    named[0].seen.is(new, facts).during(|| "the image that replaced others")?;
    for old in left {
        let stays = unnamed.iter().any(|image| image.seen.is(old, facts).is_ok());
        let root = &old.root.descriptor().digest;
        hold!(stays, "{root}, whose name was taken over, is not there whole and without a name");
    }
    Ok(())
}

/// Which of some images an entry of a listing may be: the one at its position, or where names are listed the one of that name.
pub(crate) fn of_entry<'e>(
    entry: &ArchiveEntry,
    at: usize,
    want: &'e [Entry],
    facts: &Facts,
) -> Vec<&'e Entry> {
    if facts.claims.listed == Listed::Images {
        return want.get(at).into_iter().collect();
    }
    let listed: Vec<_> = entry.names.iter().map(|name| meaning(name, facts)).collect();
    let called = |one: &&Entry| one.names.iter().any(|name| listed.contains(&meaning(name, facts)));
    want.iter().filter(|one| listed.is_empty() || called(one)).collect()
}

/// Whether what was read is one of some images.
pub(crate) fn is_one_of(seen: &Seen, want: &[&Entry], facts: &Facts) -> Held {
    let mut held = Err(Broken::new("it is not among what was written"));
    for one in want {
        held = seen.is(&one.built, facts);
        if held.is_ok() {
            break;
        }
    }
    held
}

/// Whether a place shows these, in this order; after names were taken over, in the order that is claimed.
pub(crate) fn check_taken(snapshot: &Snapshot, want: &[Entry], facts: &Facts) -> Held {
    if facts.claims.taken == Taken::AtTheEnd {
        return check(snapshot, want, facts);
    }
    let want: Vec<_> = want.iter().collect();
    check_each(snapshot, &as_listed(snapshot, want, facts), facts)
}

/// In the order of the listing.
fn as_listed<'e>(snapshot: &Snapshot, want: Vec<&'e Entry>, facts: &Facts) -> Vec<&'e Entry> {
    let position = |entry: &Entry| {
        let is = |image: &Shown| image.seen.is(&entry.built, facts).is_ok();
        snapshot.images().iter().position(is)
    };
    let mut placed: Vec<_> = want.into_iter().map(|entry| (position(entry), entry)).collect();
    placed.sort_by_key(|(position, _)| position.unwrap_or(usize::MAX));
    placed.into_iter().map(|(_, entry)| entry).collect()
}

/// Whether a place shows these, in this order, or in the one of a place that lists names.
pub(crate) fn check(snapshot: &Snapshot, want: &[Entry], facts: &Facts) -> Held {
    let want: Vec<_> = want.iter().collect();
    match facts.claims.listed {
        Listed::Images => check_each(snapshot, &want, facts),
        Listed::Names => check_each(snapshot, &as_listed(snapshot, want, facts), facts),
    }
}

fn check_each(snapshot: &Snapshot, want: &[&Entry], facts: &Facts) -> Held {
    let images = snapshot.images();
    hold!(
        images.len() == want.len(),
        "{} images are listed instead of {}{}",
        images.len(),
        want.len(),
        differing(images, want, facts)
    );
    in_order(images, want, facts)?;
    for (at, (found, want)) in images.iter().zip(want).enumerate() {
        let sorted = |names: &[ImageName]| {
            let mut names: Vec<_> = names.iter().map(|name| meaning(name, facts)).collect();
            names.sort();
            names.dedup();
            names
        };
        found.seen.is(&want.built, facts).during(|| format!("image {at} of the listing"))?;
        let (have, want) = (sorted(&found.seen.names), sorted(&want.names));
        let (have, want) = (have.join(", "), want.join(", "));
        hold!(have == want, "image {at} of the listing has the names [{have}] instead of [{want}]");
    }
    Ok(())
}

/// What is missing, and what is listed beyond what is wanted.
fn differing(images: &[Shown], want: &[&Entry], facts: &Facts) -> String {
    let is = |found: &Shown, want: &Entry| found.seen.is(&want.built, facts).is_ok();
    let missing =
        want.iter().enumerate().filter(|(_, want)| !images.iter().any(|one| is(one, want)));
    let missing = missing.map(|(at, want)| {
        format!("\nimage {at} of those written is missing: {}", want.built.root.descriptor().digest)
    });
    let beyond = images.iter().filter(|one| !want.iter().any(|want| is(one, want)));
    let beyond = beyond.map(|one| format!("\n{} is none of those written", one.reference));
    missing.chain(beyond).collect()
}

/// Whether the same images are listed in the order that is wanted. Where only the order differs, that is what is said.
fn in_order(images: &[Shown], want: &[&Entry], facts: &Facts) -> Held {
    for (at, (found, one)) in images.iter().zip(want).enumerate() {
        let Err(broken) = found.seen.is(&one.built, facts) else { continue };
        let belongs = want.iter().position(|want| found.seen.is(&want.built, facts).is_ok());
        let Some(belongs) = belongs else {
            return Err(broken.while_doing(format!("image {at} of the listing")));
        };
        let root = &found.seen.root.descriptor().digest;
        return Err(Broken::new(format!(
            "the images are listed in another order: {root} is at position {at}, and belongs at {belongs}"
        )));
    }
    Ok(())
}
