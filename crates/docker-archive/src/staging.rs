//! Layers that are kept before it is known which images need them.

use async_trait::async_trait;
use transship_core::{Body, Cancel, Reference, Result, ResultExt, Staged, Staging};
use transship_local::Unpublished;

use crate::archive::Writer;
use crate::destination::Destination;
use crate::writing::Writing;

async fn stage(writing: &Unpublished<Writing>, at: &Reference, body: Body) -> Result<Staged> {
    let turn = writing.hold()?.turn().await;
    let stage = move |writing: &Writing, cancel: &Cancel| writing.stage(body, &turn, cancel);
    writing.step(stage).await.context(|| at)
}

#[async_trait]
impl Staging for Writer {
    async fn stage(&self, body: Body) -> Result<Staged> {
        stage(&self.writing, &self.reference, body).await
    }
}

#[async_trait]
impl Staging for Destination {
    async fn stage(&self, body: Body) -> Result<Staged> {
        stage(&self.writing, &self.reference, body).await
    }
}
