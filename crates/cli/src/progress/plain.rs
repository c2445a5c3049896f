//! Progress in lines: one for each image, and for long ones how far they are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use transship::{BlobId, Event, EventKind};

use crate::output::{safe, size};

/// How long nothing is said.
const SILENCE: Duration = Duration::from_secs(10);

/// What has passed of how much.
#[derive(Debug)]
pub(crate) struct Plain {
    total: u64,
    done: u64,
    /// Of blobs that are on their way, their size and what has passed.
    blobs: HashMap<BlobId, (u64, u64)>,
    spoke: Instant,
}

impl Plain {
    pub(crate) fn new() -> Self {
        Self { total: 0, done: 0, blobs: HashMap::new(), spoke: Instant::now() }
    }

    /// The line to say about an event, if any.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::ImageStarted { source, destination, .. } => {
                self.spoke = Instant::now();
                let (from, to) = (source.to_string(), destination.to_string());
                Some(format!("copying {} to {}", safe(&from), safe(&to)))
            }
            EventKind::StreamAdvanced { bytes } => self.read(*bytes),
            kind => {
                self.count(kind);
                matches!(kind, EventKind::Advanced { .. }).then(|| self.now_and_then()).flatten()
            }
        }
    }

    fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Planned { bytes, .. } => (self.total, self.done) = (*bytes, 0),
            EventKind::BlobStarted { blob, size, .. } => {
                self.blobs.insert(*blob, (*size, 0));
            }
            EventKind::Advanced { blob, bytes } => {
                if let Some((_, done)) = self.blobs.get_mut(blob) {
                    *done += bytes;
                    self.done += bytes;
                }
            }
            EventKind::Retried { blob, .. } | EventKind::ReadAgain { blob } => {
                if let Some((_, done)) = self.blobs.get_mut(blob) {
                    self.done -= std::mem::take(done);
                }
            }
            EventKind::Reused { size, .. } => self.done += size,
            EventKind::Stored { blob, .. } | EventKind::LeftOut { blob, .. } => {
                let whole = match kind {
                    EventKind::LeftOut { size, .. } => (*size, 0),
                    _ => (0, 0),
                };
                let (size, done) = self.blobs.remove(blob).unwrap_or(whole);
                self.done += size.saturating_sub(done);
            }
            EventKind::BlobFailed { blob, .. } | EventKind::BlobCancelled { blob } => {
                self.blobs.remove(blob);
            }
            _ => {}
        }
    }

    /// The line to say about bytes that were read, if any.
    pub(crate) fn read(&mut self, bytes: u64) -> Option<String> {
        self.done += bytes;
        self.now_and_then()
    }

    fn now_and_then(&mut self) -> Option<String> {
        if self.spoke.elapsed() < SILENCE {
            return None;
        }
        self.spoke = Instant::now();
        Some(if self.total == 0 {
            format!("read {}", size(self.done))
        } else {
            let percent = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total);
            format!("{percent}%, {} of {}", size(self.done), size(self.total))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship::{ImageId, MediaType, sha256};

    #[test]
    fn what_is_read_twice_counts_once() {
        let (mut plain, blob, image) = (Plain::new(), BlobId(0), ImageId(0));
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
            plain.count(&kind);
            assert_eq!(plain.done, done, "{kind:?}");
        }
    }
}
