//! Two commits of one image at the same time, of which one or both are given up: neither takes from the other what it has, and nothing
//! without a name is left by both.

use std::future::Future;
use std::time::Duration;

use super::dropped::{digest, polled};
use super::store::Fault;
use super::*;

const NAMES: [&str; 2] = ["example.org/app:1", "example.org/app:2"];

/// At how many points they are given up.
const POINTS: u64 = 100;

/// Waits for something, which then has to stay so for longer than a slow engine takes for a load and a removal.
async fn settles(what: impl Fn() -> bool, when: &str) {
    let mut since = 0;
    for _ in 0..1000 {
        since = if what() { since + 1 } else { 0 };
        if since == 12 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{when}: it does not settle");
}

async fn comes(what: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    panic!("it does not come");
}

/// Runs a future until something is so, and gives it up then.
async fn until(future: impl Future, what: impl Fn() -> bool) {
    tokio::select! {
        _ = future => panic!("it has ended"),
        () = comes(what) => {}
    }
}

fn forget(engine: &StoreEngine, image: &Stack) {
    engine.state.lock().unwrap().remove(&digest(image));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_given_up_takes_no_name_from_the_other() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["together-a", "together-b"]);
    let polls = polled(image.write(&to, NAMES[0]), u64::MAX).await.unwrap();
    for point in 0..POINTS {
        forget(&engine, &image);
        let (when, second);
        if point % 2 == 0 {
            engine.set(Fault::None);
            when = format!("dropped at poll {}", polls * point / POINTS);
            let giving_up = polled(image.write(&to, NAMES[0]), polls * point / POINTS);
            (_, second) = tokio::join!(giving_up, image.write(&to, NAMES[1]));
        } else {
            // The second one begins while the first is sent, loaded, named or removed.
            engine.set(Fault::Slow);
            let (after, later) = (900 * point, 4000 * (point * 7 % 13));
            when = format!("dropped after {after} us, the other began after {later} us");
            let giving_up =
                tokio::time::timeout(Duration::from_micros(after), image.write(&to, NAMES[0]));
            let other = async {
                tokio::time::sleep(Duration::from_micros(later)).await;
                image.write(&to, NAMES[1]).await
            };
            (_, second) = tokio::join!(giving_up, other);
        }
        second.unwrap_or_else(|error| panic!("{when}: {error}"));
        let stands = || engine.named(NAMES[1]) == Some(digest(&image));
        settles(|| stands() && engine.nameless().is_empty(), &when).await;
        image.reads_back(&to, NAMES[1]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_given_up_leave_nothing_without_a_name() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["both-a", "both-b"]);
    engine.set(Fault::Slow);
    for point in 0..POINTS {
        forget(&engine, &image);
        let times = [900 * point, 4000 * (point * 7 % 13), 900 * (point * 37 % POINTS)];
        let [first, later, second] = times.map(Duration::from_micros);
        let one = tokio::time::timeout(first, image.write(&to, NAMES[0]));
        let other = async {
            tokio::time::sleep(later).await;
            tokio::time::timeout(second, image.write(&to, NAMES[1])).await
        };
        let _ = tokio::join!(one, other);
        let when = format!("point {point}: {times:?}");
        settles(|| engine.nameless().is_empty(), &when).await;
        for name in NAMES.iter().filter(|name| engine.named(name).is_some()) {
            image.reads_back(&to, name).await;
        }
    }
}

/// The second one begins while the image of the first is there only to be removed, and has to remove what it loads itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_begins_during_a_removal_removes_its_own() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["during-a", "during-b"]);
    let there = || !engine.nameless().is_empty();
    let begun = || {
        let state = engine.state.lock().unwrap();
        (state.loads, state.removals)
    };
    for round in 0..10 {
        let destination = Stack::open(&to, NAMES[1], &WriteOptions::default()).await;
        image.put_missing(&*destination).await.unwrap();
        let (loads, removals) = begun();
        engine.set(Fault::HoldsAnswers);
        until(image.write(&to, NAMES[0]), there).await;
        engine.set(Fault::Slow);
        comes(|| begun().1 > removals).await;
        engine.set(Fault::HoldsAnswers);
        until(image.commit(destination), || begun().0 == loads + 2 && there()).await;
        engine.set(Fault::None);
        settles(|| !there(), &format!("round {round}")).await;
    }
}

/// What one has ended with stays, also when the name has another image by the time at which the other is given up.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_committed_the_other_leaves() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let old = Stack::new(&["old"]);
    for name in [NAMES[1], ""] {
        let image = Stack::new(&["stays", name]);
        engine.set(Fault::HoldsAnswers);
        let mut first = Box::pin(image.write(&to, NAMES[0]));
        let is_there = || engine.nameless().contains(&digest(&image));
        until(&mut first, is_there).await;
        // Nobody polls the first one from here on.
        engine.set(Fault::None);
        image.write(&to, name).await.unwrap();
        old.write(&to, NAMES[1]).await.unwrap();
        drop(first);
        settles(is_there, name).await;
        engine.prune();
    }
}
