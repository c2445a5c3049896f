//! Images whose tags say that they are about another one, as cosign has them.

use transship::transfer::Attached;
use transship::{Transfer, TransferOptions};

use crate::registry::{Bench, plain};

#[tokio::test(flavor = "multi_thread")]
async fn tags_about_an_image_come_with_it_or_their_absence_is_reported() {
    let bench = Bench::new();
    let one = plain("amd64", "one");
    bench.write(&bench.remote("r"), &["r:1"], &one.manifest, &[&one]).await;
    let digest = one.manifest.descriptor().digest.clone();
    let tag = |kind: &str| format!("sha256-{}.{kind}", digest.encoded());
    for kind in ["sig", "att", "sbom"] {
        let made = plain("amd64", kind);
        let name = format!("r:{}", tag(kind));
        bench.write(&bench.remote("r"), &[&name], &made.manifest, &[&made]).await;
    }
    // There are older signatures of it there, which stay.
    let older = plain("amd64", "older");
    let signed = format!("kept:{}", tag("sig"));
    bench.write(&bench.remote("kept"), &[&signed], &older.manifest, &[&older]).await;
    let copy = async |to: &str| {
        let mut options = TransferOptions::default();
        options.attached = Attached::Copy;
        options.digests = transship::transfer::Digests::Preserve;
        let transfer = Transfer::new(bench.remote("r:1"), bench.parse(to)).options(options);
        bench.with(transfer).run().await.unwrap()
    };
    let report = copy(&bench.remote("new:1").to_string()).await;
    assert_eq!(report.images[0].referrers, 3);
    copy(&bench.remote("kept:1").to_string()).await;
    for kind in ["sig", "att", "sbom"] {
        let [from, new, kept] =
            ["r", "new", "kept"].map(|of| bench.server.manifest(of, &tag(kind)).unwrap());
        assert_eq!(from, new, "{kind}");
        if kind == "sig" {
            assert_eq!(layers(&kept.1), [layers(&from.1), layers(older.manifest.bytes())].concat());
        } else {
            assert_eq!(from, kept, "{kind}");
        }
    }
    let layout = format!("oci:{}", bench.path("l").display());
    let report = copy(&layout).await;
    assert_eq!((report.images[0].referrers, &report.images[0].lost), (3, &Vec::new()));
    let report = copy(&format!("dir:{}", bench.path("d").display())).await;
    let lost = &report.images[0].lost;
    assert!(lost.len() == 3 && lost[0].contains("has no place for it"), "{lost:?}");
}

fn layers(manifest: &[u8]) -> Vec<serde_json::Value> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    manifest["layers"].as_array().unwrap().clone()
}
