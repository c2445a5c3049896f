//! An engine that keeps blobs, as docker 29: parts, faults, and connections that break off.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transship_core::{DeleteOptions, Document, ImageSource};
use transship_oci_layout::OciLayout;

use super::release::RELEASES;
use super::store::Fault;
use super::*;

const NAME: &str = "example.org/app:1";

/// At how many points connections are cut, each way.
const POINTS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn manifests_keep_their_digests() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["a", "b"]);
    image.write(&to, NAME).await.unwrap();
    let digest = image.root.descriptor().digest.to_string();
    assert_eq!(engine.named(NAME), Some(digest.clone()));
    assert_eq!(engine.nameless().len(), 0);
    let source = to.source(&to.parse(NAME).unwrap(), &ReadOptions::default()).await.unwrap();
    assert_eq!(source.root().await.unwrap().descriptor().digest.to_string(), digest);
    image.reads_back(&to, NAME).await;
}

/// Copies an image, or an index of images, with all of its parts.
pub(crate) async fn carry(from: &dyn ImageSource, to: Box<dyn ImageDestination>) {
    let root = from.root().await.unwrap();
    let mut images = Vec::new();
    if let Document::Index(index) = root.document() {
        for child in &index.manifests {
            images.push(from.manifest(child).await.unwrap());
        }
    }
    for manifest in images.iter().chain([&root]) {
        let Document::Image(image) = manifest.document() else { continue };
        for blob in [&image.config].into_iter().chain(&image.layers) {
            let body = from.blob(blob).await.unwrap();
            to.put_blob(Expect::from(blob), body).await.unwrap();
        }
        if !images.is_empty() {
            to.put_manifest(manifest).await.unwrap();
        }
    }
    to.commit(Commit::new(&root)).await.unwrap();
}

/// The first of what must hold: names, digests and layers, out of an engine and into another one.
#[tokio::test(flavor = "multi_thread")]
async fn through_a_layout_everything_stays() {
    let [first, second] = [StoreEngine::start(), StoreEngine::start()];
    let [from, to] = [&first, &second].map(|engine| daemon(&engine.host()));
    let images = [Stack::new(&["a", "b"]), Stack::new(&["a", "c"])];
    images[0].write(&from, NAME).await.unwrap();
    let children: Vec<_> = images
        .iter()
        .zip(["amd64", "arm64"])
        .map(|(image, architecture)| {
            let mut child = serde_json::to_value(image.root.descriptor()).unwrap();
            child["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
            child
        })
        .collect();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": children,
    });
    let index = Manifest::new(index.to_string()).unwrap();
    let many = "example.org/many:1";
    let destination = Stack::open(&from, many, &WriteOptions::default()).await;
    for image in &images {
        image.put_missing(&*destination).await.unwrap();
        destination.put_manifest(&image.root).await.unwrap();
    }
    destination.commit(Commit::new(&index)).await.unwrap();

    let (folder, layouts) = (tempfile::tempdir().unwrap(), OciLayout::new());
    let layout = |name: &str| {
        layouts.parse(&format!("{}:{name}", folder.path().join("layout").display())).unwrap()
    };
    let (reads, writes) = (ReadOptions::default(), WriteOptions::default());
    for (name, root) in [(NAME, &images[0].root), (many, &index)] {
        let source = from.source(&from.parse(name).unwrap(), &reads).await.unwrap();
        assert_eq!(source.names().iter().map(ToString::to_string).collect::<Vec<_>>(), [name]);
        carry(&*source, layouts.destination(&layout(name), &writes).await.unwrap()).await;
        let source = layouts.source(&layout(name), &reads).await.unwrap();
        carry(&*source, Stack::open(&to, name, &writes).await).await;
        let digest = root.descriptor().digest.to_string();
        assert_eq!(
            [&first, &second].map(|engine| engine.named(name)),
            [Some(digest.clone()), Some(digest)]
        );
    }
    images[0].reads_back(&to, NAME).await;
    let source = to.source(&to.parse(many).unwrap(), &reads).await.unwrap();
    for image in &images {
        let read = source.manifest(image.root.descriptor()).await.unwrap();
        assert_eq!(read.bytes(), image.root.bytes());
    }
}

/// A cache in memory, as the command's file.
#[derive(Debug, Default)]
struct Notes(std::sync::Mutex<std::collections::HashMap<String, String>>);

impl transship_core::Memo for Notes {
    fn recall(&self, question: &str) -> Option<String> {
        self.0.lock().unwrap().get(question).cloned()
    }

