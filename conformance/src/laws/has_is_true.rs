//! `has` says yes only for what is there, whole and of the size asked for, and changes nothing; and what it says is there can be committed.

use std::ops::Range;
use std::path::Path;

use transship_core::{
    ErrorKind, Expect, ImageDestination, ReadOptions, Reference, Transport, WriteMode, sha256,
};

use super::files_in;
use crate::broken::{While, hold};
use crate::lab::{Lab, Way, commit, how, put, put_all};
use crate::model::{Algorithm, Blob, Built, Image, Layer};
use crate::runner::Kit;
use crate::seen::{LIMIT, Seen};
use crate::strategies::plain_images;
use crate::{Ability, Digests, Facts, Found, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "has_is_true",
    sentence: "`has` says yes only for what is there, whole and of the size asked for, and changes nothing; and what it says is there can be committed.",
    promises: &[
        "Yes only for bytes that are whole and true to their digest.",
        "Changes nothing.",
        "When what it gives was put, the image can be committed.",
        "It gives blobs of that image alone.",
        "What was put is read back, also before the commit.",
    ],
    needs: &[],
    cost: 1,
    check,
};

/// Bytes of which fewer are different are not searched for: they could occur by chance.
const DISTINCT: usize = 16;

/// The number of bytes of a layer that are searched for. Not all of it, as databases store layers in parts.
const PIECE: usize = 32;

/// Larger files are not searched, to save time.
const SEARCHED: usize = 8 << 20;

fn check(kit: &Kit) -> Held {
    let facts = kit.facts();
    hold!(
        facts.claims.found == Found::Checked || !facts.has(Ability::Files),
        "it claims `found: Trusted`, and its bytes are in files of this machine: what is found there can be hashed"
    );
    let images = (plain_images(facts), plain_images(facts));
    kit.each_with(&of_both_digests(facts), images, |lab, (first, second)| {
        let before = lab.snapshot()?;
        lab.step(empty(lab, first))?;
        lab.snapshot()?.same(&before)?;
        elsewhere(lab, first)?;
        lab.step(filled(lab, first))?;
        changes_nothing(lab, first)?;
        let other = lab.another()?;
        other.step(filled(&other, first))?;
        other.step(joined(&other, first, second, WriteMode::Replace))?;
        if lab.has(Ability::ManyImages) {
            let other = lab.another()?;
            other.step(in_a_writer(&other, first, second))?;
        }
        if lab.has(Ability::Append) {
            let joined = lab.step(joined(lab, first, second, WriteMode::Append))?;
            spoiled(lab, first, &joined)?;
        }
        Ok(())
    })
}

/// An image whose layers have digests of both algorithms: a blob that was changed is not there, whichever names it.
fn of_both_digests(facts: &Facts) -> Vec<(Image, Image)> {
    if facts.claims.digests != Digests::Any {
        return Vec::new();
    }
    let long = Layer { algorithm: Algorithm::Sha512, ..Layer::small(8, 5000) };
    let image = Image { layers: vec![Layer::small(4, 3000), long], ..Image::simple(1) };
    vec![(image.fit_for(facts), Image::simple(2))]
}

async fn empty(lab: &Lab, image: &Image) -> Held {
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    for blob in &image.build()?.blobs {
        let has = destination.has(&Expect::from(&blob.descriptor)).await?;
        hold!(has.is_none(), "`has` finds a blob where nothing was put");
    }
    Ok(())
}

/// What is there is asked for, and stays as it is.
fn changes_nothing(lab: &Lab, image: &Image) -> Held {
    let before = lab.snapshot()?;
    let mode = if lab.has(Ability::Append) { WriteMode::Append } else { WriteMode::Replace };
    lab.step(async {
        let destination = lab.destination(mode, &lab.facts().some_name()).await?;
        for blob in &image.build()?.blobs {
            destination.has(&Expect::from(&blob.descriptor)).await?;
        }
        Ok(())
    })?;
    let after = lab.snapshot()?.same_but_abandoned(&before, lab.claims().abandoned);
    after.map_err(|e| e.while_doing("after `has` was asked for what is there"))
}

