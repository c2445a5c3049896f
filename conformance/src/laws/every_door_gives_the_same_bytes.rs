//! A blob is the same bytes through every door of its body, asked for again, concurrently, and half read and dropped.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use transship_core::{
    Body, Descriptor, Document, ErrorKind, ImageSource, Manifest, WriteMode, run_blocking,
};

use crate::broken::{While, hold};
use crate::lab::Lab;
use crate::model::{Blob, Built, Image, plain};
use crate::runner::Kit;
use crate::seen::LIMIT;
use crate::strategies::{corner_images, images};
use crate::{Held, Law, Layers};

pub(crate) const LAW: Law = Law {
    name: "every_door_gives_the_same_bytes",
    sentence: "A blob is the same bytes through every door of its body, asked for again, concurrently, and half read and dropped.",
    promises: &[
        "It may be asked for again, concurrently, and dropped half read.",
        "It is there where [`blob`](Self::blob) opens it, and not where that is `NotFound`.",
        "The [`Body`] holds the bytes to the descriptor's digest and size.",
    ],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&corner_images(kit.facts()), images(kit.facts()), |lab, image| lab.step(one(lab, image)))
}

async fn one(lab: &Lab, image: &Image) -> Held {
    let built = image.build()?;
    let committed = lab.write(&built, WriteMode::Create, &[]).await?;
    let source = lab.source(&committed.references[0]).await?;
    let described = described(&source.root().await?);
    let blobs = given(lab, &built, &described)?;
    for blob in &blobs {
        let of = described.iter().find(|d| d.digest == blob.descriptor.digest);
        let of = of.unwrap_or(&blob.descriptor);
        doors(&*source, of, blob).await.during(|| format!("blob {}", of.digest))?;
    }
    agree(&*source, &source.root().await?).await?;
    let reads = blobs.iter().chain(&blobs).map(|blob| async {
        let of = described.iter().find(|d| d.digest == blob.descriptor.digest);
        let body = source.blob(of.unwrap_or(&blob.descriptor)).await?;
        same(&body.bytes(LIMIT).await?, blob, "read concurrently")
    });
    let all: Vec<Held> =
        futures_util::stream::iter(reads).buffer_unordered(8).collect().await;
    all.into_iter().collect()
}

/// Blobs as the image's manifest, which may have been made, describes them.
fn described(root: &Manifest) -> Vec<Descriptor> {
    match root.document() {
        image @ Document::Image(_) => image.parts().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The blobs as the place gives them: where it unpacks layers, what was compressed may be the tar that it is of.
fn given(lab: &Lab, built: &Built, described: &[Descriptor]) -> Held<Vec<Blob>> {
    let is_kept = |blob: &Blob| {
        lab.claims().layers == Layers::Any
            || described.iter().any(|of| of.digest == blob.descriptor.digest)
    };
    let one = |blob: &Blob| if is_kept(blob) { Ok(blob.clone()) } else { plain(blob) };
    built.blobs.iter().map(one).collect()
}

async fn doors(source: &dyn ImageSource, of: &Descriptor, blob: &Blob) -> Held {
    half(source.blob(of).await?).await?;
    let body = source.blob(of).await?;
    let cloned = body.try_clone();
    same(&body.bytes(LIMIT).await?, blob, "all at once")?;
    if let Some(cloned) = cloned {
        same(&cloned.bytes(LIMIT).await?, blob, "from a clone of the body")?;
    }
    hold!(source.holds(of).await?, "it is opened, and `holds` says that it is not here");
    let pieces: Vec<_> = source.blob(of).await?.into_stream().collect().await;
    let mut streamed = Vec::new();
    for piece in pieces {
        streamed.extend_from_slice(&piece.during(|| "streaming")?);
    }
    same(&streamed.into(), blob, "as a stream")?;
    let body = source.blob(of).await?;
    if let Some(range) = body.file_range() {
        let mut bytes = Vec::new();
        range.reader().read_to_end(&mut bytes)?;
        same(&bytes.into(), blob, "from its file range")?;
    }
    let read = run_blocking(move |cancel| {
        let mut bytes = Vec::new();
        let read = body.chunks(cancel)?.read_to_end(&mut bytes);
        read.map_err(|e| transship_core::Error::io("reading", "chunks", e))?;
        Ok(Bytes::from(bytes))
    });
    same(&read.await.during(|| "reading chunks")?, blob, "in chunks")?;
    resumed(&source.blob(of).await?, blob).await?;
    to_file(source.blob(of).await?, blob).await
}

/// A manifest need not be given as a blob: `holds` says what `blob` says.
async fn agree(source: &dyn ImageSource, root: &Manifest) -> Held {
    let of = root.descriptor();
    let holds = source.holds(of).await.during(|| "asking `holds` for a manifest")?;
    let given = match source.blob(of).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error.into()),
    };
    hold!(holds == given, "of a manifest, asked for as a blob, `holds` says {holds} and `blob` {given}");
    Ok(())
}

/// Takes the first piece of a stream and drops it.
async fn half(body: Body) -> Held {
    if let Some(piece) = body.into_stream().next().await {
        piece.during(|| "reading half of it")?;
    }
    Ok(())
}

/// Begun again behind what has passed already.
async fn resumed(body: &Body, blob: &Blob) -> Held {
    let len = blob.bytes.len();
    for at in [0, 1, len / 2, len] {
        let at = at.min(len);
        let Some(stream) = body.stream_at(at as u64) else { return Ok(()) };
        let pieces: Vec<_> = stream.collect().await;
        let mut bytes = blob.bytes[..at].to_vec();
        for piece in pieces {
            bytes.extend_from_slice(&piece.during(|| format!("streaming from byte {at}"))?);
        }
        same(&bytes.into(), blob, &format!("resumed at byte {at}"))?;
    }
    Ok(())
}

async fn to_file(body: Body, blob: &Blob) -> Held {
    let file = Arc::new(tempfile::tempfile()?);
    let stored = body.copy_to_file(Arc::clone(&file), "a temporary file").await;
    let stored = stored.during(|| "copying to a file")?;
    let mut bytes = Vec::new();
    (&*file).seek(SeekFrom::Start(0))?;
    (&*file).read_to_end(&mut bytes)?;
    hold!(stored.digest == blob.descriptor.digest, "copying to a file gives {} instead of {}", stored.digest, blob.descriptor.digest);
    same(&bytes.into(), blob, "copied to a file")
}

fn same(found: &Bytes, blob: &Blob, how: &str) -> Held {
    hold!(found == &blob.bytes, "{how}, these are other bytes: {} B", found.len());
    Ok(())
}
