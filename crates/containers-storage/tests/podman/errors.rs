//! Errors as people meet them where podman's API is asked: what is wrong, where, and what to do.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use transship_core::{Error, ErrorKind};

use super::*;

/// Something that listens, and says the same to all that is asked but a ping that it knows.
struct Listening {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Listening {
    /// With the headers of a ping, where it knows one, and the status and the body of all else.
    fn start(ping: impl Into<Option<&'static str>>, status: u16, body: &'static str) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (noted, ping) = (Arc::clone(&asked), ping.into());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                // One who has gone asks for nothing.
                let Some(Ok(first)) = lines.next() else { continue };
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let (status, headers, body) = match ping.filter(|_| path.ends_with("/_ping")) {
                    Some(headers) => (200, headers, "OK"),
                    None => (status, "", body),
                };
                noted.lock().unwrap().push(path);
                let size = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{headers}Connection: close\r\nContent-Length: {size}\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { folder, asked }
    }

    fn url(&self) -> String {
        format!("unix://{}/s", self.folder.path().display())
    }

    /// The error of a read, which says where it was asked, and what named that.
    async fn failure(&self) -> Error {
        let error = read(&set("podman-url", &self.url()), "x").await.unwrap_err();
        let at = format!("podman at {} (from the option podman-url)", self.url());
        assert!(error.to_string().contains(&at), "{error}");
        error
    }
}

const NOT_KNOWN: &str = r#"{"cause":"image not known","message":"docker.io/library/x:latest: image not known","response":404}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_older_podman_is_asked_in_its_own_version() {
    for (ping, version) in [
        ("Libpod-Api-Version: 3.4.4\r\n", "/v3.4.4/libpod/"),
        ("Libpod-Api-Version: 4.0.0\r\n", "/v4.0.0/libpod/"),
        ("Libpod-Api-Version: 6.1.0\r\n", "/v4.0.0/libpod/"),
    ] {
        let podman = Listening::start(ping, 404, NOT_KNOWN);
        let error = podman.failure().await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{ping}: {error}");
        let asked = podman.asked.lock().unwrap().clone();
        let (pings, others): (Vec<_>, Vec<_>) =
            asked.iter().partition(|path| path.ends_with("_ping"));
        assert_eq!(pings.len(), 1, "{asked:?}");
        assert!(!others.is_empty(), "{asked:?}");
        assert!(others.iter().all(|path| path.starts_with(version)), "{ping}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_too_new_says_what_to_do() {
    let refusal = r#"{"cause":"given version is not supported","message":"version 4.0.0: given version is not supported","response":400}"#;
    let podman = Listening::start("Libpod-Api-Version: 9.0.0\r\n", 400, refusal);
    let error = podman.failure().await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("given version is not supported"), "{error}");
    let hint = error.advice().unwrap().to_string();
    assert!(hint.contains("podman 9.0.0") && hint.contains("4.0.0"), "{hint}");
    assert!(hint.contains("the option podman"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_podman_is_said_to_be_none() {
    for docker in [
        Listening::start("Api-Version: 1.52\r\n", 200, "[]"),
        // docker 20.10, and a server of files.
        Listening::start(None, 404, r#"{"message":"page not found"}"#),
        Listening::start(None, 400, "what?"),
    ] {
        let error = docker.failure().await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("it is no podman"), "{error}");
        let hint = error.advice().unwrap().to_string();
        assert!(hint.contains("docker-daemon:"), "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_nobody_listens_at_is_named() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    drop(UnixListener::bind(folder.path().join("stale")).unwrap());
    for name in ["none", "stale"] {
        let url = format!("unix://{}", folder.path().join(name).display());
        let error = read(&set("podman-url", &url), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let at = format!("podman at {url} (from the option podman-url): no engine answers");
        assert!(error.to_string().contains(&at), "{error}");
        let hint = error.advice().unwrap().to_string();
        assert!(hint.contains("podman.socket") && hint.contains("CONTAINER_HOST"), "{hint}");
    }
}
