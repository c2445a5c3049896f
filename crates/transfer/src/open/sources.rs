//! Opens what a transfer reads from, and finds the images in it.

use transship_core::{
    ArchiveReader, Descriptor, Error, ErrorKind, Hint, ImageName, ImageSource, ReadOptions,
    Reference, Result, ResultExt, Transports, few,
};

use super::goes_on;
use super::source::Origin;
use super::stream::{self, StagedBlobs, Streamed};
use super::tags::none_chosen;
use crate::events::emit::Emitter;
use crate::{Attached, ImageFailure, Images, Source, TransferOptions};

/// Something that we opened, or that the caller did.
#[derive(Debug)]
pub(crate) enum Handle<'a, T: ?Sized> {
    Owned(Box<T>),
    Borrowed(&'a T),
}

impl<T: ?Sized> Handle<'_, T> {
    pub(crate) fn get(&self) -> &T {
        match self {
            Self::Owned(handle) => handle,
            Self::Borrowed(handle) => handle,
        }
    }

    /// What we opened. What the caller keeps is read and never written.
    pub(crate) fn owned(self) -> Result<Box<T>> {
        match self {
            Self::Owned(handle) => Ok(handle),
            Self::Borrowed(_) => Err(Error::new(ErrorKind::Unexpected, "a plan writes nothing")),
        }
    }
}

/// All that is read. Archives stay open; their images are opened in their turn, so that thousands of them need no
/// memory while they wait.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    pub(super) transports: Transports,
    /// Whether what the destination shows is compared with roots before they are read.
    compare: bool,
    opened: Vec<OpenSource<'a>>,
    /// The names for an image whose source says none.
    names: &'a [ImageName],
    /// The images, in the order in which they go.
    images: Vec<Chosen>,
    /// Whether they are all images of an archive, or lines of a list: such images go to the same places under the same
    /// names however many there are.
    pub(crate) of_many: bool,
    /// What could not be opened.
    pub(crate) failed: Vec<ImageFailure>,
    /// Blobs that are at the destination already.
    pub(crate) staged: StagedBlobs,
}

/// An image that is to be read.
#[derive(Debug)]
struct Chosen {
    /// The position of its source.
    source: usize,
    /// In an archive, the position of its entry.
    entry: usize,
    /// The names of the entry that were chosen; `None` for all.
    names: Option<Vec<ImageName>>,
}

/// What comes with an image of what is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attaches {
    /// Nothing.
    Nothing,
    /// What stands beside it, under tags.
    Beside,
    /// That, and all that refers to it.
    All,
}

#[derive(Debug)]
struct OpenSource<'a> {
    content: Content<'a>,
    given: &'a [ImageName],
    of_many: bool,
    /// Of all images of an archive, the names that are chosen; `None` for all images and names.
    chosen: Option<Vec<Vec<ImageName>>>,
}

#[derive(Debug)]
enum Content<'a> {
    Image(Handle<'a, dyn ImageSource>),
    Archive(Handle<'a, dyn ArchiveReader>),
}

/// Opens all sources, in order.
pub(super) async fn open<'a>(
    sources: &'a [Source],
    transports: &Transports,
    options: &'a TransferOptions,
    events: &Emitter,
    streamed: Streamed,
    compare: bool,
) -> Result<Sources<'a>> {
    let mut how = stream::read_options(options, events);
    how.passed = streamed.passed;
    how.compare = compare;
    let (opened, images, failed) = (Vec::new(), Vec::new(), Vec::new());
    let (transports, of_many, staged) = (transports.clone(), false, streamed.staged);
    let names = &*options.names;
    let mut all = Sources { transports, compare, opened, names, images, of_many, failed, staged };
    let alone = sources.len() == 1;
    let opening = Opening { transports: &all.transports.clone(), how, options, alone };
    for source in sources {
        let opened = opening.place(source).await.and_then(|place| all.add(place));
        let failed = opened.map_err(|error| match &source.context {
            Some(context) => error.context(context),
            None => error,
        });
        match failed {
            Err(error) if goes_on(options, sources.len(), &error) => {
                all.failed.push(ImageFailure::new(source.reference().clone(), &error));
            }
            done => done?,
        }
    }
    if all.images.is_empty() && all.failed.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there is no image to copy"));
    }
    Ok(all)
}

