//! [`Nameless`]: an image that was loaded and has no name yet.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use transship_core::{
    Digest, DockerName, Error, ErrorKind, Notice, Observer, Reference, Result, ResultExt,
    WriteMode, cancelled, spawn_to_end,
};

use crate::engine::{BaseImages, Engine, Locator};
use crate::load::Reply;
use crate::running::{Before, Running};

/// How long is waited, when an image was given up while an engine loads it, until it can be removed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An image whose tar has ended, so that the engine keeps it. Dropped before it is [`named`](Self::name) or
/// [`kept`](Self::keep), it is removed again if it was not there before, as far as the runtime goes on until then. Where other
/// commits of the same image run, the last of them decides.
#[derive(Debug)]
pub(crate) struct Nameless {
    engine: Arc<dyn Engine>,
    pub(crate) id: String,
    /// The root that was sent.
    pub(crate) root: Digest,
    /// Whether it was there before.
    before: Before,
    /// Until it is decided whether the image stays.
    running: Option<Running>,
    reply: Option<Reply>,
    observer: Observer,
}

/// What becomes of a name that another image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It moves.
    Moves,
    /// That is an error.
    Refused,
}

impl From<Option<WriteMode>> for Taken {
    fn from(mode: Option<WriteMode>) -> Self {
        match mode {
            Some(WriteMode::Create) => Self::Refused,
            _ => Self::Moves,
        }
    }
}

impl Nameless {
    /// Looks whether the image is there already.
    pub(crate) async fn new(
        engine: &Arc<dyn Engine>,
        id: String,
        root: Digest,
        observer: &Observer,
    ) -> Self {
        let running = Running::begin(format!("{}{id}", engine.reference(&Locator::All))).await;
        let (engine, observer) = (Arc::clone(engine), observer.clone());
        // Before the engine is asked: another commit may leave the image to this one.
        let (before, running) = (Before::There, Some(running));
        let mut this = Self { engine, id, root, before, running, reply: None, observer };
        if matches!(this.engine.inspect(&this.id).await.if_found(), Ok(None)) {
            this.before = Before::Absent;
        }
        this
    }

    /// The ID of what was loaded, where the engine says it.
    pub(crate) async fn loaded(&mut self, reply: Reply) -> Result<Option<String>> {
        let reply = self.reply.insert(reply);
        let said = reply.id().await;
        self.reply = None;
        said
    }

    /// Gives it names. When this future is dropped, the names are given all the same: so all of them move, or none. The image
    /// goes again when the first cannot be given.
    pub(crate) async fn name(self, names: Vec<DockerName>, taken: Taken) -> Result<Vec<Reference>> {
        let task = spawn_to_end(self.name_each(names, taken));
        task.await.unwrap_or_else(|_| Err(cancelled()))
    }

    async fn name_each(mut self, names: Vec<DockerName>, taken: Taken) -> Result<Vec<Reference>> {
        // Engines have no call that gives a name only where it is free: a name that comes between the two moves.
        if taken == Taken::Refused
            && let Err(error) = refuse_names(&*self.engine, &names).await
        {
            self.remove().await;
            return Err(error);
        }
        let mut references = Vec::new();
        for name in names {
            let reference = self.engine.reference(&Locator::Name(name.clone()));
            self.observer.notify(Notice::Publishing(reference.clone()));
            if let Err(error) = self.engine.tag(&self.id, &name).await {
                self.remove().await;
                return Err(error.context(format!("giving the name {name}")));
            }
            self.stays();
            self.observer.notify(Notice::Published(reference.clone()));
            references.push(reference);
        }
        Ok(references)
    }

    /// Keeps it without a name.
    pub(crate) fn keep(mut self) {
        self.stays();
    }

    fn stays(&mut self) {
        if let Some(running) = self.running.take() {
            running.succeeds();
        }
    }

    /// Gives it up, also when this future is dropped.
    pub(crate) async fn remove(mut self) {
        if let Some(removal) = self.removal() {
            // It says itself what fails.
            let _ = spawn_to_end(removal).await;
        }
    }

    /// Removes it, once the engine has answered, where it has to go. What cannot be removed is warned of.
    fn removal(&mut self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let (running, reply, before) = (self.running.take()?, self.reply.take(), self.before);
        if running.leaves_all(before) {
            return None;
        }
        let (engine, observer, id) =
            (Arc::clone(&self.engine), self.observer.clone(), self.id.clone());
        Some(async move {
            // Until then the engine may be loading it, and another commit that ends must leave it to this one.
            if let Some(mut reply) = reply {
                let _ = timeout(PATIENCE, reply.id()).await;
            }
            let Some(removal) = running.gives_up(before) else { return };
            if let Err(error) = remove(&*engine, &id).await {
                observer
                    .warn(format!("the engine may keep {id}, an image without a name: {error}"));
            }
            drop(removal);
        })
    }
}

impl Drop for Nameless {
    fn drop(&mut self) {
        if let (Some(removal), Ok(_)) = (self.removal(), Handle::try_current()) {
            drop(spawn_to_end(removal));
        }
    }
}

/// # Errors
/// `AlreadyExists` when an image has one of the names.
pub(crate) async fn refuse_names(engine: &dyn Engine, names: &[DockerName]) -> Result<()> {
    for name in names {
        if engine.inspect(&name.to_string()).await.if_found()?.is_some() {
            let message = format!("the engine has an image {name}");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
    }
    Ok(())
}

/// Removes an image, if it is there and still has no name.
async fn remove(engine: &dyn Engine, id: &str) -> Result<()> {
    match engine.inspect(id).await.if_found()? {
        Some(found) if found.names().next().is_none() => engine.remove(id, BaseImages::Stay).await,
        _ => Ok(()),
    }
}
