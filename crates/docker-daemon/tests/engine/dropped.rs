//! Loads and saves that are given up, and what an engine refuses after it has loaded an image: a name stands for the old image or
//! for the new one, which is whole, and no image without a name is left.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use transship_core::{DeleteMode, DeleteOptions, ImageName, Notice, Observer};

use super::store::Fault;
use super::*;

const NAMES: [&str; 2] = ["example.org/app:1", "example.org/app:2"];

/// At how many points a load and a save are given up.
const POINTS: u64 = 100;

pub(crate) fn digest(image: &Stack) -> String {
    image.root.descriptor().digest.to_string()
}

/// Under both names.
async fn write(image: &Stack, to: &DockerDaemon, how: &WriteOptions) -> Result<()> {
    let how = how.clone().with_names(vec![ImageName::new(NAMES[1]).unwrap()]);
    let destination = to.destination(&to.parse(NAMES[0])?, &how).await?;
    image.put_missing(&*destination).await?;
    image.commit(destination).await.map(drop)
}

/// Drops a future after so many polls, or when it is done. Gives the number of polls when it was done.
pub(crate) async fn polled(future: impl Future, most: u64) -> Option<u64> {
    let mut future = pin!(future);
    let mut count = 0;
    poll_fn(|context| {
        if count == most {
            return Poll::Ready(None);
        }
        count += 1;
        future.as_mut().poll(context).map(|_| Some(count))
    })
    .await
}

