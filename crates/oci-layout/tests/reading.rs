//! Reading layouts of every shape: which image is meant, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::*;
use serde_json::{Value, json};
use transship_core::{
    Archives, DeleteOptions, Descriptor, Document, ErrorKind, Manifest, MediaType, Notice,
    Observer, ReadOptions, Result, Transport, sha256,
};
use transship_oci_layout::OciLayout;

const CONTAINERD: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

fn index_of(entries: &[Value]) -> Value {
    json!({"schemaVersion": 2, "manifests": entries})
}

async fn kind_of(layout: &Path, rest: &str) -> (ErrorKind, String) {
    let error = match source(&oci(layout, rest)).await {
        Err(error) => error,
        Ok(source) => source.root().await.unwrap_err(),
    };
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn names_of_containerd() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (image("one"), image("two"));
    let full = |made: &Made, name: &str, alias: &str| {
        entry(&made.manifest, &json!({"annotations": {CONTAINERD: name, REF_NAME: alias}}))
    };
    let entries = [
        full(&one, "docker.io/library/one:latest", "latest"),
        full(&two, "example.com/two:latest", "latest"),
        full(&two, "example.com/two:2", "2"),
    ];
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&one, &two]));
    assert_holds(&oci(dir.path(), ":docker.io/library/one:latest"), &one).await;
    assert_holds(&oci(dir.path(), ":one"), &one).await;
    assert_holds(&oci(dir.path(), ":2"), &two).await;
    let (kind, text) = kind_of(dir.path(), ":latest").await;
    assert_eq!(kind, ErrorKind::Ambiguous);
    assert!(
        text.contains("docker.io/library/one:latest (@0), example.com/two:latest (@1)"),
        "{text}"
    );
    let (kind, text) = kind_of(dir.path(), ":none").await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        text.contains("it holds docker.io/library/one:latest (@0), example.com/two:latest (@1)"),
        "{text}"
    );
    assert_eq!(kind_of(dir.path(), ":@3").await.0, ErrorKind::NotFound);
    let two_of = source(&oci(dir.path(), ":@2")).await.unwrap();
    assert_eq!(two_of.names(), [name("example.com/two:latest"), name("example.com/two:2")]);
    // An own name is before an alias.
    write(&oci(dir.path(), ":latest"), &one).await.unwrap();
    assert_holds(&oci(dir.path(), ":latest"), &one).await;
}

#[tokio::test]
async fn one_name_for_two_images_and_names_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (image("one"), image("two"));
    let entries =
        [named(&one.manifest, "x"), named(&two.manifest, "x"), named(&two.manifest, "bad name\n")];
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&one, &two]));
    assert_eq!(kind_of(dir.path(), ":x").await.0, ErrorKind::Ambiguous);
    let reader =
        OciLayout::new().read(&oci(dir.path(), ":ignored"), &ReadOptions::default()).await.unwrap();
    let [first, second] = reader.entries() else { panic!() };
    assert_eq!(reader.reference(), &oci(dir.path(), ""));
    assert_eq!(first.warnings.len(), 1);
    assert_eq!(second.warnings.len(), 2);
    assert_eq!(second.raw_names, ["x", "bad name\n"]);
    assert_eq!(second.names, [name("x")]);
    assert_holds(&second.reference, &two).await;
}

