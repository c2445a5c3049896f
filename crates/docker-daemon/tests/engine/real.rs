//! dockerd and podman's service, started in folders of their own. They need root, and are skipped by name without it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use transship_core::Archives;

use super::*;

struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ours, by its id. dockerd ends its containerd when it is asked to end.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Running {
    async fn start(program: &str, args: impl Fn(&str) -> Vec<String>) -> Option<Self> {
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        if !root || Command::new(program).arg("--version").output().is_err() {
            assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{program} is required");
            eprintln!("skipped: {program} is not installed, or this is not root");
            return None;
        }
        // Paths of sockets are short.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::write(folder.path().join("daemon.json"), "{}").unwrap();
        let mut command = Command::new(program);
        command.args(args(&folder.path().display().to_string()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().unwrap(), folder };
        for _ in 0..600 {
            if read(&running.daemon(), "not-there").await.unwrap_err().kind() == ErrorKind::NotFound
            {
                return Some(running);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{program} does not answer: {}", read(&running.daemon(), "x").await.unwrap_err());
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("s")
    }

    fn daemon(&self) -> DockerDaemon {
        daemon(&format!("unix://{}", self.socket().display()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerd() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let args = |dir: &str| {
        reached::certificates(std::path::Path::new(dir));
        [
            format!("--config-file={dir}/daemon.json"),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--ip-forward=false".to_owned(),
            "--bridge=none".to_owned(),
            "--storage-driver=vfs".to_owned(),
            format!("--data-root={dir}/data"),
            format!("--exec-root={dir}/x"),
            format!("--pidfile={dir}/pid"),
            format!("--host=unix://{dir}/s"),
            format!("--host=tcp://127.0.0.1:{port}"),
            "--tlsverify".to_owned(),
            format!("--tlscacert={dir}/client/ca.pem"),
            format!("--tlscert={dir}/server.pem"),
            format!("--tlskey={dir}/server-key.pem"),
        ]
        .to_vec()
    };
    if let Some(running) = Running::start("dockerd", args).await {
        exercise(&running).await;
        parts::second_load_sends_what_is_new(running.socket()).await;
        parts::what_has_gone_is_sent_again(running.socket()).await;
        let (folder, name) = (running.folder.path(), "example.org/app:2");
        reached::behind_tls(port, folder, name).await;
        reached::behind_ssh(&running.socket(), folder, name);
        let is = async |image: &parts::Stack| {
            let named = id_of(&running.daemon(), "example.org/app:1").await;
            named == image.id()
        };
        stored::cut_everywhere(running.socket(), 4, is).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman() {
    let args = |dir: &str| {
        let service = format!(
            "--root {dir}/r --runroot {dir}/n --tmpdir {dir}/t --storage-driver vfs system service --time=0 unix://{dir}/s"
        );
        service.split(' ').map(str::to_owned).collect()
    };
    if let Some(running) = Running::start("podman", args).await {
        exercise(&running).await;
        // It takes whole images only.
        let image = parts::Stack::new(&["a", "b"]);
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
    daemon
        .deletion()
        .unwrap()
        .delete(&at, &transship_core::DeleteOptions::default())
        .await
        .unwrap();
    let gone = read(&daemon, "example.org/x:1").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.advice().unwrap().to_string().contains("example.org/y:1"), "{gone}");
}

/// The image ID, and that the layer reads back.
async fn id_of(daemon: &DockerDaemon, name: &str) -> Digest {
    let source =
        daemon.source(&daemon.parse(name).unwrap(), &ReadOptions::default()).await.unwrap();
    let root = source.root().await.unwrap();
    let transship_core::Document::Image(image) = root.document() else { panic!("an index") };
    for layer in &image.layers {
        source.blob(layer).await.unwrap().bytes(1 << 20).await.unwrap();
    }
    image.config.digest.clone()
}
