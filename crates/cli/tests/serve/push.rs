//! The cases of the specification for pushes, deletions and discovery, each named by its section, and real clients.

use serde_json::{Value, json};

use crate::clients::{can_run, is_there, ok};
use crate::http::{Reply, send};
use crate::layout::{INDEX, LAYER, MANIFEST, digest, noise};
use crate::serving::Serving;
use crate::session::Session;

pub(crate) const STREAM: &[(&str, &str)] = &[("Content-Type", "application/octet-stream")];

pub(crate) struct Pushed {
    pub(crate) session: Session,
    pub(crate) serving: Serving,
}

impl Pushed {
    pub(crate) fn new() -> Self {
        let session = Session::new();
        let serving = Serving::start(&session, "--writable site");
        Self { session, serving }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        send(&self.serving.host, method, path, headers, body)
    }

    /// Begins an upload, and gives where it goes on.
    pub(crate) fn begin(&self, repository: &str) -> String {
        let reply = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(reply.status, 202);
        reply.header("location").unwrap().to_owned()
    }

    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let of = described("x/y", bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(&of));
        let reply = self.send("POST", &path, STREAM, bytes);
        assert_eq!(reply.status, 201);
        of
    }

    pub(crate) fn put(&self, repository: &str, reference: &str, manifest: &Value) -> Reply {
        let kind = manifest["mediaType"].as_str().unwrap();
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &path, &[("Content-Type", kind)], manifest.to_string().as_bytes())
    }

    /// The manifest of an image whose blobs were pushed.
    pub(crate) fn image(&self, repository: &str, layer: &[u8]) -> Value {
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [transship::transport::sha256(layer).to_string()] },
        });
        let mut config = self.blob(repository, config.to_string().as_bytes());
        config["mediaType"] = crate::layout::CONFIG.into();
        let mut layer = self.blob(repository, layer);
        layer["mediaType"] = LAYER.into();
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] })
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.serving.get(path)
    }
}

pub(crate) fn described(kind: &str, bytes: &[u8]) -> Value {
    let digest = transship::transport::sha256(bytes).to_string();
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

pub(crate) fn described_manifest(manifest: &Value) -> Value {
    described(manifest["mediaType"].as_str().unwrap(), manifest.to_string().as_bytes())
}

pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &*reply.code()), (status, code));
}

#[test]
fn pushing_a_blob_monolithically() {
    let pushed = Pushed::new();
    let bytes = noise(1, 700_000);
    let of = digest(&described("x/y", &bytes));
    let path = format!("/v2/team/app/blobs/{of}");
    refused(&pushed.get(&path), 404, "BLOB_UNKNOWN");
    let put = format!("{}?digest={of}", pushed.begin("team/app"));
    let reply = pushed.send("PUT", &put, STREAM, &bytes);
    assert_eq!((reply.status, reply.header("location")), (201, Some(&*path)));
    assert_eq!(reply.header("docker-content-digest"), Some(&*of));
    assert_eq!(pushed.get(&path).body, bytes);
    let part = pushed.serving.ask("GET", &path, &[("Range", "bytes=5-9")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &bytes[5..10]));
    assert_eq!(pushed.serving.ask("HEAD", &path, &[]).size(), bytes.len());
    // With a single POST.
    let other = pushed.blob("team/app", b"other");
    assert_eq!(pushed.get(&format!("/v2/team/app/blobs/{}", digest(&other))).body, b"other");
    // The wrong digest, none and a malformed one.
    let put = format!("{}?digest={of}", pushed.begin("team/app"));
    refused(&pushed.send("PUT", &put, STREAM, b"wrong"), 400, "DIGEST_INVALID");
    refused(&pushed.send("PUT", &put, STREAM, b"wrong"), 404, "BLOB_UPLOAD_UNKNOWN");
    let path = format!("/v2/team/app/blobs/uploads/?digest={of}");
    refused(&pushed.send("POST", &path, STREAM, b"wrong"), 400, "DIGEST_INVALID");
    let location = pushed.begin("team/app");
    refused(&pushed.send("PUT", &location, STREAM, b"x"), 400, "DIGEST_INVALID");
    refused(
        &pushed.send("PUT", &format!("{location}?digest=x"), STREAM, b"x"),
        400,
        "DIGEST_INVALID",
    );
    let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    let put = format!("{location}?digest={sha512}");
    assert_eq!(pushed.send("PUT", &put, STREAM, b"abc").status, 201);
}

