//! [`Turns`]: steps of images that are worked on at once, and take one step in order.

use tokio::sync::oneshot;
use transship_core::{Result, cancelled};

/// Gives out turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<oneshot::Receiver<()>>,
}

/// When a step may be taken: after the one before it.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    done: Option<oneshot::Sender<()>>,
}

impl Turns {
    /// The turn after those that were given out before.
    pub(crate) fn next(&mut self) -> Turn {
        let (done, next) = oneshot::channel();
        Turn { before: self.last.replace(next), done: Some(done) }
    }
}

impl Turn {
    /// Waits for the one before.
    pub(crate) async fn come(&mut self) -> Result<()> {
        match self.before.take() {
            Some(before) => before.await.map_err(|_| cancelled()),
            None => Ok(()),
        }
    }

    /// Lets the next one come.
    pub(crate) fn end(&mut self) {
        if let Some(done) = self.done.take() {
            // After the last there is none.
            let _ = done.send(());
        }
    }
}