#[tokio::test]
async fn a_malformed_entry_hides_itself_only() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (image("one"), image("two"));
    let bad = json!({"digest": one.manifest.descriptor().digest, "size": "12",
        "annotations": {"org.opencontainers.image.ref.name": "y"}});
    let entries = [named(&one.manifest, "x"), bad, named(&two.manifest, "y"), Value::Null];
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&one, &two]));
    let read = || async {
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap()
    };
    let reader = read().await;
    let [x, malformed, y, null] = reader.entries() else { panic!("{:?}", reader.entries()) };
    assert_eq!([x.index, malformed.index, y.index, null.index], [0, 1, 2, 3]);
    for (entry, position) in [(malformed, "1"), (null, "3")] {
        let says = format!("index.json: entry {position} is malformed");
        assert!(entry.warnings[0].starts_with(&says), "{:?}", entry.warnings);
        for error in [
            reader.open(entry).await.unwrap_err(),
            reader.details(entry).await.unwrap_err(),
            source(&entry.reference).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(&says), "{error}");
        }
    }
    assert_holds(&x.reference, &one).await;
    assert_holds(&oci(dir.path(), ":x"), &one).await;
    assert_holds(&y.reference, &two).await;
    assert_holds(&oci(dir.path(), ":@2"), &two).await;
    // Another reader may take the other one for it.
    assert_eq!(kind_of(dir.path(), ":y").await.0, ErrorKind::Corrupt);

    // It goes when its name moves, or by its position; what others wrote stays until then.
    write(&oci(dir.path(), ":z"), &one).await.unwrap();
    assert_eq!(read().await.entries().len(), 4);
    let layout = OciLayout::new();
    layout
        .deletion()
        .unwrap()
        .delete(&oci(dir.path(), ":@3"), &DeleteOptions::default())
        .await
        .unwrap();
    write(&oci(dir.path(), ":y"), &one).await.unwrap();
    assert_holds(&oci(dir.path(), ":y"), &one).await;
    assert!(read().await.entries().iter().all(|entry| entry.warnings.is_empty()));
}

#[tokio::test]
async fn an_image_beside_a_malformed_entry_is_read_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    lay_out(dir.path(), &index_of(&[json!({}), named(&one.manifest, "x")]), &bytes_of(&[&one]));
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let mut how = ReadOptions::default();
    let heard = Arc::clone(&warnings);
    how.observer = Observer::new(move |notice| {
        if let Notice::Warning(text) = notice {
            heard.lock().unwrap().push(text);
        }
    });
    let at = oci(dir.path(), "");
    let opened = OciLayout::new().source(&at, &how).await.unwrap();
    assert_eq!(opened.root().await.unwrap(), {
        let named = source(&oci(dir.path(), ":x")).await.unwrap();
        named.root().await.unwrap()
    });
    let warnings = warnings.lock().unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("entry 0 is malformed"), "{warnings:?}");
}

#[tokio::test]
async fn entries_of_a_platform_each_are_one_image() {
    let dir = tempfile::tempdir().unwrap();
    let (amd, arm) = (image_for("amd", "amd64"), image_for("arm", "arm64"));
    let platform = json!({"platform": {"os": "linux", "architecture": "amd64"}});
    let attestation =
        made(&json!({}), vec![blob("application/vnd.oci.image.config.v1+json", "{}")]);
    let attests = json!({"platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    // The second has its platform in its config alone.
    let entries = [
        entry(&amd.manifest, &platform),
        entry(&arm.manifest, &json!({})),
        entry(&attestation.manifest, &attests),
    ];
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&amd, &arm, &attestation]));
    let all = source(&oci(dir.path(), "")).await.unwrap();
    let root = all.root().await.unwrap();
    assert_eq!(all.root().await.unwrap(), root);
    let Document::Index(index) = root.document() else { panic!() };
    assert_eq!(index.manifests.len(), 3);
    assert_eq!(index.manifests[1].platform.as_ref().unwrap().to_string(), "linux/arm64");
    for (child, of) in index.manifests.iter().zip([&amd, &arm, &attestation]) {
        assert_eq!(all.manifest(child).await.unwrap().bytes(), of.manifest.bytes());
    }
    assert_holds(&oci(dir.path(), ":@1"), &arm).await;
    let reader =
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    let [only] = reader.entries() else { panic!() };
    assert_eq!(only.reference, oci(dir.path(), ""));
    let details = reader.details(only).await.unwrap();
    assert_eq!((details.platforms.len(), details.image_id, details.root), (2, None, None));

    // Two for one platform, or a name, and they are several images.
    let other = image_for("other", "amd64");
    for more in [entry(&other.manifest, &platform), named(&other.manifest, "x")] {
        let entries = [entry(&amd.manifest, &platform), entry(&arm.manifest, &json!({})), more];
        lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&other]));
        let (kind, text) = kind_of(dir.path(), "").await;
        assert_eq!(kind, ErrorKind::Ambiguous, "{text}");
        assert!(text.contains("3 images") && text.contains("@0 (unnamed)"), "{text}");
    }
}

