//! Opens what a transfer reads and writes. References, streams and what the caller has open become one [`Batch`]; one
//! image is a batch of one.

pub(crate) mod base;
mod pattern;
mod range;
pub(crate) mod rename;
pub(crate) mod source;
pub(crate) mod sources;
mod stream;
pub(crate) mod tags;
mod trust;
mod writer;

use std::pin::Pin;
use std::sync::Mutex;

use transship_core::{Error, ErrorKind, Result, Transports};

use crate::commit::stay::Signed;
use crate::events::emit::Emitter;
use crate::{Failures, Source, TransferOptions};
pub(crate) use sources::{Attaches, Handle, Sources};
pub(crate) use stream::{StagedBlobs, Streams};
pub use trust::check_policy;
pub(crate) use trust::{Trust, identity};
pub(crate) use writer::{Output, Target, Writer};

/// All that a transfer reads and writes, open.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) sources: Sources<'a>,
    pub(crate) writer: Writer<'a>,
    /// Those that open destinations.
    pub(crate) to: Transports,
    /// What the policy says of each image.
    pub(crate) trust: Vec<Trust>,
    pub(crate) options: &'a TransferOptions,
    pub(crate) events: &'a Emitter,
    /// What was signed under tags, which may be replaced by other signers.
    pub(crate) signed: Mutex<Vec<Signed>>,
}

/// Opens sources and destination.
pub(crate) async fn open<'a>(
    (sources, output): (&'a [Source], Output<'a>),
    (from, to): (&Transports, &Transports),
    options: &'a TransferOptions,
    events: &'a Emitter,
    streams: Streams,
) -> Result<Batch<'a>> {
    options.compress.check()?;
    let opening = stream::read(sources, output, options, (from, to), events, streams);
    let (output, streamed) = boxed(opening).await?;
    let compare = options.copies_as_it_is() && output.compares_roots(to);
    let sources = boxed(sources::open(sources, from, options, events, streamed, compare)).await?;
    sources.failed.iter().for_each(|failure| events.image_failed(failure, None));
    let trust = boxed(trust::check(&sources, (&output, to), options)).await?;
    let writer = boxed(writer::open(output, to, options, &sources, events)).await?;
    let signed = Mutex::default();
    Ok(Batch { sources, writer, to: to.clone(), trust, options, events, signed })
}

impl Batch<'_> {
    /// Whether the other images go on after this error.
    pub(crate) fn goes_on(&self, error: &Error) -> bool {
        goes_on(self.options, self.sources.asked(), error)
    }
}

/// Whether an error of one of `count` images leaves the others alone.
fn goes_on(options: &TransferOptions, count: usize, error: &Error) -> bool {
    options.failures == Failures::KeepGoing && count > 1 && error.kind() != ErrorKind::Cancelled
}

/// Hides a future's type, without which the compiler does not see that a future around it is `Send`.
pub(crate) fn boxed<'a, T>(
    future: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}
