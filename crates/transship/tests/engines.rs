//! From engine to engine: podman, docker and containerd, started in folders of the tests. They need root, and are skipped by name
//! without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(all(
    unix,
    feature = "containerd",
    feature = "containers-storage",
    feature = "docker-archive",
    feature = "oci-layout"
))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use transship::transfer::Report;
use transship::transport::{Commit, Expect, WriteOptions};
use transship::{
    Body, Digest, Document, ErrorKind, Images, ReadOptions, Result, Settings, Transfer,
    TransferOptions, Transports,
};
use transship_conformance::model::{Form, Image, Layer};

#[path = "../../docker-daemon/tests/engine/running.rs"]
#[allow(dead_code, reason = "shared with the tests of the transport")]
mod running;

use running::{Running, is_there};

const HELLO: &str =
    concat!("docker-archive:", env!("CARGO_MANIFEST_DIR"), "/../../examples/data/hello.tar");
const IMAGE: &str = "docker.io/example/hello:1";

/// A store of podman.
fn store(folder: &Path) -> String {
    let folder = folder.display();
    format!("containers-storage:[vfs@{folder}/r+{folder}/n]")
}

/// docker's engine, and transports that lead to it.
fn docker() -> Option<(Running, Transports)> {
    let running = Running::dockerd(|_| Vec::new())?;
    let settings = Settings::new().with("docker-daemon", "daemon-host", running.host());
    Some((running, Transports::linked(&settings).unwrap()))
}

/// containerd, in a folder.
struct Containerd(Child);

