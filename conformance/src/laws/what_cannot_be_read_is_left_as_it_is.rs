//! What cannot be read is not joined, created over, deleted or collected: it is left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::select;
use transship_core::{CollectMode, DeleteOptions, ImageName, ReadOptions, Reference, WriteMode};

use super::collecting_takes_garbage_alone::collect;
use super::files_in;
use crate::broken::{While, hold, listed};
use crate::lab::{By, Lab, commit, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Abandoned, Ability, Facts, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_cannot_be_read_is_left_as_it_is",
    sentence: "What cannot be read is not joined, created over, deleted or collected: it is left as it is.",
    promises: &[
        "What cannot be read is not joined: it stays as it is.",
        "Where what is there cannot be read, it fails, and nothing has changed.",
    ],
    needs: &[Ability::Files],
    cost: 2,
    check,
};

/// What is there.
#[derive(Clone, Copy, Debug)]
enum There {
    /// Images, and a byte of what lists them is another one: at so many thousandths.
    ByteChanged(usize),
    /// Images, and what lists them is cut short, at so many thousandths.
    CutShort(usize),
    /// Images, and a number in a text is another one, at so many thousandths of all numbers. Some images may be read still.
    NumberChanged(usize),
    Text,
    /// A folder with something else.
    Folder,
}

/// What is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write(WriteMode, By),
    Delete,
    Collect,
}

/// An image that was there before.
struct Old {
    built: Built,
    at: Reference,
}

/// Files, and what is in them.
type Files = BTreeMap<String, String>;

/// So many numbers of those in texts are changed each time, one at a time.
const NUMBERS: usize = 24;

const TEXT: &str = "a text, and no images";

fn check(kit: &Kit) -> Held {
    let acts = acts(kit.facts());
    let all = [There::ByteChanged(0), There::CutShort(500), There::Text, There::Folder];
    let each = all.iter().flat_map(|there| acts.iter().map(move |act| (*there, *act)));
    let mut corners: Vec<_> = each.filter(|(there, act)| !is_meant(*there, *act)).collect();
    if kit.facts().has(Ability::Append) {
        let numbers = (0..NUMBERS).map(|at| There::NumberChanged(at * 1000 / NUMBERS));
        corners.extend(numbers.map(|number| (number, Act::Write(WriteMode::Append, By::Itself))));
    }
    let there = prop_oneof![
        1 => (0_usize..1000).prop_map(There::ByteChanged),
        1 => (0_usize..1000).prop_map(There::CutShort),
        2 => (0_usize..1000).prop_map(There::NumberChanged),
    ];
    let acts = acts.iter().copied().filter(|act| !is_meant(There::Text, *act));
    kit.each_with(&corners, (there, select(acts.collect::<Vec<_>>())), |lab, (there, act)| {
        let place = Path::new(lab.at().locator());
        if !place.starts_with(lab.folder()?) {
            kit.not_able("its locators are no paths");
            return Ok(());
        }
        if is_meant(*there, *act) {
            return Ok(());
        }
        let mut old = Vec::new();
        match there {
            There::Text => fs::write(place, TEXT)?,
            There::Folder => {
                fs::create_dir(place)?;
                fs::write(place.join("notes.txt"), TEXT)?;
            }
            There::ByteChanged(_) | There::CutShort(_) | There::NumberChanged(_) => {
                old = written(lab)?;
                if !damaged(lab, *there)? {
                    return Ok(());
                }
            }
        }
        left_alone(lab, *act, &old)
    })
}

/// What is possible there.
fn acts(facts: &Facts) -> Vec<Act> {
    let modes = [WriteMode::Append, WriteMode::Create, WriteMode::Replace];
    let mut acts = Vec::from(modes.map(|mode| Act::Write(mode, By::Itself)));
    if facts.has(Ability::ManyImages) {
        acts.extend(modes.map(|mode| Act::Write(mode, By::AWriter)));
    }
    acts.extend(facts.has(Ability::Deletion).then_some(Act::Delete));
    acts.extend(facts.has(Ability::Collection).then_some(Act::Collect));
    acts
}

