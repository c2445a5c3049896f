//! [`Commit::check_complete`]: whether all of an image is there before it shows.

use std::collections::{HashMap, HashSet};

use crate::walk::too_deep;
use crate::{
    Commit, Descriptor, Digest, Document, Error, ErrorKind, INDEX_DEPTH, ImageDocument,
    IndexDocument, Manifest, Result, ResultExt,
};

/// What a destination has of an image: what [`Commit::check_complete`] asks. Its methods may block.
pub trait Available {
    /// The size of a blob that is there, whole and true to its digest.
    ///
    /// # Errors
    /// I/O errors.
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>>;

    /// A manifest that is there, and that was not put for this image.
    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        let _ = of;
        Ok(None)
    }
}

/// An image of which nothing is missing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Complete {
    /// The digests of all that is there of the root and the referrers, and of these themselves.
    pub digests: HashSet<Digest>,
    /// The referrers among the manifests that were put, in that order.
    pub referrers: Vec<Manifest>,
}

impl Commit<'_> {
    /// Checks that all is there that the root refers to, and all that the referrers among the manifests that were `put` refer to. May
    /// be missing: what the commit says is absent or needed, and layers that are not to be distributed.
    ///
    /// # Errors
    /// `NotFound` naming what is missing, `Corrupt` for another size than a descriptor says, `LimitExceeded` for indexes nested more
    /// than 16 deep; those of `available`.
    pub fn check_complete<'m>(
        &self,
        put: impl IntoIterator<Item = &'m Manifest>,
        available: &dyn Available,
    ) -> Result<Complete> {
        let put: Vec<&Manifest> = put.into_iter().collect();
        let mut check = Check {
            available,
            put: put.iter().map(|put| (&put.descriptor().digest, *put)).collect(),
            absent: self.absent_digests(),
            needs: self.needs.iter().map(|needed| &needed.digest).collect(),
            sizes: HashMap::new(),
            followed: HashSet::new(),
        };
        check.manifest(self.root, 0)?;
        let mut referrers = Vec::new();
        for manifest in put {
            let is_new = !check.followed.contains(&manifest.descriptor().digest);
            if is_new && manifest.document().subject().is_some() {
                check.manifest(manifest, 0)?;
                referrers.push(manifest.clone());
            }
        }
        Ok(Complete { digests: check.sizes.into_keys().collect(), referrers })
    }
}

struct Check<'a> {
    available: &'a dyn Available,
    put: HashMap<&'a Digest, &'a Manifest>,
    absent: HashSet<&'a Digest>,
    needs: HashSet<&'a Digest>,
    /// What was found, with its size.
    sizes: HashMap<Digest, u64>,
    /// The manifests that were looked into. One may be a layer of an artifact, too, and was found as that before.
    followed: HashSet<Digest>,
}

impl Check<'_> {
    fn manifest(&mut self, manifest: &Manifest, depth: usize) -> Result<()> {
        let of = manifest.descriptor();
        if !self.followed.insert(of.digest.clone()) {
            return Ok(());
        }
        self.sizes.insert(of.digest.clone(), of.size);
        let checked = match manifest.document() {
            Document::Image(image) => self.image(image),
            Document::Index(_) if depth >= INDEX_DEPTH => Err(too_deep(&of.digest)),
            Document::Index(index) => self.index(index, depth),
        };
        checked.context(|| format!("manifest {}", of.digest))
    }

    fn image(&mut self, image: &ImageDocument) -> Result<()> {
        self.blob(&image.config, "config")?;
        image.layers.iter().try_for_each(|layer| self.blob(layer, "layer"))
    }

    fn index(&mut self, index: &IndexDocument, depth: usize) -> Result<()> {
        for child in &index.manifests {
            if !child.may_be_manifest() {
                self.blob(child, "content")?;
                continue;
            }
            let is_done = self.is_done(child)?;
            if is_done
                && (self.followed.contains(&child.digest) || self.absent.contains(&child.digest))
            {
                continue;
            }
            let found = match self.put.get(&child.digest) {
                Some(put) => Some(Manifest::verified(child, put.bytes().clone())?),
                None => self.available.manifest(child)?,
            };
            match found {
                Some(manifest) => self.manifest(&manifest, depth + 1)?,
                None if self.needs.contains(&child.digest) => {}
                None => return Err(missing(child, "manifest")),
            }
        }
        Ok(())
    }

    fn blob(&mut self, of: &Descriptor, what: &str) -> Result<()> {
        if self.is_done(of)? {
            return Ok(());
        }
        if let Some(size) = self.available.blob(of)? {
            self.sizes.insert(of.digest.clone(), size);
            return check_size(of, size);
        }
        if of.is_nondistributable() || self.needs.contains(&of.digest) {
            return Ok(());
        }
        Err(missing(of, what))
    }

    /// Whether it was found already, or need not be.
    fn is_done(&self, of: &Descriptor) -> Result<bool> {
        match self.sizes.get(&of.digest) {
            Some(size) => check_size(of, *size).map(|()| true),
            None => Ok(self.absent.contains(&of.digest)),
        }
    }
}

