//! Keeps what a tag shows under another tag, before it moves.

use transship::transport::{ReadOptions, ResultExt};
use transship::{Error, ErrorKind, Plan, Reference, Result, Transfer, TransferOptions};

use super::report::SyncReport;
use super::task::{Mode, Task, Tasks};

pub(super) struct Keeping<'a> {
    pub(super) tasks: &'a Tasks<'a>,
    pub(super) task: &'a Task,
    /// `*` is the tag.
    pub(super) pattern: &'a str,
}

impl Keeping<'_> {
    /// Keeps each image at the destination whose tag gets another one.
    pub(super) async fn keep(&self, plan: &Plan, report: &mut SyncReport) -> Result<()> {
        for image in plan.images.iter().filter(|image| !image.unchanged) {
            let at = &image.destination;
            let how = ReadOptions::default()
                .with_observer(self.tasks.session.reporter.observer())
                .with_compare(true);
            let there = self.task.to.of(at)?.source(at, &how).await.if_found()?;
            let Some(there) = there else { continue };
            if there.root_descriptor().is_some_and(|root| root.digest == image.source_digest) {
                continue;
            }
            let kept = self.kept_as(at)?;
            if self.tasks.mode == Mode::Write {
                Transfer::new(at, &kept)
                    .options(TransferOptions::default())
                    .from_transports(self.task.to.clone())
                    .to_transports(self.task.to.clone())
                    .run()
                    .await
                    .context(|| format!("keeping {at} as {kept}"))?;
            }
            report.kept(at, &kept);
        }
        Ok(())
    }

    fn kept_as(&self, at: &Reference) -> Result<Reference> {
        let (repository, tag) = at.locator().rsplit_once(':').ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("{at} has no tag that could be kept"))
        })?;
        let kept = self.pattern.replacen('*', tag, 1);
        self.task.to.of(at)?.parse(&format!("{repository}:{kept}"))
    }
}

/// Whether a tag is one under which another one was kept.
pub(super) fn is_backup(pattern: &str, tag: &str) -> bool {
    pattern.split_once('*').is_some_and(|(before, behind)| {
        tag.len() > before.len() + behind.len() && tag.starts_with(before) && tag.ends_with(behind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_known_by_their_pattern() {
        assert!(is_backup("old-*", "old-1.2") && is_backup("*.bak", "1.bak"));
        for (pattern, tag) in [("old-*", "old-"), ("old-*", "1.2"), ("a*a", "a"), ("*.bak", "1")] {
            assert!(!is_backup(pattern, tag), "{pattern} {tag}");
        }
    }
}
