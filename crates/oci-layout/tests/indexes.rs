//! Indexes, sparse ones too, and referrers: what a commit takes and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use serde_json::json;
use transship_core::{Commit, ErrorKind, Manifest};

#[tokio::test]
async fn children_that_are_left_out_have_to_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = oci(&dir.path().join("l"), ":x");
    let (amd, arm) = (image("amd"), image_for("arm", "arm64"));
    let root = index(&[(&amd.manifest, "amd64"), (&arm.manifest, "arm64")]);
    let nested = index(&[(&root, "amd64")]);
    let absent = [arm.manifest.descriptor().clone()];
    for complete in [false, true] {
        let to = destination(&at).await.unwrap();
        put_blobs(&*to, &amd).await.unwrap();
        to.put_manifest(&amd.manifest).await.unwrap();
        to.put_manifest(&root).await.unwrap();
        let what = Commit::new(&nested);
        if complete {
            to.commit(what.without(&absent)).await.unwrap();
        } else {
            let error = to.commit(what).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(absent[0].digest.as_ref()), "{error}");
            assert!(names_in(dir.path()).is_empty());
        }
    }
    let read = source(&at).await.unwrap();
    assert_eq!(read.root().await.unwrap().bytes(), nested.bytes());
    assert_eq!(
        read.manifest(amd.manifest.descriptor()).await.unwrap().bytes(),
        amd.manifest.bytes()
    );
    assert_eq!(read.manifest(&absent[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
    // A child that is there need not be put again.
    let to = destination(&oci(&dir.path().join("l"), ":y")).await.unwrap();
    to.commit(Commit::new(&root).without(&absent)).await.unwrap();
}

#[tokio::test]
async fn the_layers_of_a_child_have_to_be_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let amd = image("amd");
    let root = index(&[(&amd.manifest, "amd64")]);
    let to = destination(&oci(&dir.path().join("l"), ":x")).await.unwrap();
    to.put_manifest(&amd.manifest).await.unwrap();
    let error = to.commit(Commit::new(&root)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(amd.blobs[0].0.digest.as_ref()), "{error}");
}

#[tokio::test]
async fn layers_that_are_not_distributed_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = blob("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "windows");
    let kept = blob("application/vnd.oci.image.layer.v1.tar", "kept");
    let config = blob("application/vnd.oci.image.config.v1+json", "{}");
    let made = made(&json!({}), vec![config, kept, foreign]);
    let to = destination(&oci(&dir.path().join("l"), ":x")).await.unwrap();
    let but_foreign = Made { manifest: made.manifest.clone(), blobs: made.blobs[..2].to_vec() };
    write_to(to, &but_foreign).await.unwrap();
    assert_holds(&oci(&dir.path().join("l"), ""), &but_foreign).await;
}

#[tokio::test]
async fn referrers_travel_without_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    let one = image("one");
    let about = |of: &Manifest, artifact: &str| {
        let fields = json!({"subject": of.descriptor(), "artifactType": artifact});
        made(&fields, vec![blob("application/vnd.oci.empty.v1+json", "{}")])
    };
    let signature = about(&one.manifest, "application/x.signature");
    let of_signature = about(&signature.manifest, "application/x.timestamp");
    for at in [oci(&layout, ":x"), tar(&dir.path().join("a.tar"), ":x")] {
        let to = destination(&at).await.unwrap();
        for made in [&one, &signature, &of_signature] {
            put_blobs(&*to, made).await.unwrap();
        }
        to.put_manifest(&signature.manifest).await.unwrap();
        to.put_manifest(&of_signature.manifest).await.unwrap();
        to.commit(Commit::new(&one.manifest)).await.unwrap();
        let read = source(&at).await.unwrap();
        let of = async |manifest: &Manifest| {
            read.referrers().unwrap().referrers(&manifest.descriptor().digest).await.unwrap()
        };
        let found = of(&one.manifest).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact_type.as_deref(), Some("application/x.signature"));
        assert_eq!(
            of(&signature.manifest).await[0].digest,
            of_signature.manifest.descriptor().digest
        );
    }
    // They are no images: the place has one.
    assert_holds(&oci(&layout, ""), &one).await;
    write(&oci(&layout, ""), &image("nameless")).await.unwrap();
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn annotations_of_the_source_entry_travel() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let one = image("one");
    let theirs = json!({"annotations": {"k": "v", "org.opencontainers.image.ref.name": "old",
        "io.containerd.image.name": "docker.io/library/old:1"}, "vendor": [1]});
    let listed = entry(&one.manifest, &theirs);
    lay_out(&from, &json!({"schemaVersion": 2, "manifests": [listed]}), &bytes_of(&[&one]));
    let root = source(&oci(&from, "")).await.unwrap().root().await.unwrap();
    let target = destination(&oci(&to, ":new")).await.unwrap();
    put_blobs(&*target, &one).await.unwrap();
    target.commit(Commit::new(&root)).await.unwrap();
    let entry = &read_index(&to)["manifests"][0];
    assert_eq!(entry["annotations"], json!({"k": "v", "org.opencontainers.image.ref.name": "new"}));
    assert_eq!(entry["vendor"], json!([1]));
}
