//! Sources that come once: read in one pass, with their blobs put where they are going as they pass, if that place can
//! keep blobs before it is known what they are for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Body, Digest, Error, ErrorKind, Passed, ReadOptions, Reference, Result, Staged, Staging,
    Transports,
};

use crate::events::emit::Emitter;
use crate::open::destination;
use crate::open::source::Origin;
use crate::{Compress, Destination, EventKind, Source, TransferOptions};

/// Blobs that are where they are going before they are planned.
pub(crate) type StagedBlobs = Arc<HashSet<Digest>>;

/// What a source that came once left behind.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) passed: Option<Passed>,
    pub(crate) staged: StagedBlobs,
}

/// Reads the only source, if it comes once, and opens the destination before it, if that can keep blobs of which nobody knows
/// yet what they are for. Nothing shows.
pub(crate) async fn read(
    sources: &[Source],
    destination: Destination,
    options: &TransferOptions,
    (from, to): (&Transports, &Transports),
    events: &Emitter,
) -> Result<(Destination, Read)> {
    let [source] = sources else { return Ok((destination, Read::default())) };
    let Some(at) = comes_once(&source.origin, from).await else {
        return Ok((destination, Read::default()));
    };
    options.compress.check()?;
    let (destination, why) = early(destination, source, to, options, events).await?;
    let staging = match &destination {
        Destination::Image(image) if why.is_none() => image.staging(),
        Destination::Archive(writer) if why.is_none() => writer.staging(),
        _ => None,
    };
    let counted = staging.map(|staging| Counted::new(staging, events.clone()));
    events.emit(EventKind::StreamStarted { source: at.clone(), spooled: why });
    let into = counted.as_ref().map(|counted| counted as &dyn Staging);
    let passed = pass(at, from, &read_options(options, events), into).await?;
    let staged = counted.map(Counted::staged).unwrap_or_default();
    Ok((destination, Read { passed, staged }))
}

pub(crate) fn read_options(options: &TransferOptions, events: &Emitter) -> ReadOptions {
    let mut how = ReadOptions::default();
    how.observer = events.observer();
    how.spool.clone_from(&options.spool);
    how
}

/// The reference of what comes once. Of several kinds that it can be it is the last, which is what others are not.
async fn comes_once<'a>(origin: &'a Origin, transports: &Transports) -> Option<&'a Reference> {
    let at = match origin {
        Origin::Reference(at) => at,
        Origin::OneOf(kinds) => kinds.last()?,
        _ => return None,
    };
    let one_pass = transports.of(at).ok()?.archives()?.one_pass()?;
    one_pass.comes_once(at).await.then_some(at)
}

async fn pass(
    at: &Reference,
    transports: &Transports,
    how: &ReadOptions,
    into: Option<&dyn Staging>,
) -> Result<Option<Passed>> {
    match transports.of(at)?.archives().and_then(|archives| archives.one_pass()) {
        Some(one_pass) => one_pass.pass(at, how, into).await.map(Some),
        None => Ok(None),
    }
}

/// Which of several kinds a place is: the first whose transport can read it. What is corrupt is so for all of them.
pub(crate) async fn which<'a>(
    kinds: &'a [Reference],
    transports: &Transports,
    how: &mut ReadOptions,
) -> Result<&'a Reference> {
    let mut last = Error::new(ErrorKind::InvalidReference, "it is not said what the source can be");
    if let Some(at) = kinds.last()
        && how.passed.is_none()
        && let Some(one_pass) = transports.of(at)?.archives().and_then(|a| a.one_pass())
        && one_pass.comes_once(at).await
    {
        how.passed = Some(one_pass.pass(at, how, None).await?);
    }
    for at in kinds {
        let Some(archives) = transports.of(at)?.archives() else { return Ok(at) };
        match archives.read(at, how).await {
            Ok(_) => return Ok(at),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// The destination, open if blobs can be kept there before they are planned; else why not.
async fn early(
    destination: Destination,
    source: &Source,
    transports: &Transports,
    options: &TransferOptions,
    events: &Emitter,
) -> Result<(Destination, Option<String>)> {
    if !matches!(options.compress, Compress::Auto | Compress::Keep) {
        return Ok((destination, Some("its layers are to change form".to_owned())));
    }
    let opened = match destination {
        Destination::Reference(at) => {
            let given = if source.names.is_empty() { &options.names } else { &source.names };
            match destination::early(&at, given, transports, options, events).await? {
                Some(opened) => opened,
                None => Destination::Reference(at),
            }
        }
        open => open,
    };
    let (at, stages) = match &opened {
        Destination::Reference(at) => (at, false),
        Destination::Image(image) => (image.reference(), image.staging().is_some()),
        Destination::Archive(writer) => (writer.reference(), writer.staging().is_some()),
    };
    let why = format!("{at} takes no blobs before it is known what they are for");
    Ok((opened, (!stages).then_some(why)))
}

/// Notes what is staged, and tells it.
struct Counted<'a> {
    staging: &'a dyn Staging,
    events: Emitter,
    staged: Mutex<HashSet<Digest>>,
}

impl<'a> Counted<'a> {
    fn new(staging: &'a dyn Staging, events: Emitter) -> Self {
        Self { staging, events, staged: Mutex::default() }
    }

    fn staged(self) -> StagedBlobs {
        Arc::new(self.staged.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Staging for Counted<'_> {
    async fn stage(&self, body: Body) -> Result<Staged> {
        let events = self.events.clone();
        let body = body.on_progress(move |bytes| events.emit(EventKind::StreamAdvanced { bytes }));
        let staged = self.staging.stage(body).await?;
        let mut all = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(staged.stored.digest.clone());
        Ok(staged)
    }
}
