//! A server on this machine may speak TLS or not: what is sent before that is known.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use transship_core::{Archives, ErrorKind, ReadOptions, Transport};
use transship_registry::{Credential, Registry, Secret};
use transship_test_registry::{Auth, ClientCertificates, Fault, Rule, Tls, User};

use crate::common::{client, image, noise, open, plain, push, read, serve};

/// The first byte of what begins TLS.
const HELLO: u8 = 22;

/// What a port does with those who begin TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hellos {
    /// They wait until a request has come in plain, and then the connection is closed.
    WaitForPlain,
    Lead,
}

/// A port that leads to a server, and keeps the beginning of what comes in plain.
struct Port {
    host: String,
    plain: Arc<Mutex<Vec<String>>>,
}

impl Port {
    async fn to(server: &str, hellos: Hellos) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (server, plain) = (server.parse().unwrap(), Arc::default());
        let port = Self { host, plain: Arc::clone(&plain) };
        let (seen, _) = watch::channel(0);
        let seen = Arc::new(seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (plain, seen) = (Arc::clone(&plain), Arc::clone(&seen));
                tokio::spawn(lead(client, server, hellos, plain, seen));
            }
        });
        port
    }

    fn seen(&self) -> Vec<String> {
        self.plain.lock().unwrap().clone()
    }
}

async fn lead(
    mut client: TcpStream,
    server: SocketAddr,
    hellos: Hellos,
    plain: Arc<Mutex<Vec<String>>>,
    seen: Arc<watch::Sender<usize>>,
) {
    let mut begin = [0; 4096];
    let count = client.peek(&mut begin).await.unwrap_or(0);
    if count > 0 && begin[0] != HELLO {
        plain.lock().unwrap().push(String::from_utf8_lossy(&begin[..count]).into_owned());
        seen.send_modify(|count| *count += 1);
    } else if hellos == Hellos::WaitForPlain {
        let _ = seen.subscribe().wait_for(|count| *count > 0).await;
        return;
    }
    if let Ok(mut server) = TcpStream::connect(server).await {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

async fn pulled(registry: &Registry, host: &str) -> transship_core::Result<crate::common::Image> {
    let at = registry.parse(&format!("//{host}/a:1")).unwrap();
    let how = ReadOptions::default();
    let source = registry.source(&at, &how);
    let source = tokio::time::timeout(Duration::from_secs(30), source).await;
    read(&*source.expect("the first request waits")?).await
}

/// The port answers nobody who begins TLS before the first request in plain is there.
#[tokio::test]
async fn the_first_request_does_not_wait_until_it_is_known_that_there_is_no_tls() {
    let (server, sent) = (open(), image(noise(1000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    let port = Port::to(server.host(), Hellos::WaitForPlain).await;
    let got = pulled(&plain(), &port.host).await.unwrap();
    assert_eq!(got.manifest, sent.manifest);
    assert_eq!(server.count("GET", "manifests"), 1, "it is not asked for again");
    assert_eq!(server.count("GET", ""), 1 + sent.blobs.len(), "nothing else is asked for");
    // Tags are read in the same way.
    let port = Port::to(server.host(), Hellos::WaitForPlain).await;
    let registry = plain();
    let at = registry.parse(&format!("//{}/a", port.host)).unwrap();
    let reader = registry.read(&at, &ReadOptions::default()).await.unwrap();
    assert_eq!(reader.entries().len(), 1);
}

/// How that request fails counts as one try, and is no more than one.
#[tokio::test]
async fn a_first_request_that_fails_is_one_try() {
    for fault in [Fault::Status { status: 503, retry_after: None }, Fault::Close] {
        let server = open();
        server.inject(Rule::new(fault).path("manifests").always());
        let registry = client(|options| options.retries = 3);
        let error = pulled(&registry, server.host()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(server.count("GET", "manifests"), 4);
    }
}

/// Where TLS is spoken, what is asked for over TLS counts, and no credential was sent in plain.
#[tokio::test]
async fn no_credential_is_sent_in_plain_where_tls_is_spoken() {
    let server = serve(|options| {
        options.tls = Tls::On(ClientCertificates::Asked);
        options.auth = Auth::Basic(vec![User::new("me", "secret")]);
    });
    let registry = || {
        client(|options| {
            options.anonymous = false;
            options.credential =
                Some(Credential::Basic { user: "me".to_owned(), secret: Secret::new("secret") });
            options.tls_verify = Some(false);
        })
    };
    let sent = image(noise(1000));
    push(&registry(), &server, "a:1", &sent).await.unwrap();
    let port = Port::to(server.host(), Hellos::Lead).await;
    let got = pulled(&registry(), &port.host).await.unwrap();
    assert_eq!(got.manifest, sent.manifest);
    for begin in port.seen() {
        assert!(!begin.to_lowercase().contains("authorization"), "{begin}");
    }
}
