//! Copies that are cut: at the socket of the API, and in the pipes of the command.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transship_core::chain_id;

use super::real::Store;
use super::*;

const NAME: &str = "localhost/x:1";

/// At how many points copies are cut, each way.
const POINTS: u64 = 100;

/// The file of each layer of a larger image.
const LAYER: usize = 300_000;

/// What requests and documents take beside layers, and tars beside files.
const SMALL: u64 = 40_000;

/// To podman, and from it.
const WAYS: [usize; 2] = [0, 1];

/// Passes everything on, up to a number of bytes; then it cuts that connection, and every later one.
struct Cutting {
    folder: tempfile::TempDir,
    limits: [u64; 2],
    passed: Arc<[AtomicU64; 2]>,
}

impl Cutting {
    fn before(socket: PathBuf, limits: [u64; 2]) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let passed: Arc<[AtomicU64; 2]> = Arc::default();
        let counts = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let ended =
                    WAYS.iter().any(|&way| counts[way].load(Ordering::SeqCst) >= limits[way]);
                let (Ok(client), false) = (client, ended) else { continue };
                let server = UnixStream::connect(&socket).unwrap();
                let ends = [(&client, &server), (&server, &client)];
                for way in WAYS {
                    let (from, to) = ends[way];
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let counts = Arc::clone(&counts);
                    std::thread::spawn(move || pass(from, to, &counts[way], limits[way]));
                }
            }
        });
        Self { folder, limits, passed }
    }

    fn storage(&self) -> ContainersStorage {
        set("podman-url", &format!("unix://{}/s", self.folder.path().display()))
    }

    fn passed(&self, way: usize) -> u64 {
        assert_eq!(self.limits, [u64::MAX; 2]);
        self.passed[way].load(Ordering::SeqCst)
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, passed: &AtomicU64, limit: u64) {
    let mut buffer = [0; 4 << 10];
    while let Ok(size @ 1..) = from.read(&mut buffer) {
        let before = passed.fetch_add(size as u64, Ordering::SeqCst);
        let left = usize::try_from(limit.saturating_sub(before)).unwrap();
        if to.write_all(&buffer[..size.min(left)]).is_err() || left < size {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn cut_at(way: usize, limit: u64) -> [u64; 2] {
    let mut limits = [u64::MAX; 2];
    limits[way] = limit;
    limits
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_cut_anywhere_a_name_has_the_old_or_the_new_image_whole() {
    let Some(mut store) = Store::new() else { return };
    let direct = store.served().await;
    let socket = || PathBuf::from(store.path("s"));
    let (old, new) = (sample(1), sample(2));
    let delete = transship_core::DeleteOptions::default();
    let new_id = direct.parse(&format!("@{}", id(&new).encoded())).unwrap();
    for way in WAYS {
        let whole = Cutting::before(socket(), [u64::MAX; 2]);
        write(&new, &whole.storage(), NAME).await.unwrap();
        let all = whole.passed(way);
        for point in 0..POINTS {
            write(&old, &direct, NAME).await.unwrap();
            // What a copy that was cut has loaded has no name, and may be there.
            let _ = direct.deletion().unwrap().delete(&new_id, &delete).await;
            let cutting = Cutting::before(socket(), cut_at(way, all * point / POINTS));
            let done = write(&new, &cutting.storage(), NAME).await;
            let has = read(&direct, NAME).await.unwrap();
            let is_new = has == id(&new);
            assert!(is_new || has == id(&old) && done.is_err(), "{way} {point}: {done:?}");
        }
        write(&old, &direct, NAME).await.unwrap();
        let whole = Cutting::before(socket(), [u64::MAX; 2]);
        read(&whole.storage(), NAME).await.unwrap();
        let all = whole.passed(way);
        for point in 0..POINTS {
            let cutting = Cutting::before(socket(), cut_at(way, all * point / POINTS));
            read(&cutting.storage(), NAME).await.unwrap_err();
        }
    }
    assert!(store.is_empty_without_images());
}

/// An image of five layers, the last of which is another one for each seed.
fn five(seed: u8) -> Built {
    let layers = [1, 2, 3, 4, seed].map(|seed| Layer::tar(seed, LAYER)).into();
    Image { layers, ..Image::simple(seed) }.build().unwrap()
}

/// Writes what the place does not have, as a copy does.
async fn write_what_is_new(image: &Built, to: &ContainersStorage, name: &str) {
    let at = to.parse(name).unwrap();
    let destination = to.destination(&at, &WriteOptions::default()).await.unwrap();
    let mut chain = None;
    for layer in image.layers() {
        // They are not compressed: each is its own diff ID.
        chain = Some(chain_id(chain.as_ref(), &layer.descriptor.digest));
        let expect = Expect::from(&layer.descriptor).with_chain(chain.clone());
        if destination.has(&expect).await.unwrap().is_none() {
            destination.put_blob(expect, Body::from_bytes(layer.bytes.clone())).await.unwrap();
        }
    }
    let config = image.config().unwrap();
    let body = Body::from_bytes(config.bytes.clone());
    destination.put_blob(Expect::from(&config.descriptor), body).await.unwrap();
    destination.commit(Commit::new(&image.root)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_image_sends_what_is_new() {
    let Some(mut store) = Store::new() else { return };
    store.served().await;
    let sent = async |seed: u8| {
        let counting = Cutting::before(PathBuf::from(store.path("s")), [u64::MAX; 2]);
        write_what_is_new(&five(seed), &counting.storage(), &format!("localhost/x:{seed}")).await;
        counting.passed(0)
    };
    let layer = LAYER as u64;
    let (first, second) = (sent(5).await, sent(6).await);
    assert!((5 * layer..5 * layer + SMALL).contains(&first), "{first}");
    assert!((layer..layer + SMALL).contains(&second), "{second}");
    // Both are whole.
    let url = format!("unix://{}", store.path("s"));
    for seed in [5, 6] {
        let has = read(&set("podman-url", &url), &format!("localhost/x:{seed}")).await.unwrap();
        assert_eq!(has, id(&five(seed)));
    }
}

/// podman, whose pipe is cut.
fn with_a_pipe(store: &Store, cut: &str) -> ContainersStorage {
    let path = store.path("podman");
    std::fs::write(
        &path,
        format!("#!/bin/sh\ncase \"$*\" in {cut} *) exec podman \"$@\";; esac\n"),
    )
    .unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    set("podman", &path)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipe_cut_anywhere_a_name_has_the_old_or_the_new_image_whole() {
    let Some(store) = Store::new() else { return };
    let (old, new) = (sample(1), sample(2));
    let name = format!("{}{NAME}", store.options());
    let direct = ContainersStorage::default();
    write(&old, &direct, &name).await.unwrap();
    let copied = store.path("copied");
    let saving = format!("*' save '*) podman \"$@\" | tee {copied};;");
    assert_eq!(read(&with_a_pipe(&store, &saving), &name).await.unwrap(), id(&old));
    let saved = std::fs::metadata(&copied).unwrap().len();
    for point in 0..POINTS {
        let cut = format!("*' save '*) podman \"$@\" | head -c {};;", saved * point / POINTS);
        let error = read(&with_a_pipe(&store, &cut), &name).await.unwrap_err();
        assert_ne!(error.kind(), transship_core::ErrorKind::NotFound, "{point}: {error}");
    }
    let loading = format!("*' load '*) tee {copied} | podman \"$@\";;");
    write(&new, &with_a_pipe(&store, &loading), &name).await.unwrap();
    let loaded = std::fs::metadata(&copied).unwrap().len();
    write(&old, &direct, &name).await.unwrap();
    store.run(&["rmi", id(&new).encoded()]);
    for point in 0..POINTS {
        let cut = format!("*' load '*) head -c {} | podman \"$@\";;", loaded * point / POINTS);
        let done = write(&new, &with_a_pipe(&store, &cut), &name).await;
        let has = store.run(&["image", "inspect", "--format", "{{.Id}}", NAME]);
        if has.trim() == id(&new).encoded() {
            // The last files say what the first ones say, and podman needs them not.
            assert_eq!(read(&direct, &name).await.unwrap(), id(&new), "{point}");
            write(&old, &direct, &name).await.unwrap();
            store.run(&["rmi", id(&new).encoded()]);
        } else {
            done.unwrap_err();
            assert_eq!(has.trim(), id(&old).encoded(), "{point}");
        }
    }
    assert_eq!(read(&direct, &name).await.unwrap(), id(&old));
    assert!(store.is_empty_without_images());
}
