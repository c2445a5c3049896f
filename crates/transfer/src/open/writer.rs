//! [`Writer`]: where the images of a batch go. A place for one image is a writer of one.

use std::sync::Mutex;

use transship_core::{
    AcceptsNames, ArchiveWriter, Error, ErrorKind, Hint, ImageDestination, ImageName, Reference,
    Result, ResultExt, Transport, Transports, WriteOptions,
};

use super::Batch;
use super::rename::{NameOrigin, WantedName, wanted};
use super::sources::{Handle, Sources};
use super::tags::is_tag;
use crate::events::emit::Emitter;
use crate::locked;
use crate::plan::select::Room;
use crate::{Destination, TransferOptions};

/// A destination that may be open already.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    Reference(Reference),
    Image(Handle<'a, dyn ImageDestination>),
    Archive(Handle<'a, dyn ArchiveWriter>),
}

/// A destination that is open.
#[derive(Debug)]
pub(crate) enum Writer<'a> {
    /// Its place is taken once.
    One(Mutex<Option<Handle<'a, dyn ImageDestination>>>, Fallback),
    Archive(Handle<'a, dyn ArchiveWriter>),
}

/// What the names are to a place for one image that the image has at its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// It takes those that it can hold.
    Taken,
    /// Its reference says the name: nobody asked for others.
    NotAskedFor,
}

/// A place for one image, and the names that it could not take.
#[derive(Debug)]
pub(crate) struct Target<'w> {
    pub(crate) image: Handle<'w, dyn ImageDestination + 'w>,
    /// Those that it was opened with.
    pub(crate) names: Vec<ImageName>,
    /// Those of them that the caller gave or mapped.
    by_caller: Vec<ImageName>,
    pub(crate) refused: Vec<ImageName>,
}

impl Output<'_> {
    /// Whether the destination says for less than a copy costs that it shows an image already.
    pub(super) fn compares_roots(&self, transports: &Transports) -> bool {
        let at = match self {
            Self::Reference(at) => at,
            Self::Image(image) => image.get().reference(),
            Self::Archive(writer) => writer.get().reference(),
        };
        transports.of(at).is_ok_and(|transport| transport.compares_roots())
    }

    /// What the destination can hold, before it is opened.
    pub(super) async fn room(&self, transports: &Transports) -> Result<Room> {
        let at = match self {
            Self::Image(image) => return Ok(Room::of(image.get().accepts())),
            Self::Reference(at) => at,
            Self::Archive(writer) => writer.get().reference(),
        };
        match transports.of(at) {
            Ok(transport) if !transport.holds_indexes(at).await? => Ok(Room::OneImage),
            _ => Ok(Room::Indexes),
        }
    }
}

impl From<Destination> for Output<'_> {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Reference(at) => Self::Reference(at),
            Destination::Image(image) => Self::Image(Handle::Owned(image)),
            Destination::Archive(writer) => Self::Archive(Handle::Owned(writer)),
        }
    }
}

impl<'a> From<&'a Destination> for Output<'a> {
    fn from(destination: &'a Destination) -> Self {
        match destination {
            Destination::Reference(at) => Self::Reference(at.clone()),
            Destination::Image(image) => Self::Image(Handle::Borrowed(&**image)),
            Destination::Archive(writer) => Self::Archive(Handle::Borrowed(&**writer)),
        }
    }
}

/// Opens the destination of a batch, if it is not open, and checks that it has room and the names that are given.
pub(super) async fn open<'a>(
    output: Output<'a>,
    transports: &Transports,
    options: &TransferOptions,
    sources: &Sources<'_>,
    events: &Emitter,
) -> Result<Writer<'a>> {
    let writer = match output {
        Output::Reference(at) => open_at(&at, transports, options, sources, events).await?,
        Output::Image(image) => {
            check_fixed(image.get(), sources)?;
            Writer::one(image, Fallback::Taken)
        }
        Output::Archive(writer) => Writer::Archive(writer),
    };
    if let Writer::Archive(_) = writer {
        check_names(options, sources.asked())?;
    }
    Ok(writer)
}

