//! [`Writer`]: where the images of a batch go. A place for one image is a writer of one.

use std::sync::{Mutex, PoisonError};

use transship_core::{
    ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName, Reference, Result, Transports,
};

use super::destination::{self, check_names};
use super::rename::WantedName;
use super::sources::{Handle, Sources};
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

    /// The place for an image.
    pub(super) async fn target(
        &self,
        wanted: &[WantedName],
        given: &[ImageName],
    ) -> Result<Target<'_>> {
        let image = match self {
            Self::Archive(writer) => return destination::place(writer.get(), wanted).await,
            Self::One(image) => image.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        let image = match image {
            Some(Handle::Owned(image)) => Handle::Owned(image as Box<dyn ImageDestination>),
            Some(Handle::Borrowed(image)) => Handle::Borrowed(image),
            None => {
                return Err(Error::new(ErrorKind::Unexpected, "a place for one image is taken"));
            }
        };
        destination::sole(image, wanted, given)
    }

    /// Publishes what an archive shows at its end.
    pub(crate) async fn finish(self) -> Result<()> {
        match self {
            Self::One(_) => Ok(()),
            Self::Archive(writer) => writer.owned()?.finish().await,
        }
    }
}

impl Target<'_> {
    /// Whether the caller gave or mapped a name under which the image shows; where the place made it of what was asked for,
    /// whether any of that was.
    pub(crate) fn is_said(&self, shown: &ImageName) -> bool {
        if self.names.contains(shown) { self.said.contains(shown) } else { !self.said.is_empty() }
    }
}
