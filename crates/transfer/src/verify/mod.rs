//! [`Verifier`]: reads images again and checks everything that can be reached.

mod blob;
mod walk;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use transship_core::{Descriptor, Digest, Error, ErrorKind, ImageSource, Result};

use crate::locked;
use blob::{BlobKey, BlobTruth};
use walk::{Use, Walk};

/// How many blobs are checked at once at least.
const WIDTH: usize = 4;

/// Reads images again and checks everything that their roots reach: that the manifests and blobs are there, that their
/// digests and sizes are true, that configs are configs with as many diff IDs as there are layers, and that each layer,
/// decompressed, has its diff ID. Manifests that are about the image (its referrers) are checked too.
///
/// One verifier is for one archive: a blob that its images share is read once.
///
/// ```no_run
/// # async fn f(source: Box<dyn transship_core::ImageSource>) -> transship_core::Result<()> {
/// let findings = transship_transfer::Verifier::new().image(&*source).await?;
/// for problem in &findings.problems {
///     eprintln!("{}: {}", problem.what, problem.error);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Verifier {
    jobs: Option<NonZeroUsize>,
    progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    seen: Mutex<HashMap<BlobKey, BlobTruth>>,
}

/// What was found of one image.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// The root, if it could be read.
    pub root: Option<Descriptor>,
    /// How much was checked.
    pub checked: Checked,
    /// What is knowingly not there: manifests of a sparse index, layers that are not to be distributed.
    pub absent: Vec<Descriptor>,
    /// What is left out of a delta: its receivers have it. What is below a manifest that is left out is not listed.
    pub needs: Vec<Descriptor>,
    /// What is absent or broken, from the root down.
    pub problems: Vec<Problem>,
    /// What could not be read, so that nothing is known of it: the place does not answer, or refuses permission.
    pub unreachable: Vec<Problem>,
}

impl Findings {
    /// Whether everything was read and nothing is wrong. A delta from which parts were left out may be clean.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.unreachable.is_empty()
    }

    fn add(&mut self, problem: Problem) {
        let found = problem.error.kind().is_of_content();
        if found { &mut self.problems } else { &mut self.unreachable }.push(problem);
    }

    fn need(&mut self, of: &Descriptor) {
        if !self.needs.iter().any(|needed| needed.digest == of.digest) {
            self.needs.push(of.clone());
        }
    }
}

/// How much was checked. A blob that an earlier image of the same archive shares counts, though it was not read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checked {
    /// Manifests and indexes.
    pub manifests: usize,
    /// Configs and layers.
    pub blobs: usize,
    /// The size of both, in bytes.
    pub bytes: u64,
}

/// One thing that is wrong, or could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// With what: `linux/arm64, layer 2 of 3`.
    pub what: String,
    /// Its digest, where it has one.
    pub digest: Option<Digest>,
    /// What is wrong with it.
    pub error: Error,
}

impl Problem {
    fn new(what: impl Into<String>, digest: Option<&Digest>, error: Error) -> Self {
        Self { what: what.into(), digest: digest.cloned(), error }
    }
}

impl Verifier {
    /// A verifier that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many blobs are checked at once; else it is the number of processors, and 4 at least: a remote place is waited for.
    #[must_use]
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// Calls a function with the number of bytes of each chunk that was read. It must return at once.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Checks an image. It goes on after a problem.
    ///
    /// # Errors
    /// `Cancelled` only: all else is among the findings.
    pub async fn image(&self, source: &dyn ImageSource) -> Result<Findings> {
        let Walk { mut findings, uses, .. } = walk::walk(source).await?;
        let firsts = firsts(&uses);
        let truths: Vec<Result<BlobTruth>> = stream::iter(firsts.iter().copied())
            .map(|used| self.blob(source, used))
            .buffered(self.width())
            .collect()
            .await;
        let mut diff_ids: HashMap<&Digest, Digest> = HashMap::new();
        for (used, truth) in firsts.iter().zip(truths) {
            let digest = &used.blob.digest;
            match truth {
                Ok(truth) => {
                    findings.checked.blobs += 1;
                    findings.checked.bytes += truth.size;
                    diff_ids.extend(truth.diff_id.map(|diff_id| (digest, diff_id)));
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) if walk::is_left_out(source, &used.blob, &error) => {
                    findings.need(&used.blob);
                }
                Err(error) if used.may_be_absent() && error.kind() == ErrorKind::NotFound => {
                    findings.absent.push(used.blob.clone());
                }
                Err(error) => {
                    findings.add(Problem::new(&*used.what, Some(digest), error));
                }
            }
        }
        for used in &uses {
            findings.problems.extend(used.wrong_diff_id(diff_ids.get(&used.blob.digest)));
        }
        Ok(findings)
    }

    async fn blob(&self, source: &dyn ImageSource, used: &Use) -> Result<BlobTruth> {
        let seen = |key: &BlobKey| locked(&self.seen).get(key).cloned();
        let mut key = BlobKey::of(used);
        if let Some(truth) = seen(&key) {
            return Ok(truth);
        }
        let mut body = source.blob(&used.blob).await?.expecting(&(&used.blob).into())?;
        if let Some(range) = body.file_range() {
            key = key.in_file(range);
            if let Some(truth) = seen(&key) {
                return Ok(truth);
            }
        }
        if let Some(progress) = self.progress.clone() {
            body = body.on_progress(move |bytes| progress(bytes));
        }
        let truth = blob::read(body, used.diff_id.as_ref()).await?;
        locked(&self.seen).insert(key, truth.clone());
        Ok(truth)
    }

    fn width(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(|| processors().max(WIDTH), NonZeroUsize::get)
    }
}

/// One use of each blob, one that knows the diff ID where there is one.
fn firsts(uses: &[Use]) -> Vec<&Use> {
    let mut firsts: Vec<&Use> = Vec::new();
    let mut places: HashMap<&Digest, usize> = HashMap::new();
    for used in uses {
        let at = *places.entry(&used.blob.digest).or_insert(firsts.len());
        match firsts.get_mut(at) {
            None => firsts.push(used),
            Some(first) if first.diff_id.is_none() && used.diff_id.is_some() => *first = used,
            Some(_) => {}
        }
    }
    firsts
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