impl<'a> Sources<'a> {
    fn add(&mut self, place: OpenSource<'a>) -> Result<()> {
        let at = self.opened.len();
        let images = place.images(at)?;
        if images.len() > 1 && !place.given.is_empty() {
            let message = format!("a name is given for one image, and it holds {}", images.len());
            return Err(Error::new(ErrorKind::InvalidInput, message).hint("choose one of them"));
        }
        self.images.extend(images);
        self.of_many |= place.of_many;
        self.opened.push(place);
        Ok(())
    }

    /// How many images there are to read.
    pub(crate) fn len(&self) -> usize {
        self.images.len()
    }

    /// How many images were asked for, as far as that is known: a source that could not be opened is one.
    pub(crate) fn asked(&self) -> usize {
        self.images.len() + self.failed.len()
    }

    pub(crate) fn given(&self, at: usize) -> &'a [ImageName] {
        let given = self.images.get(at).map_or(&[][..], |image| self.opened[image.source].given);
        if given.is_empty() { self.names } else { given }
    }

    pub(crate) fn reference(&self, at: usize) -> &Reference {
        let image = &self.images[at];
        match &self.opened[image.source].content {
            Content::Image(image) => image.get().reference(),
            Content::Archive(archive) => &archive.get().entries()[image.entry].reference,
        }
    }

    /// The names that an image has, of those that are chosen.
    pub(crate) fn names(&self, at: usize) -> &[ImageName] {
        let image = &self.images[at];
        match (&image.names, &self.opened[image.source].content) {
            (Some(names), _) => names,
            (None, Content::Image(image)) => image.get().names(),
            (None, Content::Archive(archive)) => &archive.get().entries()[image.entry].names,
        }
    }

    /// What comes with an image of what is about it.
    pub(crate) fn attaches(&self, at: usize, options: &TransferOptions) -> Attaches {
        match options.attached {
            Attached::Copy => Attaches::All,
            Attached::Auto if self.opened[self.images[at].source].gives_beside() => {
                Attaches::Beside
            }
            Attached::Auto => Attaches::Nothing,
        }
    }

    /// The root of an open image, where it is compared before it is read.
    pub(crate) fn compared<'i>(
        &self,
        at: usize,
        image: &'i dyn ImageSource,
    ) -> Option<&'i Descriptor> {
        // What the caller opened may be of a transport that is not linked.
        let transport = self.transports.of(image.reference());
        // That its root is there does not say that what is beside it is.
        let beside = self.opened[self.images[at].source].gives_beside();
        let compares =
            self.compare && !beside && transport.is_ok_and(|transport| transport.compares_roots());
        image.root_descriptor().filter(|_| compares)
    }

    pub(crate) async fn image(&self, at: usize) -> Result<Handle<'_, dyn ImageSource>> {
        let chosen = &self.images[at];
        match &self.opened[chosen.source].content {
            Content::Image(image) => Ok(Handle::Borrowed(image.get())),
            Content::Archive(archive) => {
                let archive = archive.get();
                let entry = &archive.entries()[chosen.entry];
                let image = archive.open(entry).await;
                image.map(Handle::Owned).context(|| &entry.reference)
            }
        }
    }

    /// What is to be said of an image before it is copied.
    pub(crate) fn warnings(&self, at: usize) -> &[String] {
        let image = &self.images[at];
        match &self.opened[image.source].content {
            Content::Image(_) => &[],
            Content::Archive(archive) => &archive.get().entries()[image.entry].warnings,
        }
    }
}

