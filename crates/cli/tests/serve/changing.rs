//! What pushes and deletions change in a layout, and what they leave as it is.

use serde_json::{Value, json};

use crate::layout::{Layout, digest};
use crate::push::{Pushed, STREAM, described_manifest, refused};
use crate::serving::Serving;
use crate::session::Session;

fn by_digest(repository: &str, manifest: &Value) -> String {
    format!("/v2/{repository}/manifests/{}", digest(&described_manifest(manifest)))
}

/// What lost its tag is pulled by its digest until it is deleted by that.
#[test]
fn untagged_manifests_stay() {
    let pushed = Pushed::new();
    let images = [b"a", b"b", b"c"].map(|layer| pushed.image("team/app", layer));
    let [first, second, third] = &images;
    let delete = |path: &str| pushed.send("DELETE", path, &[], b"").status;
    for image in &images {
        assert_eq!(pushed.put("team/app", "1", image).status, 201);
    }
    assert_eq!(delete("/v2/team/app/manifests/1"), 202);
    assert_eq!(pushed.get("/v2/team/app/tags/list").json()["tags"], json!([]));
    let again = Serving::start(&pushed.session, "--writable site");
    for serving in [&pushed.serving, &again] {
        for image in &images {
            assert_eq!(
                serving.get(&by_digest("team/app", image)).body,
                image.to_string().as_bytes()
            );
            let layer = digest(&image["layers"][0]);
            assert!(serving.get(&format!("/v2/team/app/blobs/{layer}")).is_whole());
        }
    }
    pushed.session.ok("gc oci:site --min-age 0");
    // It gets a tag again, and is deleted by its digest with that.
    assert_eq!(pushed.put("team/app", "2", second).status, 201);
    assert_eq!(delete(&by_digest("team/app", first)), 202);
    assert_eq!(delete(&by_digest("team/app", second)), 202);
    refused(&pushed.get("/v2/team/app/manifests/2"), 404, "MANIFEST_UNKNOWN");
    for (image, status) in [(first, 404), (second, 404), (third, 200)] {
        assert_eq!(pushed.get(&by_digest("team/app", image)).status, status);
    }
    assert_eq!(delete(&by_digest("team/app", first)), 404);
    assert_eq!(delete(&by_digest("team/app", third)), 202);
    // With another tag, nothing else is kept of it.
    for tag in ["4", "5"] {
        assert_eq!(pushed.put("team/app", tag, third).status, 201);
    }
    assert_eq!(delete("/v2/team/app/manifests/4"), 202);
    assert_eq!(pushed.session.ok("list --json oci:site").matches("_digest-").count(), 0);
    pushed.session.ok("verify oci:site");
}

/// An image without a name, as other tools list them, is deleted by its digest, too.
#[test]
fn nameless_images_are_deleted_by_their_digests() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let [named, nameless] = [layout.image(&[b"named"]), layout.image(&[b"nameless"])];
    layout.list(&named, Some("v1"));
    layout.list(&nameless, None);
    let serving = Serving::start(&session, "--writable site");
    let path = format!("/v2/site/manifests/{}", digest(&nameless));
    assert_eq!(serving.get(&path).status, 200);
    assert_eq!(serving.ask("DELETE", &path, &[]).status, 202);
    assert_eq!(serving.get(&path).status, 404);
    assert_eq!(serving.get("/v2/site/manifests/v1").status, 200);
}

/// While one image is deleted by its digest again and again, a tag that has moved to another stays.
#[test]
fn a_deletion_by_digest_takes_no_tag_that_moves_away() {
    let pushed = Pushed::new();
    let [old, new] = [pushed.image("team/app", b"old"), pushed.image("team/app", b"new")];
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_done.load(relaxed) {
                    let status =
                        pushed.send("DELETE", &by_digest("team/app", &old), &[], b"").status;
                    assert!(matches!(status, 202 | 404), "{status}");
                }
            });
        }
        let mut lost = Vec::new();
        for n in 0..60 {
            // The blobs stay in the layout.
            assert_eq!(pushed.put("team/app", "1", &old).status, 201);
            assert_eq!(pushed.put("team/app", "1", &new).status, 201);
            if pushed.get("/v2/team/app/manifests/1").body != new.to_string().as_bytes() {
                lost.push(n);
            }
        }
        is_done.store(true, relaxed);
        assert!(lost.is_empty(), "{lost:?}");
    });
}

