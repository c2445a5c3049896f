//! [`Ledger`]: which events may be told, so that what was started ends once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BlobId, EventKind, ImageId};

/// What was started and what has ended, of one transfer.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ended: bool,
    blobs: Begun<BlobId>,
    images: Begun<ImageId>,
    /// How often blobs that are on their way were read before.
    again: BTreeMap<BlobId, usize>,
}

#[derive(Debug)]
struct Begun<T> {
    open: BTreeSet<T>,
    ended: BTreeSet<T>,
}

impl<T> Default for Begun<T> {
    fn default() -> Self {
        Self { open: BTreeSet::new(), ended: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Begun<T> {
    fn begin(&mut self, id: T) -> bool {
        !self.ended.contains(&id) && self.open.insert(id)
    }

    fn end(&mut self, id: T) -> bool {
        self.open.remove(&id);
        self.ended.insert(id)
    }

    /// Ends what was begun, and nothing else.
    fn give_up(&mut self, id: T) -> bool {
        self.open.contains(&id) && self.end(id)
    }

    fn give_up_all(&mut self) -> BTreeSet<T> {
        let open = std::mem::take(&mut self.open);
        self.ended.extend(&open);
        open
    }
}

impl Ledger {
    /// What is to be told when something happens: nothing of what has ended, and before the end of all what is still open.
    pub(crate) fn enter(&mut self, kind: EventKind) -> Vec<EventKind> {
        if self.ended {
            return Vec::new();
        }
        if kind.is_end() {
            self.ended = true;
            let blobs = self.blobs.give_up_all().into_iter();
            let images = self.images.give_up_all().into_iter();
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
        self.again.get(&blob).copied().unwrap_or(0)
    }

    /// Whether bytes that were read are to be told of. Threads of a reading that has ended may still count.
    pub(crate) fn counts(&self, blob: BlobId, reading: usize) -> bool {
        !self.ended && self.blobs.open.contains(&blob) && self.readings(blob) == reading
    }

    /// A blob is read from its start again, if it is on its way.
    fn rewind(&mut self, blob: BlobId) -> bool {
        let open = self.blobs.open.contains(&blob);
        if open {
            *self.again.entry(blob).or_default() += 1;
        }
        open
    }

    fn end(&mut self, blob: BlobId) -> bool {
        self.again.remove(&blob);
        self.blobs.end(blob)
    }

    fn admits(&mut self, kind: &EventKind) -> bool {
        match kind {
            EventKind::BlobStarted { blob, .. } => self.blobs.begin(*blob),
            EventKind::Advanced { blob, .. } => self.blobs.open.contains(blob),
            EventKind::Retried { blob, .. } | EventKind::ReadAgain { blob } => self.rewind(*blob),
            EventKind::Stored { blob, .. }
            | EventKind::Reused { blob, .. }
            | EventKind::LeftOut { blob, .. }
            | EventKind::BlobFailed { blob, .. } => self.end(*blob),
            EventKind::BlobCancelled { blob } => self.blobs.give_up(*blob),
            EventKind::ImageStarted { image, .. } => self.images.begin(*image),
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
            ledger.blobs.begin(blob);
        }
        ledger.images.begin(ImageId(0));
        assert_eq!(ledger.enter(failed(one)), [failed(one)]);
        for late in [failed(one), EventKind::BlobCancelled { blob: one }] {
            assert_eq!(ledger.enter(late), []);
        }
        assert_eq!(ledger.enter(EventKind::Advanced { blob: one, bytes: 1 }), []);
        assert!(!ledger.counts(one, 0) && ledger.counts(two, 0));
        let again = EventKind::Retried { blob: two, why: String::new() };
        assert_eq!(ledger.enter(again.clone()), [again]);
        assert!(ledger.counts(two, 1) && !ledger.counts(two, 0), "of the last reading only");
        let advanced = EventKind::Advanced { blob: two, bytes: 1 };
        assert_eq!(ledger.enter(advanced.clone()), [advanced]);
        let ends = [
            EventKind::BlobCancelled { blob: two },
            EventKind::ImageCancelled { image: ImageId(0) },
            EventKind::Cancelled,
        ];
        assert_eq!(ledger.enter(EventKind::Cancelled), ends);
        assert_eq!(ledger.enter(EventKind::Finished), []);
    }
}
