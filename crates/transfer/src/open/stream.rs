//! Streams: sources that can be read only once. They are read in one pass, and their blobs go straight to the destination, if it can
//! keep blobs before it is known which image they are of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Body, Digest, ErrorKind, OnePass, Passed, ReadOptions, Reference, Result, Staged, Staging,
    Transports,
};

use super::source::Origin;
use super::sources::say_all_images;
use super::writer::{self, Output};
use crate::events::emit::Emitter;
use crate::locked;
use crate::{Compress, EventKind, Images, Source, TransferOptions};

/// Blobs that are where they are going before they are planned.
pub(crate) type StagedBlobs = Arc<HashSet<Digest>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Put their blobs into the destination as they pass.
    Stage,
    /// Write nothing: their transport keeps what a plan has to read.
    Keep,
}

/// What is left of a stream that was read.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    pub(super) passed: Option<Passed>,
    pub(super) staged: StagedBlobs,
}

/// Reads the only source, if it is a stream, and opens the destination before it, if that can keep blobs before it is known which
/// image they are of. Nothing shows.
pub(super) async fn read<'a>(
    sources: &[Source],
    output: Output<'a>,
    options: &TransferOptions,
    (from, to): (&Transports, &Transports),
    events: &Emitter,
    streams: Streams,
) -> Result<(Output<'a>, Streamed)> {
    let nothing = Streamed::default();
    let ([source], Streams::Stage) = (sources, streams) else { return Ok((output, nothing)) };
    let Some(at) = may_be_stream(source) else { return Ok((output, nothing)) };
    let Some(one_pass) = one_pass(at, from).await else { return Ok((output, nothing)) };
    // Nothing of an image reaches the destination before it is known to be trusted.
    for format in formats(source) {
        if super::trust::concerns(options, format, from).await? {
            return Ok((output, nothing));
        }
    }
    if source.images.unwrap_or(options.images) == Images::One {
        one_pass.chosen(at).await.map_err(say_all_images)?;
    }
    let (output, why) = early(output, source, to, options, events).await?;
    let staging = if why.is_none() { output.staging() } else { None };
    let recording = staging.map(|staging| Recording::new(staging, events.clone()));
    events.emit(EventKind::StreamStarted { source: at.clone(), spooled: why });
    let into = recording.as_ref().map(|recording| recording as &dyn Staging);
    let passed = Some(one_pass.pass(at, &read_options(options, events), into).await?);
    let staged = recording.map(Recording::staged).unwrap_or_default();
    Ok((output, Streamed { passed, staged }))
}

pub(super) fn read_options(options: &TransferOptions, events: &Emitter) -> ReadOptions {
    let mut how = ReadOptions::default();
    how.observer = events.observer();
    how.spool.clone_from(&options.spool);
    how
}

/// The reference of a source that is not open; of one that can be of several formats the last.
fn may_be_stream(source: &Source) -> Option<&Reference> {
    match &source.origin {
        // It was read already.
        _ if source.opened.is_some() => None,
        Origin::Reference(at) | Origin::OneOf([_, at]) => Some(at),
        Origin::Image(_) | Origin::Archive(_) => None,
    }
}

/// What a source may turn out to be.
fn formats(source: &Source) -> &[Reference] {
    match &source.origin {
        Origin::Reference(at) => std::slice::from_ref(at),
        Origin::OneOf(formats) => formats,
        Origin::Image(_) | Origin::Archive(_) => &[],
    }
}

/// What reads a stream, if a reference is one.
async fn one_pass<'t>(at: &Reference, transports: &'t Transports) -> Option<&'t dyn OnePass> {
    let one_pass = transports.of(at).ok()?.archives()?.one_pass()?;
    one_pass.comes_once(at).await.then_some(one_pass)
}

/// Which of two formats a place has: the first whose transport can read it. What is corrupt is so for both.
pub(super) async fn which<'a>(
    formats: &'a [Reference; 2],
    transports: &Transports,
    how: &mut ReadOptions,
) -> Result<&'a Reference> {
    let [this, that] = formats;
    if how.passed.is_none()
        && let Some(one_pass) = one_pass(that, transports).await
    {
        how.passed = Some(one_pass.pass(that, how, None).await?);
    }
    let Some(archives) = transports.of(this)?.archives() else { return Ok(this) };
    match archives.read(this, how).await {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(that),
        found => found.map(|_| this),
    }
}

/// The destination, open if blobs can be kept there before they are planned; else why not.
async fn early<'a>(
    output: Output<'a>,
    source: &Source,
    transports: &Transports,
    options: &TransferOptions,
    events: &Emitter,
) -> Result<(Output<'a>, Option<String>)> {
    if !matches!(options.compress, Compress::Auto | Compress::Keep) {
        return Ok((output, Some("its layers are to change form".to_owned())));
    }
    let output = match output {
        Output::Reference(at) => {
            let given = if source.names.is_empty() { &options.names } else { &source.names };
            let opened = writer::early(&at, given, transports, options, events).await?;
            opened.unwrap_or(Output::Reference(at))
        }
        open => open,
    };
    let stages = output.staging().is_some();
    let at = output.reference();
    let why = format!("{at} takes layers only once the manifest is known, which comes last");
    Ok((output, (!stages).then_some(why)))
}

impl Output<'_> {
    fn reference(&self) -> &Reference {
        match self {
            Self::Reference(at) => at,
            Self::Image(image) => image.get().reference(),
            Self::Archive(writer) => writer.get().reference(),
        }
    }

    fn staging(&self) -> Option<&dyn Staging> {
        match self {
            Self::Reference(_) => None,
            Self::Image(image) => image.get().staging(),
            Self::Archive(writer) => writer.get().staging(),
        }
    }
}

/// Notes which blobs are staged, and emits their bytes as events.
struct Recording<'a> {
    staging: &'a dyn Staging,
    events: Emitter,
    staged: Mutex<HashSet<Digest>>,
}

impl<'a> Recording<'a> {
    fn new(staging: &'a dyn Staging, events: Emitter) -> Self {
        Self { staging, events, staged: Mutex::default() }
    }

    fn staged(self) -> StagedBlobs {
        Arc::new(self.staged.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Staging for Recording<'_> {
    async fn stage(&self, body: Body) -> Result<Staged> {
        let events = self.events.clone();
        let body = body.on_progress(move |bytes| events.emit(EventKind::StreamAdvanced { bytes }));
        let staged = self.staging.stage(body).await?;
        let mut all = locked(&self.staged);
        all.insert(staged.stored.digest.clone());
        Ok(staged)
    }
}
