//! [`Nameless`]: an image that was loaded and has no name yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use transship_core::{Digest, Result, ResultExt};

use crate::engine::Engine;
use crate::load::Reply;

/// How long is waited, when an image was given up while an engine loads it, until it can be removed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An image whose tar has ended, so that the engine keeps it. Dropped before [`named`](Self::named), it is removed again, as far
/// as the runtime goes on until then.
#[derive(Debug)]
pub(crate) struct Nameless {
    /// `None` when nothing has to be removed any more.
    engine: Option<Arc<dyn Engine>>,
    pub(crate) id: String,
    /// The root that was sent.
    pub(crate) root: Digest,
    reply: Option<Reply>,
}

impl Nameless {
    /// Of an image that was there before, nothing is removed.
    pub(crate) async fn new(engine: &Arc<dyn Engine>, id: String, root: Digest) -> Self {
        // Where it cannot be told, it counts as there.
        let absent = matches!(engine.inspect(&id).await.if_found(), Ok(None));
        let engine = absent.then(|| Arc::clone(engine));
        Self { engine, id, root, reply: None }
    }

    /// The ID of what was loaded, where the engine says it.
    pub(crate) async fn loaded(&mut self, reply: Reply) -> Result<Option<String>> {
        let reply = self.reply.insert(reply);
        let said = reply.id().await;
        self.reply = None;
        said
    }

    /// It has a name now.
    pub(crate) fn named(&mut self) {
        self.engine = None;
    }

    /// Removes it.
    pub(crate) async fn remove(mut self) {
        // Where nothing was kept, there is nothing to remove.
        if let Some(engine) = self.engine.take() {
            let _ = remove(&*engine, &self.id).await;
        }
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        let (Some(engine), Ok(runtime)) = (self.engine.take(), Handle::try_current()) else {
            return;
        };
        let (id, reply) = (std::mem::take(&mut self.id), self.reply.take());
        runtime.spawn(async move {
            if let Some(mut reply) = reply {
                let _ = timeout(PATIENCE, reply.id()).await;
            }
            let _ = remove(&*engine, &id).await;
        });
    }
}

/// Removes an image, if it still has no name.
async fn remove(engine: &dyn Engine, id: &str) -> Result<()> {
    if engine.inspect(id).await?.names().next().is_some() {
        return Ok(());
    }
    engine.remove(id).await
}
