//! From the root down: reads every manifest and config, and lists the blobs with what they have to be.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use transship_core::{
    CONFIG_LIMIT, Descriptor, Digest, Error, ErrorKind, Escaped, ImageConfig, ImageDocument,
    ImageSource, IndexDocument, LayerType, Listed, MANIFESTS_LIMIT, Manifest, Result, Sparse,
    Visit, Visitor, walk_from, walk_listed,
};

use super::{Findings, Problem};
use crate::locked;

/// What the manifests say.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) findings: Findings,
    pub(super) uses: Vec<Use>,
    /// Manifests about those that were read, and what to call them. They are still to be read.
    referrers: VecDeque<(Descriptor, String)>,
}

/// One use of a blob.
pub(super) struct Use {
    /// As what: `layer 2 of 3`.
    pub(super) what: String,
    pub(super) blob: Descriptor,
    /// What its plain bytes have to be, for a layer of a known type.
    pub(super) diff_id: Option<Digest>,
}

impl Use {
    /// Layers that are not to be distributed are commonly left out.
    pub(super) fn may_be_absent(&self) -> bool {
        LayerType::of(&self.blob.media_type).is_some_and(|known| !known.distributable)
    }

    pub(super) fn wrong_diff_id(&self, found: Option<&Digest>) -> Option<Problem> {
        let (wanted, found) = (self.diff_id.as_ref()?, found?);
        (wanted != found).then(|| {
            let error = Error::new(
                ErrorKind::Corrupt,
                format!("its diff ID is {found}, and the config says {wanted}"),
            );
            Problem::new(self.what.clone(), Some(&self.blob.digest), error)
        })
    }
}

pub(super) async fn walk(source: &dyn ImageSource) -> Result<Walk> {
    let mut all = Walk::default();
    let root = match source.root().await {
        Ok(root) => root,
        Err(error) => {
            match source.root_descriptor() {
                Some(root) if is_left_out(source, root, &error) => {
                    all.findings.root = Some(root.clone());
                    all.findings.need(root);
                }
                _ => all.problem("root", None, error)?,
            }
            return Ok(all);
        }
    };
    all.findings.root = Some(root.descriptor().clone());
    let seen = &Mutex::new(HashSet::from([root.descriptor().digest.clone()]));
    let reader = Reader { source, first: String::new(), seen };
    match walk_from(source, &root, &reader).await {
        Ok(found) => all.add(found),
        Err(error) => all.problem("image", None, error)?,
    }
    while let Some((of, first)) = all.referrers.pop_front() {
        if locked(seen).len() > MANIFESTS_LIMIT {
            let message = format!("more than {MANIFESTS_LIMIT} manifests are about it");
            all.problem("image", None, Error::new(ErrorKind::LimitExceeded, message))?;
            break;
        }
        let reader = Reader { source, first: first.clone(), seen };
        match walk_listed(source, &of, &reader).await {
            Ok(found) => all.add(found),
            Err(error) => all.problem(first, Some(&of.digest), error)?,
        }
    }
    Ok(all)
}

/// Whether something is not there because it is left out of a delta.
pub(super) fn is_left_out(source: &dyn ImageSource, of: &Descriptor, error: &Error) -> bool {
    let needs = || source.needs().is_some_and(|needs| needs.contains(&of.digest));
    error.kind() == ErrorKind::NotFound && needs()
}

impl Walk {
    fn add(&mut self, found: Self) {
        let Self { findings, uses, referrers } = found;
        self.findings.checked.manifests += findings.checked.manifests;
        self.findings.checked.bytes += findings.checked.bytes;
        self.findings.absent.extend(findings.absent);
        self.findings.problems.extend(findings.problems);
        self.findings.unreachable.extend(findings.unreachable);
        findings.needs.iter().for_each(|of| self.findings.need(of));
        self.uses.extend(uses);
        self.referrers.extend(referrers);
    }

    /// Adds what is wrong or could not be read. That it was cancelled is the end of the walk.
    fn problem(
        &mut self,
        what: impl Into<String>,
        digest: Option<&Digest>,
        error: Error,
    ) -> Result<()> {
        if error.kind() == ErrorKind::Cancelled {
            return Err(error);
        }
        self.findings.add(Problem::new(what, digest, error));
        Ok(())
    }
}

/// Reads manifests and configs, each once, and goes on after what is wrong.
struct Reader<'a> {
    source: &'a dyn ImageSource,
    /// What to call the manifest where the walk begins; nothing for the root.
    first: String,
    seen: &'a Mutex<HashSet<Digest>>,
}