async fn filled(lab: &Lab, image: &Image) -> Held {
    let built = image.build()?;
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    for (at, blob) in built.blobs.iter().enumerate() {
        put(&*destination, blob, Way::nth(at)).await?;
        let (digest, size) = (blob.descriptor.digest.clone(), blob.descriptor.size);
        if let Some(has) = destination.has(&Expect::from(&blob.descriptor)).await? {
            let same = has.digest == digest && has.size == size;
            hold!(same, "has says {} of {} B, and it is {digest} of {size} B", has.digest, has.size);
        }
        if let Some(has) = destination.has(&Expect::digest(digest.clone())).await? {
            hold!(has.size == size, "asked without a size, `has` says that a blob of {size} B has {} B", has.size);
        }
        read_back(&*destination, blob).await?;
        let larger = Expect::digest(digest).with_size(size + 1);
        let has = destination.has(&larger).await?;
        hold!(has.is_none(), "`has` finds the blob when it is asked for {} B, which is one byte too many", size + 1);
        let nameless = Expect::anything().with_size(size);
        let has = destination.has(&nameless).await?;
        hold!(has.is_none(), "`has` finds a blob when it is asked for a size ({size} B) without a digest");
        let has = destination.has(&Expect::digest(sha256(b"other"))).await?;
        hold!(has.is_none(), "`has` finds a blob that was never put");
    }
    commit(destination, &built).await.map(|_| ())
}

/// What was put and is found can be read, where contents can be.
async fn read_back(destination: &dyn ImageDestination, blob: &Blob) -> Held {
    let Some(contents) = destination.contents() else { return Ok(()) };
    let digest = &blob.descriptor.digest;
    let read = contents.read(&blob.descriptor).await.during(|| format!("reading back {digest}"))?;
    let Some(body) = read else {
        return Err(crate::Broken::new(format!("{digest} was put, and cannot be read back before the commit")));
    };
    let bytes = body.bytes(LIMIT).await.during(|| format!("reading back {digest}"))?;
    hold!(bytes == blob.bytes, "{digest} was put, and is read back as other bytes");
    Ok(())
}

/// What another place has is not here.
fn elsewhere(lab: &Lab, image: &Image) -> Held {
    let other = lab.another()?;
    lab.step(async {
        let built = image.build()?;
        // By the same value of the transport, with all that it remembers.
        let how = how(WriteMode::Create, &lab.facts().some_name());
        let there = lab.transport().destination(other.at(), &how).await?;
        put_all(&*there, &built).await?;
        commit(there, &built).await?;
        let here = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
        for blob in &built.blobs {
            let has = here.has(&Expect::from(&blob.descriptor)).await?;
            hold!(has.is_none(), "`has` finds a blob that was put into another place");
        }
        Ok(())
    })
}

/// What one image of a writer put, given up or not, is there for the next one, where `has` says so.
async fn in_a_writer(lab: &Lab, first: &Image, second: &Image) -> Held {
    let mut writer = lab.writer(WriteMode::Create).await?;
    let mut shares = second.clone();
    shares.layers.extend(first.layers.clone());
    let (first, second) = (first.build()?, shares.build()?);
    let given_up = writer.image(&[]).await?;
    put_all(&*given_up, &first).await?;
    drop(given_up);
    let destination = writer.image(&lab.facts().some_name()).await?;
    for (at, blob) in second.blobs.iter().enumerate() {
        if destination.has(&Expect::from(&blob.descriptor)).await?.is_none() {
            put(&*destination, blob, Way::nth(at)).await?;
        }
    }
    let committed = commit(destination, &second).await?;
    writer.finish().await?;
    let source = lab.source(&committed.references[0]).await?;
    let seen = Seen::read(&*source).await?.is(&second, lab.facts());
    seen.map_err(|e| e.while_doing("of blobs that `has` found in a writer"))
}

