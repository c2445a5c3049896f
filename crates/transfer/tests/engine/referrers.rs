//! Manifests that are about an image.

use serde_json::json;
use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

/// A manifest about another one, with a blob of its own.
fn about(from: &Memory, subject: &Manifest, text: &str) -> Manifest {
    let config = from.add_blob("{}");
    let blob = from.add_blob(text.to_owned());
    let of = subject.descriptor();
    from.add_manifest(
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.sbom",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": "text/plain", "digest": blob, "size": text.len()}],
            "subject": {"mediaType": of.media_type, "digest": of.digest, "size": of.size},
        })
        .to_string(),
    )
}

fn with_them() -> TransferOptions {
    options(|o| o.attached = Attached::Copy)
}

fn has(place: &Memory, manifest: &Manifest) -> bool {
    place.state().manifests.contains_key(&manifest.descriptor().digest)
}

#[tokio::test]
async fn they_come_with_their_image_when_asked() {
    let from = Memory::new("from");
    let image = Image::of(LayerForm::Gzip).put(&from);
    from.show(&[], &image);
    let sbom = about(&from, &image, "an sbom");
    let signature = about(&from, &sbom, "a signature of the sbom");
    let other = about(&from, &Image::of(LayerForm::Zstd).put(&from), "about another");
    let to = Memory::new("to");
    copy(&from, &to, TransferOptions::default()).await.unwrap();
    assert!(!has(&to, &sbom));

    let to = Memory::new("to");
    let report = copy(&from, &to, with_them()).await.unwrap();
    assert_eq!(report.images[0].referrers, 2);
    assert!(has(&to, &sbom) && has(&to, &signature) && !has(&to, &other));
    assert!(to.state().blobs.contains_key(&sha256(b"a signature of the sbom")));
    // Each after what it is about, and before the commit.
    let log = to.state().log.clone();
    let at = |m: &Manifest| log.iter().position(|l| l.ends_with(m.descriptor().digest.as_ref()));
    assert!(at(&sbom) < at(&signature) && at(&signature) < at(&image), "{log:?}");
}

#[tokio::test]
async fn those_of_the_images_of_an_index_too() {
    let from = Memory::new("from");
    let image = Image::of(LayerForm::Gzip).put(&from);
    let own = Image::with(vec![Layer::new(&content(7), LayerForm::Gzip)]);
    let second = own.on("linux", "s390x").put(&from);
    let root =
        index(&from, OCI_INDEX, &[child(&image, "linux/amd64"), child(&second, "linux/s390x")]);
    from.show(&[], &root);
    let notes = [about(&from, &root, "0"), about(&from, &image, "1"), about(&from, &second, "2")];
    let to = Memory::new("to");
    let report = copy(&from, &to, with_them()).await.unwrap();
    assert_eq!(report.images[0].referrers, 3);
    assert!(notes.iter().all(|note| has(&to, note)));

    // Of one image alone, only what is about it.
    let to = Memory::new("to");
    let mut how = with_them();
    how.platforms = Platforms::Only(vec![Platform::new("linux", "s390x")]);
    let report = copy(&from, &to, how).await.unwrap();
    assert_eq!(report.images[0].referrers, 1);
    assert!(has(&to, &notes[2]) && !has(&to, &notes[0]) && !has(&to, &notes[1]));

    // Where one image changes, so does the index; what is about the other one stays true.
    let to = Memory::new("to");
    let mut how = with_them();
    how.subset = Subset::Strip;
    how.platforms = Platforms::Only(vec![Platform::new("linux", "amd64")]);
    let report = copy(&from, &to, how).await.unwrap();
    assert!(!has(&to, &notes[0]) && has(&to, &notes[1]) && !has(&to, &notes[2]));
    let lost = &report.images[0].lost;
    assert!(lost.len() == 1 && lost[0].contains("its digest changes"), "{lost:?}");
}

#[tokio::test]
async fn they_stay_behind_where_they_would_be_about_nothing() {
    let from = Memory::new("from");
    let image = Image::of(LayerForm::Gzip).put(&from);
    from.show(&[], &image);
    let sbom = about(&from, &image, "an sbom");
    let to = Memory::new("to");
    let mut how = with_them();
    how.compress = Compress::Zstd(None);
    let report = copy(&from, &to, how).await.unwrap();
    assert!(!has(&to, &sbom));
    assert!(report.images[0].lost[0].contains("its digest changes"), "{:?}", report.images[0].lost);

    let to = Memory::new("to").accepting(|a| a.artifacts = Artifacts::Refused);
    let report = copy(&from, &to, with_them()).await.unwrap();
    assert!(!has(&to, &sbom));
    assert!(report.images[0].lost[0].contains("cannot hold"), "{:?}", report.images[0].lost);

    // One that is not all there.
    from.state().faults.missing.insert(sha256(b"an sbom"));
    let to = Memory::new("to");
    let report = copy(&from, &to, with_them()).await.unwrap();
    assert!(report.images[0].lost[0].contains("not all there"), "{:?}", report.images[0].lost);
}

#[tokio::test]
async fn chains_end() {
    let from = Memory::new("from");
    let image = Image::of(LayerForm::Gzip).put(&from);
    from.show(&[], &image);
    let mut last = image.clone();
    for n in 0..16 {
        last = about(&from, &last, &format!("link {n}"));
    }
    let report = copy(&from, &Memory::new("to"), with_them()).await.unwrap();
    assert_eq!(report.images[0].referrers, 16);
    about(&from, &last, "one too many");
    let error = copy(&from, &Memory::new("to"), with_them()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}