impl<'a> Writer<'a> {
    pub(super) fn one(image: Handle<'a, dyn ImageDestination>, fallback: Fallback) -> Self {
        Self::One(Mutex::new(Some(image)), fallback)
    }

    /// The archive that shows its images at its end.
    pub(crate) fn reference(&self) -> Option<&Reference> {
        match self {
            Self::One(..) => None,
            Self::Archive(writer) => Some(writer.get().reference()),
        }
    }

    /// Publishes what an archive shows at its end.
    pub(crate) async fn finish(self) -> Result<()> {
        match self {
            Self::One(..) => Ok(()),
            Self::Archive(writer) => writer.owned()?.finish().await,
        }
    }
}

impl Batch<'_> {
    /// The place for an image, under the names that it gets.
    pub(crate) async fn target(&self, at: usize) -> Result<Target<'_>> {
        let (reference, given) = (self.sources.reference(at), self.sources.given(at));
        let names = wanted(self.sources.names(at), given, &self.options.renames);
        let names = names.context(|| reference)?;
        let target = match &self.writer {
            Writer::Archive(writer) => place(writer.get(), &names).await,
            Writer::One(image, fallback) => {
                let image = locked(image).take();
                let image = match image {
                    Some(Handle::Owned(image)) => Ok(Handle::Owned(image as Box<_>)),
                    Some(Handle::Borrowed(image)) => Ok(Handle::Borrowed(image)),
                    None => Err(Error::new(ErrorKind::Unexpected, "the only place is taken")),
                };
                image.and_then(|image| sole(image, &names, given, *fallback))
            }
        };
        target.context(|| reference)
    }
}

impl Target<'_> {
    /// Whether the caller gave or mapped a name under which the image shows; where the place made it of what was asked for,
    /// whether any of that was.
    pub(crate) fn is_by_caller(&self, shown: &ImageName) -> bool {
        if self.names.contains(shown) {
            self.by_caller.contains(shown)
        } else {
            !self.by_caller.is_empty()
        }
    }
}

fn write_options(options: &TransferOptions, events: &Emitter) -> WriteOptions {
    let mut how = WriteOptions::default();
    how.mode = options.mode;
    how.observer = events.observer();
    how.spool.clone_from(&options.spool);
    how.cache = options.cache.clone();
    how.lock_timeout = options.lock_timeout;
    how
}

/// Opens the place that a reference names: for one image, or as an archive.
async fn open_at<'a>(
    at: &Reference,
    transports: &Transports,
    options: &TransferOptions,
    sources: &Sources<'_>,
    events: &Emitter,
) -> Result<Writer<'a>> {
    if sources.asked() > 1 {
        return open_many(at, transports, options, sources.asked(), events).await;
    }
    let given = sources.given(0);
    let mut how = write_options(options, events);
    let transport = transports.of(at)?;
    // The only image of an archive or list goes to where it would go beside others.
    if sources.of_many
        && options.names.is_empty()
        && let Some(archives) = transport.archives()
    {
        match archives.write(at, &how).await {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            writer => return writer.map(|writer| Writer::Archive(Handle::Owned(writer))),
        }
    }
    let own = wanted(sources.names(0), given, &options.renames);
    let own = own.context(|| sources.reference(0))?;
    how.names = given.to_vec();
    how.fallback_names = own.iter().map(|wanted| wanted.name.clone()).collect();
    let image = transport.destination(at, &how).await?;
    if !own.iter().any(|wanted| is_misread(wanted, &*image)) {
        if !given.is_empty() || not_taken(&*image, &own).is_empty() {
            return Ok(Writer::one(Handle::Owned(image), Fallback::Taken));
        }
        drop(image);
        return named_or_not(at, &**transport, how).await;
    }
    let (misread, held): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|wanted| is_misread(wanted, &*image));
    how.fallback_names = held.into_iter().map(|wanted| wanted.name).collect();
    drop(image);
    let image = transport.destination(at, &how).await;
    let image = image.map_err(|error| nameless(error, at, &reasons(&misread)))?;
    Ok(Writer::one(Handle::Owned(image), Fallback::Taken))
}