/// Replacing takes the place of whatever is there, but for a folder of something else. Of images that can be read still one may be
/// deleted.
fn is_meant(there: There, act: Act) -> bool {
    let replaces = matches!(act, Act::Write(WriteMode::Replace, _));
    match there {
        There::Folder => false,
        There::NumberChanged(_) => replaces || act == Act::Delete,
        There::ByteChanged(_) | There::CutShort(_) | There::Text => replaces,
    }
}

/// Two images, or one where there is room for one.
fn written(lab: &Lab) -> Held<Vec<Old>> {
    let several = lab.has(Ability::Append) && lab.has(Ability::Names);
    let mut all = Vec::new();
    for (number, mode) in [(1, WriteMode::Create), (2, WriteMode::Append)] {
        if number == 1 || several {
            let built = Image::simple(number).build()?;
            let mut committed = lab.step(lab.write(&built, mode, &name(lab, number)?))?;
            all.push(Old { built, at: committed.references.remove(0) });
        }
    }
    Ok(all)
}

fn name(lab: &Lab, number: u8) -> Held<Vec<ImageName>> {
    if !lab.has(Ability::Names) {
        return Ok(Vec::new());
    }
    Ok(vec![ImageName::new(&format!("docker.io/library/kit:{number}"))?])
}

/// Damages one file: so that no image is listed any more, where more than a number is damaged. Gives whether there is one.
fn damaged(lab: &Lab, how: There) -> Held<bool> {
    let mut files = Vec::new();
    files_in(lab.folder()?, &mut files)?;
    files.sort();
    if let There::NumberChanged(part) = how {
        return number_changed(&files, part);
    }
    for file in files {
        let well = fs::read(&file)?;
        if well.is_empty() {
            continue;
        }
        let mut bytes = well.clone();
        match how {
            // A letter becomes a capital, or the next one.
            There::ByteChanged(part) => {
                bytes[well.len() * part / 1000] ^= if part % 2 == 0 { 0x20 } else { 1 };
            }
            // An empty file may be as good as none.
            There::CutShort(part) => bytes.truncate((well.len() * part / 1000).max(1)),
            There::Text | There::Folder | There::NumberChanged(_) => {}
        }
        fs::write(&file, bytes)?;
        if lab.step(async { Ok(list(lab).await.unwrap_or(0) == 0) })? {
            return Ok(true);
        }
        fs::write(&file, well)?;
    }
    Ok(false)
}

/// Changes a digit of a number. Gives whether there is one.
fn number_changed(files: &[PathBuf], part: usize) -> Held<bool> {
    let mut all = Vec::new();
    for file in files {
        all.extend(numbers(&fs::read(file)?).into_iter().map(|number| (file, number)));
    }
    let Some((file, number)) = all.get(all.len() * part / 1000) else { return Ok(false) };
    let mut bytes = fs::read(file)?;
    bytes[number.start + part % number.len()] ^= 1;
    fs::write(file, bytes)?;
    Ok(true)
}

/// Where the numbers are that are values of JSON.
fn numbers(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(skipped) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + skipped;
        let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at = start + digits;
        let before = bytes[..start].strip_suffix(b" ").unwrap_or(&bytes[..start]);
        let begins = before.last().is_some_and(|before| b":,[".contains(before));
        if begins && bytes.get(at).is_some_and(|end| b",]}\n".contains(end)) {
            found.push(start..at);
        }
    }
    found
}

/// How many images it says are there.
async fn list(lab: &Lab) -> Held<usize> {
    let (transport, how) = (lab.other_transport(), ReadOptions::default());
    match transport.archives() {
        Some(archives) => Ok(archives.read(lab.at(), &how).await?.entries().len()),
        None => Ok(transport.source(lab.at(), &how).await?.root().await.map(|_| 1)?),
    }
}

