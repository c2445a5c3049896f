//! Labels by which content keeps content: containerd collects what nothing refers to.

use std::collections::HashMap;

use transship_core::{Digest, Document, Manifest};

const REFERS_TO: &str = "containerd.io/gc.ref.content";

/// The label of a manifest that is about the labelled one, as newer releases of containerd write it.
const REFERRER: &str = "containerd.io/gc.ref.content.referrer.";

/// How many digits of a digest stand in a label.
const DIGITS: usize = 12;

/// What a manifest or index keeps, as containerd's own client labels it.
pub(crate) fn of(manifest: &Manifest) -> HashMap<String, String> {
    let mut labels = HashMap::new();
    let mut keep = |kind: String, digest: &Digest| {
        labels.insert(format!("{REFERS_TO}.{kind}"), digest.to_string());
    };
    match manifest.document() {
        Document::Image(image) => {
            keep("config".to_owned(), &image.config.digest);
            for (at, layer) in image.layers.iter().enumerate() {
                keep(format!("l.{at}"), &layer.digest);
            }
        }
        Document::Index(index) => {
            let (manifests, others): (Vec<_>, Vec<_>) =
                index.manifests.iter().partition(|child| child.may_be_manifest());
            for (at, child) in manifests.into_iter().enumerate() {
                keep(format!("m.{at}"), &child.digest);
            }
            for (at, child) in others.into_iter().enumerate() {
                keep(at.to_string(), &child.digest);
            }
        }
        _ => {}
    }
    labels
}

/// What a manifest keeps that another one is about.
pub(crate) fn of_referrer(referrer: &Digest) -> (String, String) {
    let (algorithm, hex) = (referrer.algorithm(), referrer.encoded());
    let digits = hex.get(..DIGITS).unwrap_or(hex);
    (format!("{REFERRER}{algorithm}.{digits}"), referrer.to_string())
}

/// The manifests that are about the one with these labels.
pub(crate) fn referrers(labels: &HashMap<String, String>) -> impl Iterator<Item = String> {
    labels.iter().filter(|(key, _)| key.starts_with(REFERRER)).map(|(_, digest)| digest.clone())
}
