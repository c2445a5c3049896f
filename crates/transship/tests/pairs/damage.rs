//! Damage is no absence, from disks and from registries.

use serde_json::json;
use transship::transport::sha256;
use transship::{
    Descriptor, ErrorKind, Images, Manifest, MediaType, Platform, Platforms, ReadOptions, Settings,
    Transfer, TransferOptions, Transports, Verifier,
};

use transship_test_registry::{Fault, Rule};

use crate::registry::{Bench, Made, image, plain};

fn index(of: &[(&Made, &str)]) -> Manifest {
    let entry = |(made, architecture): &(&Made, &str)| {
        let mut entry: Descriptor = made.manifest.descriptor().clone();
        entry.platform = Some(Platform::new("linux", *architecture));
        entry
    };
    let entries: Vec<_> = of.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.as_ref(),
        "manifests": entries});
    Manifest::new(index.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_gone_from_a_layout_ends_the_push() {
    let bench = Bench::new();
    let (amd, arm) = (plain("amd64", "one"), plain("arm64", "two"));
    let root = index(&[(&amd, "amd64"), (&arm, "arm64")]);
    bench.write(&bench.layout("l"), &["a:1"], &root, &[&amd, &arm]).await;
    let gone = &arm.blobs[0].0.digest;
    std::fs::remove_file(bench.path("l/blobs/sha256").join(gone.encoded())).unwrap();
    let copy = async |platforms: Platforms| {
        let mut options = TransferOptions::default();
        options.platforms = platforms;
        let transfer = Transfer::new(bench.layout("l"), bench.remote("a:1")).options(options);
        bench.with(transfer).run().await
    };
    let error = copy(Platforms::Present).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(&gone.to_string()), "{error}");
    assert_eq!(bench.writes(), [""; 0]);
    // By its name, the platform that is whole is copied.
    copy(Platforms::Only(vec![Platform::new("linux", "amd64")])).await.unwrap();
    assert_eq!(bench.tags(), ["a:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_a_registry_lists_and_lacks_is_damage_unless_gaps_are_meant() {
    let mut taken = transship_test_registry::Options::default();
    taken.parts = transship_test_registry::Parts::SparseIndexes;
    let lax = Bench::of(taken, "true");
    let (amd, arm) = (plain("amd64", "one"), plain("arm64", "two"));
    let root = index(&[(&amd, "amd64"), (&arm, "arm64")]);
    lax.write(&lax.remote("a"), &["a:1"], &root, &[&amd]).await;
    let sparse = lax.transports.clone();
    let strict = Settings::new().with("docker", "no-creds", "true");
    let strict = Transports::linked(&strict).unwrap();
    let copy = async |from: &Transports, to: &str| {
        let to = lax.layout(to);
        let mut options = TransferOptions::default();
        options.images = Images::One;
        let transfer = Transfer::new(lax.remote("a:1"), &to).options(options);
        transfer.from_transports(from.clone()).to_transports(strict.clone()).run().await
    };
    let error = copy(&strict, "strict").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let gone = arm.manifest.descriptor().digest.to_string();
    assert!(error.to_string().contains(&gone), "{error}");
    assert!(!lax.path("strict").join("index.json").exists());
    let report = copy(&sparse, "sparse").await.unwrap();
    assert_eq!(report.images[0].platforms.absent.len(), 1);
    for (transports, clean) in [(&strict, false), (&sparse, true)] {
        let at = lax.remote("a:1");
        let how = ReadOptions::default();
        let source = transports.of(&at).unwrap().source(&at, &how).await.unwrap();
        let findings = Verifier::new().image(&*source).await.unwrap();
        assert_eq!(findings.is_clean(), clean, "{findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_not_to_be_distributed_may_be_absent_everywhere() {
    let bench = Bench::new();
    let foreign = MediaType::from("application/vnd.oci.image.layer.nondistributable.v1.tar");
    let mut made = image("amd64", foreign, b"licensed".to_vec(), sha256(b"licensed").as_ref());
    made.blobs.remove(0);
    bench.write(&bench.layout("l"), &["a:1"], &made.manifest, &[&made]).await;
    let folder = bench.parse(&format!("dir:{}", bench.path("d").display()));
    for (from, to) in [(bench.layout("l"), &folder), (folder.clone(), &bench.layout("back"))] {
        let report = bench.with(Transfer::new(from, to)).run().await.unwrap();
        assert_eq!(report.images[0].digest, made.manifest.descriptor().digest);
    }
    let transport = bench.transports.of(&folder).unwrap();
    let source = transport.source(&folder, &ReadOptions::default()).await.unwrap();
    let findings = Verifier::new().image(&*source).await.unwrap();
    assert!(findings.is_clean() && findings.absent.len() == 1, "{findings:?}");
    // An archive holds all layers.
    let archive = bench.parse(&format!("docker-archive:{}", bench.path("a.tar").display()));
    let refused = bench.with(Transfer::new(&folder, &archive)).run().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
}

/// What a manifest refers to and a place lacks is damage, of single images and of indexes, on disks and in registries.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_lacks_is_damage_everywhere() {
    for gone in [0, 1] {
        let bench = Bench::new();
        let (amd, arm) = (plain("amd64", "one"), plain("arm64", "two"));
        let root = index(&[(&amd, "amd64"), (&arm, "arm64")]);
        bench.write(&bench.layout("l"), &["a:1"], &root, &[&amd, &arm]).await;
        bench.write(&bench.layout("l"), &["a:2"], &arm.manifest, &[&arm]).await;
        bench.write(&bench.remote("a"), &["a:1"], &root, &[&amd, &arm]).await;
        bench.write(&bench.remote("a"), &["a:2"], &arm.manifest, &[&arm]).await;
        let digest = &arm.blobs[gone].0.digest;
        std::fs::remove_file(bench.path("l/blobs/sha256").join(digest.encoded())).unwrap();
        let gone = Fault::Status { status: 404, retry_after: None };
        bench.server.inject(Rule::new(gone).method("GET").path(digest.as_ref()).always());
        for tag in ["1", "2"] {
            let places = [bench.layout(&format!("l:a:{tag}")), bench.remote(&format!("a:{tag}"))];
            for (at, from) in places.into_iter().enumerate() {
                let to = bench.layout(&format!("to{at}{tag}"));
                let error = bench.with(Transfer::new(&from, &to)).run().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{from}: {error}");
                assert!(error.to_string().contains(&digest.to_string()), "{from}: {error}");
            }
        }
    }
}
