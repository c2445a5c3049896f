//! [`Running`]: the commits of one image that run at the same time in this process.
//!
//! A commit that is given up removes the image that it has loaded, unless the image has got a name. Another commit of the same
//! image, as a second try, could find the image there, and name it while it is removed. So commits of one image know of each
//! other: the last one that ends without success removes the image, and one that begins waits for a removal that runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch::{Receiver, Sender, channel};

/// By image. Global, as two `Engine` values may stand for one engine.
static IMAGES: Mutex<Option<HashMap<String, Image>>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Image {
    commits: usize,
    fate: Fate,
    /// It is closed when the removal has ended.
    removal: Option<Receiver<()>>,
}

/// Whether the engine had an image before a commit loaded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Absent,
    /// Or it cannot be told.
    There,
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
    /// Of an image, by its engine and ID. Waits while the image is removed; until then it does not count.
    pub(crate) async fn begin(image: String) -> Self {
        loop {
            let removal = with(&image, |image| {
                image.commits += usize::from(image.removal.is_none());
                image.removal.clone()
            });
            let Some(mut ended) = removal else { return Self { image } };
            // An error says that it has ended.
            let _ = ended.changed().await;
        }
    }

    /// It has succeeded: the image stays, whatever becomes of other commits.
    pub(crate) fn succeeds(self) {
        with(&self.image, |image| image.fate = Fate::Kept);
    }

    /// Whether nothing would have to be removed if it had not succeeded: nobody has to wait for the engine.
    pub(crate) fn leaves_all(&self, before: Before) -> bool {
        with(&self.image, |image| {
            before == Before::There && image.commits == 1 && image.fate != Fate::Removed
        })
    }

    /// It has not succeeded, and the engine has answered. Gives the removal where the image has to go now.
    pub(crate) fn gives_up(self, before: Before) -> Option<Removal> {
        with(&self.image, |image| {
            if before == Before::Absent && image.fate == Fate::AsItWas {
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
        assert!(first.gives_up(Before::Absent).is_none());
        let removal = second.gives_up(Before::There).unwrap();
        let mut next = Box::pin(Running::begin("last".to_owned()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending());
        let other = Running::begin("other".to_owned()).await;
        drop(removal);
        // It was there before that one.
        assert!(next.await.gives_up(Before::There).is_none());
        assert!(other.gives_up(Before::Absent).is_some());
    }

    #[tokio::test]
    async fn one_that_only_waits_decides_nothing() {
        let removal = Running::begin("waits".to_owned()).await.gives_up(Before::Absent).unwrap();
        let [mut next, mut waits] = [(); 2].map(|()| Box::pin(Running::begin("waits".to_owned())));
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(removal);
        // It is the only one, and has to remove what it loaded.
        assert!(next.await.gives_up(Before::Absent).is_some());
        drop(waits);
    }

    #[tokio::test]
    async fn what_one_keeps_no_other_removes() {
        let (first, second) = two("kept").await;
        first.succeeds();
        assert!(second.gives_up(Before::Absent).is_none());
        let (first, second) = two("kept").await;
        assert!(first.gives_up(Before::Absent).is_none());
        second.succeeds();
        let known = |image: &str| IMAGES.lock().unwrap().as_ref().unwrap().contains_key(image);
        assert!(!known("kept"));
    }
}
