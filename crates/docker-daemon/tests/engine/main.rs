//! Engines: those of docker and podman, where they are installed, and one in the test's own process for faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(unix)]

mod again;
mod dropped;
mod fake;
mod graph;
mod kit;
mod large;
mod many;
mod parts;
mod reached;
mod real;
mod refused;
mod release;
mod releases;
mod running;
mod shapes;
mod store;
mod stored;
mod tars;
mod together;

use fake::{Fake, Says};
use parts::Stack;
use store::StoreEngine;
use transship_core::{
    Body, Commit, Descriptor, Digest, ErrorKind, Expect, ImageDestination, Manifest, MediaType,
    ReadOptions, Result, Settings, Transport, WriteMode, WriteOptions, sha256,
};
use transship_docker_daemon::DockerDaemon;

fn daemon(host: &str) -> DockerDaemon {
    DockerDaemon::new(&Settings::new().with("docker-daemon", "daemon-host", host))
}

/// An image of one plain layer with a file of that content.
struct Sample {
    layer: Vec<u8>,
    config: Vec<u8>,
    root: Manifest,
}

impl Sample {
    fn new(content: &str) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "file", content.as_bytes()).unwrap();
        let layer = tar.into_inner().unwrap();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            sha256(&layer)
        )
        .into_bytes();
        let part = |media_type: MediaType, bytes: &[u8]| {
            Descriptor::new(media_type, sha256(bytes), bytes.len() as u64).to_json()
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
            MediaType::ImageManifest,
            part(MediaType::ImageConfig, &config),
            part(MediaType::ImageLayer, &layer)
        );
        Self { layer, config, root: Manifest::new(manifest).unwrap() }
    }

    fn id(&self) -> Digest {
        sha256(&self.config)
    }

    async fn put(&self, to: &dyn ImageDestination) -> Result<()> {
        for bytes in [&self.layer, &self.config] {
            let expect = Expect::digest(sha256(bytes)).with_size(bytes.len() as u64);
            to.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
        }
        Ok(())
    }

    async fn write(&self, to: &DockerDaemon, name: &str) -> Result<()> {
        let destination = to.destination(&to.parse(name)?, &WriteOptions::default()).await?;
        self.put(&*destination).await?;
        destination.commit(Commit::new(&self.root)).await.map(drop)
    }
}

/// The program of these tests once more, for one of them, where nothing of the environment leads to an engine.
fn child_for(test: &str) -> std::process::Command {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DOCKER_") {
            child.env_remove(variable);
        }
    }
    child
}

async fn read(from: &DockerDaemon, name: &str) -> Result<()> {
    let source = from.source(&from.parse(name)?, &ReadOptions::default()).await?;
    source.root().await.map(drop)
}