#[async_trait]
impl Visitor for Reader<'_> {
    type Output = Walk;

    fn skip(&self, listed: Listed<'_>) -> Option<Walk> {
        let new = locked(self.seen).insert(listed.descriptor.digest.clone());
        (!new).then(Walk::default)
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Walk> {
        let what = self.what(of.listed);
        let mut walk = self.manifest(of.manifest, &what).await?;
        walk.image(self.source, image, &what).await?;
        Ok(walk)
    }

    async fn index(&self, of: Visit<'_>, _: &IndexDocument, children: Vec<Walk>) -> Result<Walk> {
        let mut walk = self.manifest(of.manifest, &self.what(of.listed)).await?;
        for child in children {
            walk.add(child);
        }
        Ok(walk)
    }

    fn absent(&self, listed: Listed<'_>, error: Error) -> Result<Walk> {
        let of = listed.descriptor;
        let mut walk = Walk::default();
        if is_left_out(self.source, of, &error) {
            walk.findings.need(of);
        } else if !listed.is_first() && self.source.sparse() == Sparse::Accepted {
            walk.findings.absent.push(of.clone());
        } else {
            return self.failed(listed, error);
        }
        Ok(walk)
    }

    fn failed(&self, listed: Listed<'_>, error: Error) -> Result<Walk> {
        let mut walk = Walk::default();
        walk.problem(self.what(listed), Some(&listed.descriptor.digest), error)?;
        Ok(walk)
    }
}

impl Reader<'_> {
    /// What to call a manifest.
    fn what(&self, listed: Listed<'_>) -> String {
        let (of, at) = (listed.descriptor, listed.at);
        let Some(index) = listed.index else { return self.first.clone() };
        let label = match &of.platform {
            _ if of.is_attestation() => format!("attestation {at}"),
            Some(platform) if !platform.is_unknown() => Escaped(&platform.to_string()).to_string(),
            _ => format!("manifest {at}"),
        };
        format!("{}{label}", prefix(&self.what(*index)))
    }

    /// Counts a manifest, and asks what is about it.
    async fn manifest(&self, manifest: &Manifest, what: &str) -> Result<Walk> {
        let (mut walk, of) = (Walk::default(), manifest.descriptor());
        walk.findings.checked.manifests = 1;
        walk.findings.checked.bytes = of.size;
        let Some(referrers) = self.source.referrers() else { return Ok(walk) };
        let name = format!("{}referrer", prefix(what));
        match referrers.referrers(&of.digest).await {
            Ok(found) => walk.referrers.extend(found.into_iter().map(|of| (of, name.clone()))),
            Err(error) => walk.problem(spelled(what, "referrers"), Some(&of.digest), error)?,
        }
        Ok(walk)
    }
}

impl Walk {
    async fn image(
        &mut self,
        source: &dyn ImageSource,
        image: &ImageDocument,
        what: &str,
    ) -> Result<()> {
        let config_what = format!("{}config", prefix(what));
        let mut config_use = Some(Use::of(&config_what, &image.config));
        let mut diff_ids = Vec::new();
        if image.is_runnable() {
            match config(source, &image.config).await {
                Ok(listed) => {
                    self.count(image, listed.len(), what);
                    diff_ids = listed;
                }
                Err(error) if is_left_out(source, &image.config, &error) => {}
                // It is not read a second time.
                Err(error) => {
                    config_use = None;
                    self.problem(config_what, Some(&image.config.digest), error)?;
                }
            }
        }
        self.uses.extend(config_use);
        let (count, mut diff_ids) = (image.layers.len(), diff_ids.into_iter());
        for (at, blob) in image.layers.iter().enumerate() {
            let mut used = Use::of(&format!("{}layer {} of {count}", prefix(what), at + 1), blob);
            used.diff_id = diff_ids.next().filter(|_| LayerType::of(&blob.media_type).is_some());
            self.uses.push(used);
        }
        Ok(())
    }

    fn count(&mut self, image: &ImageDocument, diff_ids: usize, what: &str) {
        if diff_ids != image.layers.len() {
            let error = Error::new(
                ErrorKind::Corrupt,
                format!("the config lists {diff_ids} diff IDs for {} layers", image.layers.len()),
            );
            let what = spelled(what, "image");
            self.findings.problems.push(Problem::new(what, Some(&image.config.digest), error));
        }
    }
}

impl Use {
    fn of(what: &str, blob: &Descriptor) -> Self {
        Self { what: what.to_owned(), blob: blob.clone(), diff_id: None }
    }
}

/// The diff IDs that a config lists.
async fn config(source: &dyn ImageSource, of: &Descriptor) -> Result<Vec<Digest>> {
    let bytes = source.blob(of).await?.bytes(CONFIG_LIMIT).await?;
    ImageConfig::parse(&bytes)?
        .diff_ids
        .ok_or_else(|| Error::new(ErrorKind::Corrupt, "it is no image config: it lists no layers"))
}

fn prefix(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!("{what}, ") }
}

/// The name of a thing that may have none, as a root has none.
fn spelled(what: &str, otherwise: &str) -> String {
    if what.is_empty() { otherwise.to_owned() } else { what.to_owned() }
}
