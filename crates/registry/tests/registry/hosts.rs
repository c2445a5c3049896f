//! `hosts.toml` of containerd.

use std::fs;
use std::path::Path;

use transship_core::{ErrorKind, ReadOptions, Result, Transport, WriteOptions};
use transship_registry::{Credential, Registry, RegistryOptions, Secret};
use transship_test_registry::{
    Auth, ClientCertificates, Fault, Registry as Server, Rule, Tls, User,
};

use crate::common::{Image, client, image, noise, open, plain, pull, push, put, read, serve};

/// A folder whose `hosts.toml` for a host is this text.
fn folder(host: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join(host), "hosts.toml", text);
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

fn with(folder: &tempfile::TempDir, change: impl FnOnce(&mut RegistryOptions)) -> Registry {
    client(|options| {
        options.hosts_dir = Some(folder.path().to_owned());
        options.retries = 0;
        change(options);
    })
}

fn asked(server: &Server) -> usize {
    server.exchanges().len()
}

/// What a pull of `docker.io/a/b:1` gives.
async fn pull_of_hub(registry: &Registry) -> Result<Image> {
    let at = registry.parse("//docker.io/a/b:1")?;
    read(&*registry.source(&at, &ReadOptions::default()).await?).await
}

#[tokio::test]
async fn mirrors_are_asked_in_the_order_of_the_file_for_the_registry_that_is_meant() {
    let (server, first, second) = (open(), open(), open());
    let (old, new) = (image(noise(1000)), image(noise(2000)));
    push(&plain(), &server, "a/b:1", &old).await.unwrap();
    push(&plain(), &second, "a/b:1", &new).await.unwrap();
    let text = format!(
        "[host.\"{}\"]\n[host.\"{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        first.url(),
        second.url()
    );
    let port = server.host().rsplit_once(':').unwrap().1;
    let folder = folder(&format!("127.0.0.1_{port}_"), &text);
    let registry = with(&folder, |_| {});
    for one in [&server, &first, &second] {
        one.forget_exchanges();
    }
    let got = pull(&registry, &server, "a/b:1").await.unwrap();
    assert_eq!(got.blobs[0].1, new.blobs[0].1);
    assert_eq!(asked(&server), 0);
    assert!(first.count("GET", "/v2/a/b/manifests/1") > 0);
    for exchange in first.exchanges().iter().chain(&second.exchanges()) {
        let namespace = server.host().replace(':', "%3A");
        assert!(exchange.query.contains(&format!("ns={namespace}")), "{exchange:?}");
    }
    // The registry itself is the last.
    second.inject(Rule::new(Fault::Status { status: 503, retry_after: None }).always());
    let got = pull(&with(&folder, |_| {}), &server, "a/b:1").await.unwrap();
    assert_eq!(got.blobs[0].1, old.blobs[0].1);
    assert!(server.exchanges().iter().all(|one| !one.query.contains("ns=")));
}

#[tokio::test]
async fn pushes_go_to_the_first_host_with_push() {
    let (server, mirror, sent) = (open(), open(), image(noise(1000)));
    let write = |capabilities: &str| {
        format!("[host.\"{}\"]\ncapabilities = [{capabilities}]\n", mirror.url())
    };
    let reads = folder(server.host(), &write("\"pull\", \"resolve\""));
    push(&with(&reads, |_| {}), &server, "a:1", &sent).await.unwrap();
    assert_eq!((asked(&mirror), server.repositories()), (0, vec!["a".to_owned()]));
    let takes = folder(server.host(), &write("\"push\""));
    push(&with(&takes, |_| {}), &server, "b:1", &sent).await.unwrap();
    assert_eq!(
        (server.repositories(), mirror.repositories()),
        (vec!["a".into()], vec!["b".into()])
    );
    // Nothing is read from a host without pull.
    mirror.forget_exchanges();
    pull(&with(&takes, |_| {}), &server, "a:1").await.unwrap();
    assert_eq!(asked(&mirror), 0);
    let none = folder(
        server.host(),
        &format!("server = \"{}\"\ncapabilities = [\"pull\", \"resolve\"]\n", server.url()),
    );
    let error = push(&with(&none, |_| {}), &server, "c:1", &sent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("hosts.toml has no host with push"), "{error}");
}

/// A mirror without `resolve` is for digests.
#[tokio::test]
async fn tags_are_resolved_where_that_is_allowed() {
    let (server, mirror, sent) = (open(), open(), image(noise(1000)));
    for one in [&server, &mirror] {
        push(&plain(), one, "a:1", &sent).await.unwrap();
    }
    let text = format!("[host.\"{}\"]\ncapabilities = [\"pull\"]\n", mirror.url());
    let folder = folder(server.host(), &text);
    let registry = with(&folder, |_| {});
    for one in [&server, &mirror] {
        one.forget_exchanges();
    }
    pull(&registry, &server, "a:1").await.unwrap();
    assert_eq!(asked(&mirror), 0);
    server.forget_exchanges();
    let digest = sent.manifest.descriptor().digest.clone();
    pull(&registry, &server, &format!("a@{digest}")).await.unwrap();
    assert_eq!(asked(&server), 0);
}

