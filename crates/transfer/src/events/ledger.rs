//! [`Ledger`]: which events may be emitted, so that everything that starts ends once, and each byte counts once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BlobId, EventKind, ImageId};

/// What was started and what has ended, of one transfer.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ended: bool,
    blobs: Started<BlobId, Running>,
    images: Started<ImageId, ()>,
}

/// A blob that was started and has not ended.
#[derive(Debug)]
struct Running {
    size: u64,
    /// How often it was read before.
    reading: usize,
    /// Bytes of this reading that have not passed yet.
    ahead: u64,
}

#[derive(Debug)]
struct Started<T, W> {
    open: BTreeMap<T, W>,
    ended: BTreeSet<T>,
}

impl<T, W> Default for Started<T, W> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), ended: BTreeSet::new() }
    }
}

impl<T: Ord + Copy, W> Started<T, W> {
    fn begin(&mut self, id: T, running: W) -> bool {
        let new = !self.ended.contains(&id) && !self.open.contains_key(&id);
        if new {
            self.open.insert(id, running);
        }
        new
    }

    fn end(&mut self, id: T) -> bool {
        self.open.remove(&id);
        self.ended.insert(id)
    }

    /// Ends what was begun, and nothing else.
    fn give_up(&mut self, id: T) -> bool {
        self.open.contains_key(&id) && self.end(id)
    }

    fn give_up_all(&mut self) -> impl Iterator<Item = T> + use<T, W> {
        let open = std::mem::take(&mut self.open);
        self.ended.extend(open.keys());
        open.into_keys()
    }
}

impl Ledger {
    /// The events to emit for an event: none about what has ended; before the last one, an end for all that is still open.
    pub(crate) fn enter(&mut self, kind: EventKind) -> Vec<EventKind> {
        if self.ended {
            return Vec::new();
        }
        if kind.is_end() {
            self.ended = true;
            let blobs = self.blobs.give_up_all();
            let images = self.images.give_up_all();
            return blobs
                .map(|blob| EventKind::BlobCancelled { blob })
                .chain(images.map(|image| EventKind::ImageCancelled { image }))
                .chain([kind])
                .collect();
        }
        if self.admits(&kind) { vec![kind] } else { Vec::new() }
    }

    /// How often a blob was read before.
    pub(crate) fn readings(&self, blob: BlobId) -> usize {
        self.blobs.open.get(&blob).map_or(0, |running| running.reading)
    }

    /// The event for bytes that were read of a blob. Threads of a reading that has ended may still count, and a
    /// transport that goes on after a cut may read once more what has passed: that counts once.
    pub(crate) fn advance(
        &mut self,
        blob: BlobId,
        reading: usize,
        bytes: u64,
    ) -> Option<EventKind> {
        let running =
            self.blobs.open.get_mut(&blob).filter(|running| running.reading == reading)?;
        let bytes = bytes.min(running.ahead);
        running.ahead -= bytes;
        (bytes > 0).then_some(EventKind::Advanced { blob, bytes })
    }

    /// A blob is read from its start again, if it has not ended.
    fn rewind(&mut self, blob: BlobId) -> bool {
        let Some(running) = self.blobs.open.get_mut(&blob) else { return false };
        running.reading += 1;
        running.ahead = running.size;
        true
    }

    fn admits(&mut self, kind: &EventKind) -> bool {
        match kind {
            EventKind::BlobStarted { blob, size, .. } => {
                self.blobs.begin(*blob, Running { size: *size, reading: 0, ahead: *size })
            }
            EventKind::Retried { blob, .. } | EventKind::ReadAgain { blob } => self.rewind(*blob),
            EventKind::Stored { blob, .. }
            | EventKind::Reused { blob, .. }
            | EventKind::LeftOut { blob, .. }
            | EventKind::BlobFailed { blob, .. } => self.blobs.end(*blob),
            EventKind::BlobCancelled { blob } => self.blobs.give_up(*blob),
            EventKind::ImageStarted { image, .. } => self.images.begin(*image, ()),
            EventKind::Committed { image, .. }
            | EventKind::ImageFailed { image: Some(image), .. } => self.images.end(*image),
            EventKind::ImageCancelled { image } => self.images.give_up(*image),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_given_up_before_the_end() {
        let mut ledger = Ledger::default();
        let [one, two] = [0, 1].map(BlobId);
        let failed =
            |blob| EventKind::BlobFailed { blob, kind: String::new(), error: String::new() };
        for blob in [one, two] {
            ledger.blobs.begin(blob, Running { size: 10, reading: 0, ahead: 10 });
        }
        ledger.images.begin(ImageId(0), ());
        assert_eq!(ledger.enter(failed(one)), [failed(one)]);
        for late in [failed(one), EventKind::BlobCancelled { blob: one }] {
            assert_eq!(ledger.enter(late), []);
        }
        assert_eq!(ledger.advance(one, 0, 1), None);
        let ends = [
            EventKind::BlobCancelled { blob: two },
            EventKind::ImageCancelled { image: ImageId(0) },
            EventKind::Cancelled,
        ];
        assert_eq!(ledger.enter(EventKind::Cancelled), ends);
        assert_eq!(ledger.enter(EventKind::Finished), []);
        assert_eq!(ledger.advance(two, 0, 1), None);
    }

    #[test]
    fn bytes_count_once() {
        let (mut ledger, blob) = (Ledger::default(), BlobId(0));
        ledger.blobs.begin(blob, Running { size: 10, reading: 0, ahead: 10 });
        let advanced = |bytes| Some(EventKind::Advanced { blob, bytes });
        assert_eq!(ledger.advance(blob, 0, 4), advanced(4));
        // A server lost what came after the first piece, and all is read again to get there.
        for (bytes, told) in [(4, advanced(4)), (4, advanced(2)), (4, None), (2, None)] {
            assert_eq!(ledger.advance(blob, 0, bytes), told);
        }
        let again = EventKind::Retried { blob, why: String::new() };
        assert_eq!(ledger.enter(again.clone()), [again]);
        assert_eq!((ledger.readings(blob), ledger.advance(blob, 0, 1)), (1, None));
        assert_eq!(ledger.advance(blob, 1, 10), advanced(10), "of the last reading only");
    }
}
