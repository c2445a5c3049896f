//! The cases of the [specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md), each named by its section,
//! against `serve --writable`, and against docker-registry 2.8 as a control: a case that no registry passes would be wrong itself.

use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::is_there;
use crate::http::{self, Reply, send};
use crate::layout::{CONFIG, INDEX, LAYER, MANIFEST, digest, noise};
use crate::push::{STREAM, described, described_manifest};
use crate::serving::Serving;
use crate::session::Session;

const ABSENT: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

type Case = (&'static str, fn(&Target));

const CASES: &[Case] = &[
    ("determining support", determining_support),
    ("pulling manifests", pulling_manifests),
    ("pulling blobs", pulling_blobs),
    ("pulling blobs in chunks", pulling_parts),
    ("checking if content exists", checking),
    ("pushing a blob: POST then PUT", post_then_put),
    ("pushing a blob: single POST", single_post),
    ("pushing a blob in chunks", chunks),
    ("pushing a blob in chunks: out of order", out_of_order),
    ("pushing a blob in chunks: upload status", upload_status),
    ("pushing a blob: the wrong digest", wrong_digest),
    ("cancelling an upload", cancelling),
    ("mounting a blob", mounting),
    ("mounting a blob that is absent", mounting_nothing),
    ("pushing manifests by tag and by digest", pushing_manifests),
    ("pushing manifests: missing blobs are refused", missing_blobs),
    ("pushing manifests with subject: OCI-Subject", oci_subject),
    ("listing tags", listing_tags),
    ("listing tags in pages", listing_pages),
    ("listing referrers", listing_referrers),
    ("listing referrers of nothing", referrers_of_nothing),
    ("deleting tags", deleting_tags),
    ("deleting manifests", deleting_manifests),
    ("a manifest stays by its digest when its tag moves", moved_tags),
    ("error codes", error_codes),
];

/// What docker-registry 2.8.2 does not do.
const KNOWN_FAILURES: &[&str] = &[
    // A chunk is appended wherever it says that it belongs.
    "pushing a blob in chunks: out of order",
    // It is older than version 1.1 of the specification.
    "pushing manifests with subject: OCI-Subject",
    // They come as the folder lists them.
    "listing tags",
    // `n` and `last` are not heeded.
    "listing tags in pages",
    // There is no such endpoint.
    "listing referrers",
    "listing referrers of nothing",
    // 400: by digest alone.
    "deleting tags",
];

/// A registry that is empty at first.
struct Target {
    host: String,
}

impl Target {
    fn get(&self, path: &str) -> Reply {
        http::get(&self.host, path)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        http::ask(&self.host, method, path, headers)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        send(&self.host, method, &self.path(path), headers, body)
    }

    /// A location may be a whole URL.
    fn path(&self, location: &str) -> String {
        let here = format!("http://{}", self.host);
        location.strip_prefix(&here).unwrap_or(location).to_owned()
    }

    fn begin(&self, repository: &str) -> String {
        let reply = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(reply.status, 202);
        reply.header("location").unwrap().to_owned()
    }

    fn blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let of = described("x/y", bytes);
        let end = with_digest(&self.begin(repository), &digest(&of));
        assert_eq!(self.send("PUT", &end, STREAM, bytes).status, 201);
        of
    }

    fn image(&self, repository: &str, layer: &[u8]) -> Value {
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [transship::transport::sha256(layer).to_string()] },
        });
        let mut config = self.blob(repository, config.to_string().as_bytes());
        config["mediaType"] = CONFIG.into();
        let mut layer = self.blob(repository, layer);
        layer["mediaType"] = LAYER.into();
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] })
    }

    fn put(&self, repository: &str, reference: &str, manifest: &Value) -> Reply {
        let kind = manifest["mediaType"].as_str().unwrap();
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &path, &[("Content-Type", kind)], manifest.to_string().as_bytes())
    }

    /// An image with a tag, and its digest.
    fn tagged(&self, repository: &str, tag: &str, layer: &[u8]) -> (Value, String) {
        let image = self.image(repository, layer);
        assert_eq!(self.put(repository, tag, &image).status, 201);
        let of = digest(&described_manifest(&image));
        (image, of)
    }

    fn tags(&self, repository: &str) -> Value {
        self.get(&format!("/v2/{repository}/tags/list")).json()["tags"].clone()
    }
}

fn with_digest(location: &str, digest: &str) -> String {
    let sign = if location.contains('?') { '&' } else { '?' };
    format!("{location}{sign}digest={digest}")
}

fn determining_support(at: &Target) {
    assert_eq!(at.get("/v2/").status, 200);
}

