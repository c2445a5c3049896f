//! [`Proxy`]: a socket before that of containerd, which counts what is sent, and breaks off.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use transship_containerd::ContainerdStore;

use super::server::{Running, collect, store};

/// A socket that leads to containerd. Everything that it started ends with the test's process.
#[derive(Debug)]
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    /// To containerd, and from it.
    ways: [Way; 2],
}

/// A text at which the next connection that carries it is broken off.
type Breaks = Arc<Mutex<Option<&'static str>>>;

/// The label that says when a lease ends.
pub(crate) const EXPIRE: &str = "containerd.io/gc.expire";

/// Another time at which leases end.
type Ends = Arc<Mutex<Option<String>>>;

impl Proxy {
    /// Passes everything on.
    pub(crate) fn start(to: &Running) -> Self {
        Self::that_ends_after(to, u64::MAX)
    }

    /// Passes so many bytes on to containerd, and then nothing any more: as a copy that is killed.
    pub(crate) fn that_ends_after(to: &Running, limit: u64) -> Self {
        Self::with(to, [limit, u64::MAX])
    }

    /// The same with what containerd sends.
    pub(crate) fn that_answers_up_to(to: &Running, limit: u64) -> Self {
        Self::with(to, [u64::MAX, limit])
    }

    fn with(to: &Running, limits: [u64; 2]) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let ways = limits.map(Way::up_to);
        let (target, passing) = (to.folder().join("s"), ways.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), false) = (client, passing.iter().any(Way::has_ended)) else {
                    continue;
                };
                let server = UnixStream::connect(&target).unwrap();
                let folder = target.parent().unwrap();
                passing[0].pass_on(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    folder,
                );
                passing[1].pass_on(server, client, folder);
            }
        });
        Self { folder, ways }
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("s").display().to_string()
    }

    pub(crate) fn store(&self) -> ContainerdStore {
        store(self.folder.path())
    }

    /// Breaks one connection off where it carries a text, and lets containerd collect garbage before anything goes on.
    pub(crate) fn break_at(&self, text: &'static str) {
        *self.ways[0].breaks.lock().unwrap() = Some(text);
    }

    /// Lets leases end at another time than the one that they are made with. All else of them is as it is.
    pub(crate) fn let_leases_end(&self, at: String) {
        *self.ways[0].ends.lock().unwrap() = Some(at);
    }

    /// How many bytes were sent to containerd.
    pub(crate) fn sent(&self) -> u64 {
        self.ways[0].passed.load(Ordering::SeqCst)
    }

    /// How many bytes containerd sent.
    pub(crate) fn received(&self) -> u64 {
        self.ways[1].passed.load(Ordering::SeqCst)
    }
}

/// One direction of all connections.
#[derive(Clone, Debug)]
struct Way {
    limit: u64,
    passed: Arc<AtomicU64>,
    breaks: Breaks,
    ends: Ends,
}

impl Way {
    fn up_to(limit: u64) -> Self {
        Self { limit, passed: Arc::default(), breaks: Breaks::default(), ends: Ends::default() }
    }

    fn has_ended(&self) -> bool {
        self.passed.load(Ordering::SeqCst) >= self.limit
    }

    fn pass_on(&self, mut from: UnixStream, mut to: UnixStream, folder: &Path) {
        let (way, folder) = (self.clone(), folder.to_owned());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(size @ 1..) = from.read(&mut buffer) {
                if let Some(at) = &*way.ends.lock().unwrap() {
                    let_end(&mut buffer[..size], at);
                }
                let bytes = &buffer[..size];
                let carries =
                    |text: &mut &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
                if way.breaks.lock().unwrap().take_if(carries).is_some() {
                    collect(&folder, "default");
                    break;
                }
                let before = way.passed.fetch_add(size as u64, Ordering::SeqCst);
                let left = usize::try_from(way.limit.saturating_sub(before)).unwrap_or(usize::MAX);
                if to.write_all(&bytes[..size.min(left)]).is_err() || left < size {
                    break;
                }
            }
            let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
        });
    }
}

/// Puts another time where a label says when a lease ends. It is as long: the message around it stays.
fn let_end(message: &mut [u8], at: &str) {
    let label = message.windows(EXPIRE.len()).position(|part| part == EXPIRE.as_bytes());
    let Some(label) = label else { return };
    // Between the two stand the number of the field and its length.
    let time = &mut message[label + EXPIRE.len()..][..2 + at.len()];
    assert_eq!(usize::from(time[1]), at.len(), "{}", String::from_utf8_lossy(time));
    time[2..].copy_from_slice(at.as_bytes());
}
