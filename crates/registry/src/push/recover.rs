//! What is done when an upload is cut, or refused: it goes on from where the server is, in smaller pieces, or from its start.

use std::sync::Arc;

use transship_core::{Error, ErrorKind, Result};

use super::upload::{Step, Upload};
use crate::client::{Failure, Fetched, Repository, Tries};

/// Less than this is no progress: a server that cuts after each few bytes is given up in the end.
const PROGRESS: u64 = 64 << 10;

/// How often a blob is sent again from its start. It is whole then each time, so that sending it is no progress.
const RESTARTS: u32 = 5;

/// How often pieces are made smaller because they are refused where the server said that it was.
const REFUSED: u32 = 3;

/// The smallest pieces that are tried, in bytes.
const SMALLEST: u64 = 64 << 10;

/// Why an upload does not go on as it was.
#[derive(Debug)]
pub(super) enum Setback {
    Lasting(Error),
    /// It ends, unless the blob is there: some servers refuse what they have already.
    Refused(Error),
    /// It may go on from where the server is.
    Passing(Failure),
    /// The server is elsewhere, or pieces of this size are too large for it.
    OutOfRange(Failure),
    /// What was sent at once is too large.
    TooLarge(Failure),
    /// The server has other bytes than were meant.
    Mixed(Failure),
    /// The token ended. There is a new one, with which the same request may be accepted.
    TokenEnded(Error),
}

/// What is known of what went wrong.
#[derive(Debug)]
pub(super) struct Recovery {
    tries: Tries,
    /// The most that was ever acknowledged when the tries were counted from there.
    tried_at: u64,
    restarts: u32,
    /// How often in a row what follows was refused where the server said that it was.
    refused: u32,
    /// At which byte the token ended last.
    token_ended: Option<u64>,
    /// Whether the answer to the last request did not come in time.
    pub(super) waited: bool,
    resumes: Resumes,
    pub(super) ranges: Ranges,
}

/// Whether an upload goes on from where the server says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resumes {
    Would,
    /// It has done so.
    Has,
    /// Not any more: it led to other bytes.
    Never,
}

/// What is made of what a server says that it has when it takes a piece. That may be of the piece alone, or of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    Expected,
    /// It was something else, and was ignored.
    Odd,
    /// It counts: ignoring it led to other bytes.
    Obeyed,
}

impl Setback {
    /// Whether the server has answered, and refused what it was sent.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::OutOfRange(_) | Self::Mixed(_))
    }
}

impl Recovery {
    pub(super) fn new(repository: &Repository) -> Self {
        Self {
            tries: repository.host.tries(),
            tried_at: 0,
            restarts: 0,
            refused: 0,
            token_ended: None,
            waited: false,
            resumes: Resumes::Would,
            ranges: Ranges::Expected,
        }
    }

    /// The server has so many bytes. Those that it had once before, in this session or another one, are no progress.
    pub(super) fn progressed(&mut self, at: u64) {
        if at >= self.tried_at.saturating_add(PROGRESS) {
            self.tries.reset();
            self.tried_at = at;
            self.refused = 0;
        }
    }

    /// The server has other bytes than were sent: what it said of its position counts differently from now on.
    fn learn(&mut self) {
        if self.ranges == Ranges::Odd {
            self.ranges = Ranges::Obeyed;
        }
        if self.resumes == Resumes::Has {
            self.resumes = Resumes::Never;
        }
    }

    /// Whether what the server has may be other bytes than were meant.
    fn is_doubtful(&self) -> bool {
        self.ranges == Ranges::Odd || self.resumes == Resumes::Has
    }
}

impl Upload {
    /// The answer to a request of an upload, if it is a success.
    pub(super) fn accepted(&mut self, fetched: Fetched) -> Result<Fetched, Setback> {
        let failure = |fetched: &Fetched| Failure::cut(fetched.error().with_retryable(true));
        let doubtful = self.ending && self.recovery.is_doubtful();
        match (fetched.status.as_u16(), fetched.code().as_str()) {
            (200..=299, _) => Ok(fetched),
            // What takes no body without a length takes pieces, which have one.
            (411 | 413, _) => Err(Setback::TooLarge(failure(&fetched))),
            // What the end is about was put together from pieces of which the server said something odd.
            (400 | 416, _) if doubtful => Err(Setback::Mixed(failure(&fetched))),
            (416, _) => Err(Setback::OutOfRange(failure(&fetched))),
            // The server has lost the session, or what it has of it.
            (404, _) | (_, "BLOB_UPLOAD_INVALID" | "BLOB_UPLOAD_UNKNOWN") => {
                Err(Setback::Passing(failure(&fetched)))
            }
            // A token may end again and again on the way of a large blob. A new one that is refused at the same byte is no better.
            (401, _) if self.recovery.token_ended != Some(self.began) => {
                self.recovery.token_ended = Some(self.began);
                Err(Setback::TokenEnded(fetched.error()))
            }
            (400..=499, _) if self.ending => Err(Setback::Refused(fetched.error())),
            _ => Err(Setback::Lasting(fetched.error())),
        }
    }