/// Another program holds the lock of a layout and moves a tag while a deletion waits: what has the tag then is not lost.
#[test]
fn a_deletion_takes_nothing_that_another_program_moves() {
    for by_tag in [false, true] {
        let session = Session::new();
        let mut layout = Layout::new(&session.path("site"));
        let [old, new] = [layout.image(&[b"old"]), layout.image(&[b"new"])];
        layout.list(&old, Some("docker.io/team/app:1"));
        let serving = Serving::start(&session, "--writable site");
        let path = |of: &str| format!("/v2/team/app/manifests/{of}");
        let deleted = path(if by_tag { "1" } else { old["digest"].as_str().unwrap() });
        assert_eq!(serving.get(&deleted).status, 200);
        let lock = std::fs::File::open(session.path("site/oci-layout")).unwrap();
        lock.lock().unwrap();
        let status = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| serving.ask("DELETE", &deleted, &[]).status);
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert!(!waiting.is_finished(), "it does not wait for the lock");
            Layout::new(&session.path("site")).list(&new, Some("docker.io/team/app:1"));
            lock.unlock().unwrap();
            waiting.join().unwrap()
        });
        assert_eq!(status, if by_tag { 202 } else { 404 });
        assert_eq!(serving.get(&path("1")).status, if by_tag { 404 } else { 200 });
        assert_eq!(serving.get(&path(&digest(&new))).status, 200, "by tag: {by_tag}");
    }
}

/// A host that is named counts to the letter, in everything that changes something.
#[test]
fn a_change_for_one_host_changes_nothing_of_another() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let theirs = layout.image(&[b"theirs"]);
    layout.list(&theirs, Some("quay.io/team/app:1"));
    layout.list(&theirs, Some("docker.io/library/tool:1"));
    let pushed = Pushed { serving: Serving::start(&session, "--writable site"), session };
    let at_quay = || pushed.get("/v2/quay.io/team/app/manifests/1");
    for (repository, host, status) in [
        ("team/app", "gcr.io", 404),
        ("team/app", "QUAY.IO", 404),
        ("tool", "quay.io", 404),
        ("library/tool", "localhost:5000", 404),
    ] {
        for of in ["1", &digest(&theirs)] {
            let path = format!("/v2/{repository}/manifests/{of}?ns={host}");
            assert_eq!(pushed.send("DELETE", &path, &[], b"").status, status, "{path}");
        }
    }
    let ours = pushed.image("team/app", b"ours");
    assert_eq!(pushed.put("team/app", "1?ns=docker.io", &ours).status, 201);
    assert_eq!(at_quay().header("docker-content-digest"), theirs["digest"].as_str());
    let of_docker = pushed.get("/v2/team/app/manifests/1?ns=docker.io");
    assert_eq!(of_docker.body, ours.to_string().as_bytes());
    // What is no host would be a part of docker's path.
    for host in ["nohost", "a%20b.io", "quay.io%2Fteam"] {
        refused(&pushed.put("team/app", &format!("1?ns={host}"), &ours), 400, "NAME_INVALID");
    }
    // Docker's own names for one repository.
    assert_eq!(pushed.put("tool", "2?ns=index.docker.io", &ours).status, 201);
    let listed = pushed.session.ok("list oci:site");
    assert!(listed.contains("docker.io/library/tool:2"), "{listed}");
    assert_eq!(pushed.send("DELETE", "/v2/tool/manifests/1?ns=docker.io", &[], b"").status, 202);
    assert_eq!(at_quay().status, 200);
    // Where an upload goes on.
    for (given, written) in [("localhost:5000", "localhost%3A5000"), ("a%26x=%0A", "a%26x%3D%0A")] {
        let path = format!("/v2/team/app/blobs/uploads/?ns={given}");
        let reply = pushed.send("POST", &path, &[], b"");
        let location = reply.header("location").unwrap().to_owned();
        assert!(location.ends_with(&format!("?ns={written}")), "{location}");
        assert_eq!(pushed.send("PATCH", &location, STREAM, b"x").status, 202);
    }
}

