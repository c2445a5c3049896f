//! [`Publication`]: the step with which an image shows.

use std::time::Duration;

use transship_core::{Descriptor, Error, ErrorKind, Observer, Result, spawn_to_end};

use crate::api::Containerd;
use crate::find;
use crate::lease::{Garbage, Lease};
use crate::proto::Image;
use crate::upload::sleep;

/// How often a name is tried that comes and goes, or that is given back.
const TRIES: usize = 5;

/// The first pause before another try to give a name back.
const PAUSE: Duration = Duration::from_millis(20);

/// Names that are given to a root.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) containerd: Containerd,
    pub(crate) root: Descriptor,
    /// None for an image without a name.
    pub(crate) names: Vec<String>,
    pub(crate) taken: Taken,
    pub(crate) garbage: Garbage,
    pub(crate) observer: Observer,
}

/// What becomes of a name that another image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It moves.
    Moves,
    /// That is an error.
    Refused,
}

/// A name that was given, or may have been, and what it stood for.
#[derive(Debug)]
struct Given {
    name: String,
    before: Option<Image>,
}

impl Publication {
    /// Gives the names, and then lets go of the lease. It goes on when its caller is dropped: several names are all moved, or none.
    pub(crate) async fn run(self, lease: Lease) -> Result<()> {
        let work = spawn_to_end(async move {
            // A lease that has expired kept nothing: it is seen while the names are where they were.
            lease.keep(&self.root.digest).await?;
            self.publish(&lease).await?;
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

    async fn publish(&self, lease: &Lease) -> Result<()> {
        let own = self.root.digest.to_string();
        let mut given = Vec::new();
        if self.names.is_empty() {
            return self.give(&own, lease, &mut given).await;
        }
        for name in &self.names {
            if let Err(error) = self.give(name, lease, &mut given).await {
                return Err(self.undone(given, error.context(format!("naming it {name}"))).await);
            }
        }
        self.unname(&own).await;
        Ok(())
    }

    /// Removes the record of an image without a name, which has a name now. A failure of it fails no image that is there.
    async fn unname(&self, own: &str) {
        let removed = async {
            match find::record(&self.containerd, own).await? {
                Some(_) => self.containerd.delete_image(own).await,
                None => Ok(()),
            }
        };
        if let Err(error) = removed.await {
            self.observer.warn(format!("the image has its names, and is {own} still: {error}"));
        }
    }

    /// Lets a name stand for the root. What it stood for is kept until the lease ends.
    async fn give(&self, name: &str, lease: &Lease, given: &mut Vec<Given>) -> Result<()> {
        let target = Some(find::target(&self.root)?);
        let image = Image { name: name.to_owned(), target, ..Image::default() };
        let mut failed = None;
        for _ in 0..TRIES {
            let before = match self.taken {
                Taken::Moves => find::record(&self.containerd, name).await?,
                Taken::Refused => None,
            };
            let done = match &before {
                Some((_, stored)) => {
                    // Before it moves: a collection would take what the name has to go back to.
                    lease.keep(&stored.root.digest).await?;
                    self.containerd.retarget_image(image.clone()).await
                }
                None => self.containerd.create_image(image.clone()).await,
            };
            match done.as_ref().err().map(Error::kind) {
                Some(ErrorKind::AlreadyExists) if self.taken == Taken::Refused => return done,
                // Somebody else has made or deleted it meanwhile.
                Some(ErrorKind::AlreadyExists | ErrorKind::NotFound) => failed = done.err(),
                // Also where the answer is lost: then it may have been given.
                _ => {
                    let before = before.map(|(record, _)| record);
                    given.push(Given { name: name.to_owned(), before });
                    return done;
                }
            }
        }
        Err(failed.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                "another client creates and deletes the name again and again",
            )
        }))
    }

    /// Gives the names back, the last one first. The error says which of them stand for the new image all the same.
    async fn undone(&self, given: Vec<Given>, error: Error) -> Error {
        let mut moved = Vec::new();
        for given in given.into_iter().rev() {
            if self.undo(&given).await.is_err() {
                moved.push(given.name);
            }
        }
        if moved.is_empty() {
            return error;
        }
        moved.reverse();
        error.context(format!("{} may stand for the new image already", moved.join(", ")))
    }

    /// Tries again where containerd cannot be reached: a new connection may be there in a moment.
    async fn undo(&self, given: &Given) -> Result<()> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.give_back(given).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => sleep(pause).await?,
                done => return done,
            }
            pause *= 2;
        }
        self.give_back(given).await
    }

    async fn give_back(&self, given: &Given) -> Result<()> {
        match find::record(&self.containerd, &given.name).await? {
            Some((_, now)) if now.root.digest == self.root.digest => {}
            // The name was not given, or somebody else has moved it since.
            _ => return Ok(()),
        }
        match given.before.clone() {
            Some(before) => self.containerd.retarget_image(before).await,
            None => self.containerd.delete_image(&given.name).await,
        }
    }
}