impl OpenSource<'_> {
    /// Whether what stands beside its images is copied with them: all of an archive is.
    fn gives_beside(&self) -> bool {
        let Content::Archive(archive) = &self.content else { return false };
        self.of_many && self.chosen.is_none() && archive.get().count_beside() > 0
    }

    /// The images of the source, which is at this position.
    ///
    /// # Errors
    /// `NotFound` where tags are chosen, and it has none of them.
    fn images(&self, source: usize) -> Result<Vec<Chosen>> {
        let archive = match (&self.content, &self.chosen) {
            (Content::Image(_), _) => return Ok(vec![Chosen { source, entry: 0, names: None }]),
            (Content::Archive(archive), _) => archive.get(),
        };
        let Some(chosen) = &self.chosen else {
            let all = 0..archive.entries().len();
            return Ok(all.map(|entry| Chosen { source, entry, names: None }).collect());
        };
        let some = chosen.iter().enumerate().filter(|(_, names)| !names.is_empty());
        let some: Vec<Chosen> = some
            .map(|(entry, names)| Chosen { source, entry, names: Some(names.clone()) })
            .collect();
        if some.is_empty() {
            return Err(none_chosen(archive));
        }
        Ok(some)
    }
}

struct Opening<'o> {
    transports: &'o Transports,
    how: ReadOptions,
    options: &'o TransferOptions,
    /// Whether there is only one source, so that asking for all of one image is a mistake.
    alone: bool,
}

impl Opening<'_> {
    async fn place<'a>(&self, source: &'a Source) -> Result<OpenSource<'a>> {
        let images = source.images.unwrap_or(self.options.images);
        let content = match &source.origin {
            Origin::Reference(at) => {
                let mut how = self.how.clone();
                how.passed = source.opened.clone().or(how.passed);
                self.reference(at, images, &how, self.is_whole(source)).await?
            }
            Origin::OneOf(kinds) => {
                let mut how = self.how.clone();
                let at = stream::which(kinds, self.transports, &mut how).await?;
                self.reference(at, images, &how, self.is_whole(source)).await?
            }
            Origin::Image(image) => Content::Image(Handle::Borrowed(&**image)),
            Origin::Archive(archive) => {
                let several = archive.entries().len() > 1;
                if images == Images::One && several {
                    return Err(say_all_images(ambiguous(&**archive)));
                }
                Content::Archive(Handle::Borrowed(&**archive))
            }
        };
        let all = images == Images::All && matches!(content, Content::Archive(_));
        let of_many = all || source.listed;
        let chosen = match &content {
            Content::Archive(archive) if all && !self.options.tags.is_all() => {
                let entries = archive.get().entries().iter();
                Some(self.options.tags.choose(entries.map(|entry| &*entry.names)))
            }
            _ => None,
        };
        Ok(OpenSource { content, given: &source.names, of_many, chosen })
    }

    /// Whether a source, of which all images are asked for, must not be one of them.
    fn is_whole(&self, source: &Source) -> bool {
        self.alone || source.images == Some(Images::All)
    }

    async fn reference<'a>(
        &self,
        at: &Reference,
        images: Images,
        how: &ReadOptions,
        must_be_whole: bool,
    ) -> Result<Content<'a>> {
        let transport = self.transports.of(at)?;
        if let Some(archives) = transport.archives()
            && images == Images::All
        {
            let place = match archives.archive_of(at) {
                Some(place) if place != *at => place,
                _ => {
                    let archive = archives.read(at, how).await?;
                    if archive.reference() == at {
                        return Ok(Content::Archive(Handle::Owned(archive)));
                    }
                    archive.reference().clone()
                }
            };
            if must_be_whole {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("{at} names one image, and all images are asked for"),
                )
                .hint(format!("all of them are {place}")));
            }
        }
        let image = transport.source(at, how).await.map_err(say_all_images)?;
        Ok(Content::Image(Handle::Owned(image)))
    }
}

fn ambiguous(archive: &dyn ArchiveReader) -> Error {
    let entries = archive.entries();
    let there = few(entries.iter().map(|entry| &entry.reference));
    Error::new(
        ErrorKind::Ambiguous,
        format!("{} holds {} images, and none is chosen", archive.reference(), entries.len()),
    )
    .hint(format!("choose one of {there}"))
}

/// Adds to a transport's error about several images that all of them can be copied.
pub(super) fn say_all_images(error: Error) -> Error {
    if error.kind() != ErrorKind::Ambiguous {
        return error;
    }
    let which = match error.advice() {
        Some(Hint::SelectImage(_)) => return error,
        Some(hint) => hint.to_string().into(),
        None => "choose one".into(),
    };
    error.with_hint(Hint::SelectImage(which))
}
