//! A docker engine in the test's own process, which answers as the test says.

use std::io::{BufRead, BufReader, Result, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use transship::{Settings, Transports};

/// A running engine.
pub(crate) struct Answers {
    folder: tempfile::TempDir,
}

impl Answers {
    /// Its answers, by the paths of requests.
    pub(crate) fn start(says: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let says = Arc::new(says);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let says = Arc::clone(&says);
                // A client that has enough goes away.
                std::thread::spawn(move || drop(answer(&stream.unwrap(), &*says)));
            }
        });
        Self { folder }
    }

    /// Transports that lead to it.
    pub(crate) fn known(&self) -> Transports {
        let host = format!("unix://{}/s", self.folder.path().display());
        Transports::linked(&Settings::new().with("docker-daemon", "daemon-host", host)).unwrap()
    }
}

fn answer(mut stream: &UnixStream, says: &dyn Fn(&str) -> Vec<u8>) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let asked = lines.next().unwrap()?;
    while !lines.next().unwrap()?.is_empty() {}
    let body = says(asked.split(' ').nth(1).unwrap());
    let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    if asked.starts_with("HEAD") {
        return Ok(());
    }
    for chunk in body.chunks(64 << 10) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    // However it ends, it ends properly.
    stream.write_all(b"0\r\n\r\n")
}