fn check_size(of: &Descriptor, found: u64) -> Result<()> {
    if found == of.size {
        return Ok(());
    }
    let message = format!("{} has {found} bytes, {} expected", of.digest, of.size);
    Err(Error::new(ErrorKind::Corrupt, message))
}

fn missing(of: &Descriptor, what: &str) -> Error {
    let message = format!("{what} {} ({} bytes) is missing", of.digest, of.size);
    Error::new(ErrorKind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sha256;

    /// Blobs by their text.
    struct Texts(&'static [&'static str]);

    impl Available for Texts {
        fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
            let found = self.0.iter().find(|text| sha256(text.as_bytes()) == of.digest);
            Ok(found.map(|text| text.len() as u64))
        }
    }

    fn of(text: &str, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "size": text.len(), "digest": sha256(text.as_bytes()).as_ref() })
    }

    fn image(layers: &[Value], subject: Option<&Manifest>) -> Manifest {
        let config = of("config", "application/vnd.oci.image.config.v1+json");
        let mut text = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        if let Some(subject) = subject {
            text["subject"] = json!(subject.descriptor());
        }
        Manifest::new(text.to_string()).unwrap()
    }

    fn index(manifests: &[Value]) -> Manifest {
        let text = json!({ "schemaVersion": 2, "manifests": manifests });
        Manifest::new(text.to_string()).unwrap()
    }

    fn layer(text: &str) -> Value {
        of(text, "application/vnd.oci.image.layer.v1.tar")
    }

    const HERE: Texts = Texts(&["config", "layer"]);

    #[test]
    fn what_is_missing_is_named_with_its_manifest() {
        let whole = image(&[layer("layer")], None);
        let lacks = image(&[layer("layer"), layer("other")], None);
        let both = index(&[json!(whole.descriptor()), json!(lacks.descriptor())]);
        let put = [whole.clone(), lacks.clone()];
        assert_eq!(Commit::new(&whole).check_complete(&[], &HERE).unwrap().digests.len(), 3);
        let error = Commit::new(&both).check_complete(&put, &HERE).unwrap_err();
        let (other, within) = (sha256(b"other"), &lacks.descriptor().digest);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let says = format!("manifest {within}: layer {other} (5 bytes) is missing");
        assert!(error.to_string().ends_with(&says), "{error}");
        let error = Commit::new(&both).check_complete(&put[..1], &HERE).unwrap_err();
        assert!(error.to_string().contains(&format!("manifest {within} (")), "{error}");

        let left_out = [lacks.descriptor().clone()];
        Commit::new(&both).without(&left_out).check_complete(&put, &HERE).unwrap();
        Commit::new(&both).needing(&left_out).check_complete(&put[..1], &HERE).unwrap();
        let foreign = of("no", "application/vnd.oci.image.layer.nondistributable.v1.tar");
        Commit::new(&image(&[foreign], None)).check_complete(&[], &HERE).unwrap();
    }

    #[test]
    fn sizes_are_held_to_each_descriptor() {
        let mut longer = layer("layer");
        longer["size"] = json!(6);
        for layers in [vec![longer.clone()], vec![layer("layer"), longer]] {
            let error = Commit::new(&image(&layers, None)).check_complete(&[], &HERE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }

    #[test]
    fn a_manifest_that_is_a_layer_too_is_followed() {
        let image = image(&[layer("layer")], None);
        let artifact = self::image(&[json!(image.descriptor())], None);
        let all = Both(&image);
        let listed = [json!(artifact.descriptor()), json!(image.descriptor())];
        let put = [artifact, image.clone()];
        let complete = Commit::new(&index(&listed)).check_complete(&put, &all).unwrap();
        assert!(complete.digests.contains(&sha256(b"layer")));
    }

    /// The texts, and a manifest that was put as a blob.
    struct Both<'a>(&'a Manifest);

    impl Available for Both<'_> {
        fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
            let own = self.0.descriptor();
            if own.digest == of.digest { Ok(Some(own.size)) } else { HERE.blob(of) }
        }
    }

    #[test]
    fn referrers_are_whole_too() {
        let root = image(&[layer("layer")], None);
        let whole = image(&[], Some(&root));
        let found = Commit::new(&root).check_complete([&root, &whole], &HERE).unwrap();
        assert_eq!(found.referrers, [whole]);
        let lacks = image(&[layer("other")], Some(&root));
        Commit::new(&root).check_complete(&[lacks], &HERE).unwrap_err();
    }

    #[test]
    fn indexes_are_nested_as_deep_as_they_are_read() {
        let mut nested = vec![image(&[], None)];
        for _ in 0..INDEX_DEPTH {
            let below = nested.last().map(|below| json!(below.descriptor()));
            nested.push(index(&[below.unwrap()]));
        }
        let root = nested.last().unwrap();
        Commit::new(root).check_complete(&nested, &HERE).unwrap();
        let deeper = index(&[json!(root.descriptor())]);
        let error = Commit::new(&deeper).check_complete(&nested, &HERE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    }
}
