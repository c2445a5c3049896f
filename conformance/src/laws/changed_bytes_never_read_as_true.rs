//! When a byte of what is stored has changed, what is read is the old bytes or an error, and never other bytes, but for a root whose digest is stored nowhere.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use transship_core::{Descriptor, ErrorKind, Reference, Result, WriteMode};

use super::files_in;
use crate::broken::hold;
use crate::lab::Lab;
use crate::model::{Built, Node};
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::strategies::{Pick, nodes};
use crate::{Ability, Held, Law, Manifests};

pub(crate) const LAW: Law = Law {
    name: "changed_bytes_never_read_as_true",
    sentence: "When a byte of what is stored has changed, what is read is the old bytes or an error, and never other bytes, but for a root whose digest is stored nowhere.",
    promises: &[
        "`Corrupt` if its bytes are not what the descriptor says.",
        "The [`Body`] holds the bytes to the descriptor's digest and size.",
    ],
    needs: &[Ability::Files],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let at = proptest::collection::vec((Pick::any(), Pick::any(), any::<u8>()), 1..3);
    kit.each((nodes(kit.facts()), at), |lab, (node, changes)| {
        one(lab, lab.folder()?, node, changes)
    })
}

type Change = (Pick, Pick, u8);

fn one(lab: &Lab, folder: &Path, node: &Node, changes: &[Change]) -> Held {
    let built = node.build()?;
    let written = lab.step(lab.write(&built, WriteMode::Create, &[]))?;
    let mut files = Vec::new();
    files_in(folder, &mut files)?;
    files.sort();
    let stored = stored_root(&files, built.root.descriptor())?;
    for (file, at, bits) in changes {
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path)?;
        if bytes.is_empty() {
            continue;
        }
        let at = at.index(bytes.len());
        if bits % 8 == 0 {
            // Cut short.
            bytes.truncate(at);
        } else {
            bytes[at] ^= *bits;
        }
        fs::write(path, bytes)?;
    }
    lab.step(true_or_error(lab, &written.references[0], &built, stored))
}

/// What a place has of the digest of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoredRoot {
    /// It stands in a file, or in the name of one.
    WithItsDigest,
    /// It stands nowhere, as in a `dir:`. Nobody can see that such a root has changed.
    Alone,
}

fn stored_root(files: &[PathBuf], root: &Descriptor) -> std::io::Result<StoredRoot> {
    let digest = root.digest.encoded();
    for path in files {
        let says = |text: &[u8]| text.windows(digest.len()).any(|part| part == digest.as_bytes());
        if says(path.as_os_str().as_encoded_bytes()) || says(&fs::read(path)?) {
            return Ok(StoredRoot::WithItsDigest);
        }
    }
    Ok(StoredRoot::Alone)
}

/// Everything that was written is asked for by its own descriptor.
async fn true_or_error(lab: &Lab, at: &Reference, built: &Built, stored: StoredRoot) -> Held {
    let transport = lab.other_transport();
    let source = match transport.source(at, &transship_core::ReadOptions::default()).await {
        Ok(source) => source,
        Err(e) => return super::one_line(&e),
    };
    if let Ok(root) = source.root().await {
        let descriptor = root.descriptor().clone();
        let again = transship_core::Manifest::verified(&descriptor, root.bytes().clone());
        hold!(again.is_ok(), "the root is not what its descriptor says");
        let is_it = root.bytes() == built.root.bytes();
        let may_differ =
            stored == StoredRoot::Alone || lab.claims().manifests == Manifests::Rebuilt;
        hold!(is_it || may_differ, "the root reads as other bytes");
    }
    for manifest in &built.below {
        let of = manifest.descriptor();
        let read = source.manifest(of).await.map(|read| read.bytes().clone());
        is_true(read, manifest.bytes(), &format!("manifest {}", of.digest))?;
    }
    for blob in &built.blobs {
        let digest = &blob.descriptor.digest;
        let read = match source.blob(&blob.descriptor).await {
            Ok(body) => body.bytes(LIMIT).await,
            Err(e) => Err(e),
        };
        is_true(read, &blob.bytes, &format!("blob {digest}"))?;
    }
    Ok(())
}

fn is_true(read: Result<Bytes>, want: &Bytes, what: &str) -> Held {
    match read {
        Ok(bytes) => hold!(bytes == *want, "{what} reads as other bytes"),
        Err(e) => {
            // The machine is well; what is stored is not.
            let kind = e.kind();
            hold!(
                kind != ErrorKind::Unexpected,
                "a byte has changed, and that is called {kind}: {e}"
            );
            super::one_line(&e)?;
        }
    }
    Ok(())
}
