//! What Debian's containerd cannot be made to show: one that is too old, and what is no containerd. It speaks gRPC, and knows few calls.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::path::Path;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixListener;
use transship_core::{Error, ErrorKind, ReadOptions, Transport};

use super::sample::Sample;
use super::server::store;

/// gRPC's code for a call that is not known.
const UNIMPLEMENTED: &str = "12";

/// A server that says its version, if it has one, and knows nothing else.
fn start(version: Option<&'static str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let listener = UnixListener::bind(folder.path().join("s")).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve =
                service_fn(
                    move |request| async move { Ok::<_, Infallible>(answer(&request, version)) },
                );
            let connection = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), serve));
        }
    });
    folder
}

fn answer(request: &Request<Incoming>, version: Option<&str>) -> Response<String> {
    let asked = request.uri().path().ends_with("Version/Version");
    let (status, body) = match version.filter(|_| asked) {
        // A message of one field, which is this text.
        Some(version) => {
            let [length, field] = [version.len() + 2, version.len()]
                .map(|size| char::from(u8::try_from(size).unwrap()));
            ("0", format!("\0\0\0\0{length}\n{field}{version}"))
        }
        None => (UNIMPLEMENTED, String::new()),
    };
    let answer = Response::builder().header("content-type", "application/grpc");
    answer.header("grpc-status", status).body(body).unwrap()
}

/// A server of another program: it says something that is no gRPC, or nothing, and closes.
fn start_another(says: &'static str) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if !says.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(says.as_bytes());
            }
        }
    });
    folder
}

async fn failures(version: Option<&'static str>) -> [Error; 3] {
    failures_at(start(version).path()).await
}

async fn failures_at(folder: &Path) -> [Error; 3] {
    let store = store(folder);
    let at = store.parse("x:1").unwrap();
    let read = store.source(&at, &ReadOptions::default()).await.map(drop);
    let write = Sample::new(&["a"], 10).write(&store, "x:1").await.map(drop);
    let all = store.parse("").unwrap();
    let list = store.archives().unwrap().read(&all, &ReadOptions::default()).await.map(drop);
    [read, write, list].map(Result::unwrap_err)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_no_grpc_may_be_another_program() {
    let docker = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request";
    for says in [docker, "OK\n", ""] {
        let folder = start_another(says);
        let at = format!("{}/s (from the option containerd-address)", folder.path().display());
        for error in failures_at(folder.path()).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{says}: {error}");
            assert!(error.to_string().contains(&at), "{says}: {error}");
            let hint = error.advice().unwrap().to_string();
            let another = hint.contains("another program") && hint.contains("CONTAINERD_ADDRESS");
            assert!(another, "{says}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_too_old_says_so() {
    for error in failures(Some("1.1.8")).await {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let text = error.to_string();
        assert!(text.contains("is 1.1.8: 1.2 or later is needed"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_containerd_is_said_to_be_none() {
    for error in failures(None).await {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("is no containerd"), "{error}");
    }
}
