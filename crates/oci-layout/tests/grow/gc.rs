//! Garbage, and what looks like it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::tempdir;
use transship_core::{
    CollectMode, CollectOptions, Collected, Collection, Commit, DeleteOptions, Deletion, Error,
    ErrorKind, Manifest, Reference, Settings, Transport, WriteMode, sha256,
};
use transship_oci_layout::{OciArchive, OciLayout};

use crate::common::{
    Made, assert_holds, bytes_of, destination, entry, how, image, index, lay_out, made, named,
    names_in, oci, put_blobs, read_index, tar, write, write_to,
};

async fn collect(layout: &Path, mode: CollectMode, min_age: Duration) -> Result<Collected, Error> {
    let mut how = CollectOptions::new(mode);
    how.min_age = min_age;
    OciLayout::new().collect(&oci(layout, ""), &how).await
}

async fn gc(layout: &Path) -> Collected {
    collect(layout, CollectMode::Delete, Duration::ZERO).await.unwrap()
}

/// A referrer: a manifest about another.
fn about(subject: &Manifest, what: &str) -> Made {
    let subject = serde_json::to_value(subject.descriptor()).unwrap();
    let of = image(what);
    made(&json!({ "subject": subject, "artifactType": "x/y" }), of.blobs)
}

fn listed(layout: &Path, entries: &[Value]) {
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

#[tokio::test]
async fn what_is_needed_in_any_way_stays() {
    let dir = tempdir().unwrap();
    let layout = dir.path();
    let [nested, one, two] = ["nested", "one", "two"].map(image);
    let below = index(&[(&nested.manifest, "arm64")]);
    let root = index(&[(&one.manifest, "amd64"), (&below, "arm64"), (&two.manifest, "s390x")]);
    let (signature, gone) = (about(&below, "signature"), image("gone"));
    let of_signature = about(&signature.manifest, "of the signature");
    let about_gone = about(&gone.manifest, "about what is gone");
    // Of a type that nobody knows, and what it says in a field that nobody knows.
    let inner = bytes::Bytes::from_static(b"only an unknown document knows of it");
    let unknown = bytes::Bytes::from(json!({ "x": [sha256(&inner).to_string()] }).to_string());
    let unknown_entry = json!({ "mediaType": "application/of-nobody", "size": unknown.len(),
        "digest": sha256(&unknown).to_string() });
    // Two is listed, and absent.
    let mut blobs = bytes_of(&[&nested, &one, &signature, &of_signature]);
    blobs.extend([below.bytes().clone(), root.bytes().clone(), inner, unknown]);
    let kept: Vec<_> = blobs.iter().map(|bytes| sha256(bytes).encoded().to_owned()).collect();
    blobs.extend(bytes_of(&[&gone, &about_gone]));
    let entries = vec![named(&root, "x"), unknown_entry];
    lay_out(layout, &json!({ "schemaVersion": 2, "manifests": entries }), &blobs);
    fs::write(layout.join("blobs/sha256/notes"), "of nobody").unwrap();
    fs::write(layout.join("blobs/.transship-aaaaaaaaaaaa.tmp"), "of a writer that was killed")
        .unwrap();

    let before = names_in(layout);
    let looked = collect(layout, CollectMode::Look, Duration::ZERO).await.unwrap();
    assert_eq!(names_in(layout), before);
    let young = collect(layout, CollectMode::Delete, Duration::from_secs(60)).await.unwrap();
    assert!(young.garbage.is_empty() && young.kept.len() > looked.garbage.len(), "{young:?}");
    assert!(
        names_in(layout)
            .iter()
            .filter(|name| !name.contains(".tmp"))
            .eq(before.iter().filter(|name| !name.contains(".tmp")))
    );
    let taken = gc(layout).await;
    assert_eq!(taken, looked);
    assert_eq!(taken.kept.len(), 1, "{taken:?}");
    let mut left: Vec<_> = names_in(&layout.join("blobs/sha256"));
    left.retain(|name| name != "notes");
    let mut kept = kept;
    kept.sort();
    kept.dedup();
    assert_eq!(left, kept);
    assert!(!names_in(layout).iter().any(|name| name.contains("transship")));
    assert!(gc(layout).await.garbage.is_empty());
}

#[tokio::test]
async fn where_something_cannot_be_read_everything_stays() {
    let dir = tempdir().unwrap();
    let layout = dir.path();
    let (one, gone) = (image("one"), image("gone"));
    let root = index(&[(&one.manifest, "amd64")]);
    let mut blobs = bytes_of(&[&one, &gone]);
    blobs.push(root.bytes().clone());
    lay_out(layout, &json!({ "schemaVersion": 2, "manifests": [named(&root, "x")] }), &blobs);
    let manifest = layout.join("blobs/sha256").join(one.manifest.descriptor().digest.encoded());
    let whole = fs::read(&manifest).unwrap();
    let huge = vec![b' '; 5 << 20];
    for broken in [&b"{"[..], b"", &huge] {
        fs::write(&manifest, broken).unwrap();
        let before = names_in(layout);
        let taken = gc(layout).await;
        assert!(taken.garbage.is_empty(), "{taken:?}");
        assert_eq!(taken.kept[0].what, one.manifest.descriptor().digest.to_string());
        assert_eq!(names_in(layout), before);
    }
    fs::write(&manifest, whole).unwrap();
    assert!(!gc(layout).await.garbage.is_empty());
    assert_holds(&oci(layout, &format!("@{}", one.manifest.descriptor().digest)), &one).await;
    fs::write(layout.join("index.json"), "{").unwrap();
    let error = collect(layout, CollectMode::Delete, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// Fields that readers skip, and that a parser of all of it cannot read.
fn skipped() -> Vec<Vec<u8>> {
    let deep = format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200));
    let odd = [&br#""x":1e999"#[..], br#""x":"\ud800""#, b"\"x\":\"\xff\"", deep.as_bytes()];
    odd.map(<[u8]>::to_vec).into()
}

/// A document with one more field in front.
fn with_field(document: &[u8], field: &[u8]) -> Vec<u8> {
    [b"{", field, b",", &document[1..]].concat()
}

fn in_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn what_readers_skip_hides_nothing() {
    let dir = tempdir().unwrap();
    let layout = dir.path();
    let (one, gone) = (image("one"), image("gone"));
    let blobs: Vec<_> = one.blobs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let kept = |more: usize| blobs.len() + more;
    for field in skipped() {
        let bytes = bytes::Bytes::from(with_field(one.manifest.bytes(), &field));
        let manifest = Manifest::new(bytes.clone()).unwrap();
        let carried = entry(&manifest, &json!({ "data": in_base64(&bytes) }));
        lay_out(layout, &json!({ "schemaVersion": 2, "manifests": [carried] }), &blobs);
        fs::write(layout.join("blobs/sha256").join(sha256(b"x").encoded()), "x").unwrap();
        gc(layout).await;
        assert_eq!(names_in(&layout.join("blobs/sha256")).len(), kept(0), "{field:?}");
        let whole = [&blobs[..], std::slice::from_ref(&bytes)].concat();
        for media_type in [
            "application/vnd.oci.image.manifest.v1+json",
            "",
            "a/b",
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.config.v1+json",
        ] {
            let stored = entry(&manifest, &json!({ "mediaType": media_type }));
            lay_out(layout, &json!({ "schemaVersion": 2, "manifests": [stored] }), &whole);
            fs::write(layout.join("blobs/sha256").join(sha256(b"x").encoded()), "x").unwrap();
            gc(layout).await;
            assert_eq!(names_in(&layout.join("blobs/sha256")).len(), kept(1), "{media_type}");
            fs::remove_file(layout.join("blobs/sha256").join(sha256(&bytes).encoded())).unwrap();
        }
        // In index.json itself, and in an entry of it.
        let listed = serde_json::to_vec(&entry(&manifest, &json!({}))).unwrap();
        let listed = [b"{\"manifests\":[", &with_field(&listed, &field)[..], b"]}"].concat();
        lay_out(layout, &json!({}), &whole);
        lay_out(layout, &json!({}), &bytes_of(&[&gone]));
        fs::write(layout.join("index.json"), with_field(&listed, &field)).unwrap();
        match collect(layout, CollectMode::Delete, Duration::ZERO).await {
            Ok(_) => assert_eq!(names_in(&layout.join("blobs/sha256")).len(), kept(1), "{field:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        }
        fs::remove_dir_all(layout.join("blobs")).unwrap();
    }
}

#[tokio::test]
async fn a_manifest_that_is_carried_and_cannot_be_read_keeps_everything() {
    let dir = tempdir().unwrap();
    let layout = dir.path();
    let one = image("one");
    let blobs: Vec<_> = one.blobs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let whole = in_base64(one.manifest.bytes());
    let (begin, end) = whole.split_at(76);
    for data in [format!("{begin}\n{end}"), "!".to_owned(), in_base64(b"{}")] {
        let entries = vec![entry(&one.manifest, &json!({ "data": data }))];
        lay_out(layout, &json!({ "schemaVersion": 2, "manifests": entries }), &blobs);
        let taken = gc(layout).await;
        assert!(taken.garbage.is_empty(), "{taken:?}");
        assert_eq!(taken.kept[0].what, one.manifest.descriptor().digest.to_string());
        assert_eq!(names_in(&layout.join("blobs/sha256")).len(), blobs.len());
    }
}

#[tokio::test]
async fn deleting_from_a_tar_keeps_what_others_need() {
    let dir = tempdir().unwrap();
    let layout = dir.path().join("layout");
    let (one, two) = (image("one"), image("two"));
    let mut cases = Vec::new();
    for field in skipped() {
        let bytes = bytes::Bytes::from(with_field(one.manifest.bytes(), &field));
        let manifest = Manifest::new(bytes.clone()).unwrap();
        let carried = json!({ "data": in_base64(&bytes) });
        cases.push((manifest.clone(), carried, vec![]));
        cases.push((manifest, json!({ "mediaType": "" }), vec![bytes]));
    }
    for (manifest, fields, more) in cases {
        let entries = vec![entry(&manifest, &fields), named(&two.manifest, "two")];
        let blobs = one.blobs.iter().map(|(_, bytes)| bytes.clone()).chain(more);
        let blobs: Vec<_> = blobs.chain(bytes_of(&[&two])).collect();
        lay_out(&layout, &json!({ "schemaVersion": 2, "manifests": entries }), &blobs);
        let path = dir.path().join("a.tar");
        let mut builder = ::tar::Builder::new(fs::File::create(&path).unwrap());
        builder.append_dir_all("", &layout).unwrap();
        builder.finish().unwrap();
        let at = tar(&path, ":two");
        OciArchive::new().delete(&at, &DeleteOptions::default()).await.unwrap();
        let read = fs::read(&path).unwrap();
        let has = |text: &str| read.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("layer of one") && !has("layer of two"), "{fields}");
        fs::remove_dir_all(&layout).unwrap();
    }
}

#[tokio::test]
async fn links_that_are_not_followed_keep_everything() {
    let dir = tempdir().unwrap();
    let (layout, path) = (dir.path().join("layout"), dir.path().join("a.tar"));
    let (one, two) = (image("one"), image("two"));
    let entries = vec![named(&one.manifest, "one"), named(&two.manifest, "two")];
    let blobs = bytes_of(&[&one, &two]);
    lay_out(&layout, &json!({ "schemaVersion": 2, "manifests": entries }), &blobs);
    let layer = layout.join("blobs/sha256").join(one.blobs[2].0.digest.encoded());
    fs::create_dir_all(layout.join("store/a")).unwrap();
    fs::rename(&layer, layout.join("store/l")).unwrap();
    std::os::unix::fs::symlink("../../store/a/../l", &layer).unwrap();
    let mut builder = ::tar::Builder::new(fs::File::create(&path).unwrap());
    builder.follow_symlinks(false);
    builder.append_dir_all("", &layout).unwrap();
    builder.finish().unwrap();
    let before = fs::read(&path).unwrap();
    let delete = |name| {
        let at = tar(&path, name);
        async move { OciArchive::new().delete(&at, &DeleteOptions::default()).await }
    };
    let error = delete(":two").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    delete(":one").await.unwrap();
    assert_holds(&tar(&path, ":two"), &two).await;
}

#[tokio::test]
async fn writers_are_waited_for() {
    let dir = tempdir().unwrap();
    let layout = dir.path().join("layout");
    let (one, two) = (image("one"), image("two"));
    write(&oci(&layout, ":x"), &one).await.unwrap();
    let to = destination(&oci(&layout, ":y")).await.unwrap();
    put_blobs(&*to, &two).await.unwrap();
    let collecting = gc(&layout);
    tokio::pin!(collecting);
    let waited = tokio::time::timeout(Duration::from_millis(100), &mut collecting).await;
    assert!(waited.is_err(), "{waited:?}");
    to.commit(Commit::new(&two.manifest)).await.unwrap();
    assert!(collecting.await.garbage.is_empty());
    assert_holds(&oci(&layout, ":y"), &two).await;
}

#[tokio::test]
async fn deleting_takes_what_is_about_it() {
    let dir = tempdir().unwrap();
    let (one, two) = (image("one"), image("two"));
    let root = index(&[(&one.manifest, "amd64"), (&two.manifest, "arm64")]);
    let (of_one, of_two) = (about(&one.manifest, "of one"), about(&two.manifest, "of two"));
    let of_that = about(&of_one.manifest, "of that");
    let mut blobs = bytes_of(&[&one, &two, &of_one, &of_two, &of_that]);
    blobs.push(root.bytes().clone());
    let nameless = |made: &Made| entry(&made.manifest, &json!({}));
    let entries = vec![
        nameless(&of_that),
        named(&root, "x"),
        named(&two.manifest, "two"),
        named(&two.manifest, "deux"),
        nameless(&of_one),
        nameless(&of_two),
    ];
    lay_out(dir.path(), &json!({ "schemaVersion": 2, "manifests": entries }), &blobs);
    let transport = OciLayout::new();
    let part = format!("@{}", one.manifest.descriptor().digest);
    let error =
        transport.delete(&oci(dir.path(), &part), &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    transport.delete(&oci(dir.path(), ":x"), &DeleteOptions::default()).await.unwrap();
    let left = |entries: &[&Value]| {
        let manifests = read_index(dir.path())["manifests"].as_array().unwrap().clone();
        assert!(manifests.iter().eq(entries.iter().copied()), "{manifests:?}");
    };
    left(&[&entries[2], &entries[3], &entries[5]]);
    let delete_if = async |manifest: &Manifest| {
        let (at, root) = (oci(dir.path(), ":two"), &manifest.descriptor().digest);
        transport.delete_if(&at, root, &DeleteOptions::default()).await
    };
    assert_eq!(delete_if(&one.manifest).await.unwrap_err().kind(), ErrorKind::Conflict);
    left(&[&entries[2], &entries[3], &entries[5]]);
    delete_if(&two.manifest).await.unwrap();
    left(&[&entries[3], &entries[5]]);
    gc(dir.path()).await;
    assert_holds(&oci(dir.path(), ":deux"), &two).await;
    transport.delete(&oci(dir.path(), ":@0"), &DeleteOptions::default()).await.unwrap();
    left(&[]);
    gc(dir.path()).await;
    assert!(names_in(&dir.path().join("blobs/sha256")).is_empty());
}

async fn append(at: &Reference, made: &Made) {
    let joined = OciArchive::new().destination(at, &how(WriteMode::Append)).await.unwrap();
    write_to(joined, made).await.unwrap();
}

#[tokio::test]
async fn a_tar_is_written_anew() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let alone = dir.path().join("b.tar");
    let (one, two) = (image("one"), image("two"));
    write(&tar(&alone, ":two:1"), &two).await.unwrap();
    write(&tar(&path, ":one:1"), &one).await.unwrap();
    let to = OciArchive::new();
    append(&tar(&path, ":two:1"), &two).await;
    to.delete(&tar(&path, ":one:1"), &DeleteOptions::default()).await.unwrap();
    assert_holds(&tar(&path, ""), &two).await;
    assert_eq!(fs::metadata(&path).unwrap().len(), fs::metadata(&alone).unwrap().len());
    let error = to.delete(&tar(&path, ":one:1"), &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // A blob that is not what its name says gives way to the true one.
    let broken = fs::read(&path).unwrap();
    let at = broken.windows(12).position(|window| window == b"layer of two").unwrap();
    let mut broken = broken;
    broken[at] = b'L';
    fs::write(&path, &broken).unwrap();
    append(&tar(&path, ":more:1"), &two).await;
    assert_holds(&tar(&path, ":more:1"), &two).await;
    assert_holds(&tar(&path, ":two:1"), &two).await;
}

#[tokio::test]
async fn what_cannot_be_collected() {
    let dir = tempdir().unwrap();
    let layout = dir.path().join("layout");
    write(&oci(&layout, ":x"), &image("one")).await.unwrap();
    let how = CollectOptions::new(CollectMode::Look);
    let error = OciLayout::new().collect(&oci(&layout, ":x"), &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let settings = Settings::new().with("oci", "shared-blob-dir", dir.path().display().to_string());
    let shared = OciLayout::with_settings(&settings);
    let error = shared.collect(&oci(&layout, ""), &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = OciLayout::new().collect(&oci(dir.path(), ""), &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    listed(&layout, &[]);
    assert_eq!(gc(&layout).await.garbage.len(), 4);
}