fn pulling_manifests(at: &Target) {
    let (image, of) = at.tagged("pull/manifests", "1", b"a layer");
    for reference in ["1", &of] {
        let accept = [("Accept", MANIFEST)];
        let path = format!("/v2/pull/manifests/manifests/{reference}");
        let reply = at.ask("GET", &path, &accept);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(MANIFEST)));
        assert_eq!(reply.header("docker-content-digest"), Some(&*of));
        assert_eq!(reply.body, image.to_string().as_bytes());
    }
    for absent in ["none", ABSENT] {
        assert_eq!(at.get(&format!("/v2/pull/manifests/manifests/{absent}")).status, 404);
    }
}

fn pulling_blobs(at: &Target) {
    let bytes = noise(1, 300_000);
    let path = format!("/v2/pull/blobs/blobs/{}", digest(&at.blob("pull/blobs", &bytes)));
    let reply = at.get(&path);
    assert!(reply.status == 200 && reply.body == bytes);
    assert_eq!(at.get(&format!("/v2/pull/blobs/blobs/{ABSENT}")).status, 404);
}

fn pulling_parts(at: &Target) {
    let bytes = noise(2, 300_000);
    let path = format!("/v2/pull/parts/blobs/{}", digest(&at.blob("pull/parts", &bytes)));
    for (range, part) in [("bytes=5-9", 5..10), ("bytes=299990-", 299_990..300_000)] {
        let reply = at.ask("GET", &path, &[("Range", range)]);
        assert_eq!((reply.status, &*reply.body), (206, &bytes[part]), "{range}");
    }
    assert_eq!(at.ask("GET", &path, &[("Range", "bytes=300000-")]).status, 416);
}

fn checking(at: &Target) {
    let (image, of) = at.tagged("check", "1", b"a layer");
    let layer = format!("/v2/check/blobs/{}", digest(&image["layers"][0]));
    for path in ["/v2/check/manifests/1", &format!("/v2/check/manifests/{of}"), &layer] {
        let head = at.ask("HEAD", path, &[("Accept", MANIFEST)]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert!(head.size() > 0, "{path}");
    }
    for path in ["/v2/check/manifests/none".to_owned(), format!("/v2/check/blobs/{ABSENT}")] {
        assert_eq!(at.ask("HEAD", &path, &[]).status, 404, "{path}");
    }
}

fn post_then_put(at: &Target) {
    let bytes = noise(3, 10_000);
    let of = digest(&described("x/y", &bytes));
    let reply = at.send("PUT", &with_digest(&at.begin("push/put"), &of), STREAM, &bytes);
    assert_eq!(reply.status, 201);
    let location = at.path(reply.header("location").unwrap());
    assert!(at.get(&location).body == bytes);
}

fn single_post(at: &Target) {
    let of = digest(&described("x/y", b"posted"));
    let path = format!("/v2/push/post/blobs/uploads/?digest={of}");
    let reply = at.send("POST", &path, STREAM, b"posted");
    // 202 is for registries without this: the upload goes on.
    assert!(matches!(reply.status, 201 | 202), "{}", reply.status);
    if reply.status == 202 {
        let end = with_digest(reply.header("location").unwrap(), &of);
        assert_eq!(at.send("PUT", &end, STREAM, b"posted").status, 201);
    }
    assert_eq!(at.get(&format!("/v2/push/post/blobs/{of}")).body, b"posted");
}

fn patch(at: &Target, location: &str, bytes: &[u8], from: usize, to: usize) -> Reply {
    let range = format!("{from}-{}", to - 1);
    at.send("PATCH", location, &[STREAM[0], ("Content-Range", &*range)], &bytes[from..to])
}

fn chunks(at: &Target) {
    let bytes = noise(4, 30_000);
    let first = patch(at, &at.begin("push/chunks"), &bytes, 0, 10_000);
    assert_eq!((first.status, first.header("range")), (202, Some("0-9999")));
    let second = patch(at, first.header("location").unwrap(), &bytes, 10_000, 20_000);
    assert_eq!((second.status, second.header("range")), (202, Some("0-19999")));
    let of = digest(&described("x/y", &bytes));
    let end = with_digest(second.header("location").unwrap(), &of);
    let headers = [STREAM[0], ("Content-Range", "20000-29999")];
    assert_eq!(at.send("PUT", &end, &headers, &bytes[20_000..]).status, 201);
    assert!(at.get(&format!("/v2/push/chunks/blobs/{of}")).body == bytes);
}

fn out_of_order(at: &Target) {
    let bytes = noise(5, 30_000);
    let location = at.begin("push/order");
    assert_eq!(patch(at, &location, &bytes, 10_000, 20_000).status, 416);
    let first = patch(at, &location, &bytes, 0, 10_000);
    assert_eq!(first.status, 202);
    let next = first.header("location").unwrap();
    assert_eq!(patch(at, next, &bytes, 20_000, 30_000).status, 416);
    assert_eq!(patch(at, next, &bytes, 0, 10_000).status, 416);
}

fn upload_status(at: &Target) {
    let bytes = noise(6, 10_000);
    let reply = patch(at, &at.begin("push/status"), &bytes, 0, 10_000);
    let status = at.send("GET", reply.header("location").unwrap(), &[], b"");
    assert_eq!((status.status, status.header("range")), (204, Some("0-9999")));
    assert!(status.header("location").is_some());
}

fn wrong_digest(at: &Target) {
    let end = with_digest(&at.begin("push/wrong"), ABSENT);
    let reply = at.send("PUT", &end, STREAM, b"bytes");
    assert_eq!((reply.status, &*reply.code()), (400, "DIGEST_INVALID"));
    let of = digest(&described("x/y", b"bytes"));
    for absent in [ABSENT, &of] {
        assert_eq!(at.get(&format!("/v2/push/wrong/blobs/{absent}")).status, 404);
    }
}

fn cancelling(at: &Target) {
    let location = at.begin("push/cancel");
    assert_eq!(at.send("DELETE", &location, &[], b"").status, 204);
    assert_eq!(at.send("GET", &location, &[], b"").status, 404);
}

fn mounting(at: &Target) {
    let (image, _) = at.tagged("mount/from", "1", b"a mounted layer");
    let layer = digest(&image["layers"][0]);
    let path = format!("/v2/mount/to/blobs/uploads/?mount={layer}&from=mount/from");
    let reply = at.send("POST", &path, &[], b"");
    assert_eq!(reply.status, 201);
    let location = at.path(reply.header("location").unwrap());
    assert_eq!(location, format!("/v2/mount/to/blobs/{layer}"));
    assert_eq!(at.get(&location).body, b"a mounted layer");
}

fn mounting_nothing(at: &Target) {
    let path = format!("/v2/mount/to/blobs/uploads/?mount={ABSENT}&from=mount/from");
    let reply = at.send("POST", &path, &[], b"");
    assert_eq!(reply.status, 202);
    assert!(reply.header("location").unwrap().contains("/blobs/uploads/"));
}

fn pushing_manifests(at: &Target) {
    let image = at.image("push/manifests", b"a layer");
    let of = digest(&described_manifest(&image));
    for reference in ["1", "2", &of] {
        let reply = at.put("push/manifests", reference, &image);
        assert_eq!(reply.status, 201);
        let location = at.path(reply.header("location").unwrap());
        assert_eq!(location, format!("/v2/push/manifests/manifests/{of}"));
        assert_eq!(reply.header("docker-content-digest"), Some(&*of));
    }
    let list = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [described_manifest(&image)],
    });
    assert_eq!(at.put("push/manifests", "all", &list).status, 201);
}

