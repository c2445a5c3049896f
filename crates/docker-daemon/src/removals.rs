//! [`Removal`]: images that are being removed because their commit was given up.
//!
//! Such a removal goes on in a task. A commit of the same image that begins to look for it meanwhile waits: else the removal, which
//! has seen an image without a name, could remove the one that this commit has just named. A removal that begins after that look is
//! not waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch::{Receiver, Sender, channel};

/// Of all engines: two values for one engine know nothing of each other.
static RUNNING: Mutex<Vec<(String, Receiver<()>)>> = Mutex::new(Vec::new());

/// A removal, which runs until this is dropped.
pub(crate) struct Removal(#[expect(dead_code, reason = "it is closed when dropped")] Sender<()>);

impl Removal {
    /// Of an image, by its reference with its ID.
    pub(crate) fn begin(image: String) -> Self {
        let (sender, ended) = channel(());
        running().push((image, ended));
        Self(sender)
    }

    /// Waits until none of an image runs.
    pub(crate) async fn wait_for_all(image: &str) {
        let next = || running().iter().find(|(of, _)| of == image).map(|(_, ended)| ended.clone());
        while let Some(mut ended) = next() {
            // An error says that it has ended.
            let _ = ended.changed().await;
        }
    }
}

/// Those that have not ended.
fn running() -> MutexGuard<'static, Vec<(String, Receiver<()>)>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|(_, ended)| ended.has_changed().is_ok());
    running
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn those_of_the_image_are_waited_for_and_no_others() {
        let (one, two) = (Removal::begin("a".into()), Removal::begin("a".into()));
        let other = Removal::begin("b".into());
        let mut waiting = Box::pin(Removal::wait_for_all("a"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(one);
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(two);
        waiting.await;
        Removal::wait_for_all("c").await;
        drop(other);
        Removal::wait_for_all("b").await;
    }
}