#[test]
fn pushing_a_blob_in_chunks() {
    let pushed = Pushed::new();
    let bytes = noise(2, 900_000);
    let of = digest(&described("x/y", &bytes));
    let location = pushed.begin("team/app");
    let chunk = |from: usize, to: usize| {
        let range = format!("{from}-{}", to - 1);
        let headers = [STREAM[0], ("Content-Range", &*range)];
        pushed.send("PATCH", &location, &headers, &bytes[from..to])
    };
    let first = chunk(0, 300_000);
    assert_eq!((first.status, first.header("range")), (202, Some("0-299999")));
    assert_eq!(first.header("location"), Some(&*location));
    // Out of order, and again.
    for (from, to) in [(600_000, 900_000), (0, 300_000)] {
        let reply = chunk(from, to);
        refused(&reply, 416, "BLOB_UPLOAD_INVALID");
        assert_eq!(reply.header("range"), Some("0-299999"));
    }
    let status = pushed.send("GET", &location, &[], b"");
    assert_eq!((status.status, status.header("range")), (204, Some("0-299999")));
    assert_eq!(status.header("location"), Some(&*location));
    assert_eq!(chunk(300_000, 600_000).status, 202);
    for (range, code) in [("x", "BLOB_UPLOAD_INVALID"), ("600000-600001", "SIZE_INVALID")] {
        let headers = [STREAM[0], ("Content-Range", range)];
        refused(&pushed.send("PATCH", &location, &headers, b"abc"), 400, code);
    }
    // The last chunk comes with the end.
    let end = format!("{location}?digest={of}");
    let headers = [STREAM[0], ("Content-Range", "600000-899999")];
    assert_eq!(pushed.send("PUT", &end, &headers, &bytes[600_000..]).status, 201);
    assert!(pushed.get(&format!("/v2/team/app/blobs/{of}")).body == bytes);
    // Without ranges, as docker does, and an end without bytes.
    let location = pushed.begin("team/app");
    for part in bytes.chunks(500_000) {
        assert_eq!(pushed.send("PATCH", &location, STREAM, part).status, 202);
    }
    assert_eq!(pushed.send("PUT", &format!("{location}?digest={of}"), &[], b"").status, 201);
}

#[test]
fn cancelling_and_mounting_a_blob() {
    let pushed = Pushed::new();
    let location = pushed.begin("team/app");
    assert_eq!(pushed.send("DELETE", &location, &[], b"").status, 204);
    refused(&pushed.send("GET", &location, &[], b""), 404, "BLOB_UPLOAD_UNKNOWN");
    refused(&pushed.send("PATCH", &location, STREAM, b"x"), 404, "BLOB_UPLOAD_UNKNOWN");
    let image = pushed.image("team/app", b"layer");
    assert_eq!(pushed.put("team/app", "1", &image).status, 201);
    let layer = digest(&image["layers"][0]);
    for from in ["&from=team/app", ""] {
        let mount = format!("/v2/team/other/blobs/uploads/?mount={layer}{from}");
        let reply = pushed.send("POST", &mount, &[], b"");
        let at = format!("/v2/team/other/blobs/{layer}");
        assert_eq!((reply.status, reply.header("location")), (201, Some(&*at)));
        assert_eq!(pushed.get(&at).status, 200);
    }
    let absent = format!("/v2/team/other/blobs/uploads/?mount=sha256:{}", "0".repeat(64));
    let reply = pushed.send("POST", &absent, &[], b"");
    assert_eq!(reply.status, 202);
    assert!(reply.header("location").unwrap().contains("/blobs/uploads/"));
    // What was mounted is kept with its image.
    assert_eq!(pushed.put("team/other", "1", &image).status, 201);
    pushed.session.ok("verify oci:site");
}

