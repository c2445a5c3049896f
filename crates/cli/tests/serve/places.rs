//! Which places are served, under which names.

use serde_json::{Value, json};

use crate::layout::{INDEX, Layout, MANIFEST, digest, noise};
use crate::serving::Serving;
use crate::session::Session;

/// Every kind of place gives the digests that our own client gets from it.
#[test]
fn any_mix_of_places() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    session.ok("copy hello.tar:example/hello:1 dir:folder");
    let serving =
        Serving::start(&session, "oci:layout oci-archive:layout.tar hello.tar dir:folder");
    let expected = ["example/hello", "example/world", "folder"];
    assert_eq!(serving.get("/v2/_catalog").json()["repositories"], json!(expected));
    for places in ["oci:layout", "oci-archive:layout.tar", "docker-archive:hello.tar"] {
        let serving = Serving::start(&session, places);
        for name in ["example/hello:1", "example/world:1"] {
            let here = session.ok(&format!("inspect --digest {places}:{name}"));
            let remote = format!("docker://{}/{name}", serving.host);
            let there = session.ok(&format!("inspect --tls-verify=false --digest {remote}"));
            assert_eq!(here, there, "{places} {name}");
            session.ok(&format!("copy --tls-verify=false {remote} oci:pulled:{name}"));
        }
        session.ok("verify oci:pulled");
    }
}

/// What a place has is found also where its first image cannot be opened.
#[test]
fn a_broken_image_hides_no_other() {
    let session = Session::new();
    // An entry that is malformed cannot be opened.
    let broken = json!({ "mediaType": MANIFEST, "digest": "sha256:none", "size": 5 });
    let mut layout = Layout::new(&session.path("site"));
    let large = noise(3, 300_000);
    let image = layout.image(&[&large]);
    layout.list(&broken, None);
    layout.list(&image, Some("docker.io/a/b:1"));
    let sbom = layout.about(&image, "application/sbom");
    layout.list(&sbom, None);
    let mut other = Layout::new(&session.path("other"));
    other.list(&broken, None);
    for places in ["oci:site", "oci:other oci:site", "oci:site oci:other"] {
        let serving = Serving::start(&session, places);
        let found = |path: &str, of: &str| serving.get(&format!("/v2/{path}/{of}"));
        for repository in ["a/b", "site"] {
            let about = found(&format!("{repository}/referrers"), &digest(&image)).json();
            assert_eq!(digest(&about["manifests"][0]), digest(&sbom), "{places} {repository}");
        }
        let absent = format!("sha256:{}", "0".repeat(64));
        let none = found("a/b/referrers", &absent);
        assert_eq!((none.status, &none.json()["manifests"]), (200, &json!([])), "{places}");
        let layer = transship::transport::sha256(&large).to_string();
        assert!(found("a/b/blobs", &layer).is_whole(), "{places}");
        // Where a place has the repository and cannot be asked, the list is not empty: it is not known.
        let unknown = found("other/referrers", &absent).status;
        assert_eq!(unknown, if places == "oci:site" { 404 } else { 500 }, "{places}");
    }
}

/// What `skopeo copy` and `transship copy` call an image may be one name in two forms.
#[test]
fn a_name_in_two_forms_is_one_tag() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let image = layout.image(&[b"layer"]);
    layout.list(&image, Some("docker.io/team/app:1"));
    layout.list(&image, Some("team/app:1"));
    let serving = Serving::start(&session, "oci:site");
    assert_eq!(serving.get("/v2/team/app/tags/list").json()["tags"], json!(["1"]));
    assert_eq!(serving.get("/v2/team/app/manifests/1").status, 200);
}

