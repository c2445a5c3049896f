//! From the root down: reads every manifest and config, and lists the blobs with what they have to be.

use std::collections::{HashSet, VecDeque};

use serde::Deserialize;
use transship_core::{
    CONFIG_LIMIT, Descriptor, Digest, Document, Error, ErrorKind, Escaped, ImageDocument,
    ImageSource, IndexDocument, LayerType, Manifest, Result, ResultExt, Sparse, parse_digest,
};

use super::{Findings, Problem};

/// The deepest nesting of indexes.
const DEPTH: usize = 16;

/// What the manifests say.
pub(super) struct Walk {
    pub(super) findings: Findings,
    pub(super) uses: Vec<Use>,
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

/// A manifest that is still to be looked at.
struct Next {
    of: Descriptor,
    what: String,
    depth: usize,
    absence: Absence,
}

/// Whether a manifest may be absent.
#[derive(Clone, Copy)]
enum Absence {
    /// It is a child of a sparse index.
    Legal,
    /// It was listed as being there.
    Wrong,
}

impl Absence {
    fn of_children(source: &dyn ImageSource) -> Self {
        if source.sparse() == Sparse::Accepted { Self::Legal } else { Self::Wrong }
    }
}

impl Next {
    fn may_miss(&self, error: &Error) -> bool {
        matches!((error.kind(), self.absence), (ErrorKind::NotFound, Absence::Legal))
    }
}

pub(super) async fn walk(source: &dyn ImageSource) -> Result<Walk> {
    let mut walk = Walk { findings: Findings::default(), uses: Vec::new() };
    let root = match source.root().await {
        Ok(root) => root,
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => {
            match source.root_descriptor() {
                Some(root) if is_left_out(source, root, &error) => {
                    walk.findings.root = Some(root.clone());
                    walk.findings.need(root);
                }
                _ => walk.findings.problems.push(Problem::new("root", None, error)),
            }
            return Ok(walk);
        }
    };
    walk.findings.root = Some(root.descriptor().clone());
    let mut seen = HashSet::from([root.descriptor().digest.clone()]);
    let mut queue = VecDeque::new();
    walk.manifest(source, &root, String::new(), 0, &mut queue).await?;
    while let Some(next) = queue.pop_front() {
        if !seen.insert(next.of.digest.clone()) {
            continue;
        }
        match source.manifest(&next.of).await {
            Ok(manifest) => {
                walk.manifest(source, &manifest, next.what, next.depth, &mut queue).await?;
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) if is_left_out(source, &next.of, &error) => walk.findings.need(&next.of),
            Err(error) if next.may_miss(&error) => walk.findings.absent.push(next.of),
            Err(error) => {
                walk.findings.problems.push(Problem::new(next.what, Some(&next.of.digest), error));
            }
        }
    }
    Ok(walk)
}

impl Walk {
    async fn manifest(
        &mut self,
        source: &dyn ImageSource,
        manifest: &Manifest,
        what: String,
        depth: usize,
        queue: &mut VecDeque<Next>,
    ) -> Result<()> {
        let descriptor = manifest.descriptor();
        self.findings.checked.manifests += 1;
        self.findings.checked.bytes += descriptor.size;
        match manifest.document() {
            Document::Index(index) => {
                let absence = Absence::of_children(source);
                self.index(index, descriptor, &what, depth, (absence, queue));
            }
            Document::Image(image) => self.image(source, image.clone(), &what).await?,
            _ => {}
        }
        let Some(referrers) = source.referrers() else { return Ok(()) };
        match referrers.referrers(&descriptor.digest).await {
            Ok(found) => queue.extend(found.into_iter().map(|of| Next {
                what: format!("{}referrer", prefix(&what)),
                of,
                depth,
                absence: Absence::Wrong,
            })),
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => self.findings.problems.push(Problem::new(
                spelled(&what, "referrers"),
                Some(&descriptor.digest),
                error,
            )),
        }
        Ok(())
    }

    fn index(
        &mut self,
        index: &IndexDocument,
        of: &Descriptor,
        what: &str,
        depth: usize,
        (absence, queue): (Absence, &mut VecDeque<Next>),
    ) {
        if depth == DEPTH {
            let error = Error::new(
                ErrorKind::LimitExceeded,
                format!("indexes are nested deeper than {DEPTH}"),
            );
            self.findings.problems.push(Problem::new(what, Some(&of.digest), error));
            return;
        }
        queue.extend(index.manifests.iter().enumerate().map(|(at, child)| Next {
            what: format!("{}{}", prefix(what), label(child, at)),
            of: child.clone(),
            depth: depth + 1,
            absence,
        }));
    }

    async fn image(
        &mut self,
        source: &dyn ImageSource,
        image: ImageDocument,
        what: &str,
    ) -> Result<()> {
        let config_what = format!("{}config", prefix(what));
        let mut diff_ids = Vec::new();
        if image.is_runnable() {
            match config(source, &image.config).await {
                Ok(listed) => {
                    self.count(&image, listed.len(), what);
                    diff_ids = listed;
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) if is_left_out(source, &image.config, &error) => {}
                Err(error) => self.findings.problems.push(Problem::new(
                    config_what.clone(),
                    Some(&image.config.digest),
                    error,
                )),
            }
        }
        let count = image.layers.len();
        let config_told =
            self.findings.problems.last().is_some_and(|last| last.what == config_what);
        if !config_told {
            self.uses.push(Use { what: config_what, blob: image.config, diff_id: None });
        }
        let mut diff_ids = diff_ids.into_iter();
        for (at, blob) in image.layers.into_iter().enumerate() {
            let diff_id = diff_ids.next().filter(|_| LayerType::of(&blob.media_type).is_some());
            let what = format!("{}layer {} of {count}", prefix(what), at + 1);
            self.uses.push(Use { what, blob, diff_id });
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

/// Whether something is not there because it is left out of a delta.
pub(super) fn is_left_out(source: &dyn ImageSource, of: &Descriptor, error: &Error) -> bool {
    let needs = || source.needs().is_some_and(|needs| needs.contains(&of.digest));
    error.kind() == ErrorKind::NotFound && needs()
}

/// The diff IDs that a config lists.
async fn config(source: &dyn ImageSource, of: &Descriptor) -> Result<Vec<Digest>> {
    #[derive(Deserialize)]
    struct Config {
        rootfs: RootFs,
    }
    #[derive(Deserialize)]
    struct RootFs {
        #[serde(default)]
        diff_ids: Option<Vec<String>>,
    }
    let bytes = source.blob(of).await?.bytes(CONFIG_LIMIT).await?;
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, "it is no image config").caused_by(e))?;
    let listed = config.rootfs.diff_ids.unwrap_or_default();
    listed.iter().map(|text| parse_digest(text).context(|| "diff ID")).collect()
}

/// What to call a child of an index.
fn label(child: &Descriptor, at: usize) -> String {
    match &child.platform {
        _ if child.is_attestation() => format!("attestation {at}"),
        Some(platform) if !platform.is_unknown() => Escaped(&platform.to_string()).to_string(),
        _ => format!("manifest {at}"),
    }
}

fn prefix(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!("{what}, ") }
}

/// The name of a thing that may have none, as a root has none.
fn spelled(what: &str, otherwise: &str) -> String {
    if what.is_empty() { otherwise.to_owned() } else { what.to_owned() }
}
