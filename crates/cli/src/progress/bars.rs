//! Progress in bars: one for each blob that is on its way, and one for all bytes.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use transship::{BlobId, Event, EventKind};

use crate::output::short;

/// Blobs below this size come and go too fast to be seen.
const SMALL: u64 = 4 << 20;

/// The bars on the terminal.
pub(crate) struct Bars {
    all: MultiProgress,
    total: Option<ProgressBar>,
    blobs: HashMap<BlobId, Blob>,
}

struct Blob {
    bar: Option<ProgressBar>,
    size: u64,
    done: u64,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self { all: MultiProgress::new(), total: None, blobs: HashMap::new() }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Planned { bytes, .. } => self.plan(*bytes),
            EventKind::StreamAdvanced { bytes } => self.read(*bytes),
            EventKind::BlobStarted { blob, digest, size, .. } => {
                let bar = (*size >= SMALL).then(|| self.bar(*size, short(digest)));
                self.blobs.insert(*blob, Blob { bar, size: *size, done: 0 });
            }
            EventKind::Advanced { blob, bytes } => self.advance(*blob, *bytes),
            EventKind::Retried { blob, .. } => self.rewind(*blob),
            EventKind::Reused { size, .. } | EventKind::LeftOut { size, .. } => self.add(*size),
            EventKind::BlobFailed { blob, .. } | EventKind::BlobCancelled { blob } => {
                self.blobs
                    .remove(blob)
                    .and_then(|blob| blob.bar)
                    .iter()
                    .for_each(ProgressBar::finish_and_clear);
            }
            EventKind::Stored { blob, .. } => {
                if let Some(Blob { bar, size, done }) = self.blobs.remove(blob) {
                    // What was taken from nearby did not pass.
                    self.add(size.saturating_sub(done));
                    bar.iter().for_each(ProgressBar::finish_and_clear);
                }
            }
            kind if kind.is_end() => self.clear(),
            _ => {}
        }
    }

    /// Bytes were read, of nobody knows how many.
    pub(crate) fn read(&mut self, bytes: u64) {
        if self.total.is_none() {
            let bar = self.all.add(ProgressBar::new_spinner());
            let template = "{spinner} {decimal_bytes} read, {decimal_bytes_per_sec}";
            bar.set_style(style(ProgressStyle::with_template(template)));
            bar.enable_steady_tick(Duration::from_millis(100));
            self.total = Some(bar);
        }
        self.add(bytes);
    }

    /// Hides the bars while something else is written.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }

    pub(crate) fn clear(&mut self) {
        for bar in self.blobs.drain().filter_map(|(_, blob)| blob.bar) {
            bar.finish_and_clear();
        }
        if let Some(total) = self.total.take() {
            total.finish_and_clear();
        }
        // A terminal that cannot be written to has no bars to clear.
        let _ = self.all.clear();
    }

    /// All bytes, in place of those that came before it was known how many there are.
    fn plan(&mut self, bytes: u64) {
        if let Some(read) = self.total.take() {
            read.finish_and_clear();
        }
        self.total = Some(self.bar(bytes, "total"));
    }

    fn bar(&self, size: u64, name: &str) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(size));
        let template = "{prefix:>12} {wide_bar} {decimal_bytes:>9} of {decimal_total_bytes:>9} \
                        {decimal_bytes_per_sec:>11} {eta:>4}";
        bar.set_style(style(ProgressStyle::with_template(template)).progress_chars("=> "));
        bar.with_prefix(name.to_owned())
    }

    fn advance(&mut self, blob: BlobId, bytes: u64) {
        if let Some(blob) = self.blobs.get_mut(&blob) {
            blob.done += bytes;
            blob.bar.iter().for_each(|bar| bar.inc(bytes));
        }
        self.add(bytes);
    }

    fn rewind(&mut self, blob: BlobId) {
        let Some(blob) = self.blobs.get_mut(&blob) else { return };
        if let Some(total) = &self.total {
            total.set_position(total.position().saturating_sub(blob.done));
        }
        blob.done = 0;
        blob.bar.iter().for_each(|bar| bar.set_position(0));
    }

    fn add(&self, bytes: u64) {
        if let Some(total) = &self.total {
            total.inc(bytes);
        }
    }
}

/// The templates are ours, and a bar of the default style is better than none.
fn style(made: Result<ProgressStyle, indicatif::style::TemplateError>) -> ProgressStyle {
    made.unwrap_or_else(|_| ProgressStyle::default_bar())
}