/// What is searched for to find a blob, and where in it the byte is that changes.
struct Piece<'a> {
    bytes: &'a [u8],
    byte: usize,
}

impl<'a> Piece<'a> {
    /// Some bytes of a layer, if no other blob of the image has them; otherwise the whole blob. Parts of a config may stand in other
    /// documents.
    fn of(blob: &'a Blob, all: &[&Blob]) -> Self {
        let (bytes, byte) = (&*blob.bytes, somewhere(blob));
        let from = byte.saturating_sub(PIECE / 2).min(bytes.len().saturating_sub(PIECE));
        let part = &bytes[from..bytes.len().min(from + PIECE)];
        let is_layer = !bytes.trim_ascii_start().starts_with(b"{");
        let mut others = all.iter().filter(|other| other.bytes != blob.bytes);
        let mut is_alone = || others.all(|other| memchr::memmem::find(&other.bytes, part).is_none());
        if is_layer && is_distinct(part) && is_alone() {
            return Self { bytes: part, byte: byte - from };
        }
        Self { bytes, byte }
    }

    /// Where that byte is stored, if the piece cannot be taken for anything else. It may be so in several places, also as a part
    /// of another blob.
    fn positions(&self, stored: &[u8]) -> Vec<usize> {
        if stored.len() > SEARCHED || !is_distinct(self.bytes) {
            return Vec::new();
        }
        memchr::memmem::find_iter(stored, self.bytes).map(|at| at + self.byte).collect()
    }
}

fn is_distinct(blob: &[u8]) -> bool {
    let mut seen = [false; 256];
    let new = |byte: &&u8| !std::mem::replace(&mut seen[usize::from(**byte)], true);
    blob.iter().filter(new).take(DISTINCT).count() == DISTINCT
}

/// Stored blobs of which a byte has changed are not there any more.
fn spoiled(lab: &Lab, image: &Image, at: &Reference) -> Held {
    let Some(folder) = lab.files() else { return Ok(()) };
    let built = image.build()?;
    // What was true a moment ago answers nothing later.
    lab.step(async {
        let destination = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
        for blob in &built.blobs {
            destination.has(&Expect::from(&blob.descriptor)).await?;
        }
        Ok(())
    })?;
    let spoiled = spoil(folder, &built)?;
    let unchanged = lab.snapshot().is_ok();
    lab.step(async {
        // Another value: it has nothing in memory from before.
        let transport = lab.other_transport();
        let spoiled = still_damaged(&*transport, at, spoiled).await;
        let names = lab.facts().some_name();
        let destination = match transport.destination(lab.at(), &how(WriteMode::Append, &names)).await {
            // A place that looks at itself when it is opened.
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(()),
            opened => opened.during(|| "opening a place of which a byte has changed")?,
        };
        for blob in spoiled {
            let has = destination.has(&Expect::from(&blob.descriptor)).await?;
            hold!(unchanged || has.is_none(), "a stored byte has changed, and `has` finds the blob");
        }
        Ok(())
    })
}

/// Leaves out blobs that still read well: in a database, the bytes that changed may be an old copy in a free page.
pub(super) async fn still_damaged<'a>(
    transport: &dyn Transport,
    at: &Reference,
    mut spoiled: Vec<&'a Blob>,
) -> Vec<&'a Blob> {
    let Ok(source) = transport.source(at, &ReadOptions::default()).await else { return spoiled };
    let mut well = Vec::new();
    for blob in &spoiled {
        let Ok(body) = source.blob(&blob.descriptor).await else { continue };
        if body.bytes(LIMIT).await.is_ok_and(|bytes| bytes == blob.bytes) {
            well.push(blob.descriptor.digest.clone());
        }
    }
    spoiled.retain(|blob| !well.contains(&blob.descriptor.digest));
    spoiled
}

/// A byte of a blob: another one of each.
fn somewhere(blob: &Blob) -> usize {
    let text = blob.descriptor.digest.encoded();
    let number = usize::from_str_radix(&text[..8], 16).unwrap_or_default();
    number % blob.bytes.len()
}

