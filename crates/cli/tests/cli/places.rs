//! References, transports, and bare paths that are looked at.

use std::fs;

use serde_json::json;
use transship::transport::sha256;

use crate::make;
use crate::nobody::Nobody;
use crate::session::Session;

#[test]
fn references_are_parsed_without_looking() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "reference docker-archive:x.tar:alpine",
        "reference docker-archive:x.tar:@1",
        "reference --json oci:layout:a:b",
        "reference oci:layout:",
        "reference dir:a:b",
        "reference docker-archive:",
        "reference docker-archive:x.tar:",
        "reference docker-archive:x.tar:@01",
        "reference docker-archive:x.tar:Alpine",
        "reference hello.tar",
        "reference docker://alpine",
    ]));
}

#[test]
fn transports() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript(["transports", "transports --json"]));
}

#[test]
fn a_bare_path_is_looked_at() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    session.ok("copy hello.tar:example/world:1 dir:folder");
    fs::create_dir(session.path("empty")).unwrap();
    fs::copy(session.path("hello.tar"), session.path("a:b.tar")).unwrap();
    session.write("text", "no tar at all");
    make::tar(&session.path("other.tar"), &make::files([("etc/passwd", "root")]));
    insta::assert_snapshot!(session.transcript([
        "inspect layout:example/world:1",
        "verify layout layout.tar folder",
        "list a:b.tar",
        "list empty",
        "list text",
        "list other.tar",
        "list missing.tar",
        "copy a:b.tar:example/world:1 missing",
    ]));
}

#[test]
fn what_was_probably_meant() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "list dockerarchive:hello.tar",
        "list oic:layout",
        "list container-storage:alpine",
        "list https://quay.io/org/image",
        "list alpine",
        "list alpine:3",
        "copy hello.tar:@0 new.tar",
        "copy hello.tar:@0 ./new",
        "copy hello.tar:@0 localhost:5000/x",
        "copy hello.tar:@0 containers-storge:x:1",
        "gc docker-archive:hello.tar",
        "delete dir:x",
    ]));
}

#[test]
fn a_malformed_digest_behind_a_path_is_no_name() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    for line in [
        "inspect hello.tar@sha256:zz",
        "list hello.tar@sha256:zz",
        "verify docker-archive:hello.tar@sha256:0xabc",
        "inspect layout@sha256:latest",
        "copy oci:layout@sha256:zz oci:copied",
        "copy hello.tar:@0 docker-archive:new.tar@sha256:zz",
        "copy hello.tar:@0 oci-archive:new.tar@sha512:zz",
    ] {
        let output = session.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains("the digest is malformed"), "{line}: {said}");
    }
    assert_eq!(session.left(), ["layout"]);
    // There it is a name.
    session.ok("copy hello.tar:@0 docker-archive:plain.tar:zz");
    fs::rename(session.path("plain.tar"), session.path("hello.tar@sha256")).unwrap();
    session.ok("inspect hello.tar@sha256:zz");
    session.ok("inspect docker-archive:hello.tar@sha256:zz");
}

#[test]
fn wide_cells_are_shortened() {
    let session = Session::new();
    session.ok("copy hello.tar:example/world:1 oci:layout");
    let path = session.path("layout/index.json");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entry = &index["manifests"][0];
    let long = "n".repeat(70_000);
    let mut named = entry.clone();
    named["annotations"] = json!({ "org.opencontainers.image.ref.name": long });
    let blob = |json: &serde_json::Value| {
        let text = json.to_string();
        let digest = sha256(text.as_bytes());
        session.write(&format!("layout/blobs/sha256/{}", digest.encoded()), &text);
        (digest.to_string(), text.len())
    };
    let stored = entry["digest"].as_str().unwrap().replace(':', "/");
    let stored = fs::read(session.path(&format!("layout/blobs/{stored}"))).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    let children: Vec<_> = (0..12)
        .map(|number| {
            manifest["annotations"] = json!({ "number": number.to_string() });
            let (digest, size) = blob(&manifest);
            let platform = json!({ "os": "linux", "architecture": format!("a{number}") });
            json!({ "mediaType": entry["mediaType"], "digest": digest, "size": size, "platform": platform })
        })
        .collect();
    let kind = "application/vnd.oci.image.index.v1+json";
    let (digest, size) =
        blob(&json!({ "schemaVersion": 2, "mediaType": kind, "manifests": children }));
    let many_entry = json!({ "mediaType": kind, "digest": digest, "size": size });
    let index = json!({ "schemaVersion": 2, "manifests": [named, many_entry] });
    fs::write(&path, index.to_string()).unwrap();
    let listed = session.ok("list oci:layout");
    assert!(listed.lines().all(|line| line.len() < 1000), "{listed}");
    assert!(listed.contains("12 platforms"), "{listed}");
    assert!(session.ok("list --json oci:layout").contains("linux/a11"));
    assert!(session.ok("list --json oci:layout").contains(&long));
}

#[test]
fn compressed_archives_are_looked_into() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    for (tool, plain, packed) in [
        ("gzip", "hello.tar", "hello.tar.gz"),
        ("bzip2", "layout.tar", "layout.tar.bz2"),
        ("xz", "hello.tar", "hello.tar.xz"),
        ("zstd", "layout.tar", "layout.tar.zst"),
    ] {
        make::packed(tool, &session.path(plain), &session.path(packed));
        let plain = session.ok(&format!("list {plain}"));
        assert_eq!(session.ok(&format!("list {packed}")), plain, "{tool}");
    }
}

#[test]
fn a_folder_that_may_not_be_looked_into_is_not_called_empty() {
    let Some(nobody) = Nobody::new() else { return };
    nobody.ok("copy --all-images docker-archive:hello.tar oci:l");
    assert!(nobody.run("chmod", "600 l"));
    let output = nobody.command("./transship", "list l").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("looking into l: Permission denied"), "{said}");
    assert!(nobody.run("chmod", "300 l"));
    assert!(nobody.ok("list l").contains("example/hello"), "it need not be listed");
}