/// A registry is passed through, without a store.
#[test]
fn a_registry_behind_another() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let image = layout.image(&[&noise(3, 3_000_000)]);
    layout.list(&image, Some("docker.io/team/app:1"));
    let sbom = layout.about(&image, "application/sbom");
    layout.list(&sbom, None);
    let first = Serving::start(&session, "oci:site");
    let place = format!("--tls-verify=false docker://{}/team/app", first.host);
    let second = Serving::start(&session, &place);
    let listed = second.get("/v2/team/app/tags/list");
    assert_eq!(listed.json()["tags"], json!(["1"]));
    let remote = format!("docker://{}/team/app", second.host);
    for reference in [format!("{remote}:1"), format!("{remote}@{}", digest(&image))] {
        session.ok(&format!("copy --tls-verify=false {reference} oci:pulled:x"));
        session.ok("verify oci:pulled:x");
        std::fs::remove_dir_all(session.path("pulled")).unwrap();
    }
    // By its digest alone, which no tag leads to.
    let third = Serving::start(&session, &place);
    let path = format!("/v2/team/app/manifests/{}", digest(&sbom));
    assert_eq!(third.get(&path).status, 200);
    let about = third.get(&format!("/v2/team/app/referrers/{}", digest(&image))).json();
    assert_eq!(digest(&about["manifests"][0]), digest(&sbom));
    let absent = format!("/v2/team/app/manifests/sha256:{}", "0".repeat(64));
    assert_eq!(third.get(&absent).status, 404);
}

#[test]
fn names_with_and_without_their_host() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let images: Vec<_> = (0..5_u8).map(|n| layout.image(&[&[n]])).collect();
    for (image, name) in images.iter().zip([
        "docker.io/library/alpine:3",
        "docker.io/team/app:1",
        "quay.io/team/app:1",
        "localhost:5000/tool:2",
        "v1",
    ]) {
        layout.list(image, Some(name));
    }
    let serving = Serving::start(&session, "oci:site");
    let found = |path: &str| {
        let reply = serving.get(&format!("/v2/{path}"));
        let of = reply.header("docker-content-digest");
        images.iter().position(|image| image["digest"].as_str() == of).ok_or_else(|| reply.code())
    };
    let unknown = Err("NAME_UNKNOWN".to_owned());
    for (path, expected) in [
        ("library/alpine/manifests/3", Ok(0)),
        ("alpine/manifests/3", Ok(0)),
        ("docker.io/library/alpine/manifests/3", Ok(0)),
        ("library/alpine/manifests/3?ns=docker.io", Ok(0)),
        ("library/alpine/manifests/3?ns=index.docker.io", Ok(0)),
        ("library/alpine/manifests/3?ns=mirror.internal", Ok(0)),
        ("team/app/manifests/1?ns=docker.io", Ok(1)),
        ("team/app/manifests/1?ns=quay.io", Ok(2)),
        ("quay.io/team/app/manifests/1", Ok(2)),
        ("team/app/manifests/1", unknown.clone()),
        ("team/app/manifests/1?ns=other.io", unknown.clone()),
        ("tool/manifests/2", Ok(3)),
        ("tool/manifests/2?ns=localhost:5000", Ok(3)),
        ("site/manifests/v1", Ok(4)),
        ("gcr.io/team/app/manifests/1", unknown.clone()),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
    let ambiguous = serving.get("/v2/team/app/tags/list").json().to_string();
    assert!(ambiguous.contains("docker.io/team/app, quay.io/team/app"), "{ambiguous}");
    assert!(serving.log().contains("team/app may be one of"), "{}", serving.log());
    // What follows is of the same host.
    let page = serving.get("/v2/team/app/tags/list?n=0&ns=quay.io");
    assert_eq!(page.json()["name"], "team/app");
    let catalog =
        json!(["docker.io/team/app", "library/alpine", "quay.io/team/app", "site", "tool"]);
    assert_eq!(serving.get("/v2/_catalog").json()["repositories"], catalog);
}

