//! [`Publication`]: the step with which an image shows.

use transship_core::{Descriptor, Error, ErrorKind, Result};

use crate::api::Containerd;
use crate::find;
use crate::lease::{Garbage, Lease};
use crate::proto::Image;

/// How often a name is tried that comes and goes.
const TRIES: usize = 5;

/// Names that are given to a root.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) containerd: Containerd,
    pub(crate) root: Descriptor,
    /// None for an image without a name.
    pub(crate) names: Vec<String>,
    pub(crate) taken: Taken,
    pub(crate) garbage: Garbage,
}

/// What becomes of a name that another image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It moves.
    Moves,
    /// That is an error.
    Refused,
}

/// What a record was before.
type Before = (String, Option<Image>);

impl Publication {
    /// Gives the names, and then lets go of the lease. It goes on when its caller is dropped: several names are all moved, or none.
    pub(crate) async fn run(self, lease: Lease) -> Result<()> {
        let work = tokio::spawn(async move {
            self.publish().await?;
            // The image is there. Where the lease cannot be deleted, it expires.
            let _ = lease.end(self.garbage).await;
            Ok(())
        });
        match work.await {
            Ok(done) => done,
            Err(error) => {
                Err(Error::new(ErrorKind::Cancelled, "the runtime has ended").caused_by(error))
            }
        }
    }

    async fn publish(&self) -> Result<()> {
        let own = self.root.digest.to_string();
        if self.names.is_empty() {
            return self.give(&own).await.map(drop);
        }
        let mut done: Vec<Before> = Vec::new();
        for name in &self.names {
            match self.give(name).await {
                Ok(before) => done.push((name.clone(), before)),
                Err(error) => {
                    self.undo(done).await;
                    return Err(error);
                }
            }
        }
        // It has a name now.
        if find::record(&self.containerd, &own).await?.is_some() {
            self.containerd.delete_image(&own).await?;
        }
        Ok(())
    }

    /// Lets a name stand for the root. Gives what it stood for.
    async fn give(&self, name: &str) -> Result<Option<Image>> {
        let target = Some(find::target(&self.root)?);
        let image = Image { name: name.to_owned(), target, ..Image::default() };
        let mut failed = None;
        for _ in 0..TRIES {
            match self.containerd.create_image(image.clone()).await {
                Ok(()) => return Ok(None),
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                Err(error) if self.taken == Taken::Refused => return Err(error),
                Err(_) => {}
            }
            let before = find::record(&self.containerd, name).await?;
            let Some((before, _)) = before else { continue };
            match self.containerd.retarget_image(image.clone()).await {
                Ok(()) => return Ok(Some(before)),
                // Deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::Conflict, "the name comes and goes")))
    }

    /// As far as it can be done.
    async fn undo(&self, done: Vec<Before>) {
        for (name, before) in done.into_iter().rev() {
            let _ = match before {
                Some(before) => self.containerd.retarget_image(before).await,
                None => self.containerd.delete_image(&name).await,
            };
        }
    }
}
