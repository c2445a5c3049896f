//! [`Transfer`]: the one call.

use transship_core::{ArchiveWriter, ImageDestination, Reference, Result, Settings, Transports};

use crate::commit::finish;
use crate::copy::copy;
use crate::events::emit::{Emitter, TransferEvents};
use crate::open::{Output, Streams, boxed, open};
use crate::plan::plan;
use crate::{Plan, Report, Source, TransferOptions};

/// Where images go.
#[derive(Debug)]
#[non_exhaustive]
pub enum Destination {
    /// A place, opened by its transport.
    Reference(Reference),
    /// A place for one image, open, with its names fixed.
    Image(Box<dyn ImageDestination>),
    /// An archive that is open. It is finished when all images are in it.
    Archive(Box<dyn ArchiveWriter>),
}

/// Copies images. What source and destination can do decides what happens.
///
/// - Dropping the future of [`run`](Self::run) cancels it: what was at the destination stays as it was.
/// - The first failure cancels the rest, unless [`Failures::KeepGoing`](crate::Failures::KeepGoing) is asked for.
/// - Each image goes under its own names, those it is given, or those that they are mapped to (see
///   [`TransferOptions::renames`]). Two images for one name that was given or mapped are refused before anything is
///   written.
/// - What need not change keeps its bytes and its digest.
#[derive(Debug)]
pub struct Transfer {
    sources: Vec<Source>,
    destination: Destination,
    options: TransferOptions,
    from: Option<Transports>,
    to: Option<Transports>,
}

impl Transfer {
    /// From one place to another.
    pub fn new(source: impl Into<Source>, destination: impl Into<Destination>) -> Self {
        Self::many([source.into()], destination)
    }

    /// From several places into one, of any mix of kinds.
    ///
    /// The images go in the order of the sources, and those of an archive in stored order.
    pub fn many(
        sources: impl IntoIterator<Item = impl Into<Source>>,
        destination: impl Into<Destination>,
    ) -> Self {
        Self {
            sources: sources.into_iter().map(Into::into).collect(),
            destination: destination.into(),
            options: TransferOptions::default(),
            from: None,
            to: None,
        }
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the transports that open sources. By default those that are linked, without settings.
    #[must_use]
    pub fn from_transports(mut self, transports: Transports) -> Self {
        self.from = Some(transports);
        self
    }

    /// Sets the transports that open destinations. By default those that are linked, without settings.
    #[must_use]
    pub fn to_transports(mut self, transports: Transports) -> Self {
        self.to = Some(transports);
        self
    }

    /// What [`run`](Self::run) would do. Nothing is written.
    ///
    /// # Errors
    /// Those that `run` would give before it moves the first blob.
    pub async fn plan(&self) -> Result<Plan> {
        // Nothing happens, so there are no events.
        let events = &TransferEvents::silent().emitter();
        let output = Output::from(&self.destination);
        let (from, to) = self.transports()?;
        let opening =
            open((&self.sources, output), (&from, &to), &self.options, events, Streams::Keep);
        let batch = boxed(opening).await?;
        plan(&batch).await?.describe().await
    }

    /// Does it.
    ///
    /// # Errors
    /// `Ambiguous` when a source holds several images and none is chosen; `Unsupported` when the destination cannot
    /// hold what is asked for; `Corrupt` when bytes are not what they have to be; those of the transports.
    pub async fn run(self) -> Result<Report> {
        let transports = self.transports()?;
        let Self { sources, destination, options, .. } = self;
        let events = TransferEvents::new(&options);
        let stages = stages(&sources, destination, transports, &options, events.emitter());
        let result = boxed(stages).await.map_err(|error| options.published.explain(error));
        events.end(&result);
        result
    }

    fn transports(&self) -> Result<(Transports, Transports)> {
        Ok((linked_unless(self.from.as_ref())?, linked_unless(self.to.as_ref())?))
    }
}

async fn stages(
    sources: &[Source],
    destination: Destination,
    (from, to): (Transports, Transports),
    options: &TransferOptions,
    events: Emitter,
) -> Result<Report> {
    let opening =
        open((sources, destination.into()), (&from, &to), options, &events, Streams::Stage);
    let batch = boxed(opening).await?;
    let plan = boxed(plan(&batch)).await?;
    let report = boxed(copy(plan)).await?;
    finish(batch, report).await
}

fn linked_unless(given: Option<&Transports>) -> Result<Transports> {
    given.map_or_else(|| Transports::linked(&Settings::new()), |given| Ok(given.clone()))
}

impl From<Reference> for Destination {
    fn from(reference: Reference) -> Self {
        Self::Reference(reference)
    }
}

impl From<&Reference> for Destination {
    fn from(reference: &Reference) -> Self {
        Self::Reference(reference.clone())
    }
}

impl From<Box<dyn ImageDestination>> for Destination {
    fn from(image: Box<dyn ImageDestination>) -> Self {
        Self::Image(image)
    }
}

impl From<Box<dyn ArchiveWriter>> for Destination {
    fn from(archive: Box<dyn ArchiveWriter>) -> Self {
        Self::Archive(archive)
    }
}
