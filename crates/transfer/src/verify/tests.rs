use std::collections::HashMap;
use std::io::Read;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, ImageSource, Manifest, MediaType, Reference,
    Result, sha256,
};

use super::{Findings, Verifier};

/// An image in memory that can be damaged.
#[derive(Debug)]
struct Fake {
    at: Reference,
    root: Manifest,
    manifests: HashMap<Digest, Manifest>,
    blobs: HashMap<Digest, Bytes>,
    /// Blobs whose place does not answer.
    silent: Vec<Digest>,
}

#[async_trait]
impl ImageSource for Fake {
    fn reference(&self) -> &Reference {
        &self.at
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        self.manifests.get(&of.digest).cloned().ok_or_else(absent)
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        if self.silent.contains(&of.digest) {
            return Err(Error::new(ErrorKind::Unavailable, "the place does not answer"));
        }
        let bytes = self.blobs.get(&of.digest).cloned().ok_or_else(absent)?;
        Ok(Body::from_bytes(bytes))
    }
}

fn absent() -> Error {
    Error::new(ErrorKind::NotFound, "it is not there")
}

fn descriptor(media_type: &MediaType, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()})
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let one = std::num::NonZeroUsize::MIN;
    crate::codec::GzipEncoder::new(plain, 6, one).unwrap().read_to_end(&mut out).unwrap();
    out
}

/// An image of one plain and one gzip layer, whose config lists these diff IDs.
fn image(diff_ids: &[Digest]) -> Fake {
    let (plain, packed) = (b"one".to_vec(), gzip(b"two"));
    let config = json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor(&MediaType::ImageConfig, &config),
        "layers": [
            descriptor(&MediaType::ImageLayer, &plain),
            descriptor(&MediaType::ImageLayerGzip, &packed),
        ],
    });
    Fake {
        at: Reference::new("fake", "image"),
        root: Manifest::new(manifest.to_string()).unwrap(),
        manifests: HashMap::new(),
        blobs: [config, plain, packed].map(|b| (sha256(&b), Bytes::from(b))).into(),
        silent: Vec::new(),
    }
}

fn good() -> Fake {
    image(&[sha256(b"one"), sha256(b"two")])
}

async fn check(source: &Fake) -> Findings {
    Verifier::new().image(source).await.unwrap()
}

fn told(findings: &Findings) -> Vec<(&str, ErrorKind)> {
    findings.problems.iter().map(|p| (&*p.what, p.error.kind())).collect()
}

#[tokio::test]
async fn a_good_image_is_clean() {
    let findings = check(&good()).await;
    assert!(findings.is_clean(), "{findings:?}");
    assert_eq!((findings.checked.manifests, findings.checked.blobs), (1, 3));
}

