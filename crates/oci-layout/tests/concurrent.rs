//! Many writers at one layout, in one process and in many; killed ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use common::*;
use transship_core::{Commit, Expect};

const WRITERS: usize = 8;
const PLACE: &str = "TRANSSHIP_TEST_PLACE";
const SEED: &str = "TRANSSHIP_TEST_SEED";

/// What other processes run: the tests start this test of this program again.
#[tokio::test]
async fn child() {
    let (Ok(place), Ok(seed)) = (std::env::var(PLACE), std::env::var(SEED)) else { return };
    let made = image(&seed);
    if let Some(seed) = seed.strip_prefix("killed-") {
        let to = destination(&oci(Path::new(&place), &format!(":{seed}"))).await.unwrap();
        put_blobs(&*to, &made).await.unwrap();
        fs::write(Path::new(&place).with_extension("ready"), "").unwrap();
        std::future::pending::<()>().await;
    }
    write(&oci(Path::new(&place), &format!(":{seed}")), &made).await.unwrap();
}

fn start(place: &Path, seed: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env(PLACE, place)
        .env(SEED, seed)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

async fn assert_all(layout: &Path, prefix: &str) {
    for at in 0..WRITERS {
        let seed = format!("{prefix}{at}");
        assert_holds(&oci(layout, &format!(":{seed}")), &image(&seed)).await;
    }
}

#[tokio::test]
async fn processes_lose_no_image() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for place in ["new", "empty"] {
        let layout = dir.path().join(place);
        for round in ["a", "b"] {
            let children: Vec<Child> =
                (0..WRITERS).map(|at| start(&layout, &format!("{round}{at}"))).collect();
            for mut child in children {
                assert!(child.wait().unwrap().success());
            }
        }
        assert_all(&layout, "a").await;
        assert_all(&layout, "b").await;
        assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 2 * WRITERS);
        // Config, own layer and manifest of each, and the layer that they share; two folders and two documents.
        assert_eq!(names_in(&layout).len(), 3 * 2 * WRITERS + 1 + 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_process_lose_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    let mut tasks = Vec::new();
    for at in 0..WRITERS {
        let layout = layout.clone();
        tasks.push(tokio::spawn(async move {
            let seed = format!("t{at}");
            write(&oci(&layout, &format!(":{seed}")), &image(&seed)).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_all(&layout, "t").await;
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), WRITERS);
}

#[tokio::test]
async fn what_a_killed_writer_leaves_the_next_one_cleans() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    for there in [false, true] {
        let before = tree(&layout);
        let mut child = start(&layout, "killed-x");
        let ready = layout.with_extension("ready");
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_file(ready).unwrap();
        let left = names_in(dir.path());
        assert!(left.iter().any(|name| name.contains(".transship-")), "{left:?}");
        for (name, bytes) in &before {
            assert_eq!(&tree(&layout)[name], bytes);
        }
        let seed = if there { "second" } else { "first" };
        write(&oci(&layout, &format!(":{seed}")), &image(seed)).await.unwrap();
        let left = names_in(dir.path());
        assert!(!left.iter().any(|name| name.contains(".transship-")), "{left:?}");
        assert_holds(&oci(&layout, &format!(":{seed}")), &image(seed)).await;
    }
}

#[tokio::test]
async fn a_collector_waits_for_writers_and_readers_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, one) = (dir.path().join("l"), image("one"));
    write(&oci(&layout, ":x"), &one).await.unwrap();
    let collector = || fs::File::open(layout.join("blobs")).unwrap();
    let to = destination(&oci(&layout, ":y")).await.unwrap();
    collector().try_lock().unwrap();
    assert!(to.has(&Expect::from(&one.blobs[0].0)).await.unwrap().is_some());
    assert!(collector().try_lock().is_err());
    let index = fs::File::open(layout.join("oci-layout")).unwrap();
    index.lock().unwrap();
    assert_holds(&oci(&layout, ":x"), &one).await;
    // The commit waits for the index lock, and can be given up meanwhile.
    let commit = to.commit(Commit::new(&one.manifest));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), commit).await;
    assert!(waited.is_err());
    index.unlock().unwrap();
    collector().lock().unwrap();
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 1);

    // A blob that a tool without locks removed is missed before anything shows.
    let to = destination(&oci(&layout, ":y")).await.unwrap();
    for (descriptor, _) in &one.blobs {
        to.has(&Expect::from(descriptor)).await.unwrap().unwrap();
    }
    fs::remove_file(layout.join("blobs/sha256").join(one.blobs[2].0.digest.encoded())).unwrap();
    let error = to.commit(Commit::new(&one.manifest)).await.unwrap_err();
    assert!(error.retryable(), "{error}");
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 1);
}