/// Opens a place that does not take all names to fall back to: what it is called without them, its reference says.
async fn named_or_not<'a>(
    at: &Reference,
    transport: &dyn Transport,
    mut how: WriteOptions,
) -> Result<Writer<'a>> {
    let names = std::mem::take(&mut how.fallback_names);
    if let Ok(image) = transport.destination(at, &how).await
        && !image.names().is_empty()
    {
        return Ok(Writer::one(Handle::Owned(image), Fallback::NotAskedFor));
    }
    how.fallback_names = names;
    let image = transport.destination(at, &how).await?;
    Ok(Writer::one(Handle::Owned(image), Fallback::Taken))
}

/// Why each name is left out that would be misread.
fn reasons(misread: &[WantedName]) -> Vec<String> {
    misread
        .iter()
        .map(|WantedName { name, .. }| format!("{name} is a tag, and not the name of a repository"))
        .collect()
}

/// Of an image that needs a name: why it cannot have those that it has at its source.
fn nameless(error: Error, at: &Reference, reasons: &[String]) -> Error {
    if reasons.is_empty() || error.kind() != ErrorKind::InvalidInput {
        return error;
    }
    let message = format!("{}, and the image has no other name", reasons.join(", "));
    let hint = error.advice().cloned().unwrap_or(Hint::NameImage);
    Error::new(ErrorKind::InvalidInput, message).hint(hint).context(at)
}

/// Opens an archive for `count` images.
async fn open_many<'a>(
    at: &Reference,
    transports: &Transports,
    options: &TransferOptions,
    count: usize,
    events: &Emitter,
) -> Result<Writer<'a>> {
    check_names(options, count)?;
    let Some(archives) = transports.of(at)?.archives() else {
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
    let writer = archives.write(at, &write_options(options, events)).await?;
    Ok(Writer::Archive(Handle::Owned(writer)))
}

/// Opens a place before the source, if it can keep blobs before it is known which image they are of. The names of the
/// source's images are not known: only where the reference gives one, the place is for one image.
pub(super) async fn early<'a>(
    at: &Reference,
    given: &[ImageName],
    transports: &Transports,
    options: &TransferOptions,
    events: &Emitter,
) -> Result<Option<Output<'a>>> {
    let mut how = write_options(options, events);
    let transport = transports.of(at)?;
    let writer = match transport.archives() {
        Some(archives) => archives.write(at, &how).await,
        None => return Ok(None),
    };
    match writer {
        Ok(writer) if writer.staging().is_some() => {
            Ok(Some(Output::Archive(Handle::Owned(writer))))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == ErrorKind::InvalidInput => {
            how.names = given.to_vec();
            let image = transport.destination(at, &how).await?;
            let stages = image.staging().is_some();
            Ok(stages.then_some(Output::Image(Handle::Owned(image))))
        }
        Err(e) => Err(e),
    }
}

/// Names are for a single image.
fn check_names(options: &TransferOptions, count: usize) -> Result<()> {
    if count == 1 || options.names.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("a name is given for one image, and there are {count}"),
    )
    .hint(Hint::KeepNames))
}

/// That a place for one image that is open gets one, and under the names that it has.
fn check_fixed(image: &dyn ImageDestination, sources: &Sources<'_>) -> Result<()> {
    let at = image.reference();
    if sources.len() != 1 || sources.asked() != 1 {
        let message = format!("{at} is a place for one image, and there are {}", sources.asked());
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("choose one image, or open an archive"));
    }
    if sources.given(0).iter().all(|name| image.names().contains(name)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("{at} is open, with its names fixed, and a name is given"),
    ))
}