/// A refusal says which methods there are.
#[test]
fn methods_that_are_not_for_a_path() {
    let pushed = Pushed::new();
    let image = pushed.image("team/app", b"layer");
    assert_eq!(pushed.put("team/app", "1", &image).status, 201);
    let session = pushed.begin("team/app");
    let blob = format!("/v2/team/app/blobs/{}", digest(&image["layers"][0]));
    for (path, methods) in [
        ("/v2/", "GET, HEAD"),
        ("/v2/_catalog", "GET, HEAD"),
        ("/v2/team/app/tags/list", "GET, HEAD"),
        (&*blob, "GET, HEAD"),
        ("/v2/team/app/manifests/1", "GET, HEAD, PUT, DELETE"),
        ("/v2/team/app/blobs/uploads/", "POST"),
        (&*session, "GET, PATCH, PUT, DELETE"),
    ] {
        for method in ["GET", "POST", "PATCH", "OPTIONS"] {
            let reply = pushed.send(method, path, &[], b"");
            let is_listed = methods.split(", ").any(|one| one == method);
            assert_eq!(reply.status == 405, !is_listed, "{method} {path}: {}", reply.status);
            if reply.status == 405 {
                assert_eq!(reply.header("allow"), Some(methods), "{method} {path}");
            }
        }
    }
    // A range is for GET alone, also of what waits for its manifest.
    let waiting = pushed.image("team/app", &crate::layout::noise(1, 200_000));
    for layer in [&image["layers"][0], &waiting["layers"][0]] {
        let path = format!("/v2/team/app/blobs/{}", digest(layer));
        for range in ["bytes=0-1", "bytes=999999999-"] {
            let head = pushed.serving.ask("HEAD", &path, &[("Range", range)]);
            let size = usize::try_from(layer["size"].as_u64().unwrap()).unwrap();
            assert_eq!((head.status, head.size()), (200, size), "{path} {range}");
        }
    }
}

/// Uploads that were begun, and blobs that wait for their manifests, hold no open files.
#[test]
#[cfg(target_os = "linux")]
fn what_waits_holds_no_open_files() {
    let session = Session::new();
    std::fs::create_dir(session.path("spool")).unwrap();
    let serving = Serving::start(&session, "--writable site --tmpdir spool");
    let pushed = Pushed { session, serving };
    let open = || {
        let path = format!("/proc/{}/fd", pushed.serving.child.id());
        std::fs::read_dir(path).unwrap().count()
    };
    let before = open();
    let uploads: Vec<_> = (0..100).map(|_| pushed.begin("team/app")).collect();
    for upload in &uploads {
        assert_eq!(pushed.send("PATCH", upload, STREAM, b"half of ").status, 202);
    }
    let blobs: Vec<_> = (0..100_u8).map(|n| digest(&pushed.blob("team/app", &[n, 1, 2]))).collect();
    let after = open();
    assert!(after < before + 20, "{before} became {after}");
    // All of them are there, and go on.
    for (n, blob) in (0_u8..).zip(&blobs) {
        assert_eq!(pushed.get(&format!("/v2/team/app/blobs/{blob}")).body, [n, 1, 2]);
    }
    let whole = transship::transport::sha256(b"half of it");
    for upload in &uploads {
        let end = format!("{upload}?digest={whole}");
        assert_eq!(pushed.send("PUT", &end, STREAM, b"it").status, 201);
    }
    assert_eq!(pushed.get(&format!("/v2/team/app/blobs/{whole}")).body, b"half of it");
    let files = || {
        let spool = std::fs::read_dir(pushed.session.path("spool")).unwrap();
        spool.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    assert_eq!(files().len(), 1);
    // Stopped by a signal, it leaves nothing; what a killed one left goes with the next push.
    let mut pushed = pushed;
    let pid = pushed.serving.child.id().to_string();
    crate::clients::ok(&format!("kill {pid}"));
    let _ = pushed.serving.child.wait();
    let left = std::fs::read_dir(pushed.session.path("spool")).unwrap().count();
    assert_eq!(left, 0);
    let mut killed = Pushed {
        serving: Serving::start(&pushed.session, "--writable site --tmpdir spool"),
        session: pushed.session,
    };
    killed.begin("team/app");
    killed.serving.child.kill().unwrap();
    killed.serving.child.wait().unwrap();
    let again = Serving::start(&killed.session, "--writable site --tmpdir spool");
    let next = Pushed { serving: again, session: killed.session };
    next.begin("team/app");
    assert_eq!(std::fs::read_dir(next.session.path("spool")).unwrap().count(), 1);
}
