//! [`Source`]: what a transfer reads.

use transship_core::{ArchiveReader, ImageName, ImageSource, Passed, Reference};

use crate::Images;

/// Where images come from, which of them, and the names that they get. Made from what it is to read:
///
/// ```
/// # use transship_core::{ImageName, Reference};
/// use transship_transfer::{Images, Source};
/// # fn example(all: Reference, one: Reference) -> transship_core::Result<()> {
/// let sources = [
///     Source::from(all).images(Images::All),
///     Source::from(one).named(ImageName::new("docker.io/library/x:1")?),
/// ];
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Source {
    pub(crate) origin: Origin,
    pub(crate) images: Option<Images>,
    pub(crate) names: Vec<ImageName>,
    pub(crate) context: Option<String>,
    pub(crate) listed: bool,
    pub(crate) opened: Option<Passed>,
}

/// What a source was made from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A place, opened by its transport.
    Reference(Reference),
    /// A source of one of two formats; which one shows when it is read.
    OneOf([Reference; 2]),
    Image(Box<dyn ImageSource>),
    Archive(Box<dyn ArchiveReader>),
}

impl Source {
    fn new(origin: Origin) -> Self {
        Self { origin, images: None, names: Vec::new(), context: None, listed: false, opened: None }
    }

    /// A stream in one of two formats, which only its content tells: the first transport that can read it is used.
    pub fn either(this: Reference, that: Reference) -> Self {
        Self::new(Origin::OneOf([this, that]))
    }

    /// The sources of a list: each image goes where it would go beside others, under its own names, also when the list has
    /// one.
    pub fn list(sources: impl IntoIterator<Item = Self>) -> Vec<Self> {
        sources.into_iter().map(|source| Self { listed: true, ..source }).collect()
    }

    /// Which images of it, whatever [`TransferOptions::images`](crate::TransferOptions::images) says.
    #[must_use]
    pub fn images(mut self, images: Images) -> Self {
        self.images = Some(images);
        self
    }

    /// Gives its image a name, in place of those that it has. Several may be given. Only for a source of one image.
    #[must_use]
    pub fn named(mut self, name: ImageName) -> Self {
        self.names.push(name);
        self
    }

    /// Where it is said, as a line of a file: errors about it begin with that.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// The place as it was opened to recognize it, from [`Recognized::opened`](transship_core::Recognized::opened): it is not
    /// opened a second time.
    #[must_use]
    pub fn opened(mut self, opened: Option<Passed>) -> Self {
        self.opened = opened;
        self
    }

    /// Its reference, or that of what is open; of two formats the last.
    pub fn reference(&self) -> &Reference {
        match &self.origin {
            Origin::Reference(at) | Origin::OneOf([_, at]) => at,
            Origin::Image(image) => image.reference(),
            Origin::Archive(archive) => archive.reference(),
        }
    }
}

impl From<Reference> for Source {
    fn from(reference: Reference) -> Self {
        Self::new(Origin::Reference(reference))
    }
}

impl From<&Reference> for Source {
    fn from(reference: &Reference) -> Self {
        reference.clone().into()
    }
}

impl From<Box<dyn ImageSource>> for Source {
    fn from(image: Box<dyn ImageSource>) -> Self {
        Self::new(Origin::Image(image))
    }
}

impl From<Box<dyn ArchiveReader>> for Source {
    fn from(archive: Box<dyn ArchiveReader>) -> Self {
        Self::new(Origin::Archive(archive))
    }
}