/// Opens a place for an image in an archive. Names that the archive cannot hold are left out.
async fn place<'w>(writer: &'w dyn ArchiveWriter, wanted: &[WantedName]) -> Result<Target<'w>> {
    let names: Vec<ImageName> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    let together = match writer.image(&names).await {
        Ok(image) if !wanted.iter().any(|wanted| is_misread(wanted, &*image)) => {
            let (by_caller, image) = (by_caller(wanted, &names), Handle::Owned(image));
            return Ok(Target { image, names, by_caller, refused: Vec::new() });
        }
        Err(error) if names.is_empty() || !about_names(&error) => return Err(error),
        together => together.err(),
    };
    let (mut held, mut refused, mut why) = (Vec::new(), Vec::new(), Vec::new());
    for one @ WantedName { name, by } in wanted {
        match writer.image(std::slice::from_ref(name)).await {
            Ok(image) if is_misread(one, &*image) => {
                why.extend(reasons(std::slice::from_ref(one)));
                refused.push(name.clone());
            }
            Ok(_) => held.push(name.clone()),
            Err(error) if about_names(&error) && *by == NameOrigin::Source => {
                why.push(error.message().to_owned());
                refused.push(name.clone());
            }
            Err(error) => return Err(error),
        }
    }
    if let (Some(error), true) = (together, refused.is_empty()) {
        // Each alone, and not together: there is room for one.
        if wanted.iter().skip(1).any(|wanted| wanted.by == NameOrigin::Caller) {
            return Err(error);
        }
        refused = held.split_off(1);
    }
    let image = writer.image(&held).await;
    let image = image.map_err(|error| nameless(error, writer.reference(), &why))?;
    let by_caller = by_caller(wanted, &held);
    Ok(Target { image: Handle::Owned(image), names: held, by_caller, refused })
}

/// Whether a tag that an image is called by at its source, as a layout has `3.18`, would show as an image of that name,
/// `3.18:latest`, a name that was not given. Words that are no usual tags are names, as they are for other tools.
fn is_misread(wanted: &WantedName, image: &dyn ImageDestination) -> bool {
    let word = wanted.name.as_str();
    if wanted.by == NameOrigin::Caller || !is_tag(word) || image.names().contains(&wanted.name) {
        return false;
    }
    image
        .names()
        .iter()
        .filter_map(ImageName::docker)
        .any(|shown| shown.tag() == Some("latest") && shown.path().rsplit('/').next() == Some(word))
}

/// Those of the names that the caller gave or mapped.
fn by_caller(wanted: &[WantedName], held: &[ImageName]) -> Vec<ImageName> {
    let all = wanted.iter().filter(|wanted| wanted.by == NameOrigin::Caller);
    all.filter(|wanted| held.contains(&wanted.name)).map(|wanted| wanted.name.clone()).collect()
}

fn about_names(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

/// A place that was opened with these names, to fall back to, or with names that were given. Of the first it may not have
/// taken all.
fn sole<'w>(
    image: Handle<'w, dyn ImageDestination + 'w>,
    wanted: &[WantedName],
    given: &[ImageName],
    fallback: Fallback,
) -> Result<Target<'w>> {
    let place = image.get();
    let names = place.names().to_vec();
    let by_caller = by_caller(wanted, &names);
    let asked_for = given.is_empty() && fallback == Fallback::Taken;
    let not_taken = if asked_for { not_taken(place, wanted) } else { Vec::new() };
    if let Some(mapped) = not_taken.iter().find(|wanted| wanted.by == NameOrigin::Caller) {
        let message = format!("{} cannot hold the name {}", place.reference(), mapped.name);
        return Err(
            Error::new(ErrorKind::Unsupported, message).hint("change the rule that gave it")
        );
    }
    let refused = not_taken.into_iter().map(|wanted| wanted.name.clone()).collect();
    Ok(Target { image, names, by_caller, refused })
}

fn not_taken<'n>(image: &dyn ImageDestination, wanted: &'n [WantedName]) -> Vec<&'n WantedName> {
    if image.accepts().names == AcceptsNames::None {
        return Vec::new();
    }
    let held = |wanted: &WantedName| {
        let name = &wanted.name;
        let canonical = name.docker().map(|docker| ImageName::from(&docker.or_latest()));
        image.names().contains(name) || canonical.is_some_and(|name| image.names().contains(&name))
    };
    // None of them is held where the reference gives a name: then they were not asked for.
    if !image.names().is_empty() && !wanted.iter().any(held) {
        return Vec::new();
    }
    wanted.iter().filter(|wanted| !held(wanted)).collect()
}
