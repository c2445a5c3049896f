//! dockerd and podman's service. They need root, and are skipped by name without it.

use transship_conformance::model::{Config, Image, Layer};
use transship_core::{Archives, DeleteOptions, Document};

use super::running::Running;
use super::*;

/// At how many points connections to dockerd are cut, each way.
const POINTS: u64 = 100;

impl Running {
    fn daemon(&self) -> DockerDaemon {
        daemon(&self.host())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerd() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let more = |folder: &std::path::Path| {
        reached::certificates(folder);
        let dir = folder.display();
        let line = format!(
            "--host=tcp://127.0.0.1:{port} --tlsverify --tlscacert={dir}/client/ca.pem --tlscert={dir}/server.pem \
             --tlskey={dir}/server-key.pem"
        );
        line.split_whitespace().map(str::to_owned).collect()
    };
    if let Some(running) = Running::dockerd(more) {
        exercise(&running).await;
        parts::second_load_sends_what_is_new(running.socket()).await;
        parts::what_has_gone_is_sent_again(running.socket()).await;
        let (folder, name) = (running.folder(), "example.org/app:2");
        without_layers(&running).await;
        reached::behind_tls(port, folder, name).await;
        reached::behind_ssh(&running.socket(), folder, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerd_cut_off_or_in_use() {
    // It syncs with each step, which takes no time in memory.
    let memory = std::path::Path::new("/dev/shm");
    let root = memory.is_dir().then(|| tempfile::tempdir_in(memory).unwrap());
    let more = |_: &std::path::Path| {
        root.iter().map(|root| format!("--data-root={}", root.path().display())).collect()
    };
    if let Some(running) = Running::dockerd(more) {
        in_use(&running).await;
        let has = async || id_of(&running.daemon(), "example.org/app:1").await.to_string();
        let id = |image: &Stack| image.id().to_string();
        let begun = std::time::Instant::now();
        stored::cut_everywhere(running.socket(), POINTS, id, has).await;
        eprintln!("{POINTS} points each way in {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman() {
    if let Some(running) = Running::podman() {
        exercise(&running).await;
        // It takes whole images only.
        let image = Stack::new(&["a", "b"]);
        for name in ["example.org/z:1", "example.org/z:2"] {
            assert_eq!(image.write(&running.daemon(), name).await.unwrap(), 0);
            image.reads_back(&running.daemon(), name).await;
        }
    }
}

/// Images come and go, names move, and a damaged image changes nothing.
async fn exercise(running: &Running) {
    let daemon = running.daemon();
    let (first, second) = (Sample::new("first"), Sample::new("second"));
    first.write(&daemon, "example.org/x:1").await.unwrap();
    assert_eq!(id_of(&daemon, "example.org/x:1").await, first.id());
    let lie = Sample { layer: Sample::new("lie").layer, ..Sample::new("second") };
    let at = daemon.parse("example.org/x:1").unwrap();
    let destination = daemon.destination(&at, &WriteOptions::default()).await.unwrap();
    let expect = Expect::digest(sha256(&second.layer)).with_size(second.layer.len() as u64);
    destination.put_blob(expect, Body::from_bytes(lie.layer)).await.unwrap_err();
    drop(destination);
    assert_eq!(id_of(&daemon, "example.org/x:1").await, first.id());
    let large = large::image("large");
    for damaged in large::damaged(&large.layer) {
        large::refused(&large, damaged, &daemon, "example.org/x:1").await;
        assert_eq!(id_of(&daemon, "example.org/x:1").await, first.id());
    }
    second.write(&daemon, "example.org/x:1").await.unwrap();
    assert_eq!(id_of(&daemon, "example.org/x:1").await, second.id());
    first.write(&daemon, "example.org/y:1").await.unwrap();
    let how = WriteOptions::default().with_mode(WriteMode::Create);
    let there = daemon.destination(&at, &how).await.unwrap_err();
    assert_eq!(there.kind(), ErrorKind::AlreadyExists);
    let all = daemon.read(&daemon.parse("").unwrap(), &ReadOptions::default()).await.unwrap();
    let names: Vec<String> =
        all.entries().iter().flat_map(|entry| &entry.names).map(ToString::to_string).collect();
    for name in ["example.org/x:1", "example.org/y:1"] {
        assert!(names.iter().any(|listed| listed == name), "{names:?}");
    }
    for entry in all.entries() {
        all.open(entry).await.unwrap().root().await.unwrap();
    }
    daemon.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    let gone = read(&daemon, "example.org/x:1").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.advice().unwrap().to_string().contains("example.org/y:1"), "{gone}");
    base_stays(&daemon).await;
}

/// An image without a name stays when the one goes that is built on it.
async fn base_stays(daemon: &DockerDaemon) {
    let layers = vec![Layer::tar(1, 700), Layer::tar(2, 700)];
    let app = Image { layers, config: Config::Steps, ..Image::simple(1) };
    let mut base = app.clone();
    base.layers.pop();
    let [base, app] = [base, app].map(|image| image.build().unwrap());
    let name = "example.org/built:1";
    for (image, name) in [(&base, ""), (&app, name)] {
        let at = daemon.parse(name).unwrap();
        let to = daemon.destination(&at, &WriteOptions::default()).await.unwrap();
        for blob in &image.blobs {
            let body = Body::from_bytes(blob.bytes.clone());
            to.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
        }
        to.commit(Commit::new(&image.root)).await.unwrap();
    }
    let at = daemon.parse(name).unwrap();
    daemon.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    let all = daemon.parse("").unwrap();
    let all = daemon.read(&all, &ReadOptions::default()).await.unwrap();
    let ids = [&base.root, &app.root].map(|root| match root.document() {
        Document::Image(image) => {
            [image.config.digest.to_string(), root.descriptor().digest.to_string()]
        }
        _ => panic!("an index"),
    });
    let is_there = ids.map(|ids| {
        all.entries()
            .iter()
            .any(|entry| ids.iter().any(|id| entry.reference.locator().ends_with(id)))
    });
    assert_eq!(is_there, [true, false], "{:?}", all.entries());
}

/// docker saves none of the images that are asked for where one has no layers: it is said which one.
async fn without_layers(running: &Running) {
    let daemon = running.daemon();
    Stack::new(&[]).write(&daemon, "example.org/empty:1").await.unwrap();
    let (archives, all) = (daemon.archives().unwrap(), daemon.parse("").unwrap());
    let pass = archives.one_pass().unwrap();
    let error = pass.pass(&all, &ReadOptions::default(), None).await.unwrap_err();
    let hint = error.advice().unwrap().to_string();
    assert!(hint.contains("layers, as example.org/empty:1:"), "{error}");
    let at = daemon.parse("example.org/empty:1").unwrap();
    daemon.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    pass.pass(&all, &ReadOptions::default(), None).await.unwrap();
}

/// An image that a container uses keeps all of its names.
async fn in_use(running: &Running) {
    let daemon = running.daemon();
    let (image, names) = (Sample::new("used"), ["example.org/used:1", "example.org/used:2"]);
    for name in names {
        image.write(&daemon, name).await.unwrap();
    }
    let docker = |words: &[&str]| {
        let mut command = std::process::Command::new("docker");
        let done = command.arg("-H").arg(running.host()).args(words).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let container = docker(&["create", "--network", "none", names[0], "/file"]);
    let at = daemon.parse(image.id().as_ref()).unwrap();
    let deletion = daemon.deletion().unwrap();
    let error = deletion.delete(&at, &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let engine = format!("the engine at {} (from the option daemon-host)", running.host());
    let text = error.to_string();
    assert!(text.contains(&engine) && text.contains(&container[..12]), "{text}");
    assert!(error.advice().unwrap().to_string().contains("containers"), "{error}");
    for name in names {
        assert_eq!(id_of(&daemon, name).await, image.id(), "{name}");
    }
    docker(&["rm", &container]);
    deletion.delete(&at, &DeleteOptions::default()).await.unwrap();
    for name in names {
        assert_eq!(read(&daemon, name).await.unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
}

/// The image ID, and that the layer reads back.
async fn id_of(daemon: &DockerDaemon, name: &str) -> Digest {
    let source =
        daemon.source(&daemon.parse(name).unwrap(), &ReadOptions::default()).await.unwrap();
    let root = source.root().await.unwrap();
    let Document::Image(image) = root.document() else { panic!("an index") };
    for layer in &image.layers {
        source.blob(layer).await.unwrap().bytes(1 << 20).await.unwrap();
    }
    image.config.digest.clone()
}
