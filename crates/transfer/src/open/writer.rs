//! [`Writer`]: where the images of a batch go. A place for one image is a writer of one.

use std::sync::{Mutex, PoisonError};

use transship_core::{
    ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName, Reference, Result, ResultExt,
    Transports,
};

use super::Batch;
use super::destination::{self, check_names};
use super::rename::wanted;
use super::sources::{Handle, Sources, about};
use crate::events::emit::Emitter;
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
    One(Mutex<Option<Handle<'a, dyn ImageDestination>>>),
    Archive(Handle<'a, dyn ArchiveWriter>),
}

/// A place for one image, and the names that it could not take.
#[derive(Debug)]
pub(crate) struct Target<'w> {
    pub(crate) image: Handle<'w, dyn ImageDestination + 'w>,
    /// Those that it was opened with.
    pub(crate) names: Vec<ImageName>,
    /// Those of them that the caller gave or mapped.
    pub(super) said: Vec<ImageName>,
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
        Output::Reference(at) => {
            destination::open(&at, transports, options, sources, events).await?
        }
        Output::Image(image) => {
            destination::check_fixed(image.get(), sources)?;
            Writer::one(image)
        }
        Output::Archive(writer) => Writer::Archive(writer),
    };
    if let Writer::Archive(_) = writer {
        check_names(options, sources.asked())?;
    }
    Ok(writer)
}

impl<'a> Writer<'a> {
    pub(super) fn one(image: Handle<'a, dyn ImageDestination>) -> Self {
        Self::One(Mutex::new(Some(image)))
    }

    /// The archive that shows its images at its end.
    pub(crate) fn reference(&self) -> Option<&Reference> {
        match self {
            Self::One(_) => None,
            Self::Archive(writer) => Some(writer.get().reference()),
        }
    }

    /// Publishes what an archive shows at its end.
    pub(crate) async fn finish(self) -> Result<()> {
        match self {
            Self::One(_) => Ok(()),
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
            Writer::Archive(writer) => destination::place(writer.get(), &names).await,
            Writer::One(image) => {
                let image = image.lock().unwrap_or_else(PoisonError::into_inner).take();
                let image = match image {
                    Some(Handle::Owned(image)) => Ok(Handle::Owned(image as Box<_>)),
                    Some(Handle::Borrowed(image)) => Ok(Handle::Borrowed(image)),
                    None => Err(Error::new(ErrorKind::Unexpected, "the only place is taken")),
                };
                image.and_then(|image| destination::sole(image, &names, given))
            }
        };
        target.map_err(|error| about(reference, error))
    }
}

impl Target<'_> {
    /// Whether the caller gave or mapped a name under which the image shows; where the place made it of what was asked for,
    /// whether any of that was.
    pub(crate) fn is_said(&self, shown: &ImageName) -> bool {
        if self.names.contains(shown) { self.said.contains(shown) } else { !self.said.is_empty() }
    }
}