/// docker saves two images without names so, where they run on different platforms.
#[tokio::test]
async fn entries_that_docker_lists_too_are_images_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (amd, arm) = (image_for("amd", "amd64"), image_for("arm", "arm64"));
    let entries = [&amd, &arm].map(|image| entry(&image.manifest, &json!({})));
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&amd, &arm]));
    let config = |image: &Made| {
        let Document::Image(image) = image.manifest.document() else { panic!("an image") };
        json!({"Config": format!("blobs/sha256/{}", image.config.digest.encoded()), "RepoTags": null, "Layers": []})
    };
    let (amd, arm) = (config(&amd), config(&arm));
    let other = json!({"Config": "blobs/sha256/x", "RepoTags": ["x:1"], "Layers": []});
    let listed = async || {
        let reader = OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await;
        reader.unwrap().entries().len()
    };
    let path = dir.path().join("manifest.json");
    for (list, images) in [
        (json!([amd, arm]), 2),
        (json!([amd]), 1),
        // Of another layout.
        (json!([amd, other]), 1),
        (json!([other, other]), 1),
        (json!({"x": 1}), 1),
    ] {
        fs::write(&path, list.to_string()).unwrap();
        assert_eq!(listed().await, images, "{list}");
    }
    // No file of docker's.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(listed().await, 1);
}

#[tokio::test]
async fn referrers_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    let subject =
        json!({"subject": one.manifest.descriptor(), "artifactType": "application/x.signature"});
    let signature = made(&subject, vec![blob("application/vnd.oci.empty.v1+json", "{}")]);
    let entries = [entry(&signature.manifest, &json!({"k": 1})), entry(&one.manifest, &json!({}))];
    lay_out(dir.path(), &index_of(&entries), &bytes_of(&[&one, &signature]));
    assert_holds(&oci(dir.path(), ""), &one).await;
    let reader =
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    assert_eq!(reader.entries().len(), 1);
    assert_eq!(reader.entries()[0].index, 1);
    let opened = reader.open(&reader.entries()[0]).await.unwrap();
    let found =
        opened.referrers().unwrap().referrers(&one.manifest.descriptor().digest).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].other["k"], 1);
    assert_eq!(opened.manifest(&found[0]).await.unwrap().bytes(), signature.manifest.bytes());
    let none = opened.referrers().unwrap().referrers(&signature.manifest.descriptor().digest).await;
    assert!(none.unwrap().is_empty());
    // By position it can be read.
    assert_holds(&oci(dir.path(), ":@0"), &signature).await;
}