#[tokio::test]
async fn credentials_stay_with_the_host_that_they_were_given_for() {
    let protected = || serve(|options| options.auth = Auth::Basic(vec![User::new("me", "pw")]));
    let (server, mirror, sent) = (protected(), protected(), image(noise(1000)));
    let credential = Credential::Basic { user: "me".into(), secret: Secret::new("pw") };
    let given = client(|options| options.credential = Some(credential.clone()));
    for one in [&server, &mirror] {
        push(&given, one, "a:1", &sent).await.unwrap();
    }
    mirror.forget_exchanges();
    let text = format!("[host.\"{}\"]\n", mirror.url());
    let folder = folder(server.host(), &text);
    let registry = with(&folder, |options| options.credential = Some(credential));
    pull(&registry, &server, "a:1").await.unwrap();
    assert!(asked(&mirror) > 0);
    assert!(mirror.exchanges().iter().all(|one| one.header("authorization").is_none()));
    let error = push(&registry, &server, "b:1", &sent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(mirror.exchanges().iter().all(|one| one.header("authorization").is_none()));
}

#[tokio::test]
async fn paths_headers_and_the_default() {
    let (server, sent) = (open(), image(noise(1000)));
    push(&plain(), &server, "cache/a/b:1", &sent).await.unwrap();
    server.forget_exchanges();
    let text = format!(
        "server = \"{}/v2/cache/\"\noverride_path = true\n[header]\nx-team = [\"kit\", \"sync\"]\n",
        server.url()
    );
    let default = folder("_default", &text);
    let registry = with(&default, |_| {});
    let got = pull_of_hub(&registry).await.unwrap();
    assert_eq!(got.blobs[0].1, sent.blobs[0].1);
    for exchange in server.exchanges() {
        assert!(exchange.path.starts_with("/v2/cache/a/b/"), "{exchange:?}");
        assert_eq!(exchange.query, "ns=docker.io");
        let of_team = exchange.headers.iter().filter(|(name, _)| name == "x-team").count();
        assert_eq!(of_team, 2);
    }
    // Without override_path the API is below the path.
    let text = format!("server = \"{}/proxy\"\n", server.url());
    server.forget_exchanges();
    let of_hub = folder("docker.io", &text);
    let error = pull_of_hub(&with(&of_hub, |_| {})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(server.exchanges().iter().any(|one| one.path == "/proxy/v2/a/b/manifests/1"));
}

#[tokio::test]
async fn certificates_are_those_of_the_file() {
    let server = serve(|options| options.tls = Tls::On(ClientCertificates::Required));
    let sent = image(noise(1000));
    let (certificate, key) = server.client_pem().unwrap();
    let (mirror, ca) = (server.url(), server.ca_pem().unwrap());
    let try_with = async |lines: &str| {
        let folder = folder("docker.io", &format!("server = \"{mirror}\"\n{lines}"));
        let beside = folder.path().join("docker.io");
        write(&beside, "ca.pem", ca);
        write(&beside, "client.pem", certificate);
        write(&beside, "client.key", key);
        write(&beside, "both.pem", &format!("{certificate}{key}"));
        let registry = with(&folder, |_| {});
        let at = registry.parse("//docker.io/a/b:1").unwrap();
        put(&*registry.destination(&at, &WriteOptions::default()).await?, &sent).await
    };
    for lines in [
        "ca = \"ca.pem\"\nclient = [[\"client.pem\", \"client.key\"]]\n",
        "ca = [\"ca.pem\"]\nclient = \"both.pem\"\n",
        "skip_verify = true\nclient = [\"both.pem\"]\n",
    ] {
        try_with(lines).await.unwrap();
    }
    let error = try_with("client = \"both.pem\"\n").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(try_with("ca = \"ca.pem\"\n").await.is_err());
}

/// As in docker's `certs.d`, and as containerd reads them. What `registries.conf` says of the host still counts.
#[tokio::test]
async fn a_folder_without_a_file_has_certificates() {
    let server = serve(|options| options.tls = Tls::On(ClientCertificates::Required));
    let (sent, at) = (image(noise(1000)), format!("//{}/a/b:1", server.host()));
    let (certificate, key) = server.client_pem().unwrap();
    let port = server.host().rsplit_once(':').unwrap().1;
    for name in [server.host(), &format!("127.0.0.1_{port}_")] {
        let folder = tempfile::tempdir().unwrap();
        let of_host = folder.path().join(name);
        let pushed = async || {
            let registry = with(&folder, |_| {});
            let at = registry.parse(&at).unwrap();
            put(&*registry.destination(&at, &WriteOptions::default()).await?, &sent).await
        };
        write(&of_host, "ca.crt", server.ca_pem().unwrap());
        let error = pushed().await.unwrap_err();
        assert!(!error.to_string().contains("UnknownIssuer"), "{error}");
        write(&of_host, "client.cert", certificate);
        write(&of_host, "client.key", key);
        pushed().await.unwrap();
        write(&of_host, "hosts.toml", "");
        pushed().await.unwrap();
        // A file names the certificates that count.
        write(&of_host, "hosts.toml", "skip_verify = false\n");
        assert!(pushed().await.is_err());
        // Those for all hosts would be shown to all.
        fs::rename(&of_host, folder.path().join("_default")).unwrap();
        fs::remove_file(folder.path().join("_default/hosts.toml")).unwrap();
        assert!(pushed().await.is_err());
    }
}

/// Also where no certificate is needed: a file would pass unseen until one is.
#[tokio::test]
async fn a_folder_of_certificates_has_to_be_one() {
    let (server, file) = (open(), tempfile::NamedTempFile::new().unwrap());
    for none in [Path::new("/absent"), file.path()] {
        let registry = client(|options| options.cert_dir = Some(none.to_owned()));
        let error = push(&registry, &server, "a/b:1", &image(noise(10))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&none.display().to_string()), "{error}");
    }
    assert_eq!(asked(&server), 0);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_file_line_and_key() {
    for (text, kind, said) in [
        ("server = 1", ErrorKind::InvalidInput, "line 1: server: it is no text"),
        ("server = \"ftp://h\"", ErrorKind::InvalidInput, "line 1: server: it is no URL of http"),
        ("\nserver = \"https://me:hunter2@h\"", ErrorKind::InvalidInput, "line 2: server: it has"),
        (
            "[host.\"https://me:hunter2@h\"]",
            ErrorKind::InvalidInput,
            "host.\"https://***@h\": it has",
        ),
        ("server = \"https://h/?a=b\"", ErrorKind::InvalidInput, "query"),
        ("\ndial_timeout = \"3s\"", ErrorKind::Unsupported, "line 2: dial_timeout: "),
        ("[host.\"http://h\"]\nx = 1", ErrorKind::Unsupported, "line 2: host.\"http://h\".x: "),
        ("host = 1", ErrorKind::InvalidInput, "host: it is no table"),
        ("[host]\na = 1", ErrorKind::InvalidInput, "host.\"a\": it is no table"),
        ("capabilities = [\"fetch\"]", ErrorKind::Unsupported, "capabilities: \"fetch\""),
        ("skip_verify = \"no\"", ErrorKind::InvalidInput, "skip_verify: "),
        ("override_path = 1", ErrorKind::InvalidInput, "override_path: "),
        ("header = {\"a b\" = \"c\"}", ErrorKind::InvalidInput, "header.a b: "),
        ("header = {a = \"hunter2\\n\"}", ErrorKind::InvalidInput, "header.a: "),
        ("client = [[\"a\", \"b\", \"c\"]]", ErrorKind::InvalidInput, "client: "),
        ("\n\nca = \"absent.pem\"", ErrorKind::InvalidInput, "line 3: ca: "),
        ("client = \"hosts.toml\"", ErrorKind::Corrupt, "line 1: client: "),
        ("a = [", ErrorKind::InvalidInput, "line 1: "),
    ] {
        let folder = folder("docker.io", text);
        let error = pull_of_hub(&with(&folder, |_| {})).await.unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.kind(), kind, "{text}: {shown}");
        assert!(shown.contains("docker.io/hosts.toml: line ") && shown.contains(said), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    // A folder that is none would say that no host has settings.
    let file = tempfile::NamedTempFile::new().unwrap();
    for none in [Path::new("/absent"), file.path()] {
        let registry = client(|options| options.hosts_dir = Some(none.to_owned()));
        let error = pull_of_hub(&registry).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&none.display().to_string()), "{error}");
    }
}

/// The two kinds of files meet: a `hosts.toml` says where, `registries.conf` what is blocked; for other hosts it says all.
#[tokio::test]
async fn what_registries_conf_blocks_stays_blocked() {
    let (server, mirror, sent) = (open(), open(), image(noise(1000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let folder = folder(server.host(), &format!("[host.\"{}\"]\n", mirror.url()));
    let conf = folder.path().join("registries.conf");
    let blocked = |host: &str| {
        fs::write(&conf, format!("[[registry]]\nlocation = \"{host}\"\nblocked = true\n")).unwrap();
        with(&folder, |options| options.registries_conf = Some(conf.clone()))
    };
    let error = pull(&blocked(server.host()), &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "only the mirror is asked: {error}");
    assert!(asked(&mirror) > 0);
    mirror.forget_exchanges();
    pull(&blocked(mirror.host()), &server, "a:1").await.unwrap();
    assert_eq!(asked(&mirror), 0);
}