fn missing_blobs(at: &Target) {
    let mut image = at.image("push/missing", b"a layer");
    image["layers"][0]["digest"] = ABSENT.into();
    let reply = at.put("push/missing", "1", &image);
    assert!(matches!(reply.status, 400 | 404), "{}", reply.status);
    assert_eq!(at.get("/v2/push/missing/manifests/1").status, 404);
}

fn about(at: &Target, repository: &str, kind: &str) -> (Value, Value) {
    let (image, _) = at.tagged(repository, "1", b"a layer");
    let mut artifact = at.image(repository, kind.as_bytes());
    artifact["artifactType"] = kind.into();
    artifact["subject"] = described_manifest(&image);
    (image, artifact)
}

fn oci_subject(at: &Target) {
    let (image, artifact) = about(at, "push/subject", "application/sbom");
    let reply = at.put("push/subject", &digest(&described_manifest(&artifact)), &artifact);
    let subject = digest(&described_manifest(&image));
    assert_eq!((reply.status, reply.header("oci-subject")), (201, Some(&*subject)));
}

fn listing_tags(at: &Target) {
    let image = at.image("tags/all", b"a layer");
    let mut tags = ["k", "b", "a", "x", "c", "f", "m", "d", "z", "e"];
    for tag in tags {
        assert_eq!(at.put("tags/all", tag, &image).status, 201);
    }
    tags.sort_unstable();
    let reply = at.get("/v2/tags/all/tags/list");
    assert_eq!(reply.json(), json!({ "name": "tags/all", "tags": tags }));
}