/// Waits until what was begun has ended: both names have one image. Only the old image may have none, whose names were taken over.
async fn settles(engine: &StoreEngine, old: &Stack, new: &Stack, when: &str) {
    let mut settled = 0;
    for _ in 0..1000 {
        let stands = NAMES.map(|name| engine.named(name));
        let whole = [old, new].iter().any(|image| Some(digest(image)) == stands[0]);
        let left = engine.nameless().into_iter().any(|left| left != digest(old));
        // What has been begun may still have to show.
        settled = if stands[0] == stands[1] && whole && !left { settled + 1 } else { 0 };
        if settled == 8 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{when}: {:?}, without a name {:?}", NAMES.map(|n| engine.named(n)), engine.nameless());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_given_up_anywhere_leaves_the_old_image_or_the_new_one() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let how = WriteOptions::default();
    let (old, new) = (Stack::new(&["a", "old"]), Stack::new(&["b", "new"]));
    let polls = polled(write(&new, &to, &how), u64::MAX).await.unwrap();
    for point in 0..POINTS {
        engine.set(Fault::None);
        write(&old, &to, &how).await.unwrap();
        engine.prune();
        let when;
        if point % 2 == 0 {
            when = format!("dropped at poll {}", polls * point / POINTS);
            polled(write(&new, &to, &how), polls * point / POINTS).await;
        } else {
            // The load and each name take 20 ms, which is where most of these fall.
            engine.set(Fault::Slow);
            let after = Duration::from_micros(900 * point);
            when = format!("dropped after {after:?}");
            let _ = tokio::time::timeout(after, write(&new, &to, &how)).await;
        }
        settles(&engine, &old, &new, &when).await;
        let image = if engine.named(NAMES[0]) == Some(digest(&old)) { &old } else { &new };
        image.reads_back(&to, NAMES[1]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_given_up_anywhere_changes_nothing() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["a", "b"]);
    write(&image, &to, &WriteOptions::default()).await.unwrap();
    let polls = polled(image.reads_back(&to, NAMES[0]), u64::MAX).await.unwrap();
    for point in 0..POINTS {
        polled(image.reads_back(&to, NAMES[0]), polls * point / POINTS).await;
        settles(&engine, &image, &image, &format!("point {point}")).await;
    }
    image.reads_back(&to, NAMES[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_gets_no_name_is_removed_or_warned_of() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&heard);
    let how = WriteOptions::default().with_observer(Observer::new(move |notice| {
        if let Notice::Warning(text) = notice {
            noted.lock().unwrap().push(text);
        }
    }));
    let (old, new) = (Stack::new(&["a"]), Stack::new(&["b"]));
    write(&old, &to, &how).await.unwrap();
    for (fault, nameless) in [(Fault::RefusesNames, 0), (Fault::RefusesNamesAndRemovals, 1)] {
        engine.set(fault);
        let error = write(&new, &to, &how).await.unwrap_err().to_string();
        assert!(error.contains("read-only") && error.contains(NAMES[0]), "{error}");
        // At once, and not when something else is dropped.
        assert_eq!(engine.nameless().len(), nameless, "{fault:?}");
        assert_eq!(heard.lock().unwrap().len(), nameless, "{fault:?}");
        assert_eq!(engine.named(NAMES[0]), Some(digest(&old)));
    }
    let left = &heard.lock().unwrap()[0];
    assert!(left.contains(&digest(&new)) && left.contains("read-only"), "{left}");
}

/// What is heard of names, by the first word of each notice.
fn heard(how: WriteOptions) -> (WriteOptions, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&heard);
    let observer = Observer::new(move |notice| noted.lock().unwrap().push(format!("{notice:?}")));
    (how.with_observer(observer), heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_given_up_is_known_to_have_given_no_name() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let (how, heard) = heard(WriteOptions::default());
    let image = Stack::small(&["a"]);
    for was_there in [false, true] {
        engine.set(Fault::HoldsAnswers);
        let loads = engine.state.lock().unwrap().loads;
        let begun = tokio::select! {
            _ = write(&image, &to, &how) => false,
            () = async {
                while engine.state.lock().unwrap().loads == loads {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            } => true,
        };
        assert!(begun);
        let names = std::mem::take(&mut *heard.lock().unwrap());
        // With layers that are there, it is loaded before the commit, and nothing was to be named.
        assert_eq!(names.len(), usize::from(!was_there), "{names:?}");
        let is_ours = |name: &String| name.contains("GivenUp") && name.contains(NAMES[0]);
        assert!(names.iter().all(is_ours), "{names:?}");
        // Of an image that was there, nothing has to be removed when the engine has loaded it.
        let soon = tokio::time::timeout(Duration::from_millis(300), transship_core::settled());
        assert_eq!(soon.await.is_ok(), was_there);
        engine.set(Fault::None);
        transship_core::settled().await;
        image.write(&to, "example.org/other:1").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_id_all_of_its_names_go_and_are_listed() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::small(&["a"]);
    write(&image, &to, &WriteOptions::default()).await.unwrap();
    let at = to.parse(&digest(&image)).unwrap();
    let (WriteOptions { observer, .. }, heard) = heard(WriteOptions::default());
    let how = DeleteOptions::default().with_observer(observer);
    for mode in [DeleteMode::Look, DeleteMode::Delete] {
        to.deletion().unwrap().delete(&at, &how.clone().with_mode(mode)).await.unwrap();
        let told = std::mem::take(&mut *heard.lock().unwrap());
        assert_eq!(told.len(), 2, "{told:?}");
        for (told, name) in told.iter().zip(NAMES) {
            assert!(told.contains("Deleted") && told.contains(name), "{told}");
        }
    }
    assert_eq!(NAMES.map(|name| engine.named(name)), [None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_in_use_keeps_all_of_its_names() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["a"]);
    write(&image, &to, &WriteOptions::default()).await.unwrap();
    engine.set(Fault::InUse);
    let at = to.parse(&digest(&image)).unwrap();
    let deletion = to.deletion().unwrap();
    let error = deletion.delete(&at, &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.advice().unwrap().to_string().contains("containers"), "{error}");
    for name in NAMES {
        assert_eq!(engine.named(name), Some(digest(&image)), "{name}");
    }
    // A name of it goes, while another is left.
    let at = to.parse(NAMES[0]).unwrap();
    deletion.delete(&at, &DeleteOptions::default()).await.unwrap();
    assert_eq!(engine.named(NAMES[1]), Some(digest(&image)));
}
