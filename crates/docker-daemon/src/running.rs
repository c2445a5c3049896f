//! [`Running`]: the commits of one image that run at the same time in this process.
//!
//! A commit that is given up removes the image that it has loaded, unless the image has got a name. Another commit of the same
//! image, as a second try, could find the image there, and name it while it is removed. So commits of one image know of each
//! other: the last one that ends without success removes the image, and one that begins waits for a removal that runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch::{Receiver, Sender, channel};

/// By image. It is of all engines: two values for one engine know nothing of each other.
static IMAGES: Mutex<Option<HashMap<String, Image>>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Image {
    commits: usize,
    fate: Fate,
    /// It is closed when the removal has ended.
    removal: Option<Receiver<()>>,
}

/// What is to become of an image when no commit of it runs any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// It is as it was before.
    #[default]
    AsItWas,
    /// A commit has loaded it and was given up.
    Removed,
    /// A commit has succeeded.
    Kept,
}

/// A commit of an image, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    image: String,
}

/// The removal of an image, which runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Removal {
    image: String,
    _end: Sender<()>,
}

impl Running {
    /// Of an image, by its engine and ID. Waits while the image is removed.
    pub(crate) async fn begin(image: String) -> Self {
        with(&image, |image| image.commits += 1);
        let this = Self { image };
        while let Some(mut ended) = with(&this.image, |image| image.removal.clone()) {
            // An error says that it has ended.
            let _ = ended.changed().await;
        }
        this
    }

    /// It has succeeded: the image stays, whatever becomes of other commits.
    pub(crate) fn succeeds(self) {
        with(&self.image, |image| image.fate = Fate::Kept);
    }

    /// It has not, and may have `loaded` the image, which was not there before. Gives the removal where the image has to go now.
    pub(crate) fn gives_up(self, loaded: bool) -> Option<Removal> {
        with(&self.image, |image| {
            if loaded && image.fate == Fate::AsItWas {
                image.fate = Fate::Removed;
            }
            let is_due = image.commits == 1 && image.fate == Fate::Removed;
            is_due.then(|| {
                let (end, ended) = channel(());
                image.removal = Some(ended);
                image.fate = Fate::AsItWas;
                Removal { image: self.image.clone(), _end: end }
            })
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        with(&self.image, |image| image.commits -= 1);
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        with(&self.image, |image| image.removal = None);
    }
}

/// Does something with what is known of an image, and forgets what is not needed any more.
fn with<T>(image: &str, does: impl FnOnce(&mut Image) -> T) -> T {
    let mut images: MutexGuard<'_, _> = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let images = images.get_or_insert_default();
    let known = images.entry(image.to_owned()).or_default();
    let done = does(known);
    if known.commits == 0 && known.removal.is_none() {
        images.remove(image);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    async fn two(image: &str) -> (Running, Running) {
        (Running::begin(image.to_owned()).await, Running::begin(image.to_owned()).await)
    }

    #[tokio::test]
    async fn the_last_one_removes_what_another_has_loaded() {
        let (first, second) = two("last").await;
        assert!(first.gives_up(true).is_none());
        let removal = second.gives_up(false).unwrap();
        let mut next = Box::pin(Running::begin("last".to_owned()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending());
        let other = Running::begin("other".to_owned()).await;
        drop(removal);
        // It was there before that one.
        assert!(next.await.gives_up(false).is_none());
        assert!(other.gives_up(true).is_some());
    }

    #[tokio::test]
    async fn what_one_keeps_no_other_removes() {
        let (first, second) = two("kept").await;
        first.succeeds();
        assert!(second.gives_up(true).is_none());
        let (first, second) = two("kept").await;
        assert!(first.gives_up(true).is_none());
        second.succeeds();
        let known = |image: &str| IMAGES.lock().unwrap().as_ref().unwrap().contains_key(image);
        assert!(!known("kept"));
    }
}
