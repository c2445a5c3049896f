//! Opens what a transfer writes to: a place for one image, or a container for many.

use transship_core::{
    AcceptsNames, ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName, Reference, Result,
    Transports, WriteOptions,
};

use crate::TransferOptions;
use crate::tell::Tell;

/// What the images go into, if it is more than a place for one.
#[derive(Debug)]
pub(crate) enum Target {
    /// A place for the only image.
    One(Box<dyn ImageDestination>),
    /// A container.
    Many(Box<dyn ArchiveWriter>),
}

/// A place for one image, and the names that it could not take.
#[derive(Debug)]
pub(crate) struct Place<'w> {
    pub(crate) image: Box<dyn ImageDestination + 'w>,
    /// Those that it was opened with.
    pub(crate) names: Vec<ImageName>,
    pub(crate) refused: Vec<ImageName>,
}

fn write_options(options: &TransferOptions, tell: &Tell) -> WriteOptions {
    let mut how = WriteOptions::default();
    how.mode = options.mode;
    how.observer = tell.observer();
    how.spool.clone_from(&options.spool);
    how
}

/// Opens a place for `count` images. `names` are those that the first has at its source.
pub(crate) async fn open(
    at: &Reference,
    transports: &Transports,
    options: &TransferOptions,
    count: usize,
    names: &[ImageName],
    tell: &Tell,
) -> Result<Target> {
    let mut how = write_options(options, tell);
    let transport = transports.of(at)?;
    if count == 1 {
        how.names.clone_from(&options.names);
        how.fallback_names = names.to_vec();
        return transport.destination(at, &how).await.map(Target::One);
    }
    check_names(options, count)?;
    let Some(archives) = transport.archives() else {
        let many: Vec<&str> = transports
            .iter()
            .filter(|transport| transport.archives().is_some())
            .map(|transport| transport.scheme())
            .collect();
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{at} holds one image, and there are {count}"),
        )
        .hint(format!("choose one image, or one of {} as destination", many.join(", "))));
    };
    archives.write(at, &how).await.map(Target::Many)
}

/// Names are for a single image.
pub(crate) fn check_names(options: &TransferOptions, count: usize) -> Result<()> {
    if count == 1 || options.names.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidReference,
        format!("a name is given for one image, and there are {count}"),
    )
    .hint("without --name each image keeps its own names"))
}

/// The names of a place that is open already do not change.
pub(crate) fn check_fixed(image: &dyn ImageDestination, options: &TransferOptions) -> Result<()> {
    if options.names.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidReference,
        format!("{} is open, with its names fixed, and a name is given", image.reference()),
    ))
}

/// Opens a place for an image in a container. Names that the container cannot hold are left out.
pub(crate) async fn place<'w>(
    writer: &'w dyn ArchiveWriter,
    names: &[ImageName],
) -> Result<Place<'w>> {
    let error = match writer.image(names).await {
        Ok(image) => return Ok(Place { image, names: names.to_vec(), refused: Vec::new() }),
        Err(error) => error,
    };
    if names.is_empty() || !about_names(&error) {
        return Err(error);
    }
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        match writer.image(std::slice::from_ref(name)).await {
            Ok(_) => held.push(name.clone()),
            Err(error) if about_names(&error) => refused.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    if refused.is_empty() {
        // Each alone, and not together: there is room for one.
        refused = held.split_off(1);
    }
    let image = writer.image(&held).await?;
    Ok(Place { image, names: held, refused })
}

fn about_names(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidReference | ErrorKind::Unsupported)
}

/// For a place that was opened with fallback names: those of them that it did not take.
pub(crate) fn not_taken(
    image: &dyn ImageDestination,
    options: &TransferOptions,
    names: &[ImageName],
) -> Vec<ImageName> {
    if !options.names.is_empty() || image.accepts().names == AcceptsNames::None {
        return Vec::new();
    }
    let held = |name: &ImageName| {
        let canonical = name.docker().map(|docker| ImageName::from(&docker.or_latest()));
        image.names().contains(name) || canonical.is_some_and(|name| image.names().contains(&name))
    };
    // None of them is held where the reference gives a name: then they were not asked for.
    if !image.names().is_empty() && !names.iter().any(held) {
        return Vec::new();
    }
    names.iter().filter(|name| !held(name)).cloned().collect()
}