/// Which of them can be read.
async fn readable(lab: &Lab, old: &[Old]) -> Vec<bool> {
    let mut all = Vec::new();
    for one in old {
        let transport = lab.other_transport();
        all.push(match transport.source(&one.at, &ReadOptions::default()).await {
            Ok(source) => {
                let seen = Seen::read(&*source).await;
                seen.is_ok_and(|seen| seen.is(&one.built, lab.facts()).is_ok())
            }
            Err(_) => false,
        });
    }
    all
}

/// Whether nothing changes; or, where there were images, all of them are there again.
fn left_alone(lab: &Lab, act: Act, old: &[Old]) -> Held {
    let could = lab.step(async { Ok(readable(lab, old).await) })?;
    let was_listed = lab.step(async { Ok(list(lab).await.unwrap_or(0) > 0) })?;
    let before = looked(lab)?;
    let done = lab.step(async { Ok(acted(lab, act, old).await) })?;
    let (before, after) = match (before, looked(lab)?) {
        ((Some(before), _), (Some(after), _)) | ((_, before), (_, after)) => (before, after),
    };
    let may_leave = !old.is_empty() && lab.claims().abandoned == Abandoned::Blobs;
    let when = if done.is_ok() { "it succeeded" } else { "it failed" };
    if done.is_err() || old.is_empty() {
        // A folder may hold something else, too.
        unchanged(&before, &after, when)?;
    }
    if done.is_err() {
        let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
        hold!(may_leave || new.is_empty(), "{when}, and these are new: {}", listed(new));
    } else if before != after {
        return lab.step(are_there(lab, old, &could, was_listed)).map_err(|e| e.while_doing(when));
    }
    Ok(())
}

/// What the fixture says is there, and all files: it may not be able to look at what cannot be read.
fn looked(lab: &Lab) -> Held<(Option<Files>, Files)> {
    Ok((lab.fixture_snapshot().ok(), lab.stored()?))
}

fn unchanged(before: &Files, after: &Files, when: &str) -> Held {
    let is_other = |(name, was): &(&String, &String)| after.get(*name) != Some(*was);
    let changed = before.iter().find(is_other).map(|(name, _)| name);
    hold!(changed.is_none(), "{when}, and what cannot be read has changed: {}", listed(changed));
    Ok(())
}

/// None is lost that could be read. Where images are listed again, they are all there.
async fn are_there(lab: &Lab, old: &[Old], could: &[bool], was_listed: bool) -> Held {
    let is_listed_again = !was_listed && list(lab).await.is_ok();
    let can = readable(lab, old).await;
    for ((one, could), can) in old.iter().zip(could).zip(can) {
        let lost = !can && (*could || is_listed_again);
        hold!(!lost, "{} was there, and is gone", one.built.root.descriptor().digest);
    }
    Ok(())
}

async fn acted(lab: &Lab, act: Act, old: &[Old]) -> Held {
    match act {
        Act::Write(mode, by) => write(lab, mode, by).await,
        Act::Delete => {
            let Some(deletion) = lab.transport().deletion() else { return Ok(()) };
            let at = old.first().map_or(lab.at(), |one| &one.at);
            deletion.delete(at, &DeleteOptions::default()).await.during(|| "deleting")
        }
        Act::Collect => collect(lab, CollectMode::Delete).await.map(drop),
    }
}

async fn write(lab: &Lab, mode: WriteMode, by: By) -> Held {
    let (built, names) = (Image::simple(9).build()?, name(lab, 9)?);
    if by == By::Itself {
        return lab.write(&built, mode, &names).await.map(drop);
    }
    let mut writer = lab.writer(mode).await?;
    let destination = writer.image(&names).await.during(|| "opening an image of a writer")?;
    put_all(&*destination, &built).await?;
    commit(destination, &built).await?;
    writer.finish().await.during(|| "finishing")
}
