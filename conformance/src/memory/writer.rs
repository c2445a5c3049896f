//! [`Writer`]: a container being written.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{ArchiveWriter, ImageDestination, ImageName, Reference, Result, WriteMode};

use super::container::Container;
use super::destination::{Destination, Target};
use super::{Locator, Memory};

/// A container being written: the images that were committed, until it shows.
#[derive(Debug)]
pub(super) struct Writer {
    memory: Memory,
    place: Locator,
    reference: Reference,
    mode: WriteMode,
    base: Container,
    written: Arc<Mutex<Container>>,
}

impl Writer {
    pub(super) fn new(memory: Memory, place: Locator, mode: WriteMode, base: Container) -> Self {
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

    async fn finish(self: Box<Self>) -> Result<()> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.memory.change(&self.place.place, self.mode, |container| {
            for image in written.0 {
                container.add(Arc::unwrap_or_clone(image));
            }
        })
    }
}