    fn note(&self, question: &str, answer: &str) {
        self.0.lock().unwrap().insert(question.to_owned(), answer.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_by_digest_are_known_from_the_cache() {
    let engine = StoreEngine::start();
    let cache = transship_core::Cache::new(Notes::default());
    let sent = parts::Counting::before(engine.socket());
    let mut bytes = Vec::new();
    for (name, cache, top) in [
        (NAME, cache.clone(), "e"),
        // Another process, with the same cache.
        ("example.org/app:2", cache, "new"),
        ("example.org/app:3", transship_core::Cache::default(), "newer"),
    ] {
        let to = daemon(&sent.host());
        let how = WriteOptions::default().with_cache(cache);
        let image = Stack::new(&["a", "b", "c", "d", top]);
        let destination = Stack::open(&to, name, &how).await;
        sent.sent();
        image.put_missing(&*destination).await.unwrap();
        image.commit(destination).await.unwrap();
        bytes.push(sent.sent());
        image.reads_back(&to, name).await;
    }
    let layer = parts::LAYER as u64;
    assert!(bytes[0] > 5 * layer && bytes[2] > 5 * layer, "{bytes:?}");
    assert!((layer..layer + 60_000).contains(&bytes[1]), "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_in_one_value_needs_no_cache() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    Stack::new(&["a", "b"]).write(&to, NAME).await.unwrap();
    // What was there goes, and is sent again once.
    let second = Stack::new(&["a", "b", "c"]);
    let destination = Stack::open(&to, "example.org/app:2", &WriteOptions::default()).await;
    second.put_missing(&*destination).await.unwrap();
    let at = to.parse(NAME).unwrap();
    to.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    assert_eq!(second.commit(destination).await.unwrap(), 4);
    second.reads_back(&to, "example.org/app:2").await;
    assert_eq!(engine.nameless().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_not_to_be_distributed_hides_no_other_that_is_missing() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    Stack::new(&["a", "b"]).write(&to, NAME).await.unwrap();
    let second = Stack::new(&["a", "b", "c"]).with_foreign_top();
    let destination = Stack::open(&to, "example.org/app:2", &WriteOptions::default()).await;
    second.put_missing(&*destination).await.unwrap();
    // What was left out goes.
    let at = to.parse(NAME).unwrap();
    to.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    assert_eq!(second.commit(destination).await.unwrap(), 3);
    second.reads_back(&to, "example.org/app:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_leaves_the_name_as_it_was() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let (old, new) = (Stack::new(&["a"]), Stack::new(&["a", "b"]));
    old.write(&to, NAME).await.unwrap();
    for (fault, words) in [
        (Fault::RefusesLoads, "no space left in the store"),
        (Fault::CannotUnpack, "Error unpacking image"),
        (Fault::TooNew, "Minimum supported API version is 1.60"),
    ] {
        engine.set(fault);
        let Err(error) = new.write(&to, NAME).await else { panic!("{fault:?}: it was taken") };
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
        if fault == Fault::TooNew {
            assert!(error.advice().is_some(), "{error}: it has no hint");
        }
        engine.set(Fault::None);
        assert_eq!(engine.named(NAME), Some(old.root.descriptor().digest.to_string()), "{fault:?}");
        assert_eq!(engine.nameless().len(), 0, "{fault:?}");
    }
    engine.set(Fault::InUse);
    let at = to.parse(NAME).unwrap();
    let deleted = to.deletion().unwrap().delete(&at, &DeleteOptions::default()).await;
    let error = deleted.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.advice().unwrap().to_string().contains("containers"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn details_save_no_image() {
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let image = Stack::new(&["a", "b"]);
    image.write(&to, NAME).await.unwrap();
    let cutting = Cutting::before(engine.socket());
    let all = daemon(&cutting.host());
    let archives = all.archives().unwrap();
    let all = archives.read(&all.parse("").unwrap(), &ReadOptions::default()).await.unwrap();
    let details = all.details(&all.entries()[0]).await.unwrap();
    assert_eq!(details.root.as_ref(), Some(image.root.descriptor()));
    assert_eq!(details.platforms.len(), 1);
    assert!(cutting.passed(Way::Down) < 20_000, "{}", cutting.passed(Way::Down));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What becomes of the connections after the one that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Later {
    Cut,
    Passes,
}

/// Passes everything on, up to a number of bytes; then it cuts the connection, and may cut every later one.
struct Cutting {
    folder: tempfile::TempDir,
    counts: std::sync::Arc<[AtomicU64; 5]>,
}

impl Cutting {
    fn before(engine: std::path::PathBuf) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        // Up and down: what was passed, and how much may pass. Then whether later connections pass.
        let counts = std::sync::Arc::new([0, 0, u64::MAX, u64::MAX, 0].map(AtomicU64::new));
        let shared = std::sync::Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&engine).await else { continue };
                let counts = std::sync::Arc::clone(&shared);
                tokio::spawn(async move {
                    let (mut client, mut server) = (client, server);
                    let (mut from, mut back) = client.split();
                    let (mut answer, mut to) = server.split();
                    // The first that ends, or is cut, ends both.
                    tokio::select! {
                        () = pass(&mut from, &mut to, &counts, 0) => {}
                        () = pass(&mut answer, &mut back, &counts, 1) => {}
                    }
                });
            }
        });
        Self { folder, counts }
    }

    fn host(&self) -> String {
        format!("unix://{}/s", self.folder.path().display())
    }

    fn passed(&self, way: Way) -> u64 {
        self.counts[way as usize].load(Ordering::SeqCst)
    }

    fn cut_at(&self, way: Way, bytes: u64, later: Later) {
        self.counts[2 + way as usize].store(bytes, Ordering::SeqCst);
        self.counts[4].store(u64::from(later == Later::Passes), Ordering::SeqCst);
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    counts: &[AtomicU64; 5],
    way: usize,
) {
    let mut buffer = vec![0; 4 << 10];
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(n @ 1..) => n as u64,
            _ => return,
        };
        let before = counts[way].fetch_add(n, Ordering::SeqCst);
        let may = counts[2 + way].load(Ordering::SeqCst).saturating_sub(before).min(n);
        let may = usize::try_from(may).unwrap();
        let is_cut = (may as u64) < n;
        if is_cut && counts[4].load(Ordering::SeqCst) == 1 {
            counts[2 + way].store(u64::MAX, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..may]).await.is_err() || is_cut {
            return;
        }
    }
}

/// How often, at most, is looked again what an engine has.
const LOOKS: u32 = 100;

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Copies into the engine and out of it, while the connection is cut at points from the first byte to the last. Where later connections
/// pass, no image without a name is left but the old one. The engine says which ID the name has.
pub(crate) async fn cut_everywhere(
    engine: std::path::PathBuf,
    points: u64,
    id: impl Fn(&Stack) -> String,
    has: impl AsyncFn() -> String,
) {
    let direct = daemon(&format!("unix://{}", engine.display()));
    let (old, new) = (Stack::small(&["a", "old"]), Stack::small(&["b", "new"]));
    for way in [Way::Up, Way::Down] {
        let whole = Cutting::before(engine.clone());
        new.write(&daemon(&whole.host()), NAME).await.unwrap();
        let all = whole.passed(way);
        for point in 0..points {
            let later = if point % 2 == 0 { Later::Cut } else { Later::Passes };
            // A load that broke off before may have ended since.
            old.write(&direct, NAME).await.unwrap();
            prune(&direct).await;
            let cutting = Cutting::before(engine.clone());
            cutting.cut_at(way, all * point / points, later);
            let done = new.write(&daemon(&cutting.host()), NAME).await;
            let mut looks = 0;
            let (has_new, left) = loop {
                let has = has().await;
                let has_new = has == id(&new);
                assert!(has_new || has == id(&old), "{way:?} {point}: neither of both");
                assert!(done.is_err() || has_new, "{way:?} {point}: it says that it is there");
                let left = nameless(&direct).await.len();
                // An engine ends a load that broke off in its own time.
                if later == Later::Cut || left == usize::from(has_new) || looks == LOOKS {
                    break (has_new, left);
                }
                looks += 1;
                tokio::time::sleep(BETWEEN_LOOKS).await;
            };
            if later == Later::Passes {
                assert_eq!(left, usize::from(has_new), "{way:?} {point}: {done:?}");
            }
        }
        let reading = Cutting::before(engine.clone());
        old.write(&direct, NAME).await.unwrap();
        old.reads_back(&daemon(&reading.host()), NAME).await;
        let all = reading.passed(way);
        for point in 0..points {
            let cutting = Cutting::before(engine.clone());
            cutting.cut_at(way, all * point / points, Later::Cut);
            assert!(read(&daemon(&cutting.host()), NAME).await.is_err(), "{way:?} {point}");
        }
    }
}

/// The images that have no name.
async fn nameless(engine: &DockerDaemon) -> Vec<transship_core::Reference> {
    let all = engine.parse("").unwrap();
    let all = engine.archives().unwrap().read(&all, &ReadOptions::default()).await.unwrap();
    let nameless = all.entries().iter().filter(|entry| entry.raw_names.is_empty());
    nameless.map(|entry| entry.reference.clone()).collect()
}

async fn prune(engine: &DockerDaemon) {
    for image in nameless(engine).await {
        engine.deletion().unwrap().delete(&image, &DeleteOptions::default()).await.unwrap();
    }
}

/// An engine of each store.
#[tokio::test(flavor = "multi_thread")]
async fn cut_anywhere_a_name_stands_for_the_old_image_or_the_new_one() {
    for release in RELEASES.into_iter().rev().take(2) {
        let engine = StoreEngine::of(release);
        let id = |image: &Stack| releases::id_in(release, image);
        cut_everywhere(engine.socket(), POINTS, id, async || engine.named(NAME).unwrap()).await;
    }
}
