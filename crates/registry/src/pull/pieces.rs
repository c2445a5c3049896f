//! A large blob in pieces, over several connections where some are free: each of them may be slow.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered, StreamExt};
use futures_util::{FutureExt, TryStreamExt};
use reqwest::StatusCode;
use transship_core::{ByteStream, Error, ErrorKind, Result};

use super::blob::{Part, Reading, Span, is_unanswered};
use crate::client::Slot;

/// The size of a piece. Pieces are passed on in order, so that each one on its way may have to be held.
const PIECE: u64 = 8 << 20;

/// The most pieces of one blob that are on their way at once.
const AT_ONCE: usize = 4;

/// Less than this is asked for in one piece.
const LARGE: u64 = PIECE * AT_ONCE as u64;

/// How the first request for a blob, or for the rest of one, was answered.
#[derive(Debug)]
pub(super) enum Begun {
    /// All of it comes in this answer.
    Rest { part: Part, slot: Option<Slot> },
    /// The server gives pieces, and this is the first.
    Pieces { first: Part, slot: Option<Slot> },
}

/// Asks for a blob from an offset on: for a piece of it where it is large and the host has free connections.
pub(super) async fn begin(reading: &Reading, at: u64) -> Result<Begun> {
    let slot = reading.from.host.slot();
    let large = reading.of.size.saturating_sub(at) >= LARGE;
    // One connection is for the blob as a whole already.
    if !large || slot.is_none() || !reading.from.host.has_slot() {
        return Ok(Begun::Rest { part: reading.open(at).await?, slot });
    }
    match piece(reading, at).ask(at).await {
        Ok(first) if is_piece(&first, at) => Ok(Begun::Pieces { first, slot }),
        Ok(part) if part.answer.status == StatusCode::OK => Ok(Begun::Rest { part, slot }),
        Err(error)
            if is_unanswered(&error)
                || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) =>
        {
            Err(error)
        }
        _ => Ok(Begun::Rest { part: reading.open(at).await?, slot }),
    }
}

/// The bytes of all pieces in order, of which the first has been asked for.
pub(super) fn stream(reading: Reading, first: Part, slot: Option<Slot>) -> ByteStream {
    let at = first.start;
    let mut pieces = Pieces { reading, on_their_way: FuturesOrdered::new(), asked: at };
    pieces.send(slot, Some(first));
    let bytes = stream::try_unfold(Some(pieces), |pieces| async move {
        let Some(mut pieces) = pieces else { return Ok(None) };
        pieces.send_more();
        let Some(Piece { chunks, missing, slot }) = pieces.on_their_way.next().await else {
            return Ok(None);
        };
        let chunks = stream::iter(chunks.into_iter().map(Ok));
        let (at, part) = match missing {
            None => {
                // The slot bounds the memory too: it is free when the piece has been passed on.
                let whole: ByteStream = Box::pin(chunks.inspect(move |_| _ = &slot));
                return Ok(Some((whole, Some(pieces))));
            }
            Some(Missing::Failed(error)) => {
                let failed: ByteStream = Box::pin(chunks.chain(stream::iter([Err(error)])));
                return Ok(Some((failed, None)));
            }
            Some(Missing::Rest { at, part }) => (at, part),
        };
        let reading = pieces.reading;
        let part = match part {
            Some(part) => *part,
            None => reading.open(at).await?,
        };
        let rest: ByteStream = Box::pin(chunks.chain(reading.stream(part, at, slot)));
        Ok(Some((rest, None)))
    });
    Box::pin(bytes.try_flatten())
}

struct Pieces {
    /// Of the whole blob.
    reading: Reading,
    on_their_way: FuturesOrdered<BoxFuture<'static, Piece>>,
    /// The offset of the first byte that has not been asked for.
    asked: u64,
}

/// A piece, as far as the server gave it.
struct Piece {
    chunks: Vec<Bytes>,
    missing: Option<Missing>,
    slot: Option<Slot>,
}

/// Why a piece is not whole.
enum Missing {
    /// The server does not give it, or not all of it: from here on, the blob comes as a whole.
    Rest {
        at: u64,
        /// An answer with bytes of the blob, though not with those that were asked for.
        part: Option<Box<Part>>,
    },
    /// It has been asked for as often as anything is, and is not asked for in another way at once.
    Failed(Error),
}

impl Missing {
    fn after(error: Error, at: u64) -> Self {
        if is_unanswered(&error) { Self::Failed(error) } else { Self::Rest { at, part: None } }
    }
}

impl Pieces {
    /// Asks for further pieces: for one at least, and for more on connections that are free.
    fn send_more(&mut self) {
        while self.asked < self.reading.of.size && self.on_their_way.len() < AT_ONCE {
            let slot = self.reading.from.host.slot();
            if slot.is_none() && !self.on_their_way.is_empty() {
                return;
            }
            self.send(slot, None);
        }
    }

    fn send(&mut self, slot: Option<Slot>, answered: Option<Part>) {
        let (reading, at) = (piece(&self.reading, self.asked), self.asked);
        self.asked = end_of_piece(&self.reading, at);
        self.on_their_way.push_back(read(reading, at, answered, slot).boxed());
    }
}

/// Reads one piece.
async fn read(reading: Reading, at: u64, answered: Option<Part>, slot: Option<Slot>) -> Piece {
    let mut chunks = Vec::new();
    let missing = read_into(&mut chunks, reading, at, answered).await;
    Piece { chunks, missing, slot }
}

/// Reads one piece; what comes back is what is missing of it.
async fn read_into(
    chunks: &mut Vec<Bytes>,
    reading: Reading,
    at: u64,
    answered: Option<Part>,
) -> Option<Missing> {
    let part = match answered {
        Some(part) => part,
        None => match reading.ask(at).await {
            Ok(part) if is_piece(&part, at) => part,
            Ok(part) => {
                let part = Some(part).filter(|part| part.answer.status == StatusCode::OK);
                return Some(Missing::Rest { at, part: part.map(Box::new) });
            }
            Err(error) => return Some(Missing::after(error, at)),
        },
    };
    let mut coming = reading.coming(part, at);
    loop {
        match coming.next().await {
            Ok(Some(chunk)) => chunks.push(chunk),
            Ok(None) => return None,
            Err(error) => return Some(Missing::after(error, coming.passed)),
        }
    }
}

fn piece(reading: &Reading, at: u64) -> Reading {
    Reading { span: Span::Until(end_of_piece(reading, at)), ..reading.clone() }
}

fn end_of_piece(reading: &Reading, at: u64) -> u64 {
    reading.of.size.min(at.saturating_add(PIECE))
}

fn is_piece(part: &Part, at: u64) -> bool {
    part.start == at && part.answer.status == StatusCode::PARTIAL_CONTENT
}