/// Blobs are looked for in all places, and a moved tag is that of the delta, in any order.
#[test]
fn a_delta_with_its_base() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("images"));
    let (large, small) = (noise(5, 2_000_000), noise(6, 1000));
    let [old, same] = [layout.image(&[&large]), layout.image(&[b"same"])];
    layout.list(&old, Some("docker.io/team/app:latest"));
    layout.list(&same, Some("docker.io/team/same:1"));
    session.ok("copy --all-images oci:images oci-archive:week-1.tar");
    let mut layout = Layout::new(&session.path("images"));
    let new = layout.image(&[&large, &small]);
    layout.list(&new, Some("docker.io/team/app:latest"));
    layout.list(&same, Some("docker.io/team/same:1"));
    session.ok("copy --all-images --since week-1.tar oci:images oci-archive:week-2.tar");
    assert!(std::fs::metadata(session.path("week-2.tar")).unwrap().len() < 100_000);
    for places in ["week-1.tar week-2.tar", "week-2.tar week-1.tar"] {
        let serving = Serving::start(&session, places);
        for (name, image) in [("team/app:latest", &new), ("team/same:1", &same)] {
            let remote = format!("docker://{}/{name}", serving.host);
            session.ok(&format!("copy --tls-verify=false {remote} oci:pulled:{name}"));
            let pulled = session.ok(&format!("inspect --digest oci:pulled:{name}"));
            assert_eq!(pulled.trim(), digest(image), "{places} {name}");
        }
        session.ok("verify oci:pulled");
        // The old one is still there by its digest.
        let path = format!("/v2/team/app/manifests/{}", digest(&old));
        assert_eq!(serving.get(&path).status, 200, "{places}");
    }
    let alone = Serving::start(&session, "week-2.tar");
    let layer = transship::transport::sha256(&large);
    let reply = alone.get(&format!("/v2/team/app/blobs/{layer}"));
    assert_eq!((reply.status, &*reply.code()), (404, "BLOB_UNKNOWN"));
}

/// What stands beside an image is in the repositories of the image, and makes none of its own.
#[test]
fn signatures_of_a_layout() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let images: Vec<_> = (0..2_u8).map(|n| layout.image(&[&[n]])).collect();
    layout.list(&images[0], Some("docker.io/team/app:1"));
    layout.list(&images[1], Some("docker.io/team/tool:1"));
    let signature = layout.image(&[b"signature"]);
    let tag = format!("{}.sig", digest(&images[0]).replace(':', "-"));
    layout.list(&signature, Some(&tag));
    let mut serving = Serving::start(&session, "oci:site");
    let printed = serving.printed();
    assert!(printed.contains("team/app of docker.io: 1, and 1 tag of signatures\n"), "{printed}");
    assert!(printed.contains("serving 2 repositories"), "{printed}");
    let repositories = serving.get("/v2/_catalog").json()["repositories"].clone();
    assert_eq!(repositories, json!(["team/app", "team/tool"]));
    let found = |path: &str| serving.get(&format!("/v2/team/{path}"));
    let reply = found(&format!("app/manifests/{tag}"));
    assert_eq!(reply.header("docker-content-digest"), Some(&*digest(&signature)));
    assert_eq!(found(&format!("app/manifests/{}.sig", &tag[..20])).status, 404);
    assert_eq!(found("app/tags/list").json()["tags"], json!(["1", &tag]));
    assert_eq!(found("tool/tags/list").json()["tags"], json!(["1"]));
    assert_eq!(found(&format!("tool/manifests/{tag}")).status, 404);
    assert_eq!(found(&format!("tool/manifests/{}", digest(&signature))).status, 200);
    let from = format!("docker://{}/team/app:1", serving.host);
    session.ok(&format!("copy --tls-verify=false --referrers {from} oci:pulled:1"));
    assert!(std::fs::read_to_string(session.path("pulled/index.json")).unwrap().contains(&tag));
}

/// A signature of one platform is found in the repositories that have its index, in whatever order they are asked.
#[test]
fn signatures_of_platforms() {
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let [part, other] = [layout.image(&[b"part"]), layout.image(&[b"other"])];
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [&part] });
    let index = layout.blob(INDEX, index.to_string());
    layout.list(&index, Some("docker.io/team/app:1"));
    layout.list(&index, Some("docker.io/team/same:1"));
    layout.list(&other, Some("docker.io/team/tool:1"));
    let signature = layout.image(&[b"signature"]);
    let tag_of = |of: &Value| format!("{}.sig", digest(of).replace(':', "-"));
    layout.list(&signature, Some(&tag_of(&part)));
    let again = layout.image(&[b"again"]);
    layout.list(&again, Some(&tag_of(&signature)));
    let serving = Serving::start(&session, "oci:site");
    for (repository, status) in [("tool", 404), ("app", 200), ("same", 200), ("tool", 404)] {
        for signed in [&part, &signature] {
            let path = format!("/v2/team/{repository}/manifests/{}", tag_of(signed));
            assert_eq!(serving.get(&path).status, status, "{path}");
        }
    }
}