/// Where a tar is cut: at every 4 KiB, behind each entry, and inside its end.
fn cuts(tar: &[u8]) -> Vec<usize> {
    let mut archive = tar::Archive::new(tar);
    let behind = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        usize::try_from(entry.raw_file_position() + entry.size().next_multiple_of(512)).unwrap()
    });
    let end = [1024, 700, 512, 1].map(|left| tar.len() - left);
    (0..tar.len()).step_by(4 << 10).chain(behind).chain(end).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_is_cut_or_ends_in_json_is_an_error_with_the_engines_words() {
    let (engine, image) = (StoreEngine::start(), Stack::new(&["a", "b"]));
    image.write(&daemon(&engine.host()), "x:1").await.unwrap();
    let whole = engine.state.lock().unwrap().save(&["x:1".to_owned()]);
    let says = |save: &[u8], more: &[u8]| Says {
        save: [save, more].concat(),
        inspect: Some(format!(r#"{{"Id":"{}"}}"#, sha256(b""))),
        ..Says::default()
    };
    let fake = Fake::start(says(&whole, b""));
    image.reads_back(&daemon(&fake.host()), "x:1").await;
    let json = br#"{"message":"open /layers/x: no such file"}"#;
    for cut in cuts(&whole) {
        let fake = Fake::start(says(&whole[..cut], b""));
        let error = read(&daemon(&fake.host()), "x:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
    }
    for cut in cuts(&whole).into_iter().chain([whole.len()]) {
        let fake = Fake::start(says(&whole[..cut], json));
        let error = read(&daemon(&fake.host()), "x:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
        assert!(error.to_string().contains("open /layers/x: no such file"), "{cut}: {error}");
    }
}

/// To save all images for that would take minutes.
#[tokio::test(flavor = "multi_thread")]
async fn several_of_which_none_is_chosen_are_not_saved() {
    let list = r#"[{"Id":"sha256:01","RepoTags":["a:1"]},{"Id":"sha256:02","RepoTags":null}]"#;
    let fake = Fake::start(Says { list, ..Says::default() });
    let daemon = daemon(&fake.host());
    let at = daemon.parse("").unwrap();
    let opened = daemon.source(&at, &ReadOptions::default()).await.map(drop);
    let before_a_pass = daemon.archives().unwrap().one_pass().unwrap().chosen(&at).await;
    for error in [opened, before_a_pass].map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
        let text = error.to_string();
        assert!(text.contains("docker.io/library/a:1, sha256:02"), "{text}");
    }
    assert!(!fake.asked().iter().any(|asked| asked.contains("get")), "{:?}", fake.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_after_a_status_of_200_names_nothing() {
    let image = Sample::new("a");
    let done = format!("{{\"stream\":\"Loaded image ID: {}\\n\"}}", image.id());
    for said in [
        r#"{"errorDetail":{"message":"layer is broken"},"error":"layer is broken"}"#.to_owned(),
        format!("{done}\n{{\"stream\":\"Error unpacking image: layer is broken\"}}"),
    ] {
        let fake = Fake::start(Says { load: (200, said), ..Says::default() });
        let error = image.write(&daemon(&fake.host()), "x:1").await.unwrap_err();
        assert!(error.to_string().contains("layer is broken"), "{error}");
        assert!(!fake.asked().iter().any(|asked| asked.contains("/tag")), "{:?}", fake.asked());
    }
    // It says that it has it, and has it not.
    let fake = Fake::start(Says { load: (200, done.clone()), ..Says::default() });
    image.write(&daemon(&fake.host()), "x:1").await.unwrap_err();
    assert!(!fake.asked().iter().any(|asked| asked.contains("/tag")), "{:?}", fake.asked());
    let inspect = Some(format!(r#"{{"Id":"{}"}}"#, image.id()));
    let fake = Fake::start(Says { load: (200, done), inspect, ..Says::default() });
    image.write(&daemon(&fake.host()), "x:1").await.unwrap();
    let tag = format!("POST /v1.41/images/{}/tag?repo=docker.io/library/x&tag=1", image.id());
    assert_eq!(fake.asked().last(), Some(&tag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_image_is_cut_off() {
    let fake = Fake::start(Says::default());
    let daemon = daemon(&fake.host());
    let at = daemon.parse("x:1").unwrap();
    let destination = daemon.destination(&at, &WriteOptions::default()).await.unwrap();
    Sample::new("a").put(&*destination).await.unwrap();
    // Dropped before it is asked for, a load never begins.
    fake.hears("/images/load").await;
    drop(destination);
    fake.hears("cut").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_negotiated_or_refused() {
    for (api, kind) in [
        ("1.24", ErrorKind::NotFound),
        ("1.52", ErrorKind::NotFound),
        ("1.12", ErrorKind::Unsupported),
    ] {
        let fake = Fake::start(Says { api, ..Says::default() });
        let error = read(&daemon(&fake.host()), "x").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{api}: {error}");
        let at = format!("the engine at {} (from the option daemon-host)", fake.host());
        assert!(error.to_string().contains(&at), "{api}: {error}");
        if kind == ErrorKind::Unsupported {
            let says = "it speaks API 1.12, and 1.24 is the oldest that is spoken here";
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.advice().unwrap().to_string(), "docker 1.12 or later is needed");
        }
    }
    // A newer one is spoken to as ours.
    let fake = Fake::start(Says { api: "1.99", ..Says::default() });
    read(&daemon(&fake.host()), "x").await.unwrap_err();
    assert!(
        fake.asked().iter().any(|asked| asked.contains("/v1.52/images/")),
        "{:?}",
        fake.asked()
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named() {
    let error = read(&daemon("unix:///nowhere/docker.sock"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("unix:///nowhere/docker.sock") && text.contains("daemon-host"), "{text}");
}
