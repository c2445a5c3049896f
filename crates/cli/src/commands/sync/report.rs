//! [`SyncReport`]: what a sync did.

use serde::Serialize;
use transship::transfer::{ImageFailure, ImageReport, LayerElsewhere, PlannedImage};
use transship::transport::few;
use transship::{Error, ErrorKind, Reference};

use crate::exit::Done;
use crate::output::{self, safe};
use crate::progress::Reporter;

/// What a sync did, or in a dry run would do.
#[derive(Debug, Serialize)]
pub(super) struct SyncReport {
    dry_run: bool,
    counts: Counts,
    copied: Vec<Copied>,
    backups: Vec<Backup>,
    deleted: Vec<String>,
    failed: Vec<Failed>,
    #[serde(skip)]
    kinds: Vec<ErrorKind>,
    #[serde(skip)]
    warnings: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    copied: usize,
    unchanged: usize,
    backups: usize,
    deleted: usize,
    failed: usize,
}

#[derive(Debug, Serialize)]
struct Copied {
    source: String,
    destinations: Vec<String>,
    /// In a dry run that of the source.
    digest: String,
    not_distributed: Vec<LayerElsewhere>,
    lost: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Backup {
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    /// The image, or the entry of the file.
    what: String,
    kind: String,
    error: String,
}

impl Failed {
    /// Most errors of an image name it.
    fn text(&self) -> String {
        let Self { what, error, .. } = self;
        if error.contains(&**what) { error.clone() } else { format!("{what}: {error}") }
    }
}

impl SyncReport {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            counts: Counts::default(),
            copied: Vec::new(),
            backups: Vec::new(),
            deleted: Vec::new(),
            failed: Vec::new(),
            kinds: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn brought(&mut self, image: &ImageReport) {
        self.warnings.extend(image.warnings.iter().cloned());
        self.copied_or_not(
            image.unchanged,
            Copied {
                source: image.source.to_string(),
                destinations: image.destinations.iter().map(ToString::to_string).collect(),
                digest: image.digest.to_string(),
                not_distributed: image.not_distributed.clone(),
                lost: image.lost.clone(),
            },
        );
    }

    pub(super) fn planned(&mut self, image: &PlannedImage) {
        self.warnings.extend(image.warnings.iter().cloned());
        self.copied_or_not(
            image.unchanged,
            Copied {
                source: image.source.to_string(),
                destinations: vec![image.destination.to_string()],
                digest: image.source_digest.to_string(),
                not_distributed: image.not_distributed.clone(),
                lost: image.lost.clone(),
            },
        );
    }

    fn copied_or_not(&mut self, unchanged: bool, copied: Copied) {
        if unchanged {
            self.counts.unchanged += 1;
        } else {
            self.counts.copied += 1;
            self.copied.push(copied);
        }
    }

    pub(super) fn kept(&mut self, from: &Reference, to: &Reference) {
        self.counts.backups += 1;
        self.backups.push(Backup { from: from.to_string(), to: to.to_string() });
    }

    pub(super) fn deleted(&mut self, at: &Reference) {
        self.counts.deleted += 1;
        self.deleted.push(at.to_string());
    }

    pub(super) fn image_failed(&mut self, failure: &ImageFailure) {
        self.counts.failed += 1;
        self.kinds.push(failure.kind);
        self.failed.push(Failed {
            what: failure.source.to_string(),
            kind: failure.kind.to_string(),
            error: failure.error.clone(),
        });
    }

    pub(super) fn failed(&mut self, what: &str, error: &Error) {
        self.counts.failed += 1;
        self.kinds.push(error.kind());
        let (kind, error) = (error.kind().to_string(), error.to_string());
        self.failed.push(Failed { what: what.to_owned(), kind, error });
    }

    pub(super) fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Shows what changed, and how much did not.
    pub(super) fn tell(&self, reporter: &Reporter) {
        let would = if self.dry_run { "would be " } else { "" };
        for backup in &self.backups {
            reporter.say(&safe(&format!("{} {would}kept as {}", backup.from, backup.to)));
        }
        for image in &self.copied {
            reporter.say(&safe(&format!("{} -> {}", image.source, few(&image.destinations))));
            if let Some(text) = output::not_distributed(&image.not_distributed) {
                reporter.say(&safe(&format!("  {text}")));
                reporter.quiet_too(&format!("{}: {text}", image.source));
            }
            for lost in &image.lost {
                reporter.warn(&format!("lost of {}: {lost}", image.source));
            }
        }
        for gone in &self.deleted {
            reporter.say(&safe(&format!("{gone} {would}deleted")));
        }
        for warning in &self.warnings {
            reporter.warn(warning);
        }
        for failed in &self.failed {
            reporter.fault(&failed.text());
        }
        let Counts { copied, unchanged, backups: _, deleted, failed } = self.counts;
        reporter.say(&format!(
            "{copied} {would}copied, {unchanged} up to date, {deleted} {would}deleted, {failed} failed"
        ));
    }

    pub(super) fn end(&self) -> Done {
        self.kinds.iter().map(|kind| Done::Partly(*kind)).fold(Done::Success, Done::and)
    }
}
