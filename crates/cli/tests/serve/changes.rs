//! What changes while it is served.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use transship_test_registry::{Fault, Options, Registry, Rule};

use crate::layout::{Layout, digest, noise};
use crate::serving::Serving;
use crate::session::Session;

#[test]
fn a_place_that_changes_is_seen() {
    let session = Session::new();
    session.ok("copy hello.tar:example/hello:1 oci:layout:docker.io/a/b:1");
    session.ok("copy hello.tar:example/hello:1 docker-archive:saved.tar:docker.io/c/d:1");
    let serving = Serving::start(&session, "oci:layout saved.tar");
    let tags = |path: &str| serving.get(&format!("/v2/{path}/tags/list")).json()["tags"].clone();
    assert_eq!((tags("a/b"), tags("c/d")), (json!(["1"]), json!(["1"])));
    session.ok("copy hello.tar:example/world:1 oci:layout:docker.io/a/b:2");
    session.ok("copy --append hello.tar:example/world:1 docker-archive:saved.tar:docker.io/c/d:2");
    assert_eq!((tags("a/b"), tags("c/d")), (json!(["1", "2"]), json!(["1", "2"])));
    session.ok("delete oci:layout:docker.io/a/b:1");
    assert_eq!(serving.get("/v2/a/b/manifests/1").status, 404);
    fs::remove_dir_all(session.path("layout")).unwrap();
    assert_eq!(serving.get("/v2/a/b/tags/list").status, 404);
    assert_eq!(serving.get("/v2/c/d/manifests/2").status, 200);
    session.ok("copy hello.tar:example/world:1 oci:layout:docker.io/a/b:3");
    assert_eq!(tags("a/b"), json!(["3"]));
    // Half of a table of contents: what was known stays, until it is whole.
    let table = fs::read(session.path("layout/index.json")).unwrap();
    fs::write(session.path("layout/index.json"), &table[..table.len() / 2]).unwrap();
    assert_eq!(serving.get("/v2/a/b/manifests/3").status, 200);
    fs::write(session.path("layout/index.json"), &table).unwrap();
    assert_eq!(serving.get("/v2/a/b/manifests/3").status, 200);
    assert!(serving.log().contains("warning: oci:layout"), "{}", serving.log());
}

/// A pull that began before a change ends with the bytes that it began with.
#[test]
fn an_archive_that_is_replaced_is_sent_to_its_end() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("images"));
    let layer = noise(9, 8_000_000);
    let image = layout.image(&[&layer]);
    layout.list(&image, Some("docker.io/a/b:1"));
    session.ok("copy --all-images oci:images oci-archive:site.tar");
    let serving = Serving::start(&session, "site.tar");
    let mut stream = crate::http::connect(&serving.host);
    let digest = transship::transport::sha256(&layer);
    let head =
        format!("GET /v2/a/b/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut first = [0; 1000];
    std::io::Read::read_exact(&mut stream, &mut first).unwrap();
    session.ok("copy --replace hello.tar:example/hello:1 oci-archive:site.tar:docker.io/a/b:2");
    assert_eq!(serving.get("/v2/a/b/tags/list").json()["tags"], json!(["2"]));
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();
    assert!(rest.ends_with(&layer[layer.len() - 1000..]), "{} bytes", rest.len());
}

#[test]
fn it_ends_when_nothing_is_asked() {
    let session = Session::new();
    let begun = Instant::now();
    let mut serving = Serving::start(&session, "hello.tar --exit-idle 1");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(serving.get("/v2/").status, 200);
    let status = serving.child.wait().unwrap();
    assert!(status.success(), "{status}");
    let after = begun.elapsed();
    assert!(after > Duration::from_millis(1600) && after < Duration::from_secs(10), "{after:?}");
}

#[test]
fn digests_stay_what_they_are_after_a_restart() {
    let session = Session::new();
    let before = Serving::start(&session, "hello.tar").get("/v2/example/hello/manifests/1");
    let manifest = transship::transport::sha256(&before.body).to_string();
    let layer = digest(&before.json()["layers"][0]);
    let after = Serving::start(&session, "hello.tar");
    // The first requests after a restart may be for what an earlier answer named.
    assert_eq!(after.get(&format!("/v2/example/hello/blobs/{layer}")).status, 200);
    assert_eq!(after.get(&format!("/v2/example/hello/manifests/{manifest}")).body, before.body);
}

/// While a place on another machine does not answer, others are served, and what is known of it too.
#[test]
fn a_place_that_does_not_answer_delays_no_other() {
    let session = Session::new();
    let remote = Registry::start(Options::default()).unwrap();
    session.ok(&format!(
        "copy --tls-verify=false hello.tar:example/hello:1 docker://{}/team/app:1",
        remote.host()
    ));
    let place = format!("--tls-verify=false docker://{}/team/app hello.tar", remote.host());
    let serving = Serving::start(&session, &place);
    assert_eq!(serving.get("/v2/team/app/tags/list").json()["tags"], json!(["1"]));
    remote.inject(Rule::new(Fault::Stall).times(100));
    // It is listed again.
    std::thread::sleep(Duration::from_secs(31));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                assert_eq!(serving.get("/v2/example/hello/manifests/1").status, 200);
                assert_eq!(serving.get("/v2/team/app/tags/list").json()["tags"], json!(["1"]));
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