    /// Finds out how to go on.
    pub(super) async fn recover(&mut self, setback: Setback) -> Result<Step> {
        if setback.is_refusal()
            && let Some(stored) = self.is_there().await?
        {
            return Ok(Step::Done(stored));
        }
        match setback {
            Setback::Lasting(error) | Setback::Refused(error) => Err(error),
            // Nothing of the request was taken, and nothing more is asked: a token may be good for very few requests.
            Setback::TokenEnded(error) => match self.feed.rewind(self.began) {
                Ok(()) if self.began == 0 => Ok(self.first()),
                Ok(()) => Ok(self.feed.end().map_or(Step::Piece, Step::Finish)),
                Err(_) => self.restart(&Why { kind: error.kind(), text: error.to_string() }),
            },
            // Another request than before: it is no try of the same.
            Setback::TooLarge(failure) if self.make_smaller() => {
                let why = Why::of(&failure);
                match self.status().await {
                    Some(there) => self.go_on(there, &why),
                    None => self.begin_again(&why),
                }
            }
            Setback::TooLarge(failure) => Err(failure.error.with_retryable(false)),
            Setback::Mixed(failure) => {
                let why = self.wait(failure).await?;
                self.recovery.learn();
                self.restart(&why)
            }
            Setback::OutOfRange(failure) => {
                let why = self.wait(failure).await?;
                self.recovery.refused += 1;
                let there = self.status().await;
                let smaller = there.unwrap_or(0) == self.began && self.make_smaller();
                match there {
                    // It is not the size of the pieces: the server is elsewhere than it says.
                    Some(_) if self.recovery.refused > REFUSED => {
                        self.recovery.resumes = Resumes::Never;
                        self.restart(&why)
                    }
                    Some(there) => self.go_on(there, &why),
                    None if smaller => self.begin_again(&why),
                    None => self.restart(&why),
                }
            }
            Setback::Passing(failure) => {
                let why = self.wait(failure).await?;
                if let Some(stored) = self.is_there().await? {
                    return Ok(Step::Done(stored));
                }
                match self.status().await {
                    Some(there) => self.go_on(there, &why),
                    None => self.restart(&why),
                }
            }
        }
    }

    /// Waits before the next try, unless there were enough. Gives what it was that failed.
    async fn wait(&mut self, failure: Failure) -> Result<Why> {
        let Repository { host, observer, .. } = &self.repository;
        let (host, observer) = (Arc::clone(host), observer.clone());
        let why = Why::of(&failure);
        host.wait_for(failure, &self.what, &mut self.recovery.tries, &observer).await?;
        Ok(why)
    }

    /// Where the server is. A session that cannot be asked is as good as none.
    async fn status(&mut self) -> Option<u64> {
        match &mut self.session {
            Some(session) if self.recovery.resumes != Resumes::Never => {
                session.status().await.unwrap_or(None)
            }
            _ => None,
        }
    }

    /// Halves the pieces, down to the smallest that both sides take.
    fn make_smaller(&mut self) -> bool {
        let least = self.session.as_ref().map_or(0, |session| session.least).max(SMALLEST);
        let half = self.chunk.unwrap_or(self.keep) / 2;
        let smaller = half >= least;
        if smaller {
            self.chunk = Some(half);
        }
        smaller
    }

    /// Goes on from where the server is.
    fn go_on(&mut self, there: u64, why: &Why) -> Result<Step> {
        match self.feed.rewind(there) {
            Ok(()) => {
                // More of what is cut than is kept must not be on its way again. It is in several requests now anyway.
                self.chunk.get_or_insert(self.keep / 2);
                self.recovery.resumes = Resumes::Has;
                self.recovery.progressed(there);
                Ok(self.feed.end().map_or(Step::Piece, Step::Finish))
            }
            Err(_) => self.restart(why),
        }
    }

    /// From the start once more, unless that was done often enough.
    fn restart(&mut self, why: &Why) -> Result<Step> {
        if self.recovery.restarts == RESTARTS {
            let message = format!("{}, also the {} times it was sent again", why.text, RESTARTS);
            return Err(Error::new(why.kind, message).with_retryable(false));
        }
        self.recovery.restarts += 1;
        self.recovery.token_ended = None;
        self.begin_again(why)
    }

    /// From the start, in a new session; the old one is given up.
    ///
    /// # Errors
    /// Why it has to, where what was sent is gone.
    fn begin_again(&mut self, why: &Why) -> Result<Step> {
        self.session = None;
        match self.feed.rewind(0) {
            Ok(()) => Ok(self.first()),
            Err(gone) => Err(Error::new(why.kind, why.text.clone())
                .with_retryable(gone.retryable())
                .context(gone)),
        }
    }
}

#[derive(Debug)]
struct Why {
    kind: ErrorKind,
    text: String,
}

impl Why {
    fn of(failure: &Failure) -> Self {
        Self { kind: failure.error.kind(), text: failure.error.to_string() }
    }
}
