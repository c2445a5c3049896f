//! Opens what a transfer reads from: one image, or all of a container.

use transship_core::{
    ArchiveEntry, ArchiveReader, Error, ErrorKind, ImageName, ImageSource, ReadOptions, Reference,
    Result, ResultExt, Transports,
};

use crate::tell::Tell;
use crate::{Images, Source, TransferOptions};

/// An image that is open, and the names that it has there.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) image: Held<'a>,
    pub(crate) names: Vec<ImageName>,
    pub(crate) warnings: Vec<String>,
}

/// An image that we opened, or that the caller did.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    Ours(Box<dyn ImageSource>),
    Theirs(&'a dyn ImageSource),
}

impl Held<'_> {
    pub(crate) fn get(&self) -> &dyn ImageSource {
        match self {
            Self::Ours(image) => &**image,
            Self::Theirs(image) => *image,
        }
    }
}

/// Opens all images of all sources, in order.
pub(crate) async fn open<'a>(
    sources: &'a [Source],
    transports: &Transports,
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Vec<Opened<'a>>> {
    options.compress.check()?;
    let mut how = ReadOptions::default();
    how.observer = tell.observer();
    how.spool.clone_from(&options.spool);
    let mut all = Vec::new();
    for source in sources {
        match source {
            Source::Reference(at) => all.extend(open_place(at, transports, &how, options).await?),
            Source::Image(image) => all.push(Opened::new(Held::Theirs(&**image))),
            Source::Archive(archive) => {
                all.extend(open_archive(&**archive, options.images).await?);
            }
        }
    }
    if all.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there is no image to copy"));
    }
    Ok(all)
}

impl<'a> Opened<'a> {
    fn new(image: Held<'a>) -> Self {
        let names = image.get().names().to_vec();
        Self { image, names, warnings: Vec::new() }
    }
}

async fn open_place<'a>(
    at: &Reference,
    transports: &Transports,
    how: &ReadOptions,
    options: &TransferOptions,
) -> Result<Vec<Opened<'a>>> {
    let transport = transports.of(at)?;
    let archives = match options.images {
        Images::One => None,
        Images::All => transport.archives(),
    };
    let Some(archives) = archives else {
        let image = transport.source(at, how).await.map_err(say_all_images)?;
        return Ok(vec![Opened::new(Held::Ours(image))]);
    };
    let archive = archives.read(at, how).await?;
    if archive.reference() != at {
        return Err(Error::new(
            ErrorKind::InvalidReference,
            format!("{at} names one image, and all images are asked for"),
        )
        .hint(format!("all of them are {}", archive.reference())));
    }
    open_archive(&*archive, Images::All).await
}

async fn open_archive<'a>(archive: &dyn ArchiveReader, images: Images) -> Result<Vec<Opened<'a>>> {
    let entries = archive.entries();
    if images == Images::One && entries.len() > 1 {
        return Err(say_all_images(ambiguous(archive)));
    }
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        let image = archive.open(entry).await.context(|| entry.reference.to_string())?;
        let opened = Opened::new(Held::Ours(image));
        let ArchiveEntry { names, warnings, .. } = entry.clone();
        all.push(Opened { names, warnings, ..opened });
    }
    Ok(all)
}

fn ambiguous(archive: &dyn ArchiveReader) -> Error {
    const SHOWN: usize = 20;
    let entries = archive.entries();
    let mut there: Vec<String> =
        entries.iter().take(SHOWN).map(|entry| entry.reference.to_string()).collect();
    if entries.len() > SHOWN {
        there.push(format!("{} more", entries.len() - SHOWN));
    }
    Error::new(
        ErrorKind::Ambiguous,
        format!("{} holds {} images, and none is chosen", archive.reference(), entries.len()),
    )
    .hint(format!("choose one of {}", there.join(", ")))
}

/// Adds the other way out to a transport's error about several images.
fn say_all_images(error: Error) -> Error {
    const ALL: &str = "--all-images";
    if error.kind() != ErrorKind::Ambiguous || error.way_out().is_some_and(|out| out.contains(ALL))
    {
        return error;
    }
    let both = match error.way_out() {
        Some(out) => format!("{out}; or copy all with {ALL}"),
        None => format!("choose one, or copy all with {ALL}"),
    };
    error.with_hint(both)
}