/// Changes a byte of every blob that is found, somewhere. Gives those.
pub(super) fn spoil<'a>(folder: &Path, built: &'a Built) -> Held<Vec<&'a Blob>> {
    // The longest first: a shorter one may be a part of it, and stand elsewhere in a form that is not found.
    let mut blobs: Vec<&Blob> = built.blobs.iter().filter(|blob| !blob.bytes.is_empty()).collect();
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.bytes.len()));
    let pieces: Vec<_> = blobs.iter().map(|blob| Piece::of(blob, &blobs)).collect();
    let (mut files, mut spoiled) = (Vec::new(), Vec::new());
    files_in(folder, &mut files)?;
    for file in &files {
        let well = std::fs::read(file)?;
        let (mut stored, mut found) = (well.clone(), Vec::<Range<usize>>::new());
        for (blob, piece) in blobs.iter().zip(&pieces) {
            let byte = somewhere(blob);
            let mut places =
                if well == blob.bytes { vec![byte] } else { piece.positions(&well) };
            places.retain(|at| !found.iter().any(|longer| longer.contains(at)));
            for at in &places {
                stored[*at] ^= 1;
                // Where it is stored in parts, others may stand between them.
                let whole = at.checked_sub(byte).filter(|at| well[*at..].starts_with(&blob.bytes));
                let length = if whole.is_some() { blob.bytes.len() } else { 1 };
                let begin = whole.unwrap_or(*at);
                found.push(begin..begin + length);
            }
            spoiled.extend((!places.is_empty()).then_some(*blob));
        }
        if stored != well {
            std::fs::write(file, stored)?;
        }
    }
    Ok(spoiled)
}

/// An image that shares blobs with one that is there, or that it takes the place of: what `has` finds need not be put.
async fn joined(lab: &Lab, first: &Image, second: &Image, mode: WriteMode) -> Held<Reference> {
    let mut second = second.clone();
    second.layers.extend(first.layers.clone());
    let built = second.build()?;
    let names = lab.facts().some_name();
    let destination = lab.destination(mode, &names).await?;
    let mut missing = built.clone();
    missing.blobs.clear();
    for blob in &built.blobs {
        if destination.has(&Expect::from(&blob.descriptor)).await?.is_none() {
            missing.blobs.push(blob.clone());
        }
    }
    put_all(&*destination, &missing).await?;
    let committed = commit(destination, &built).await?;
    let reference = committed.references[0].clone();
    Seen::read(&*lab.source(&reference).await?).await?.is(&built, lab.facts())?;
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database may store a layer in parts, in a file that is large.
    #[test]
    fn a_layer_that_is_stored_in_parts_is_spoiled() {
        let image = Image { layers: vec![Layer::small(4, 5000), Layer::small(8, 3000)], ..Image::simple(1) };
        let built = image.build().unwrap();
        let layers = built.layers();
        let (first, second) = (&layers[0], &layers[1]);
        let folder = tempfile::tempdir().unwrap();
        let mut stored = vec![0; 300 << 10];
        for (part, other) in first.bytes.chunks(1000).zip(second.bytes.chunks(600)) {
            for part in [part, other] {
                stored.extend_from_slice(b"a page");
                stored.extend_from_slice(part);
            }
        }
        std::fs::write(folder.path().join("file"), &stored).unwrap();
        let spoiled = spoil(folder.path(), &built).unwrap();
        let found: Vec<_> = spoiled.iter().map(|blob| &blob.descriptor).collect();
        assert_eq!(found, [&first.descriptor, &second.descriptor]);
        let after = std::fs::read(folder.path().join("file")).unwrap();
        let changed: Vec<_> = (0..stored.len()).filter(|at| stored[*at] != after[*at]).collect();
        assert_eq!(changed.len(), 2, "{changed:?}");
        assert!(changed.iter().all(|at| *at > 300 << 10), "{changed:?}");
    }
}
