//! Blobs that are kept before it is known what they are for.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use transship_core::{Body, Cancel, Error, ErrorKind, Result, ResultExt, Staged, Staging};

use super::{Content, Writing};
use crate::archive::LayoutWriter;
use crate::destination::LayoutDestination;

impl Content {
    fn stage(&self, body: Body, cancel: &Cancel) -> Result<Staged> {
        self.has_put.store(true, Ordering::Relaxed);
        let (stored, bytes) = self.store.stage(body, cancel)?;
        let bytes = bytes.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "blobs cannot be taken out of a tar again")
        })?;
        Ok(Staged::new(stored, bytes))
    }
}

async fn stage(writing: &Writing, body: Body) -> Result<Staged> {
    let staged = writing.content().step(move |content, cancel| content.stage(body, cancel)).await;
    staged.context(|| writing.reference(crate::reference::Selector::None))
}

#[async_trait]
impl Staging for LayoutWriter {
    async fn stage(&self, body: Body) -> Result<Staged> {
        stage(self.writing(), body).await
    }
}

#[async_trait]
impl Staging for LayoutDestination {
    async fn stage(&self, body: Body) -> Result<Staged> {
        stage(self.writing(), body).await
    }
}
