//! [`Index`]: what an image is made of, by digest.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use transship_core::{
    Descriptor, Digest, Error, ImageDocument, ImageSource, IndexDocument, Listed, MANIFESTS_LIMIT,
    Result, Visit, Visitor, walk_listed,
};

/// How often referrers are followed to their own referrers.
const REFERRERS_DEPTH: usize = 8;

/// Descriptors of what an image is made of.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) manifests: HashMap<Digest, Descriptor>,
    pub(crate) blobs: HashMap<Digest, Descriptor>,
}

impl Index {
    /// Reads all manifests of an image, and those that are about them where `referrers` says so. What cannot be read is left out: it
    /// may be in another place, and is refused when it is asked for.
    pub(crate) async fn read(
        source: &dyn ImageSource,
        root: &Descriptor,
        referrers: FindReferrers,
    ) -> Result<Self> {
        let reader = Reader::default();
        let mut new = vec![root.clone()];
        for _ in 0..=REFERRERS_DEPTH {
            let mut about = Vec::new();
            for descriptor in &new {
                walk_listed(source, descriptor, &reader).await?;
            }
            if referrers == FindReferrers::Yes {
                for digest in reader.unasked() {
                    about.extend(referring(source, &digest).await?);
                }
            }
            about.retain(|one| !reader.knows(&one.digest));
            if about.is_empty() || reader.manifests() > MANIFESTS_LIMIT {
                break;
            }
            new = about;
        }
        Ok(reader.index.into_inner().unwrap_or_default())
    }
}

/// Whether an index has the referrers of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindReferrers {
    Yes,
    /// Each would be a request to another machine.
    No,
}

/// Descriptors of the manifests that are about one.
pub(crate) async fn referring(source: &dyn ImageSource, of: &Digest) -> Result<Vec<Descriptor>> {
    match source.referrers() {
        Some(referrers) => referrers.referrers(of).await,
        None => Ok(Vec::new()),
    }
}

#[derive(Default)]
struct Reader {
    index: Mutex<Index>,
    asked: Mutex<HashSet<Digest>>,
}

impl Reader {
    fn with<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        work(&mut self.index.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.with(|index| index.manifests.contains_key(digest))
    }

    fn manifests(&self) -> usize {
        self.with(|index| index.manifests.len())
    }

    /// The manifests whose referrers were not asked for.
    fn unasked(&self) -> Vec<Digest> {
        let mut asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let all = self.with(|index| index.manifests.keys().cloned().collect::<Vec<_>>());
        all.into_iter().filter(|digest| asked.insert(digest.clone())).collect()
    }

    fn manifest(&self, descriptor: &Descriptor) {
        self.with(|index| {
            index.manifests.entry(descriptor.digest.clone()).or_insert_with(|| descriptor.clone());
        });
    }

    fn blob(&self, descriptor: &Descriptor) {
        self.with(|index| {
            index.blobs.entry(descriptor.digest.clone()).or_insert_with(|| descriptor.clone());
        });
    }
}

#[async_trait]
impl Visitor for Reader {
    type Output = ();

    fn skip(&self, listed: Listed<'_>) -> Option<()> {
        if !listed.descriptor.may_be_manifest() && !listed.is_first() {
            self.blob(listed.descriptor);
            return Some(());
        }
        None
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<()> {
        self.manifest(of.manifest.descriptor());
        self.blob(&image.config);
        image.layers.iter().for_each(|layer| self.blob(layer));
        Ok(())
    }

    async fn index(&self, of: Visit<'_>, _: &IndexDocument, _: Vec<()>) -> Result<()> {
        self.manifest(of.manifest.descriptor());
        Ok(())
    }

    fn absent(&self, listed: Listed<'_>, _: Error) -> Result<()> {
        self.manifest(listed.descriptor);
        Ok(())
    }

    fn failed(&self, listed: Listed<'_>, _: Error) -> Result<()> {
        self.manifest(listed.descriptor);
        Ok(())
    }
}
