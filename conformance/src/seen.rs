//! [`Seen`]: all of an image as it is read back, and whether it is the one that was written.

use std::collections::BTreeMap;

use bytes::Bytes;
use transship_core::{Descriptor, Document, ErrorKind, ImageName, ImageSource, Manifest};

use crate::broken::{While, hold};
use crate::model::{Built, plain};
use crate::{Facts, Held, Layers, Manifests};

/// More than any blob here has.
pub(crate) const LIMIT: u64 = 64 << 20;

/// All of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The root.
    pub root: Manifest,
    /// The names that it is stored under.
    pub names: Vec<ImageName>,
    /// Manifests below it.
    pub below: BTreeMap<String, Bytes>,
    /// Blobs.
    pub blobs: BTreeMap<String, Bytes>,
    /// Listed, and not there.
    pub absent: Vec<String>,
}

impl Seen {
    /// Reads everything.
    pub(crate) async fn read(source: &dyn ImageSource) -> Held<Self> {
        let root = source.root().await.during(|| "reading the root")?;
        let mut seen = Self {
            root: root.clone(),
            names: source.names().to_vec(),
            below: BTreeMap::new(),
            blobs: BTreeMap::new(),
            absent: Vec::new(),
        };
        let mut waiting = vec![root];
        while let Some(manifest) = waiting.pop() {
            match manifest.document() {
                Document::Image(image) => {
                    for blob in image.layers.iter().chain([&image.config]) {
                        seen.blob(source, blob).await?;
                    }
                }
                Document::Index(index) => {
                    for child in &index.manifests {
                        if child.may_be_manifest() {
                            waiting.extend(seen.child(source, child).await?);
                        } else {
                            seen.blob(source, child).await?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(seen)
    }

    async fn blob(&mut self, source: &dyn ImageSource, of: &Descriptor) -> Held {
        let digest = of.digest.to_string();
        if self.blobs.contains_key(&digest) {
            return Ok(());
        }
        let body = source.blob(of).await.during(|| format!("opening blob {digest}"))?;
        let bytes = body.bytes(LIMIT).await.during(|| format!("reading blob {digest}"))?;
        self.blobs.insert(digest, bytes);
        Ok(())
    }

    async fn child(&mut self, source: &dyn ImageSource, of: &Descriptor) -> Held<Option<Manifest>> {
        let digest = of.digest.to_string();
        if self.absent.contains(&digest) {
            return Ok(None);
        }
        if self.below.contains_key(&digest) {
            // The same bytes, listed otherwise.
            let said = source.manifest(of).await.during(|| format!("manifest {digest} again"))?;
            let texts = (of.to_json(), said.descriptor().to_json());
            hold!(
                said.descriptor() == of,
                "a child is asked for as {}, and comes as {}",
                texts.0,
                texts.1
            );
            return Ok(None);
        }
        match source.manifest(of).await {
            Ok(manifest) => {
                let said = manifest.descriptor();
                let texts = (of.to_json(), said.to_json());
                hold!(said == of, "a child is asked for as {}, and comes as {}", texts.0, texts.1);
                self.below.insert(digest, manifest.bytes().clone());
                Ok(Some(manifest))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.absent.push(digest);
                Ok(None)
            }
            Err(e) => Err(crate::Broken::from(e).while_doing(format!("manifest {digest}"))),
        }
    }

    /// Whether all manifests below it are there that were. What was absent may have come with another image.
    pub(crate) fn keeps(&self, was: &Self) -> bool {
        let mut kept = was.below.iter();
        kept.all(|(digest, bytes)| self.below.get(digest) == Some(bytes))
            && (self.below.len() == was.below.len() || !was.absent.is_empty())
    }

    /// Whether it is what was written.
    pub(crate) fn is(&self, built: &Built, facts: &Facts) -> Held {
        match facts.claims.manifests {
            Manifests::Kept => self.is_kept(built),
            Manifests::Rebuilt => self.is_rebuilt(built, facts),
        }
    }

    fn is_kept(&self, built: &Built) -> Held {
        let (want, found) = (built.root.descriptor(), self.root.descriptor());
        hold!(
            self.root.bytes() == built.root.bytes(),
            "the manifest reads back as other bytes: {} instead of {}",
            found.digest,
            want.digest
        );
        hold!(
            found.size == want.size && found.media_type == want.media_type,
            "the root is described as {} instead of {}",
            found.to_json(),
            want.to_json()
        );
        let mut below: BTreeMap<String, Bytes> = BTreeMap::new();
        for manifest in &built.below {
            below.insert(manifest.descriptor().digest.to_string(), manifest.bytes().clone());
        }
        // What is absent of one image may come with another one.
        let more = self.below.keys().filter(|digest| !below.contains_key(*digest)).count();
        let missing: Vec<&str> = below
            .iter()
            .filter(|(digest, bytes)| self.below.get(*digest) != Some(bytes))
            .map(|(digest, _)| digest.as_str())
            .collect();
        hold!(
            missing.is_empty(),
            "of {} manifests below the root these do not read back: {}",
            below.len(),
            missing.join(", ")
        );
        hold!(
            more == 0 || !built.absent.is_empty(),
            "{more} manifests more than were written are below the root"
        );
        self.blobs_are(built)
    }

    fn blobs_are(&self, built: &Built) -> Held {
        for blob in &built.blobs {
            let digest = blob.descriptor.digest.to_string();
            let found = self.blobs.get(&digest);
            let of = || special(&blob.descriptor, built);
            hold!(found.is_some(), "blob {digest} is not part of what reads back{}", of());
            hold!(found == Some(&blob.bytes), "blob {digest} reads back as other bytes{}", of());
        }
        Ok(())
    }

    fn is_rebuilt(&self, built: &Built, facts: &Facts) -> Held {
        let Document::Image(image) = self.root.document() else {
            return Err(crate::Broken::new("an image reads back as an index"));
        };
        let bytes = |digest: &transship_core::Digest| self.blobs.get(digest.as_ref());
        let config = built.config().map(|config| &config.bytes);
        hold!(bytes(&image.config.digest) == config, "the config reads back as other bytes");
        let (found, want) = (&image.layers, built.layers());
        hold!(found.len() == want.len(), "{} layers of {} read back", found.len(), want.len());
        for (at, (found, want)) in found.iter().zip(want).enumerate() {
            let mut same = bytes(&found.digest) == Some(&want.bytes);
            if !same && facts.claims.layers == Layers::Tars {
                // It was unpacked, and is a tar again.
                same = bytes(&found.digest) == Some(&plain(want)?.bytes);
            }
            hold!(
                same,
                "layer {at} reads back as other bytes: {} instead of {}",
                found.digest,
                want.descriptor.digest
            );
        }
        Ok(())
    }
}

/// What is special about a blob, in brackets: that is often why it is lost.
fn special(of: &Descriptor, built: &Built) -> String {
    let times = built.blobs.iter().filter(|blob| blob.descriptor.digest == of.digest).count();
    let manifest = built.below.iter().any(|manifest| manifest.descriptor().digest == of.digest);
    let facts = [
        (of.digest.algorithm().as_ref() != "sha256", format!("named by {}", of.digest.algorithm())),
        (of.size == 0, "it is empty".to_owned()),
        (!of.urls.is_empty(), format!("with urls: {}", of.urls.join(", "))),
        (of.is_nondistributable(), "non-distributable".to_owned()),
        (!of.annotations.is_empty(), "with annotations".to_owned()),
        (of.data.is_some(), "with its bytes in the descriptor".to_owned()),
        (!of.other.is_empty(), "with fields that nobody knows".to_owned()),
        (times > 1, format!("it comes {times} times")),
        (manifest, "it is one of the manifests, too".to_owned()),
    ];
    let facts: Vec<String> =
        facts.into_iter().filter(|(is, _)| *is).map(|(_, fact)| fact).collect();
    let what = format!("{}, {} B", of.media_type, of.size);
    if facts.is_empty() { format!(" ({what})") } else { format!(" ({what}; {})", facts.join("; ")) }
}
