//! A reader that was opened before a write opens the images that it lists, or says that they are gone, and never others.

use std::iter;

use transship_core::{ArchiveReader, WriteMode};

use super::write_archive;
use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::model::{Archive, Named};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{archives as generated, distinct};
use crate::{Ability, Facts, Held, Law, Listed};

pub(crate) const LAW: Law = Law {
    name: "a_reader_reads_what_it_lists",
    sentence: "A reader that was opened before a write opens the images that it lists, or says that they are gone, and never others.",
    promises: &["After a write it is the image that the reader lists, or an error, and never another one."],
    needs: &[Ability::ManyImages],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let two = (generated(kit.facts(), 6), generated(kit.facts(), 6));
    kit.each(two, |lab, (old, new)| {
        let entries = |of: &Archive| expected::build(of);
        lab.step(write_archive(lab, WriteMode::Create, &entries(old)?))?;
        let want = expected::shown(entries(old)?, lab.facts());
        lab.step(async {
            let reader = lab.reader().await?;
            let outlives = match reader.entries().first() {
                Some(entry) => Some(lab.reader().await?.open(entry).await?),
                None => None,
            };
            if lab.claims().listed == Listed::Names {
                // A name is only a name before it was looked at.
                for entry in reader.entries() {
                    reader.details(entry).await.during(|| "reading the details of an image")?;
                }
            }
            let new = with_names_of(new, old, lab.facts());
            write_archive(lab, lab.again(), &entries(&new)?).await?;
            if let (Some(source), Some(entry)) = (outlives, reader.entries().first())
                && let Ok(seen) = Seen::read(&*source).await
            {
                let want = expected::of_entry(entry, 0, &want, lab.facts());
                expected::is_one_of(&seen, &want, lab.facts())?;
            }
            old_or_error(&*reader, &want, lab.facts()).await
        })
    })
}

/// Images that have the names of others: the first those of the last.
fn with_names_of(new: &Archive, old: &Archive, facts: &Facts) -> Archive {
    let names = old.images.iter().rev().map(|named| &named.names);
    let names = names.map(Some).chain(iter::repeat(None));
    let images = new.images.iter().zip(names).map(|(named, names)| Named {
        node: named.node.clone(),
        names: names.unwrap_or(&named.names).clone(),
    });
    Archive { images: distinct(images.collect(), facts) }
}

async fn old_or_error(reader: &dyn ArchiveReader, want: &[Entry], facts: &Facts) -> Held {
    let count = reader.entries().len();
    let all = facts.claims.listed == Listed::Names || count == want.len();
    hold!(all, "the reader lists {count} images of {}", want.len());
    for (at, entry) in reader.entries().iter().enumerate() {
        let Ok(source) = reader.open(entry).await else { continue };
        let Ok(seen) = Seen::read(&*source).await else { continue };
        let same = expected::is_one_of(&seen, &expected::of_entry(entry, at, want, facts), facts);
        same.map_err(|e| e.while_doing(format!("{}, listed before the write", entry.reference)))?;
    }
    Ok(())
}
