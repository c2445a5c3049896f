//! [`Writer`]: an archive being written.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{ArchiveWriter, ImageDestination, ImageName, Reference, Result, WriteMode};

use super::archive::Archive;
use super::destination::{Destination, Target};
use super::{Locator, Memory};

/// An archive being written: the images that were committed, until it shows.
#[derive(Debug)]
pub(super) struct Writer {
    memory: Memory,
    place: Locator,
    reference: Reference,
    mode: WriteMode,
    base: Archive,
    written: Arc<Mutex<Archive>>,
}

impl Writer {
    pub(super) fn new(memory: Memory, place: Locator, mode: WriteMode, base: Archive) -> Self {
        let reference = place.reference();
        Self { memory, place, reference, mode, base, written: Arc::default() }
    }
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let target = Target::Writer(Arc::clone(&self.written));
        let place = self.place.clone();
        Ok(Box::new(Destination::new(
            place,
            names.to_vec(),
            &self.base,
            self.memory.clone(),
            target,
        )))
    }

    async fn finish(&mut self) -> Result<()> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.memory.change(&self.place.place, self.mode, |archive| {
            for image in written.0 {
                archive.add(Arc::unwrap_or_clone(image))?;
            }
            Ok(())
        })
    }
}
