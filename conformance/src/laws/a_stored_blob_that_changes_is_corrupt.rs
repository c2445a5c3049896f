//! A stored blob that has changed, is cut short or has grown is `Corrupt` through every door, and the error names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use proptest::prelude::*;
use transship_core::{
    Body, Descriptor, Document, ErrorKind, ReadOptions, Reference, Result, WriteMode, run_blocking,
};

use super::{files_in, image_or_index, one_line};
use crate::broken::{While, hold};
use crate::lab::Lab;
use crate::model::{Image, Layer};
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_stored_blob_that_changes_is_corrupt",
    sentence: "A stored blob that has changed, is cut short or has grown is `Corrupt` through every door, and the error names it.",
    promises: &["The [`Body`] holds the bytes to the descriptor's digest and size.",
        "`Corrupt` if its bytes are not what the descriptor says.",
    ],
    needs: &[Ability::Files],
    cost: 2,
    check,
};

/// What happens to what is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// One byte is another one.
    Byte(usize),
    /// The last one is gone, where the blob is a file of its own.
    Short,
    /// There is one more, where the blob is a file of its own.
    Long,
}

fn check(kit: &Kit) -> Held {
    let change = prop_oneof![
        4 => (0_usize..5000).prop_map(Change::Byte),
        1 => Just(Change::Byte(4999)),
        1 => Just(Change::Short),
        1 => Just(Change::Long),
    ];
    let corners =
        [Change::Byte(0), Change::Byte(512), Change::Byte(4999), Change::Short, Change::Long];
    kit.each_with(&corners, change, |lab, change| {
        manifest_below(&lab.another()?, *change)?;
        let image = Image {
            layers: vec![Layer::small(4, 300), Layer::small(8, 5000), Layer::small(12, 600)],
            ..Image::simple(1)
        };
        let built = image.build()?;
        let bytes = &built.layers()[1].bytes.clone();
        let written =
            lab.step(lab.write(&built, WriteMode::Create, &lab.facts().some_name()))?;
        if !changed(lab.folder()?, bytes, *change)? {
            return Ok(());
        }
        lab.step(every_door(lab, &written.references[0]))
    })
}

/// Changes each place where the bytes are stored as they are; none where they are stored otherwise.
pub(super) fn changed(folder: &Path, blob: &[u8], change: Change) -> Held<bool> {
    let mut paths = Vec::new();
    files_in(folder, &mut paths)?;
    let mut done = false;
    for path in paths {
        done |= changed_in(&path, blob, change)?;
    }
    Ok(done)
}

fn changed_in(path: &PathBuf, blob: &[u8], change: Change) -> Held<bool> {
    let mut bytes = fs::read(path)?;
    let Some(at) = bytes.windows(blob.len()).position(|window| window == blob) else {
        return Ok(false);
    };
    let alone = bytes.len() == blob.len();
    match change {
        Change::Byte(byte) => bytes[at + byte % blob.len()] ^= 0x20,
        Change::Short if alone => bytes.truncate(blob.len() - 1),
        Change::Long if alone => bytes.push(0),
        _ => return Ok(false),
    }
    fs::write(path, bytes)?;
    Ok(true)
}

/// A stored manifest of an index is as good as a blob.
fn manifest_below(lab: &Lab, change: Change) -> Held {
    let built = image_or_index(lab, &Image::simple(1))?;
    let Some(below) = built.below.first() else { return Ok(()) };
    let written = lab.step(lab.write(&built, WriteMode::Create, &lab.facts().some_name()))?;
    if !changed(lab.folder()?, below.bytes(), change)? {
        return Ok(());
    }
    lab.step(async {
        let transport = lab.other_transport();
        let read = match transport.source(&written.references[0], &ReadOptions::default()).await {
            Ok(source) => source.manifest(below.descriptor()).await,
            Err(e) => Err(e),
        };
        corrupt(read, "a manifest of an index")
    })
}

async fn every_door(lab: &Lab, at: &Reference) -> Held {
    let transport = lab.other_transport();
    let opened = transport.source(at, &ReadOptions::default()).await;
    let source = match opened {
        Ok(source) => source,
        // A transport that looks at everything when it opens may find it now.
        Err(e) => return corrupt::<()>(Err(e), "opening the image"),
    };
    let root = source.root().await.during(|| "reading the root")?;
    let Document::Image(image) = root.document() else {
        return Err(Broken::new("an image reads back as an index"));
    };
    let of: &Descriptor = &image.layers[1];
    for door in 0..4 {
        let read = match source.blob(of).await {
            Ok(body) => through(body, door).await,
            Err(e) => Err(e),
        };
        corrupt(read, ["bytes", "stream", "chunks", "copy to a file"][door])?;
    }
    Ok(())
}

async fn through(body: Body, door: usize) -> Result<()> {
    match door {
        0 => body.bytes(LIMIT).await.map(drop),
        1 => body.into_stream().collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>>>().map(drop),
        2 => run_blocking(move |cancel| body.chunks(cancel)?.finish().map(drop)).await,
        _ => {
            let file = tempfile::tempfile();
            let file = file.map_err(|e| transship_core::Error::io("making", "a temporary file", e))?;
            body.copy_to_file(Arc::new(file), "a temporary file").await.map(drop)
        }
    }
}

fn corrupt<T>(read: Result<T>, door: &str) -> Held {
    let Err(e) = read else {
        return Err(Broken::new(format!("a stored byte has changed, and reading it succeeds ({door})")));
    };
    hold!(
        e.kind() == ErrorKind::Corrupt,
        "a stored byte has changed, and that is \"{}\" ({door}): {e}",
        e.kind()
    );
    one_line(&e)
}
