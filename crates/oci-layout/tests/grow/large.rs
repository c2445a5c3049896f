//! Layouts with thousands of entries: what is done for one of them is not done for each.

use std::fs;
use std::path::Path;
use std::process::Command;

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

const PLACE: &str = "TRANSSHIP_TEST_PLACE";

/// What another process runs, so that its memory is of this alone: the test below starts this test of this program again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn list_in_little_memory() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let at = oci(Path::new(&place), "");
    let read = OciLayout::new().read(&at, &ReadOptions::default()).await.unwrap();
    read.details(&read.entries()[7]).await.unwrap_err();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10;
    assert!(peak < 200, "{peak} MiB");
}

/// The largest of each kind that is read. To list all of them takes no more than 200 MiB.
#[cfg(target_os = "linux")]
#[test]
fn hostile_indexes_take_little_memory() {
    let entry = |n: usize, rest: &str| format!(r#"{{"digest":"sha256:{n:064x}","size":1{rest}}}"#);
    let all = |count: usize, rest: &str| {
        let entries: Vec<String> = (0..count).map(|n| entry(n, rest)).collect();
        format!(r#"{{"manifests":[{}]}}"#, entries.join(","))
    };
    let annotations: Vec<String> = (0..24).map(|n| format!(r#""{n}":"""#)).collect();
    let objects = vec![r#"{"a":1}"#; 2_000].join(",");
    let deep = [r#"{"a":"#.repeat(100), "1".to_owned(), "}".repeat(100)].concat();
    for (what, index) in [
        ("long", all(40_000, &format!(r#","annotations":{{"a":"{}"}}"#, "x".repeat(700)))),
        ("annotations", all(20_000, &format!(r#","annotations":{{{}}}"#, annotations.join(",")))),
        ("objects", all(65, &format!(r#","x":[{objects}]"#))),
        ("deep", all(1_250, &format!(r#","x":{deep}"#))),
    ] {
        let dir = tempdir().unwrap();
        lay_out(dir.path(), &Value::Null, &[]);
        fs::write(dir.path().join("index.json"), index).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "large::list_in_little_memory"]).env(PLACE, dir.path());
        let done = child.output().unwrap();
        assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stdout));
    }
}
