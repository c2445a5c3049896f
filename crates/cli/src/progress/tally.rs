//! [`Tally`]: the progress of a transfer, counted from its events.

use std::collections::BTreeMap;
use std::time::Instant;

use transship::EventKind;
use transship::transfer::BlobId;

use super::pace::Pace;
use crate::output::short;

/// All bytes, and those of each active blob.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// `None` before anything is known.
    pub(super) total: Option<Part>,
    pub(super) blobs: BTreeMap<BlobId, Part>,
}

/// The bytes of something, done and in total.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// `None` if it is unknown.
    pub(super) size: Option<u64>,
    pub(super) done: u64,
    pub(super) pace: Pace,
}

impl Tally {
    pub(super) fn note(&mut self, kind: &EventKind, now: Instant) {
        match kind {
            // In place of those that came before it was known how many there are.
            EventKind::Planned { bytes, .. } => {
                self.total = Some(Part::new("total", Some(*bytes), now));
            }
            EventKind::StreamAdvanced { bytes } => self.read(*bytes, now),
            EventKind::BlobStarted { blob, digest, size, .. } => {
                self.blobs.insert(*blob, Part::new(short(digest), Some(*size), now));
            }
            EventKind::Advanced { blob, bytes } => {
                self.blobs.get_mut(blob).into_iter().for_each(|part| part.advance(*bytes));
                self.total.iter_mut().for_each(|total| total.advance(*bytes));
            }
            EventKind::Retried { blob, .. } | EventKind::ReadAgain { blob } => self.rewind(*blob),
            EventKind::Reused { size, .. } => self.jump(*size),
            // One that changes form was read to see what it becomes.
            EventKind::LeftOut { blob, size, .. } => match self.blobs.remove(blob) {
                Some(part) => self.jump(part.ahead()),
                None => self.jump(*size),
            },
            EventKind::BlobFailed { blob, .. } | EventKind::BlobCancelled { blob } => {
                self.blobs.remove(blob);
            }
            // What was taken from nearby did not pass.
            EventKind::Stored { blob, .. } => {
                let ahead = self.blobs.remove(blob).map_or(0, |part| part.ahead());
                self.jump(ahead);
            }
            _ => {}
        }
    }

    /// Bytes were read; the total is unknown.
    pub(super) fn read(&mut self, bytes: u64, now: Instant) {
        self.total.get_or_insert_with(|| Part::new("read", None, now)).advance(bytes);
    }

    fn rewind(&mut self, blob: BlobId) {
        let again = self.blobs.get_mut(&blob).map_or(0, |part| std::mem::take(&mut part.done));
        if let Some(total) = &mut self.total {
            total.done = total.done.saturating_sub(again);
        }
    }

    /// Bytes that need not be copied.
    fn jump(&mut self, bytes: u64) {
        if let Some(total) = &mut self.total {
            total.done = total.done.saturating_add(bytes);
        }
    }
}

impl Part {
    fn new(name: &str, size: Option<u64>, now: Instant) -> Self {
        Self { name: name.to_owned(), size, done: 0, pace: Pace::new(now) }
    }

    fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        self.pace.pass(bytes);
    }

    /// What is not done.
    pub(super) fn ahead(&self) -> u64 {
        self.size.unwrap_or(0).saturating_sub(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship::MediaType;
    use transship::transfer::ImageId;
    use transship::transport::sha256;

    #[test]
    fn what_is_read_twice_counts_once() {
        let (mut tally, blob, image) = (Tally::default(), BlobId(0), ImageId(0));
        let (digest, media_type) = (sha256(b"it"), MediaType::from("application/octet-stream"));
        let other = EventKind::Reused { blob: BlobId(1), image, digest: digest.clone(), size: 10 };
        let third = EventKind::LeftOut { blob: BlobId(2), image, digest: digest.clone(), size: 5 };
        let again = EventKind::Retried { blob, why: "cut".to_owned() };
        let advanced = |bytes| EventKind::Advanced { blob, bytes };
        let started =
            EventKind::BlobStarted { blob, image, digest: digest.clone(), media_type, size: 50 };
        for (kind, done) in [
            (EventKind::Planned { images: 1, blobs: 3, bytes: 65 }, 0),
            (started, 0),
            (advanced(20), 20),
            (other, 30),
            (again, 10),
            (advanced(50), 60),
            (EventKind::ReadAgain { blob }, 10),
            (advanced(30), 40),
            (EventKind::Stored { blob, digest, size: 7 }, 60),
            (third, 65),
        ] {
            tally.note(&kind, Instant::now());
            assert_eq!(tally.total.as_ref().unwrap().done, done, "{kind:?}");
        }
    }
}
