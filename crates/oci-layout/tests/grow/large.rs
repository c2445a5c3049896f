//! Layouts with thousands of entries: what is done for one of them is not done for each.

use serde_json::{Value, json};
use tempfile::tempdir;
use transship_core::{Archives, DeleteOptions, Deletion, ReadOptions};
use transship_oci_layout::OciLayout;

use crate::common::{entry, image, lay_out, made, named, oci, read_index};

/// So many that a search for each of them, which is millions of steps or files, would not end in the time of a test.
const MANY: usize = 20_000;

fn listed(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "manifests": entries })
}

#[tokio::test]
async fn one_image_with_many_names() {
    let dir = tempdir().unwrap();
    let one = image("one");
    // The second name again, which counts once.
    let names =
        (0..MANY).map(|n| format!("docker.io/library/x:{n}")).chain(["v".into(), "v".into()]);
    let entries: Vec<Value> = names.map(|name| named(&one.manifest, &name)).collect();
    lay_out(dir.path(), &listed(&entries), &[one.manifest.bytes().clone()]);
    let transport = OciLayout::new();
    let read = transport.read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    let [only] = read.entries() else { panic!("{} entries", read.entries().len()) };
    assert_eq!(only.raw_names.len(), MANY + 1);
    // As docker means it, and only that one.
    transport.delete(&oci(dir.path(), ":x:7"), &DeleteOptions::default()).await.unwrap();
    let left = read_index(dir.path())["manifests"].as_array().unwrap().clone();
    assert_eq!(left.len(), entries.len() - 1);
    assert!(!left.contains(&entries[7]));
}

#[tokio::test]
async fn every_entry_of_many_is_found() {
    let dir = tempdir().unwrap();
    let images: Vec<_> = (0..50).map(|n| image(&n.to_string())).collect();
    let entries: Vec<Value> = images
        .iter()
        .enumerate()
        .flat_map(|(n, image)| ["a", "b"].map(|name| named(&image.manifest, &format!("{name}{n}"))))
        .collect();
    let blobs: Vec<_> = images.iter().map(|image| image.manifest.bytes().clone()).collect();
    lay_out(dir.path(), &listed(&entries), &blobs);
    let read = OciLayout::new().read(&oci(dir.path(), ""), &ReadOptions::default()).await.unwrap();
    assert_eq!(read.entries().len(), images.len());
    for (entry, image) in read.entries().iter().zip(&images) {
        let root = read.open(entry).await.unwrap().root().await.unwrap();
        assert_eq!(root.bytes(), image.manifest.bytes());
        let mut other = entry.clone();
        other.index += 1;
        assert!(read.open(&other).await.is_err());
    }
}

#[tokio::test]
async fn what_is_about_what_is_about_it_goes_with_it() {
    let dir = tempdir().unwrap();
    let (one, two) = (image("one"), image("two"));
    let mut blobs = vec![one.manifest.bytes().clone(), two.manifest.bytes().clone()];
    let mut entries = vec![named(&one.manifest, "one"), named(&two.manifest, "two")];
    let mut subject = one.manifest.clone();
    // The last of the chain stands first: a search that starts over for each reads millions of files.
    for n in 0..MANY / 10 {
        let of = serde_json::to_value(subject.descriptor()).unwrap();
        let about = made(&json!({ "subject": of }), image(&format!("about {n}")).blobs);
        blobs.push(about.manifest.bytes().clone());
        entries.insert(0, entry(&about.manifest, &json!({})));
        subject = about.manifest;
    }
    lay_out(dir.path(), &listed(&entries), &blobs);
    OciLayout::new().delete(&oci(dir.path(), ":one"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(read_index(dir.path())["manifests"], json!([named(&two.manifest, "two")]));
}
