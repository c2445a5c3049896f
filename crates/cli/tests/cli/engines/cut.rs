//! Copies out of engines that are cut, as where an engine ends: the destination has nothing of them.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Containerd;
use crate::layout::{Layout, noise, tar_of};
use crate::running::Running;
use crate::session::Session;

/// At how many points each copy is cut.
const POINTS: u64 = 100;

/// Passes everything on; of what the engine says, up to a number of bytes, after which every connection is cut.
struct Cut {
    folder: tempfile::TempDir,
    left: Arc<AtomicU64>,
}

impl Cut {
    fn before(engine: PathBuf) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let shared = Arc::clone(&left);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&engine)) else {
                    return;
                };
                let [from, to] = [&client, &server].map(|stream| stream.try_clone().unwrap());
                let left = Arc::clone(&shared);
                std::thread::spawn(move || pass(from, to, &AtomicU64::new(u64::MAX)));
                std::thread::spawn(move || pass(server, client, &left));
            }
        });
        Self { folder, left }
    }

    fn socket(&self) -> String {
        self.folder.path().join("s").display().to_string()
    }

    /// How many bytes the engine says from now on.
    fn let_pass(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// How many it has said since [`u64::MAX`] were let pass.
    fn passed(&self) -> u64 {
        u64::MAX - self.left.load(Ordering::SeqCst)
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, left: &AtomicU64) {
    let mut buffer = [0; 4 << 10];
    while let Ok(size @ 1..) = from.read(&mut buffer) {
        let take = |left: u64| Some(left.saturating_sub(size as u64));
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap();
        let may = size.min(usize::try_from(before).unwrap_or(usize::MAX));
        if to.write_all(&buffer[..may]).is_err() || may < size {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// An image that has its name, in a folder where nothing else is.
fn written(into: &str) -> Session {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("from"));
    let layers = [1, 2].map(|seed| tar_of(&noise(seed, 60_000)));
    let image = layout.image(&layers.each_ref().map(Vec::as_slice));
    layout.list(&image, Some("x"));
    session.ok(&format!("copy -q oci:from:x {into}"));
    session
}

/// Cuts a copy at points from the first byte to the last one. In the end the whole image comes.
fn nothing_comes_of_a_cut(session: &Session, cut: &Cut, points: u64, from: &str) {
    std::fs::create_dir_all(session.path("spool")).unwrap();
    let there = session.left();
    let run = |to: &str| {
        session.run(&format!("copy -q --no-cache --retries 0 --tmpdir spool {from} {to}"))
    };
    let ways = ["oci:out", "oci-archive:out.tar", "docker-archive:saved.tar", "dir:folder"];
    let wholes = ways.map(|to| {
        cut.let_pass(u64::MAX);
        assert!(run(to).status.success(), "{to}: {:?}", run(to));
        let whole = cut.passed();
        let made = session.path(to.split_once(':').unwrap().1);
        let removed = std::fs::remove_dir_all(&made);
        removed.or_else(|_| std::fs::remove_file(&made)).unwrap();
        whole
    });
    assert_eq!(session.left(), there);
    for point in 0..points {
        let way = usize::try_from(point).unwrap() % ways.len();
        let limit = wholes[way] * point / points;
        cut.let_pass(limit);
        let output = run(ways[way]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{} cut at {limit}", ways[way]);
        assert!(said.contains("transship: "), "{} cut at {limit}: {said}", ways[way]);
        assert_eq!(session.left(), there, "{} cut at {limit}: {said}", ways[way]);
        let spool = std::fs::read_dir(session.path("spool")).unwrap();
        assert_eq!(spool.count(), 0, "{} cut at {limit}", ways[way]);
    }
}

#[test]
fn out_of_containerd() {
    let Some(node) = Containerd::start() else { return };
    let into = format!("--dest-containerd-address {} containerd:x:1", node.socket());
    let (session, cut) = (written(&into), Cut::before(node.socket().into()));
    let from = format!("--src-containerd-address {} containerd:x:1", cut.socket());
    nothing_comes_of_a_cut(&session, &cut, POINTS, &from);
}

#[test]
fn out_of_docker() {
    let Some(docker) = Running::dockerd(|_| Vec::new()) else { return };
    let into = format!("--dest-daemon-host {} docker-daemon:x:1", docker.host());
    let (session, cut) = (written(&into), Cut::before(docker.socket()));
    let from = format!("--src-daemon-host unix://{} docker-daemon:x:1", cut.socket());
    nothing_comes_of_a_cut(&session, &cut, POINTS, &from);
}

#[test]
fn out_of_podman() {
    let Some(podman) = Running::podman() else { return };
    let into = format!("--dest-podman-url {} containers-storage:x:1", podman.host());
    let (session, cut) = (written(&into), Cut::before(podman.socket()));
    let from = format!("--src-podman-url unix://{} containers-storage:x:1", cut.socket());
    nothing_comes_of_a_cut(&session, &cut, POINTS, &from);
}
