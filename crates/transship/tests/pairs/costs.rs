//! What an operation asks of registries, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use transship::transfer::digests;
use transship::{
    Compress, Images, Manifest, MediaType, Platform, Platforms, ReadOptions, Tags, Transfer,
    TransferOptions, Verifier,
};

use crate::registry::{Bench, Made, plain};

/// An index of eight platforms in `r:1`.
async fn eight(bench: &Bench) -> Vec<Made> {
    let made: Vec<Made> = (0..8).map(|at| plain(&format!("cpu{at}"), &at.to_string())).collect();
    let entry = |(at, made): (usize, &Made)| {
        let mut entry = made.manifest.descriptor().clone();
        entry.platform = Some(Platform::new("linux", format!("cpu{at}")));
        entry
    };
    let entries: Vec<_> = made.iter().enumerate().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.as_ref(),
        "manifests": entries});
    let index = Manifest::new(index.to_string()).unwrap();
    let all: Vec<&Made> = made.iter().collect();
    bench.write(&bench.remote("r"), &["r:1"], &index, &all).await;
    bench.server.forget_exchanges();
    made
}

/// Requests by method and what they are about, without those for tokens and versions.
fn requests(bench: &Bench) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for one in bench.server.exchanges() {
        let about = ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/", "/referrers/"];
        let Some(about) = about.into_iter().find(|about| one.path.contains(about)) else {
            continue;
        };
        *counted.entry(format!("{} {}", one.method, about.trim_matches('/'))).or_default() += 1;
    }
    bench.server.forget_exchanges();
    counted
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

async fn copy(bench: &Bench, from: &str, to: &str, options: TransferOptions) {
    let transfer = Transfer::new(bench.remote(from), bench.parse(to)).options(options);
    bench.with(transfer).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_costs_what_is_copied() {
    let bench = Bench::new();
    eight(&bench).await;
    let mut options = TransferOptions::default();
    options.platforms = Platforms::Only(vec![Platform::new("linux", "cpu5")]);
    let to = format!("dir:{}", bench.path("d").display());
    copy(&bench, "r:1", &to, options).await;
    // The index and the manifest; the layer and the config.
    assert_eq!(requests(&bench), counts(&[("GET manifests", 2), ("GET blobs", 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_open_no_blob() {
    let bench = Bench::new();
    let made = eight(&bench).await;
    let at = bench.remote("r:1");
    let found =
        digests(&at, &Tags::default(), &bench.transports, &ReadOptions::default()).await.unwrap();
    assert_eq!(found.len(), 1 + 3 * made.len());
    let expected = [("GET manifests", 9), ("HEAD blobs", 16)];
    assert_eq!(requests(&bench), counts(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_changes_is_fetched_once() {
    for compress in [Compress::Auto, Compress::Zstd(None), Compress::Plain] {
        let bench = Bench::new();
        let one = plain("amd64", "one");
        bench.write(&bench.remote("r"), &["r:1"], &one.manifest, &[&one]).await;
        bench.server.forget_exchanges();
        let mut options = TransferOptions::default();
        options.compress = compress;
        let to = format!("docker-archive:{}:a:1", bench.path("a.tar").display());
        if compress == Compress::Zstd(None) {
            copy(&bench, "r:1", &format!("oci:{}", bench.path("l").display()), options).await;
        } else {
            copy(&bench, "r:1", &to, options).await;
        }
        assert_eq!(requests(&bench), counts(&[("GET manifests", 1), ("GET blobs", 2)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_did_not_change_costs_one_head_a_tag_on_each_side() {
    const TAGS: usize = 5;
    let bench = Bench::new();
    for tag in 0..TAGS {
        let made = plain("amd64", &tag.to_string());
        let name = format!("r:{tag}");
        bench.write(&bench.remote("r"), &[&name], &made.manifest, &[&made]).await;
    }
    let all = || {
        let mut options = TransferOptions::default();
        options.images = Images::All;
        // What is plain in the source would be made anew.
        options.compress = Compress::Keep;
        options
    };
    let to = bench.remote("m").to_string();
    copy(&bench, "r", &to, all()).await;
    bench.server.forget_exchanges();
    copy(&bench, "r", &to, all()).await;
    assert_eq!(requests(&bench), counts(&[("GET tags", 1), ("HEAD manifests", 2 * TAGS)]));
    // One tag has moved: it alone is read.
    let other = plain("amd64", "other");
    bench.write(&bench.remote("r"), &["r:3"], &other.manifest, &[&other]).await;
    bench.server.forget_exchanges();
    copy(&bench, "r", &to, all()).await;
    let counted = requests(&bench);
    assert_eq!((counted["GET manifests"], counted["PUT manifests"]), (1, 1), "{counted:?}");
    assert_eq!(bench.server.manifest("m", "3"), bench.server.manifest("r", "3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_reads_what_images_share_once() {
    let bench = Bench::new();
    let one = plain("amd64", "one");
    for name in ["r:1", "r:2"] {
        bench.write(&bench.remote("r"), &[name], &one.manifest, &[&one]).await;
    }
    bench.server.forget_exchanges();
    let verifier = Verifier::new();
    let transport = bench.transports.of(&bench.remote("r")).unwrap();
    for tag in ["r:1", "r:2"] {
        let source = transport.source(&bench.remote(tag), &ReadOptions::default()).await.unwrap();
        let findings = verifier.image(&*source).await.unwrap();
        assert!(findings.is_clean() && findings.checked.blobs == 2, "{findings:?}");
    }
    let layer = one.blobs[0].0.digest.to_string();
    let exchanges = bench.server.exchanges();
    let read = exchanges.iter().filter(|one| one.method == "GET" && one.path.contains(&layer));
    assert_eq!(read.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_many_images_ends_where_both_sides_share_their_connections() {
    let bench = Bench::new();
    for tag in 0..40 {
        let made = plain("amd64", &tag.to_string());
        let name = format!("r:{tag}");
        bench.write(&bench.remote("r"), &[&name], &made.manifest, &[&made]).await;
    }
    let mut options = TransferOptions::default();
    options.images = Images::All;
    options.compress = Compress::Zstd(None);
    let transfer = Transfer::new(bench.remote("r"), bench.remote("z")).options(options);
    let transfer = bench.with(transfer);
    let plan = tokio::time::timeout(Duration::from_secs(60), transfer.plan()).await;
    assert_eq!(plan.expect("it ends").unwrap().images.len(), 40);
}
