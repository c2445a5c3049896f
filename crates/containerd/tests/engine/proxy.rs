//! [`Proxy`]: a socket before that of containerd, which counts what is sent, and breaks off.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transship_containerd::ContainerdStore;

use super::server::{Running, store};

/// A socket that leads to containerd. Everything that it started ends with the test's process.
#[derive(Debug)]
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    sent: Arc<AtomicU64>,
}

impl Proxy {
    /// Passes everything on.
    pub(crate) fn start(to: &Running) -> Self {
        Self::that_ends_after(to, u64::MAX)
    }

    /// Passes so many bytes on to containerd, and then nothing any more: as a copy that is killed.
    pub(crate) fn that_ends_after(to: &Running, limit: u64) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let (sent, target) = (Arc::new(AtomicU64::new(0)), to.folder().join("s"));
        let counted = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), false) = (client, counted.load(Ordering::SeqCst) >= limit) else {
                    continue;
                };
                passed_on(client, &target, &counted, limit);
            }
        });
        Self { folder, sent }
    }

    pub(crate) fn store(&self) -> ContainerdStore {
        store(self.folder.path())
    }

    /// How many bytes were sent to containerd.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn passed_on(client: UnixStream, target: &Path, sent: &Arc<AtomicU64>, limit: u64) {
    let server = UnixStream::connect(target).unwrap();
    let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let sent = Arc::clone(sent);
    std::thread::spawn(move || {
        let mut server = server;
        let mut buffer = vec![0; 64 << 10];
        while let Ok(size @ 1..) = up.read(&mut buffer) {
            let before = sent.fetch_add(size as u64, Ordering::SeqCst);
            let left = usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
            if server.write_all(&buffer[..size.min(left)]).is_err() || left < size {
                break;
            }
        }
        let _ = (server.shutdown(Shutdown::Both), up.shutdown(Shutdown::Both));
    });
    std::thread::spawn(move || {
        let mut client = client;
        let _ = std::io::copy(&mut down, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
}
