//! Docker 24 to 29 and later, with graph drivers and with containerd's store, as [`RELEASES`] has them.

use std::path::Path;

use transship_conformance::model::{Built, Form, Image, Layer};
use transship_oci_layout::OciLayout;

use super::release::{Keeps, RELEASES, Release};
use super::store::Fault;
use super::*;

const NAME: &str = "example.org/app:1";

/// The ID that an engine gives an image.
pub(crate) fn id_in(release: Release, image: &Stack) -> String {
    let blobs = release.keeps == Keeps::Blobs;
    let id = if blobs { image.root.descriptor().digest.clone() } else { image.id() };
    id.to_string()
}

/// It is asked in the newest version that both know, and for nothing that came later.
fn asked_properly(engine: &StoreEngine, release: Release) {
    let asked = engine.state.lock().unwrap().asked.clone();
    let version = format!("/v1.{}/", release.api.min(52));
    assert!(asked.iter().all(|path| path.starts_with(&version)), "{release:?}: {asked:?}");
    // No release before 28 knows it for saves and loads.
    assert!(!asked.iter().any(|path| path.contains("platform")), "{release:?}: {asked:?}");
    let looks = asked.iter().any(|path| path.contains("manifests=1"));
    assert_eq!(looks, release.says_what_is_whole(), "{release:?}: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_takes_an_image_and_gives_it_back() {
    for release in RELEASES {
        let engines = [StoreEngine::of(release), StoreEngine::of(release)];
        let [first, second] = engines.each_ref().map(|engine| daemon(&engine.host()));
        let image = Stack::small(&["a", "b"]);
        image.write(&first, NAME).await.unwrap();
        image.reads_back(&first, NAME).await;
        let folder = tempfile::tempdir().unwrap();
        through_a_layout([&first, &second], folder.path()).await;
        for engine in &engines {
            assert_eq!(engine.named(NAME), Some(id_in(release, &image)), "{release:?}");
            assert!(engine.nameless().is_empty(), "{release:?}");
            asked_properly(engine, release);
        }
        image.reads_back(&second, NAME).await;
    }
}

async fn through_a_layout([from, to]: [&DockerDaemon; 2], folder: &Path) {
    let layouts = OciLayout::new();
    let at = layouts.parse(&format!("{}:{NAME}", folder.join("layout").display())).unwrap();
    let (reads, writes) = (ReadOptions::default(), WriteOptions::default());
    let source = from.source(&from.parse(NAME).unwrap(), &reads).await.unwrap();
    assert_eq!(source.names().iter().map(ToString::to_string).collect::<Vec<_>>(), [NAME]);
    stored::carry(&*source, layouts.destination(&at, &writes).await.unwrap()).await;
    let source = layouts.source(&at, &reads).await.unwrap();
    stored::carry(&*source, Stack::open(to, NAME, &writes).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_the_layers_that_it_lacks_where_it_would_say_that_one_is_missing() {
    // Where something changes, and the newest.
    let names = ["24", "25", "27 with containerd's store", "28.0 with containerd's store", "newer"];
    for release in RELEASES.into_iter().filter(|release| names.contains(&release.name)) {
        eprintln!("{release:?}");
        let engine = StoreEngine::of(release);
        if release.loads_parts() {
            parts::second_load_sends_what_is_new(engine.socket()).await;
            parts::what_has_gone_is_sent_again(engine.socket()).await;
            continue;
        }
        let counting = parts::Counting::before(engine.socket());
        let (to, image) = (daemon(&counting.host()), Stack::new(&["a", "b"]));
        for name in [NAME, "example.org/app:2"] {
            image.write(&to, name).await.unwrap();
            let sent = counting.sent();
            assert!(sent > 2 * parts::LAYER as u64, "{release:?}: {sent}");
        }
    }
}

/// An image of a plain layer, and one of that form.
fn with_a(form: Form) -> Built {
    let layers = vec![Layer::small(6, 3072), Layer { form, ..Layer::small(42, 3072) }];
    Image { layers, ..Image::simple(9) }.build().unwrap()
}

async fn written(
    to: &DockerDaemon,
    image: &Built,
    expect: fn(&Descriptor) -> Expect,
) -> Result<()> {
    let destination = Stack::open(to, NAME, &WriteOptions::default()).await;
    for blob in &image.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        destination.put_blob(expect(&blob.descriptor), body).await?;
    }
    destination.commit(Commit::new(&image.root)).await.map(drop)
}

fn typed(of: &Descriptor) -> Expect {
    Expect::from(of)
}

fn typeless(of: &Descriptor) -> Expect {
    Expect::digest(of.digest.clone()).with_size(of.size)
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_goes_to_those_that_read_it_and_its_tar_to_others() {
    let (zstd, plain) = (with_a(Form::Zstd(1)), with_a(Form::Plain));
    for release in RELEASES {
        let engine = StoreEngine::of(release);
        let to = daemon(&engine.host());
        if !release.reads_zstd() {
            // Who does not say that a layer is one of zstd, sends it as it is.
            let error = written(&to, &zstd, typeless).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{release:?}: {error}");
            let hint = error.advice().unwrap().to_string();
            assert!(hint.contains("gzip") && hint.contains("docker 25"), "{release:?}: {hint}");
            assert_eq!(engine.state.lock().unwrap().loads, 0, "{release:?}: it was sent");
            assert_eq!(engine.named(NAME), None, "{release:?}");
        }
        written(&to, &zstd, typed).await.unwrap();
        read(&to, NAME).await.unwrap();
        let top = &plain.layers()[1].bytes[..];
        let has_its_tar = engine.state.lock().unwrap().chains.values().any(|tar| tar == top);
        assert_eq!(has_its_tar, release.keeps != Keeps::Blobs, "{release:?}");
    }
}

/// What containerd's store says before API 1.48 is the only sign of what it has not unpacked.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_leaves_the_name_as_it_was_in_each() {
    let (old, new) = (Stack::small(&["a"]), Stack::small(&["a", "b"]));
    for release in RELEASES {
        let engine = StoreEngine::of(release);
        let to = daemon(&engine.host());
        old.write(&to, NAME).await.unwrap();
        for fault in [Fault::RefusesLoads, Fault::CannotUnpack] {
            engine.set(fault);
            let Err(error) = new.write(&to, NAME).await else { panic!("{release:?}: {fault:?}") };
            let text = error.to_string();
            assert!(text.contains("could not load the image"), "{release:?} {fault:?}: {text}");
            engine.set(Fault::None);
            assert_eq!(engine.named(NAME), Some(id_in(release, &old)), "{release:?} {fault:?}");
            assert!(engine.nameless().is_empty(), "{release:?} {fault:?}");
        }
        old.reads_back(&to, NAME).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_needs_a_newer_api_says_what_to_do() {
    let mut release = RELEASES[RELEASES.len() - 1];
    release.least = 53;
    let engine = StoreEngine::of(release);
    let error = read(&daemon(&engine.host()), NAME).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let text = error.to_string();
    let at = format!("the engine at {} (from the option daemon-host)", engine.host());
    assert!(text.contains(&at), "{text}");
    assert!(text.contains("client version 1.52 is too old. Minimum supported"), "{text}");
    let hint = error.advice().unwrap().to_string();
    assert!(hint.contains("DOCKER_API_VERSION") && hint.contains("update the older"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_knows_no_head_is_asked_again() {
    for release in RELEASES {
        let engine = StoreEngine::of(release);
        engine.set(Fault::KnowsNoHead);
        let error = read(&daemon(&engine.host()), NAME).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{release:?}: {error}");
        asked_properly(&engine, release);
    }
}
