//! What is read, in bytes: alone in its file, as the system counts for the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "helpers of other tests")]

mod support;

use serde_json::json;
use support::{Tar, config, hex, layer, manifest, reader, source};
use transship_core::{DeleteOptions, Deletion, ErrorKind, Transport};
use transship_docker_archive::DockerArchive;

const IMAGES: usize = 100;
const CONFIG: usize = 1 << 20;

/// The bytes that this process has read so far.
fn bytes_read() -> usize {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    count.parse().unwrap()
}

/// Listing, choosing and deleting read one config once, and not for each of the images that share it, also where it is no config.
#[tokio::test]
async fn a_config_that_images_share_is_read_once() {
    let low = layer("low");
    let padding = "x".repeat(CONFIG);
    let text = config("a", &[&low]);
    let mut whole: serde_json::Value = serde_json::from_slice(&text).unwrap();
    whole["config"]["Labels"] = json!({ "padding": padding });
    for config in [whole.to_string(), format!("{padding}, and no config")] {
        let folder = tempfile::tempdir().unwrap();
        let listed = [("c.json", &["a:1"] as &[&str], &["l"] as &[&str])];
        let listed: Vec<_> = listed.iter().cycle().take(IMAGES).copied().collect();
        let tar = Tar::new().file("l", &low).file("c.json", &config);
        let path = tar.file("manifest.json", manifest(&listed)).save(folder.path());

        let reader = reader(&path).await.unwrap();
        let begun = bytes_read();
        for entry in reader.entries() {
            let details = reader.details(entry).await;
            assert_eq!(details.is_ok(), config.starts_with('{'));
        }
        let of_list = bytes_read() - begun;
        let unknown = format!("@sha256:{}", hex(b"no image"));
        let error = source(&path, &unknown).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let of_choice = bytes_read() - begun - of_list;
        let transport = DockerArchive::new();
        let at = transport.parse(&format!("{}:@5", path.display())).unwrap();
        Deletion::delete(&transport, &at, &DeleteOptions::default()).await.unwrap();
        let of_deletion = bytes_read() - begun - of_list - of_choice;
        for (what, read) in [("list", of_list), ("choice", of_choice), ("deletion", of_deletion)] {
            assert!(read < 10 * CONFIG, "{what}: {read} bytes for one config of {CONFIG}");
        }
    }
}