impl Drop for Containerd {
    fn drop(&mut self) {
        // Ours, by its id.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Containerd {
    fn start(folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        let dir = folder.display();
        let config = format!(
            "version = 2\nroot = \"{dir}/root\"\nstate = \"{dir}/state\"\n[grpc]\naddress = \"{dir}/s\"\n"
        );
        std::fs::write(folder.join("config.toml"), config).unwrap();
        let mut command = Command::new("containerd");
        command.arg("-c").arg(folder.join("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_podman_to_a_node_and_from_there_to_docker() {
    if !is_there("podman") || !is_there("containerd") {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let _node = Containerd::start(&folder.path().join("c"));
    let Some((docker, _)) = docker() else { return };
    let at = |name: &str| folder.path().join(name).display().to_string();
    let settings = Settings::new().with("docker-daemon", "daemon-host", docker.host()).with(
        "containerd",
        "containerd-address",
        at("c/s"),
    );
    let known = Transports::linked(&settings).unwrap();
    let (podman, node) = (store(folder.path()), "containerd:k8s.io//");
    copy(&known, HELLO, &podman, Images::All).await.unwrap();
    let held = names(&known, &podman).await;
    // One image, and then all of them, without a file between.
    let (one, first) = (format!("{podman}{IMAGE}"), format!("{node}{IMAGE}"));
    copy(&known, &one, &first, Images::default()).await.unwrap();
    copy(&known, &first, &format!("docker-daemon:{IMAGE}"), Images::default()).await.unwrap();
    let image = image_of(&known, &one).await.unwrap();
    for place in [first, format!("docker-daemon:{IMAGE}")] {
        assert_eq!(image_of(&known, &place).await.unwrap(), image, "{place}");
    }
    copy(&known, &podman, node, Images::All).await.unwrap();
    copy(&known, node, "docker-daemon:", Images::All).await.unwrap();
    for place in [node, "docker-daemon:"] {
        assert_eq!(names(&known, place).await, held, "{place}");
    }
    // Their lists say it: no archive, of all that was saved first.
    let to = format!("oci:{}", at("one"));
    for place in [node, "docker-daemon:", &podman] {
        let error = copy(&known, place, &to, Images::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{place}: {error}");
        let text = error.to_string();
        assert!(text.contains("none is chosen") && !text.contains("archive holds"), "{text}");
    }
}

/// Copies, with no place for temporary files.
async fn copy(known: &Transports, from: &str, to: &str, images: Images) -> Result<()> {
    let options = TransferOptions::default();
    let nowhere = Some(PathBuf::from("/nowhere"));
    copy_with(known, from, to, options.with_images(images).with_spool(nowhere)).await.map(drop)
}

async fn copy_with(
    known: &Transports,
    from: &str,
    to: &str,
    how: TransferOptions,
) -> Result<Report> {
    let transfer = Transfer::new(known.parse(from)?, known.parse(to)?).options(how);
    let transfer = transfer.from_transports(known.clone()).to_transports(known.clone());
    transfer.run().await
}

/// The ID of an image.
async fn image_of(known: &Transports, text: &str) -> Result<Digest> {
    let at = known.parse(text)?;
    let root = known.of(&at)?.source(&at, &ReadOptions::default()).await?.root().await?;
    let Document::Image(image) = root.document() else { panic!("an index") };
    Ok(image.config.digest.clone())
}

/// The names of all images.
async fn names(known: &Transports, text: &str) -> BTreeSet<String> {
    let at = known.parse(text).unwrap();
    let archives = known.of(&at).unwrap().archives().unwrap();
    let reader = archives.read(&at, &ReadOptions::default()).await.unwrap();
    reader.entries().iter().flat_map(|entry| &entry.names).map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_podman_to_docker_and_into_a_layout() {
    if !is_there("podman") {
        return;
    }
    let Some((_docker, known)) = &docker() else { return };
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let podman = format!("{}{IMAGE}", store(folder.path()));
    let (engine, layout) = (format!("docker-daemon:{IMAGE}"), folder.path().join("layout"));
    let layout = format!("oci:{}:{IMAGE}", layout.display());
    let first = image_of(known, &format!("{HELLO}:{IMAGE}")).await.unwrap();
    copy(known, &format!("{HELLO}:{IMAGE}"), &podman, Images::default()).await.unwrap();
    copy_with(known, &podman, &engine, TransferOptions::default()).await.unwrap();
    copy(known, &engine, &layout, Images::default()).await.unwrap();
    copy(known, &layout, &format!("{}back:1", store(folder.path())), Images::default())
        .await
        .unwrap();
    let back = format!("{}back:1", store(folder.path()));
    let again = "docker-daemon:example.org/back:1".to_owned();
    copy(known, &layout, &again, Images::default()).await.unwrap();
    for place in [&podman, &engine, &layout, &back, &again] {
        assert_eq!(image_of(known, place).await.unwrap(), first, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_podman_into_one_archive_and_back() {
    if !is_there("podman") {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let known = Transports::linked(&Settings::new()).unwrap();
    let [first, second] = ["a", "b"].map(|name| store(&folder.path().join(name)));
    let image = image_of(&known, &format!("{HELLO}:{IMAGE}")).await.unwrap();
    copy(&known, HELLO, &first, Images::All).await.unwrap();
    let held = names(&known, &first).await;
    assert_eq!(held.len(), 3, "one image has two names: {held:?}");
    // Archives and layouts take the blobs while they come.
    let archive = format!("oci-archive:{}", folder.path().join("node.tar").display());
    copy(&known, &first, &archive, Images::All).await.unwrap();
    copy(&known, &archive, &second, Images::All).await.unwrap();
    let layout = format!("oci:{}", folder.path().join("layout").display());
    copy(&known, &second, &layout, Images::All).await.unwrap();
    for place in [&archive, &second, &layout] {
        assert_eq!(names(&known, place).await, held, "{place}");
    }
    assert_eq!(image_of(&known, &format!("{layout}:{IMAGE}")).await.unwrap(), image);
}

/// Writes an image of five small layers, of which the last is its own.
async fn five_layers(known: &Transports, at: &str, form: Form, first: u8, last: u8) {
    // Seeds that make tars.
    let seeds = [first, first + 4, first + 8, first + 12, last];
    let layers = seeds.map(|seed| Layer { form, ..Layer::small(seed, 3072) });
    let image = Image { layers: layers.to_vec(), ..Image::simple(last) }.build().unwrap();
    let at = known.parse(at).unwrap();
    let to = known.of(&at).unwrap().destination(&at, &WriteOptions::default()).await.unwrap();
    for blob in &image.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        to.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
    }
    to.commit(Commit::new(&image.root)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_gets_the_layers_that_it_lacks() {
    if !is_there("podman") {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let known = Transports::linked(&Settings::new()).unwrap();
    let podman = store(&folder.path().join("p"));
    let layout = folder.path().join("layout").display().to_string();
    // Compressed anew, layers have other digests than those that this store knows: all six are sent once more, but where the
    // machine's cache of digests, which stores share, has them from an earlier run.
    for (round, (form, first, last, sent)) in [
        (Form::Gzip(1), 2, 18, (6, 0)),
        (Form::Gzip(1), 2, 22, (2, 4)),
        (Form::Plain, 102, 118, (6, 0)),
        (Form::Plain, 102, 122, (2, 4)),
        (Form::Gzip(2), 102, 126, (2, 4)),
    ]
    .into_iter()
    .enumerate()
    {
        let (from, to) = (format!("oci:{layout}:x:{round}"), format!("{podman}x:{round}"));
        five_layers(&known, &from, form, first, last).await;
        let done = copy_with(&known, &from, &to, TransferOptions::default()).await.unwrap();
        let counted = (done.blobs_moved, done.blobs_reused);
        assert!(counted == sent || round == 4 && counted == (2 + 6, 4), "{round}: {counted:?}");
    }
    for round in 0..5 {
        let ids = [format!("oci:{layout}:x:{round}"), format!("{podman}x:{round}")];
        let [ours, theirs] = [image_of(&known, &ids[0]).await, image_of(&known, &ids[1]).await];
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{round}");
    }
}