fn listing_pages(at: &Target) {
    let image = at.image("tags/pages", b"a layer");
    for tag in ["a", "b", "c", "d"] {
        assert_eq!(at.put("tags/pages", tag, &image).status, 201);
    }
    let page =
        |query: &str| at.get(&format!("/v2/tags/pages/tags/list?{query}")).json()["tags"].clone();
    assert_eq!(page("n=2"), json!(["a", "b"]));
    assert_eq!(page("n=2&last=b"), json!(["c", "d"]));
    assert_eq!(page("n=0"), json!([]));
}

fn listing_referrers(at: &Target) {
    let (image, artifact) = about(at, "referrers", "application/sbom");
    let of = digest(&described_manifest(&artifact));
    assert_eq!(at.put("referrers", &of, &artifact).status, 201);
    let path = format!("/v2/referrers/referrers/{}", digest(&described_manifest(&image)));
    let reply = at.get(&path);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(INDEX)));
    let listed = reply.json()["manifests"].clone();
    assert_eq!((digest(&listed[0]), &listed[0]["artifactType"]), (of, &json!("application/sbom")));
    let filtered = at.get(&format!("{path}?artifactType=application/other"));
    assert_eq!(filtered.json()["manifests"], json!([]));
}

fn referrers_of_nothing(at: &Target) {
    at.tagged("referrers", "1", b"a layer");
    let reply = at.get(&format!("/v2/referrers/referrers/{ABSENT}"));
    assert_eq!((reply.status, &reply.json()["manifests"]), (200, &json!([])));
}

fn deleting_tags(at: &Target) {
    let (image, of) = at.tagged("delete/tags", "1", b"a layer");
    assert_eq!(at.put("delete/tags", "2", &image).status, 201);
    assert_eq!(at.send("DELETE", "/v2/delete/tags/manifests/1", &[], b"").status, 202);
    assert_eq!(at.get("/v2/delete/tags/manifests/1").status, 404);
    assert_eq!(at.tags("delete/tags"), json!(["2"]));
    assert_eq!(at.send("DELETE", "/v2/delete/tags/manifests/2", &[], b"").status, 202);
    let left = at.ask("GET", &format!("/v2/delete/tags/manifests/{of}"), &[("Accept", MANIFEST)]);
    assert_eq!(left.status, 200);
}

fn deleting_manifests(at: &Target) {
    // No other repository has it.
    let (_, of) = at.tagged("delete/manifests", "1", b"a layer of its own");
    let path = format!("/v2/delete/manifests/manifests/{of}");
    assert_eq!(at.send("DELETE", &path, &[], b"").status, 202);
    assert_eq!(at.get(&path).status, 404);
    assert_eq!(at.get("/v2/delete/manifests/manifests/1").status, 404);
    assert_eq!(at.send("DELETE", &path, &[], b"").status, 404);
}

fn moved_tags(at: &Target) {
    let (image, of) = at.tagged("move", "1", b"old");
    let (_, new) = at.tagged("move", "1", b"new");
    let accept = [("Accept", MANIFEST)];
    let old = at.ask("GET", &format!("/v2/move/manifests/{of}"), &accept);
    assert_eq!((old.status, old.body), (200, image.to_string().into_bytes()));
    let moved = at.ask("GET", "/v2/move/manifests/1", &accept);
    assert_eq!(moved.header("docker-content-digest"), Some(&*new));
}

fn error_codes(at: &Target) {
    at.tagged("errors", "1", b"a layer");
    for (path, code) in [
        ("/v2/errors/manifests/none".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/errors/blobs/{ABSENT}"), "BLOB_UNKNOWN"),
        ("/v2/nothing/here/tags/list".to_owned(), "NAME_UNKNOWN"),
    ] {
        let reply = at.get(&path);
        assert_eq!((reply.status, &*reply.code()), (404, code), "{path}");
    }
}

/// The cases that fail.
fn failures(target: &Target) -> Vec<&'static str> {
    let fails = |case: &&Case| catch_unwind(AssertUnwindSafe(|| case.1(target))).is_err();
    CASES.iter().filter(fails).map(|case| case.0).collect()
}

#[test]
fn ours_passes_all_cases() {
    let session = Session::new();
    let serving = Serving::start(&session, "--writable site");
    let failures = failures(&Target { host: serving.host.clone() });
    assert!(failures.is_empty(), "{failures:#?}");
    session.ok("verify oci:site");
}

/// Ends it.
struct Control(Child);

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn docker_registry_fails_the_cases_that_are_known() {
    if !is_there("docker-registry") {
        return;
    }
    let session = Session::new();
    let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let data = session.path("data");
    let config = format!(
        "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
         delete:\n    enabled: true\nhttp:\n  addr: {host}\n",
        data.display()
    );
    session.write("config.yml", config);
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(session.path("config.yml"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _control = Control(child);
    for _ in 0..1000 {
        if TcpStream::connect(&host).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(failures(&Target { host }), KNOWN_FAILURES);
}