#[test]
fn pushing_manifests() {
    let pushed = Pushed::new();
    let image = pushed.image("team/app", &noise(3, 500_000));
    let of = digest(&described_manifest(&image));
    let reply = pushed.put("team/app", "1", &image);
    let at = format!("/v2/team/app/manifests/{of}");
    assert_eq!((reply.status, reply.header("location")), (201, Some(&*at)));
    assert_eq!(reply.header("docker-content-digest"), Some(&*of));
    for path in [&*at, "/v2/team/app/manifests/1"] {
        let got = pushed.get(path);
        assert_eq!((got.status, got.body), (200, image.to_string().into_bytes()), "{path}");
    }
    // By its digest alone, and an index of both.
    let other = pushed.image("team/app", b"other");
    let of_other = digest(&described_manifest(&other));
    assert_eq!(pushed.put("team/app", &of_other, &other).status, 201);
    assert_eq!(pushed.get(&format!("/v2/team/app/manifests/{of_other}")).status, 200);
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!(["1"]));
    let list = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [described_manifest(&image), described_manifest(&other)],
    });
    assert_eq!(pushed.put("team/app", "all", &list).status, 201);
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!(["1", "all"]));
    // It is a layout as any other: the children of the index are no images of their own.
    pushed.session.ok("verify oci:site");
    let listed: Value = serde_json::from_str(&pushed.session.ok("list --json oci:site")).unwrap();
    let names: Vec<_> =
        listed["images"].as_array().unwrap().iter().map(|one| &one["names"]).collect();
    assert_eq!(names, [&json!(["docker.io/team/app:1"]), &json!(["docker.io/team/app:all"])]);
    // A tag moves.
    assert_eq!(pushed.put("team/app", "1", &other).status, 201);
    let moved = pushed.get("/v2/team/app/manifests/1");
    assert_eq!(moved.header("docker-content-digest"), Some(&*of_other));
    // After a restart all is there.
    let again = Serving::start(&pushed.session, "oci:site");
    assert_eq!(again.get("/v2/team/app/manifests/all").json(), list);
}

#[test]
fn manifests_that_are_refused() {
    let pushed = Pushed::new();
    let image = pushed.image("team/app", b"layer");
    let path = "/v2/team/app/manifests/1";
    let kind = [("Content-Type", MANIFEST)];
    refused(&pushed.send("PUT", path, &kind, b"{"), 400, "MANIFEST_INVALID");
    refused(&pushed.send("PUT", path, &kind, b"blablabla"), 400, "MANIFEST_INVALID");
    let other = [("Content-Type", INDEX)];
    refused(
        &pushed.send("PUT", path, &other, image.to_string().as_bytes()),
        400,
        "MANIFEST_INVALID",
    );
    let wrong = format!("sha256:{}", "0".repeat(64));
    refused(&pushed.put("team/app", &wrong, &image), 400, "DIGEST_INVALID");
    let mut lacking = image.clone();
    lacking["layers"][0]["digest"] = wrong.clone().into();
    let reply = pushed.put("team/app", "1", &lacking);
    refused(&reply, 400, "MANIFEST_BLOB_UNKNOWN");
    assert!(reply.json().to_string().contains(&wrong));
    let mut longer = image.clone();
    longer["layers"][0]["size"] = 999.into();
    assert_eq!(pushed.put("team/app", "1", &longer).status, 400);
    let child = json!({ "mediaType": MANIFEST, "digest": wrong, "size": 5 });
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [child] });
    refused(&pushed.put("team/app", "1", &list), 400, "MANIFEST_BLOB_UNKNOWN");
    refused(&pushed.put("team/app", "_digest-x", &image), 400, "MANIFEST_INVALID");
    let huge = vec![b' '; 17 << 20];
    let reply = pushed.send("PUT", path, &kind, &huge);
    assert!(matches!(reply.status, 413 | crate::http::CUT), "{}", reply.status);
    // Nothing of all that shows.
    assert!(pushed.session.left().iter().all(|name| name != "site"));
    assert_eq!(pushed.get("/v2/_catalog").json()["repositories"], json!([]));
    assert_eq!(pushed.put("team/app", "1", &image).status, 201);
}