#[tokio::test]
async fn details_leave_out_what_is_absent_and_tell_what_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let (amd, arm) = (image_for("amd", "amd64"), image_for("arm", "arm64"));
    let both = index(&[(&amd.manifest, "amd64"), (&arm.manifest, "arm64")]);
    let mut blobs = bytes_of(&[&amd, &arm]);
    blobs.push(both.bytes().clone());
    lay_out(dir.path(), &index_of(&[named(&both, "x")]), &blobs);
    let reader =
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    let whole = reader.details(&reader.entries()[0]).await.unwrap();
    let child = dir.path().join("blobs/sha256").join(arm.manifest.descriptor().digest.encoded());
    fs::remove_file(&child).unwrap();
    let sparse = reader.details(&reader.entries()[0]).await.unwrap();
    assert_eq!(sparse.platforms, whole.platforms);
    assert!(sparse.size < whole.size);
    fs::write(&child, vec![b' '; arm.manifest.bytes().len()]).unwrap();
    let error = reader.details(&reader.entries()[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn nested_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    let mut blobs = bytes_of(&[&one]);
    let mut top = one.manifest.clone();
    let mut levels = Vec::new();
    for _ in 0..17 {
        top = index(&[(&top, "amd64")]);
        blobs.push(top.bytes().clone());
        levels.push(top.clone());
    }
    let digest = format!("@{}", one.manifest.descriptor().digest);
    // index.json lists an index in which fifteen others lie.
    lay_out(dir.path(), &index_of(&[named(&levels[15], "x")]), &blobs);
    assert_holds(&oci(dir.path(), &digest), &one).await;
    let reader =
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    assert_eq!(reader.details(&reader.entries()[0]).await.unwrap().platforms.len(), 1);
    lay_out(dir.path(), &index_of(&[named(&levels[16], "x")]), &blobs);
    let (kind, text) = kind_of(dir.path(), &digest).await;
    assert_eq!(kind, ErrorKind::LimitExceeded, "{text}");
    let reader =
        OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    let error = reader.details(&reader.entries()[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    // What cannot be reached is not there, even if its blob is.
    lay_out(dir.path(), &index_of(&[]), &blobs);
    assert_eq!(kind_of(dir.path(), &digest).await.0, ErrorKind::NotFound);
    assert_eq!(kind_of(dir.path(), "").await.0, ErrorKind::NotFound);
}

/// A cycle cannot have true digests; what claims one is found out.
#[tokio::test]
async fn a_cycle_of_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    let itself = index(&[(&one.manifest, "amd64")]);
    let cyclic = index(&[(&itself, "amd64")]).bytes().clone();
    lay_out(dir.path(), &index_of(&[named(&itself, "x")]), &[]);
    let size = u64::try_from(cyclic.len()).unwrap();
    assert_ne!(size, 0);
    fs::write(dir.path().join("blobs/sha256").join(itself.descriptor().digest.encoded()), cyclic)
        .unwrap();
    for rest in [":x", &format!("@{}", one.manifest.descriptor().digest)] {
        assert_eq!(kind_of(dir.path(), rest).await.0, ErrorKind::Corrupt, "{rest}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    assert_eq!(kind_of(&dir.path().join("none"), "").await.0, ErrorKind::NotFound);
    let (kind, text) = kind_of(dir.path(), "").await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(text.contains("oci-layout"), "{text}");
    let both = json!({"schemaVersion": 2, "manifests": [], "layers": [], "config": one.blobs[0].0});
    let digest = sha256(both.to_string().as_bytes());
    let both_entry =
        Descriptor::new(MediaType::ImageManifest, digest, both.to_string().len() as u64);
    let mut larger = serde_json::to_value(one.manifest.descriptor()).unwrap();
    larger["size"] = json!(1 + larger["size"].as_u64().unwrap());
    let blake3 = json!({"mediaType": MediaType::ImageManifest.to_string(), "size": 2,
        "digest": format!("blake3:{}", "0".repeat(64))});
    for (entry, kind) in [
        (json!(both_entry), ErrorKind::Corrupt),
        (larger, ErrorKind::Corrupt),
        (blake3, ErrorKind::NotFound),
        (json!(image("absent").manifest.descriptor()), ErrorKind::NotFound),
        (entry(&one.manifest, &json!({"data": "e30="})), ErrorKind::Corrupt),
        (entry(&one.manifest, &json!({"size": 20 << 20})), ErrorKind::LimitExceeded),
        (
            entry(&one.manifest, &json!({"mediaType": MediaType::ImageIndex.to_string()})),
            ErrorKind::Corrupt,
        ),
        (entry(&one.manifest, &json!({"digest": "sha256:../../etc/passwd"})), ErrorKind::Corrupt),
    ] {
        lay_out(dir.path(), &index_of(&[entry]), &bytes_of(&[&one]));
        fs::write(
            dir.path().join("blobs/sha256").join(sha256(both.to_string().as_bytes()).encoded()),
            both.to_string(),
        )
        .unwrap();
        let (found, text) = kind_of(dir.path(), "").await;
        assert_eq!(found, kind, "{text}");
    }
    lay_out(dir.path(), &both, &[]);
    assert_eq!(kind_of(dir.path(), "").await.0, ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_is_unknown_fails_no_read() {
    let dir = tempfile::tempdir().unwrap();
    let fields = json!({"x": {"y": 1}, "artifactType": "application/x.y"});
    let odd =
        made(&fields, vec![blob("application/x.config", "odd"), blob("application/x.layer", "l")]);
    let text = blob("text/plain", "no manifest");
    let entries = [entry(&odd.manifest, &json!({"x": 1, "urls": null})), json!(text.0)];
    let mut index = index_of(&entries);
    index["x"] = json!({"y": [1]});
    lay_out(dir.path(), &index, &bytes_of(&[&odd]));
    fs::write(dir.path().join("x"), "").unwrap();
    fs::create_dir(dir.path().join("blobs/y")).unwrap();
    assert_holds(&oci(dir.path(), ":@0"), &odd).await;
    assert_eq!(kind_of(dir.path(), "").await.0, ErrorKind::Ambiguous);
    let layouts = r#"{"imageLayoutVersion":"1.0.0","x":[]}"#;
    fs::write(dir.path().join("oci-layout"), layouts).unwrap();
    assert_holds(&oci(dir.path(), ":@0"), &odd).await;
}

#[tokio::test]
async fn blobs() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    lay_out(dir.path(), &index_of(&[named(&one.manifest, "x")]), &bytes_of(&[&one]));
    let read = source(&oci(dir.path(), "")).await.unwrap();
    let (layer, bytes) = &one.blobs[2];
    let all = async |of: &Descriptor| -> Result<Bytes> { read.blob(of).await?.bytes(100).await };
    assert_eq!(all(layer).await.unwrap(), bytes);
    let absent = blob("x/y", "absent").0;
    let error = read.blob(&absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(absent.digest.as_ref()), "{error}");
    // What a descriptor carries is served where the blob is not here.
    let mut carries = blob("x/y", "{}").0;
    carries.data = Some("e30=".to_owned());
    assert_eq!(all(&carries).await.unwrap(), "{}");
    carries.data = Some("e31=".to_owned() + "e30=");
    assert_eq!(read.blob(&carries).await.unwrap_err().kind(), ErrorKind::Corrupt);

    let path = dir.path().join("blobs/sha256").join(layer.digest.encoded());
    for wrong in ["short", "layer of two", "much longer than it was"] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(all(layer).await.unwrap_err().kind(), ErrorKind::Corrupt, "{wrong}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(read.blob(layer).await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_the_place_of_a_blob_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let one = image("one");
    lay_out(dir.path(), &index_of(&[named(&one.manifest, "x")]), &[]);
    let path = dir.path().join("blobs/sha256").join(one.manifest.descriptor().digest.encoded());
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert_eq!(kind_of(dir.path(), "").await.0, ErrorKind::Unsupported);
}

#[tokio::test]
async fn docker_types_and_sha512() {
    let dir = tempfile::tempdir().unwrap();
    let docker = json!({"mediaType": "application/vnd.docker.distribution.manifest.v2+json"});
    let config = json!({"os": "linux", "architecture": "s390x"}).to_string();
    let mut layer = blob("application/vnd.docker.image.rootfs.diff.tar.gzip", "layer");
    let mut hasher = transship_core::Hasher::new(&transship_core::DigestAlgorithm::Sha512).unwrap();
    hasher.update(b"layer");
    layer.0.digest = hasher.finish();
    let one =
        made(&docker, vec![blob("application/vnd.docker.container.image.v1+json", config), layer]);
    let at = oci(&dir.path().join("l"), ":x");
    write(&at, &one).await.unwrap();
    assert_holds(&at, &one).await;
    assert!(dir.path().join("l/blobs/sha512").join(one.blobs[1].0.digest.encoded()).exists());
    let archive = tar(&dir.path().join("a.tar"), ":x");
    write(&archive, &one).await.unwrap();
    assert_holds(&archive, &one).await;
    let platform = read_index(&dir.path().join("l"))["manifests"][0]["platform"].clone();
    assert_eq!(platform, json!({"architecture": "s390x", "os": "linux"}));
    let root: Manifest = source(&at).await.unwrap().root().await.unwrap();
    assert_eq!(root.descriptor().media_type.to_string(), docker["mediaType"]);
}
