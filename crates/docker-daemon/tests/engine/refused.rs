//! Places where no engine answers, or another than was meant: the error says what to do.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use transship_core::Error;

use super::reached::certificates;
use super::*;

const DIGITS: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// What something says to a request; without words it closes the connection.
type Answers = fn(&str) -> Option<&'static str>;

fn answer(mut stream: impl std::io::Read + std::io::Write, says: Answers) {
    let mut head = [0; 4096];
    let read = stream.read(&mut head).unwrap_or_default();
    if let Some(said) = says(&String::from_utf8_lossy(&head[..read])) {
        let _ = stream.write_all(said.as_bytes());
    }
}

/// Something at a socket in a folder.
fn at_a_socket(folder: &Path, says: Answers) -> String {
    let socket = folder.join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|one| answer(one.unwrap(), says)));
    format!("unix://{}", socket.display())
}

/// Something at a port.
fn at_a_port(says: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map(std::io::Result::unwrap) {
            answer(&stream, says);
            let _ = stream.shutdown(Shutdown::Write);
        }
    });
    format!("tcp://{at}")
}

async fn refused(host: &str, name: &str) -> Error {
    let error = read(&daemon(host), name).await.unwrap_err();
    assert!(error.to_string().contains(host), "{error}");
    error
}

fn hint(error: &Error) -> String {
    error.advice().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_engine_is_said_to_be_none_perhaps() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [closes, speaks_otherwise] = &folders;
    for host in [
        at_a_socket(closes.path(), |_| None),
        at_a_socket(speaks_otherwise.path(), |_| Some("\0\0\u{6}\u{4}\0\0\0\0\0")),
        at_a_port(|_| None),
    ] {
        let error = refused(&host, "x").await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let hint = hint(&error);
        assert!(hint.contains("may be no engine") && hint.contains("DOCKER_HOST"), "{error}");
        assert_eq!(hint.contains("TLS"), host.starts_with("tcp"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_off_later_has_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let host = at_a_socket(folder.path(), |asked| {
        let answers = asked.contains("/_ping") || asked.contains("/info");
        answers.then_some("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\n{}")
    });
    let error = refused(&host, "x").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(hint(&error).contains("the engine's log"), "{error}");
    assert!(!error.to_string().contains("no engine"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_wants_tls() {
    // The words of docker's engine.
    let host = at_a_port(|_| {
        Some("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
    });
    let hint = hint(&refused(&host, "x").await);
    assert!(hint.contains("TLS") && hint.contains("DOCKER_TLS_VERIFY=1"), "{hint}");
    assert!(hint.contains("DOCKER_CERT_PATH"), "{hint}");
}

/// A server with certificates of [`certificates`], which knows its clients.
async fn behind_tls(folder: &Path) -> std::net::SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("client/ca.pem")).unwrap()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accept = acceptor.accept(stream);
            // A client without a certificate fails here. None waits for another: the port may have been that of another test.
            tokio::spawn(async move { accept.await.is_ok() });
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let at = behind_tls(folder.path()).await;
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let of = |host: String, certificates: &Path| {
        let settings = Settings::new().with("docker-daemon", "daemon-host", host).with(
            "docker-daemon",
            "daemon-cert-path",
            certificates.display().to_string(),
        );
        DockerDaemon::new(&settings)
    };
    // As docker says it.
    for missing in [Path::new("/nope"), &own] {
        let error = read(&of(format!("tcp://{at}"), missing), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let file = missing.join("ca.pem").display().to_string();
        assert!(error.to_string().contains(&file), "{error}");
        assert!(hint(&error).contains("DOCKER_CERT_PATH"), "{error}");
    }
    // Without a folder the authority is unknown.
    let error = read(&daemon(&format!("https://{at}")), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let hint_of_folder = hint(&error);
    assert!(hint_of_folder.contains("DOCKER_CERT_PATH"), "{error}");
    assert!(hint_of_folder.contains("DOCKER_TLS_VERIFY=1"), "{error}");
    std::fs::copy(folder.path().join("client/ca.pem"), own.join("ca.pem")).unwrap();
    let error = read(&of(format!("tcp://{at}"), &own), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let hint_of_own = hint(&error);
    assert!(hint_of_own.contains("cert.pem and key.pem"), "{error}");
    assert!(hint_of_own.contains(&own.display().to_string()), "{error}");
    std::fs::copy(folder.path().join("client/key.pem"), own.join("key.pem")).unwrap();
    let error = read(&of(format!("tcp://{at}"), &own), "x").await.unwrap_err();
    let file = own.join("cert.pem").display().to_string();
    assert!(error.to_string().contains(&file), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digits_of_an_id() {
    let list = r#"[{"Id":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","RepoTags":["a:1"]}]"#;
    let fake = Fake::start(Says { list, ..Says::default() });
    let written = "an ID is written sha256: and all of its 64 digits";
    let error = refused(&fake.host(), &DIGITS[..12]).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(hint(&error), format!("{written}: sha256:{DIGITS}"));
    assert_eq!(hint(&refused(&fake.host(), "0123456789ab").await), written);
    assert!(hint(&refused(&fake.host(), "0123456789").await).contains("a:1"));
    let error = daemon(&fake.host()).parse(DIGITS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(hint(&error), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_without_layers_that_are_not_to_be_distributed() {
    let words =
        "open /var/lib/docker/tmp/docker-import-1/blobs/sha256/44: no such file or directory";
    let lines = format!(r#"{{"errorDetail":{{"message":"{words}"}},"error":"{words}"}}"#);
    for load in [(200, lines), (500, format!(r#"{{"message":"{words}"}}"#))] {
        let fake = Fake::start(Says { load, ..Says::default() });
        let error = Sample::new("a").write(&daemon(&fake.host()), "x:1").await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(hint(&error).contains("not to be distributed, they were left out"), "{error}");
    }
}

/// What makes the child process of [`ssh_that_leads_to_no_engine`] ask for an image.
const ASKS: &str = "TRANSSHIP_TEST_SSH_REFUSED";

/// A program named ssh, first on the path of a child process, ends at once.
#[test]
fn ssh_that_leads_to_no_engine() {
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\nexit 255\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ssh, mode).unwrap();
    let path = std::env::var("PATH").unwrap();
    let child = child_for("refused::child_that_asks_by_ssh")
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("DOCKER_HOST", "ssh://me@far.invalid:2222/run/d.sock")
        .env(ASKS, "x")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    let at = "the engine at ssh://me@far.invalid:2222/run/d.sock (from DOCKER_HOST)";
    assert!(said.contains(&format!("{at}: no engine answers by ssh")), "{said}");
    let works = "ssh -l me -p 2222 -T far.invalid docker -H unix:///run/d.sock system dial-stdio";
    assert!(said.contains(works), "{said}");
}

/// Run by [`ssh_that_leads_to_no_engine`]; else it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_asks_by_ssh() {
    let Ok(name) = std::env::var(ASKS) else { return };
    let error = read(&DockerDaemon::new(&Settings::new()), &name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    std::io::stdout().write_all(format!("{error}\n").as_bytes()).unwrap();
}