#[test]
fn deleting_tags_and_manifests() {
    let pushed = Pushed::new();
    let [image, other] = [pushed.image("team/app", b"a"), pushed.image("team/app", b"b")];
    let of = digest(&described_manifest(&image));
    for (repository, tag, manifest) in [
        ("team/app", "1", &image),
        ("team/app", "2", &image),
        ("team/app", "3", &image),
        ("team/app", "other", &other),
        ("team/second", "1", &image),
    ] {
        assert_eq!(pushed.put(repository, tag, manifest).status, 201);
    }
    let delete = |path: &str| pushed.send("DELETE", path, &[], b"");
    assert_eq!(delete("/v2/team/app/manifests/1").status, 202);
    refused(&pushed.get("/v2/team/app/manifests/1"), 404, "MANIFEST_UNKNOWN");
    refused(&delete("/v2/team/app/manifests/1"), 404, "MANIFEST_UNKNOWN");
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!(["2", "3", "other"]));
    // By its digest, with all tags here, and none elsewhere.
    assert_eq!(delete(&format!("/v2/team/app/manifests/{of}")).status, 202);
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!(["other"]));
    assert_eq!(pushed.get("/v2/team/second/manifests/1").status, 200);
    refused(&delete(&format!("/v2/team/app/manifests/{of}")), 404, "MANIFEST_UNKNOWN");
    assert_eq!(delete(&format!("/v2/team/second/manifests/{of}")).status, 202);
    refused(&pushed.get(&format!("/v2/team/app/manifests/{of}")), 404, "MANIFEST_UNKNOWN");
    refused(&delete("/v2/none/manifests/1"), 404, "NAME_UNKNOWN");
    // Blobs go with `gc`.
    let layer = digest(&other["layers"][0]);
    refused(&delete(&format!("/v2/team/app/blobs/{layer}")), 405, "UNSUPPORTED");
    pushed.session.ok("verify oci:site");
}

#[test]
fn pushing_manifests_with_a_subject() {
    let pushed = Pushed::new();
    let image = pushed.image("team/app", b"layer");
    let subject = described_manifest(&image);
    let about = |kind: &str| {
        let mut artifact = pushed.image("team/app", kind.as_bytes());
        artifact["artifactType"] = kind.into();
        artifact["subject"] = subject.clone();
        artifact
    };
    let [sbom, signature] = [about("application/sbom"), about("application/signature")];
    // A referrer may come before its subject.
    for artifact in [&sbom, &signature] {
        let of = digest(&described_manifest(artifact));
        let reply = pushed.put("team/app", &of, artifact);
        assert_eq!((reply.status, reply.header("oci-subject")), (201, subject["digest"].as_str()));
    }
    assert_eq!(pushed.put("team/app", "1", &image).status, 201);
    let listed = |filter: &str| {
        let path = format!("/v2/team/app/referrers/{}{filter}", digest(&subject));
        pushed.get(&path).json()["manifests"].as_array().unwrap().len()
    };
    assert_eq!(listed(""), 2);
    assert_eq!(listed("?artifactType=application/sbom"), 1);
    let path = format!("/v2/team/app/manifests/{}", digest(&described_manifest(&sbom)));
    assert_eq!(pushed.send("DELETE", &path, &[], b"").status, 202);
    assert_eq!(listed(""), 1);
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!(["1"]));
}

/// What is pushed to has the names of what is pulled from, also beside places that are only read.
#[test]
fn beside_places_that_are_only_read() {
    let session = Session::new();
    session.ok("copy hello.tar:example/hello:1 oci:old:quay.io/team/app:1");
    let serving = Serving::start(&session, "oci:old --writable oci:new");
    let remote = format!("docker://{}/team/app", serving.host);
    let flags = "--tls-verify=false";
    session.ok(&format!("copy {flags} hello.tar:example/world:1 {remote}:2"));
    assert_eq!(serving.get("/v2/team/app/tags/list").json()["tags"], json!(["1", "2"]));
    assert!(session.ok("list oci:new").contains("quay.io/team/app:2"));
    // A blob that another place has is copied from there.
    session.ok(&format!("copy {flags} {remote}:1 {remote}:3"));
    session.ok("verify oci:new");
    // A name that another tool wrote in its own way moves, too.
    session.ok("copy hello.tar:example/hello:1 oci:new:alpine:3");
    session.ok(&format!(
        "copy {flags} hello.tar:example/world:1 docker://{}/library/alpine:3",
        serving.host
    ));
    let listed = session.ok("list oci:new");
    assert_eq!(listed.matches("alpine:3").count(), 1, "{listed}");
    // What is only read stays.
    let reply = serving.ask("DELETE", "/v2/team/app/manifests/1", &[]);
    assert_eq!(reply.status, 404);
    assert_eq!(serving.get("/v2/team/app/manifests/1").status, 200);
}

