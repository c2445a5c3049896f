//! What is read for the details of images.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::json;
use transship_core::{
    Body, ConfigPlatforms, Descriptor, EntryDetails, Error, ErrorKind, ImageSource, Manifest,
    Reference, Result, sha256,
};

const CONFIG: &str = r#"{"os":"linux","architecture":"arm64"}"#;

/// An index of manifests that differ, and have one config.
#[derive(Debug)]
struct Shared {
    reference: Reference,
    index: Manifest,
    manifests: Vec<Manifest>,
    config: Result<&'static str>,
    /// How often a blob was read.
    reads: AtomicUsize,
}

impl Shared {
    fn new(config: Result<&'static str>) -> Self {
        let manifest = |at: usize| {
            let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": sha256(CONFIG.as_bytes()).as_ref(), "size": CONFIG.len() });
            let text = json!({ "schemaVersion": 2, "config": config, "layers": [],
                "annotations": { "at": at.to_string() } });
            Manifest::new(text.to_string()).unwrap()
        };
        let manifests: Vec<Manifest> = (0..30).map(manifest).collect();
        let listed: Vec<_> = manifests.iter().map(Manifest::descriptor).collect();
        let index = json!({ "schemaVersion": 2, "manifests": listed });
        let index = Manifest::new(index.to_string()).unwrap();
        let reference = Reference::new("test", "x");
        Self { reference, index, manifests, config, reads: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl ImageSource for Shared {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.index.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let found = self.manifests.iter().find(|it| it.descriptor().digest == of.digest);
        Ok(found.unwrap().clone())
    }

    async fn blob(&self, _: &Descriptor) -> Result<Body> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok(Body::from_bytes(self.config.clone()?))
    }
}

#[tokio::test]
async fn a_config_that_images_share_is_read_once() {
    let (source, platforms) = (Shared::new(Ok(CONFIG)), ConfigPlatforms::default());
    for _ in 0..3 {
        let details = EntryDetails::read_with(&source, &platforms).await.unwrap();
        assert_eq!(details.platforms.len(), 30);
        assert_eq!(details.platforms[29].to_string(), "linux/arm64");
    }
    assert_eq!(source.reads.into_inner(), 1);
}

#[tokio::test]
async fn a_damaged_one_is_too() {
    let corrupt = Err(Error::new(ErrorKind::Corrupt, "torn"));
    let (source, platforms) = (Shared::new(corrupt), ConfigPlatforms::default());
    for _ in 0..3 {
        let error = EntryDetails::read_with(&source, &platforms).await.unwrap_err();
        assert_eq!(error.to_string(), "torn");
    }
    assert_eq!(source.reads.into_inner(), 1);
}