#[tokio::test]
async fn everything_that_is_wrong_is_reported() {
    let mut source = good();
    source.blobs.insert(sha256(b"one"), Bytes::from_static(b"0ne"));
    source.blobs.remove(&sha256(&gzip(b"two")));
    let findings = check(&source).await;
    assert_eq!(
        told(&findings),
        [("layer 1 of 2", ErrorKind::Corrupt), ("layer 2 of 2", ErrorKind::NotFound)]
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_not_broken() {
    let mut source = good();
    source.silent = source.blobs.keys().cloned().collect();
    let findings = check(&source).await;
    assert!(findings.problems.is_empty() && !findings.is_clean(), "{findings:?}");
    let unreachable: Vec<_> = findings.unreachable.iter().map(|of| &*of.what).collect();
    assert_eq!(unreachable, ["config", "layer 1 of 2", "layer 2 of 2"]);
}

#[tokio::test]
async fn a_wrong_digest_explains_a_layer_that_does_not_decompress() {
    // Long enough for several chunks, so that the damage is met in the middle.
    let noise: Vec<u8> =
        (0..3_000_000_u64).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).take(3_000_000).collect();
    for (at, in_gzip) in [(2_000_000, false), (20, true)] {
        let mut source = good();
        let bytes = if in_gzip { gzip(&noise) } else { noise.clone() };
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let mut manifest: Value = serde_json::from_slice(source.root.bytes()).unwrap();
        manifest["layers"][1] = descriptor(&MediaType::ImageLayerGzip, &bytes);
        source.root = Manifest::new(manifest.to_string()).unwrap();
        source.blobs.insert(sha256(&bytes), damaged.into());
        let findings = check(&source).await;
        assert_eq!(told(&findings), [("layer 2 of 2", ErrorKind::Corrupt)]);
        let text = findings.problems[0].error.to_string();
        assert!(text.contains(sha256(&bytes).as_ref()), "{text}");
    }
}

#[tokio::test]
async fn a_compressed_layer_has_to_have_its_diff_id() {
    let findings = check(&image(&[sha256(b"one"), sha256(b"three")])).await;
    assert_eq!(told(&findings), [("layer 2 of 2", ErrorKind::Corrupt)]);
    let text = findings.problems[0].error.to_string();
    assert!(text.contains(sha256(b"two").as_ref()) && text.contains(sha256(b"three").as_ref()));
}

#[tokio::test]
async fn a_truncated_gzip_layer_of_a_true_digest_does_not_decompress() {
    let mut source = good();
    let half = gzip(b"two")[..12].to_vec();
    let mut manifest: Value = serde_json::from_slice(source.root.bytes()).unwrap();
    manifest["layers"][1] = descriptor(&MediaType::ImageLayerGzip, &half);
    source.root = Manifest::new(manifest.to_string()).unwrap();
    source.blobs.insert(sha256(&half), half.into());
    assert_eq!(told(&check(&source).await), [("layer 2 of 2", ErrorKind::Corrupt)]);
}

#[tokio::test]
async fn there_are_as_many_diff_ids_as_layers() {
    let findings = check(&image(&[sha256(b"one")])).await;
    assert_eq!(told(&findings), [("image", ErrorKind::Corrupt)]);
}

#[tokio::test]
async fn a_bad_config_is_reported_once() {
    let mut source = good();
    let transship_core::Document::Image(image) = source.root.document() else { panic!("an image") };
    let config = image.config.digest.clone();
    source.blobs.insert(config.clone(), Bytes::from_static(b"{}"));
    assert_eq!(told(&check(&source).await), [("config", ErrorKind::Corrupt)]);
    source.blobs.remove(&config);
    assert_eq!(told(&check(&source).await), [("config", ErrorKind::NotFound)]);
}

#[tokio::test]
async fn absent_children_of_an_index_are_no_problem_and_bad_blobs_of_the_others_are() {
    let mut source = image(&[sha256(b"one"), sha256(b"three")]);
    let child = source.root.clone();
    let mut here = serde_json::to_value(child.descriptor()).unwrap();
    here["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let gone = descriptor(&MediaType::ImageManifest, b"gone");
    let index = json!({"schemaVersion": 2, "manifests": [gone, here]});
    source.manifests.insert(child.descriptor().digest.clone(), child);
    source.root = Manifest::new(index.to_string()).unwrap();
    let findings = check(&source).await;
    assert_eq!(told(&findings), [("linux/arm64, layer 2 of 2", ErrorKind::Corrupt)]);
    assert_eq!(findings.absent.len(), 1);
}

#[tokio::test]
async fn layers_that_are_not_to_be_distributed_may_be_absent() {
    let mut source = good();
    let mut manifest: Value = serde_json::from_slice(source.root.bytes()).unwrap();
    manifest["layers"][1]["mediaType"] = json!(MediaType::ImageLayerNonDistributableGzip);
    source.root = Manifest::new(manifest.to_string()).unwrap();
    source.blobs.remove(&sha256(&gzip(b"two")));
    let findings = check(&source).await;
    assert!(findings.is_clean() && findings.absent.len() == 1, "{findings:?}");
}
