//! Read in one pass, an archive has the images that it has when it is read at random, and one that ends early is `Corrupt`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use proptest::prelude::*;
use transship_core::{
    ArchiveReader, Body, Error, ErrorKind, FileRange, OnePass, Passed, ReadOptions, Result, Staged, Staging, Stored,
    WriteMode, sha256,
};

use super::{fails, write_archive};
use crate::broken::{While, hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::model::{Archive, Image, Named, Node};
use crate::runner::Kit;
use crate::seen::{LIMIT, Seen};
use crate::snapshot::{self, Shown};
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Broken, Held, Law, Listed, Reading};

/// What archives are made of.
const BLOCK: usize = 512;

pub(crate) const LAW: Law = Law {
    name: "an_archive_in_one_pass_is_the_same",
    sentence: "Read in one pass, an archive has the images that it has when it is read at random, and one that ends early is `Corrupt`.",
    promises: &[
        "Reads nothing of it.",
        "Opened with the result of its pass, it has the images, documents and blobs that it has when it is read at random",
        "What has 1 MiB or more, does not look like JSON and has a sha256 digest is staged, in order, one after the other.",
        "`Corrupt`, saying where, when it ends early.",
    ],
    needs: &[Ability::ManyImages],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let able = kit.transport().archives().is_some_and(|archives| archives.one_pass().is_some());
    if !able {
        kit.not_able("it has no one_pass()");
        return Ok(());
    }
    let small = Node::Image(Image::simple(5).fit_for(kit.facts()));
    let small = Archive { images: vec![Named { node: small, names: kit.facts().some_name() }] };
    let mut corners = vec![(small, Cut::AtEachBorder)];
    corners.extend(corner_archives(kit.facts()).into_iter().map(|c| (c, Cut::At(0))));
    let cut = prop_oneof![
        3 => (0_usize..1000).prop_map(Cut::At),
        1 => (0_usize..1000).prop_map(Cut::AtABorder),
    ];
    kit.each_with(&corners, (generated(kit.facts(), 6), cut), |lab, (archive, cut)| {
        let entries = expected::build(archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        let before = lab.snapshot()?;
        let listing = lab.step(async { snapshot::entries(lab, lab.archives()?).await })?.unwrap_or_default();
        for kept in [None, Some(Kept::default())] {
            let what = if kept.is_some() { "blobs kept by the kit" } else { "nothing kept" };
            let passed = lab.step(same(lab, &listing, kept.as_ref()));
            passed.map_err(|e| e.while_doing(format!("in one pass, {what}")))?;
        }
        lab.snapshot()?.same(&before)?;
        if entries.is_empty() {
            return Ok(());
        }
        changed(lab, *cut)?;
        cut_short(lab, *cut, &listing)
    })
}

/// Where an archive ends early. What is said in thousandths goes from behind its first block to the last byte that counts.
#[derive(Clone, Copy, Debug)]
enum Cut {
    At(usize),
    /// Of a block of 512 bytes: there one entry may end, and the next one begin.
    AtABorder(usize),
    /// In the last quarter.
    AtEachBorder,
}

impl Cut {
    fn ends(self, bytes: &[u8]) -> Vec<usize> {
        // The blocks of zeros behind a tar may be missing.
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default();
        let at = |part: usize| BLOCK + 1 + last.saturating_sub(BLOCK + 1) * part / 1000;
        match self {
            Self::At(part) => vec![at(part)],
            Self::AtABorder(part) => vec![at(part).next_multiple_of(BLOCK).min(last)],
            Self::AtEachBorder => {
                let begin = (last / 4 * 3).next_multiple_of(BLOCK).max(BLOCK);
                (begin..last).step_by(BLOCK).collect()
            }
        }
    }
}

/// Keeps blobs in memory, one after the other.
#[derive(Debug, Default)]
struct Kept {
    busy: AtomicBool,
    digests: Mutex<HashSet<String>>,
}

#[async_trait]
impl Staging for Kept {
    async fn stage(&self, body: Body) -> Result<Staged> {
        if self.busy.swap(true, Ordering::SeqCst) {
            let message = "a blob is staged while another one is";
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        let bytes = body.bytes(LIMIT).await;
        self.busy.store(false, Ordering::SeqCst);
        let bytes = bytes?;
        let (digest, size) = (sha256(&bytes), bytes.len() as u64);
        let digests = self.digests.lock();
        digests.unwrap_or_else(PoisonError::into_inner).insert(digest.to_string());
        let path = std::path::Path::new("what the kit keeps");
        Ok(Staged::new(Stored::new(digest, size), FileRange::in_memory(bytes, path)))
    }
}

fn one_pass(lab: &Lab) -> Held<&dyn OnePass> {
    lab.archives()?.one_pass().ok_or_else(|| Broken::new("`archives().one_pass()` was there before, and is `None` now"))
}

async fn same(lab: &Lab, want: &[Shown], kept: Option<&Kept>) -> Held {
    let once = one_pass(lab)?.comes_once(lab.at()).await;
    match lab.claims().reading {
        Reading::AtRandom => hold!(!once, "it can be read at random, and it says that it comes in one pass"),
        Reading::InOnePass => hold!(once, "it is claimed to come in one pass, and it says that it does not"),
    }
    let staging = kept.map(|kept| kept as &dyn Staging);
    let passed = one_pass(lab)?.pass(lab.at(), &ReadOptions::default(), staging).await?;
    read(lab, passed, want).await?;
    let Some(kept) = kept else { return Ok(()) };
    let digests = kept.digests.lock();
    let digests = digests.unwrap_or_else(PoisonError::into_inner).clone();
    for (digest, bytes) in want.iter().flat_map(|image| &image.seen.blobs) {
        let there = is_document(digest, bytes) || digests.contains(sha256(bytes).as_ref());
        hold!(there, "{digest}, of {} B, passed and was not staged", bytes.len());
    }
    Ok(())
}

/// Whether it may be kept aside, as documents are: what is small or looks like JSON, and what has no sha256 digest, under which
/// blobs are staged.
fn is_document(digest: &str, bytes: &[u8]) -> bool {
    let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    is_json || bytes.len() < 1 << 20 || !digest.starts_with("sha256:")
}

async fn read(lab: &Lab, passed: Passed, want: &[Shown]) -> Held {
    let mut how = ReadOptions::default();
    how.passed = Some(passed);
    let reader = lab.archives()?.read(lab.at(), &how).await.during(|| "opening it with the result of the pass")?;
    let found = reader.entries().len();
    hold!(found == want.len(), "{found} entries of {} are listed after a pass", want.len());
    let by_name = lab.claims().listed == Listed::Names;
    let (mut entries, mut want): (Vec<_>, Vec<_>) = (reader.entries().iter().collect(), want.iter().collect());
    if by_name {
        // Names are listed in an order of their own.
        entries.sort_by_key(|entry| entry.reference.to_string());
        want.sort_by_key(|want| &want.reference);
    }
    for (entry, want) in entries.into_iter().zip(want) {
        let reference = entry.reference.to_string();
        hold!(reference == want.reference, "{} is now {reference}", want.reference);
        hold!(entry.raw_names == want.names, "{reference} has the names {}", listed(&entry.raw_names));
        let source = reader.open(entry).await.during(|| reference.clone())?;
        let seen = Seen::read(&*source).await.during(|| reference.clone())?;
        hold!(seen == want.seen, "{reference} is another image when it has passed");
        let source = lab.transport().source(&entry.reference, &how).await;
        let mut seen = Seen::read(&*source.during(|| reference.clone())?).await?;
        if by_name {
            // What was opened by one name need not know the others, and has none that is of another image.
            let strange = seen.names.iter().find(|name| !want.seen.names.contains(name));
            hold!(strange.is_none(), "{reference}, opened by itself, has the name {}", listed(strange));
            seen.names.clone_from(&want.seen.names);
        }
        hold!(seen == want.seen, "{reference}, opened by itself, is another image");
    }
    Ok(())
}

/// With one byte changed, it is refused either way, or reads as the same images.
fn changed(lab: &Lab, cut: Cut) -> Held {
    let Cut::At(_) = cut else { return Ok(()) };
    let Ok(mut bytes) = std::fs::read(lab.at().locator()) else { return Ok(()) };
    let other = lab.another()?;
    for end in cut.ends(&bytes) {
        let at = end.saturating_sub(1).min(bytes.len().saturating_sub(1));
        bytes[at] ^= 1;
        std::fs::write(other.at().locator(), &bytes)?;
        let at_random = other.step(all(&other, &ReadOptions::default()));
        let passed = other.step(async {
            let passed = one_pass(&other)?.pass(other.at(), &ReadOptions::default(), None).await?;
            let mut how = ReadOptions::default();
            how.passed = Some(passed);
            all(&other, &how).await
        });
        let what = format!("with byte {at} changed");
        match (at_random, passed) {
            (Ok(one), Ok(two)) => hold!(one == two, "{what}, other images are read in one pass than at random"),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(e)) => return Err(e.while_doing(format!("{what}, it reads at random, and not in one pass"))),
            (Err(e), Ok(_)) => return Err(e.while_doing(format!("{what}, it reads in one pass, and not at random"))),
        }
    }
    Ok(())
}

async fn all(lab: &Lab, how: &ReadOptions) -> Held<Vec<Seen>> {
    let reader = lab.archives()?.read(lab.at(), how).await?;
    let mut all = Vec::new();
    for entry in reader.entries() {
        all.push(Seen::read(&*reader.open(entry).await?).await?);
    }
    Ok(all)
}

/// The first bytes of it alone.
fn cut_short(lab: &Lab, cut: Cut, want: &[Shown]) -> Held {
    let Ok(bytes) = std::fs::read(lab.at().locator()) else { return Ok(()) };
    let other = lab.another()?;
    for end in cut.ends(&bytes) {
        std::fs::write(other.at().locator(), &bytes[..end.min(bytes.len())])?;
        ends_early(&other, end, want)?;
    }
    Ok(())
}

fn ends_early(other: &Lab, end: usize, want: &[Shown]) -> Held {
    other.step(async {
        let passed = one_pass(other)?.pass(other.at(), &ReadOptions::default(), None).await;
        let read = match passed {
            // The documents may be looked at later.
            Ok(passed) => {
                let mut how = ReadOptions::default();
                how.passed = Some(passed);
                other.archives()?.read(other.at(), &how).await
            }
            Err(e) => Err(e),
        };
        let what = format!("a pass that ends after {end} B");
        match read {
            // It may be one without a mark at its end.
            Ok(reader) if end.is_multiple_of(BLOCK) => as_if_whole(&*reader, want).await.during(|| what),
            read if end.is_multiple_of(BLOCK) => {
                fails(read, &[ErrorKind::Corrupt, ErrorKind::NotFound], &[], &what)
            }
            read => fails(read, &[ErrorKind::Corrupt], &[], &what),
        }
    })
}

/// All of its images are listed, and none of them reads as another one.
async fn as_if_whole(reader: &dyn ArchiveReader, want: &[Shown]) -> Held {
    let found = reader.entries();
    hold!(found.len() == want.len(), "{} images of {} are listed", found.len(), want.len());
    for (entry, want) in found.iter().zip(want) {
        let Ok(source) = reader.open(entry).await else { continue };
        if let Ok(seen) = Seen::read(&*source).await {
            hold!(seen == want.seen, "{} is another image", entry.reference);
        }
    }
    Ok(())
}