#[test]
fn several_push_at_once() {
    let pushed = Pushed::new();
    std::thread::scope(|scope| {
        for n in 0..8_u8 {
            let pushed = &pushed;
            scope.spawn(move || {
                let image = pushed.image("team/app", &noise(u64::from(n), 200_000));
                for tag in 0..3 {
                    assert_eq!(pushed.put("team/app", &format!("{n}-{tag}"), &image).status, 201);
                }
            });
        }
    });
    let tags = pushed.get("/v2/team/app/tags/list").json()["tags"].as_array().unwrap().len();
    assert_eq!(tags, 24);
    pushed.session.ok("verify oci:site");
    assert!(std::fs::read_dir(pushed.session.path("site")).unwrap().count() <= 3);
}

#[test]
fn clients_push() {
    let pushed = Pushed::new();
    let host = &pushed.serving.host;
    let expected = pushed.session.ok("inspect --digest hello.tar:example/hello:1");
    pushed
        .session
        .ok(&format!("copy --tls-verify=false --all-images hello.tar docker://{host}/ours/"));
    let ours = pushed.session.ok("inspect --digest oci:site:ours/example/hello:1");
    assert_eq!(ours.len(), expected.len());
    if is_there("skopeo") {
        let tar = pushed.session.path("hello.tar").display().to_string();
        ok(&format!(
            "skopeo copy --insecure-policy --dest-tls-verify=false docker-archive:{tar}:example/hello:1 docker://{host}/skopeo/app:1"
        ));
    }
    if can_run("podman") {
        let at = pushed.session.path("podman").display().to_string();
        let podman =
            format!("podman --root {at}/r --runroot {at}/n --tmpdir {at}/t --storage-driver vfs");
        ok(&format!("{podman} pull --tls-verify=false {host}/ours/example/hello:1"));
        ok(&format!("{podman} tag {host}/ours/example/hello:1 {host}/podman/app:1"));
        ok(&format!("{podman} push --tls-verify=false {host}/podman/app:1"));
        assert_eq!(pushed.get("/v2/podman/app/manifests/1").status, 200);
    }
    pushed.session.ok("verify oci:site");
}

/// Another place would take the first push, and refuse all others.
#[test]
fn only_a_layout_is_pushed_to() {
    let session = Session::new();
    let refused = |place: &str, code: i32| {
        let line = format!("serve --deadline 5s --listen 127.0.0.1:0 --writable {place}");
        let said = session.run(&line);
        assert_eq!(said.status.code(), Some(code), "{line}: {said:?}");
        String::from_utf8(said.stderr).unwrap()
    };
    for place in ["docker-archive:x.tar", "dir:x", "docker-daemon:"] {
        refused(place, 2);
    }
    // One image is no place for several, and where nothing can be written no push can work.
    for place in ["oci:site:app", "oci:site:example/app:1", "oci:site:@0"] {
        let said = refused(place, 2);
        assert!(said.contains("oci:site"), "{said}");
    }
    let said = refused("oci:/proc/self/site", 3);
    assert!(said.contains("the layout to push to: oci:/proc/self/site: "), "{said}");
    assert!(!session.path("site").exists());
    session.ok("copy -q --all-images hello.tar oci:lay");
    let files = || {
        let listed = ["lay", "lay/blobs/sha256"].map(|folder| {
            let files = std::fs::read_dir(session.path(folder)).unwrap();
            files.map(|file| file.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
        });
        (listed, std::fs::read(session.path("lay/index.json")).unwrap())
    };
    let before = files();
    drop(Serving::start(&session, "--writable oci:lay"));
    assert_eq!(files(), before);
}
