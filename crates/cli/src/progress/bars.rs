//! Progress in bars: one for all bytes, and one for each blob that is on its way.

use std::collections::BTreeMap;
use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use transship::{BlobId, Event, EventKind};

use super::area::{Area, Size};
use super::pace::Pace;
use super::row::Row;
use crate::output::short;

/// How often bars are drawn anew.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// Blobs below this size come and go too fast to be seen.
const SMALL: u64 = 4 << 20;

/// Where nobody knows it.
const SIZE: Size = Size { columns: 80, rows: 24 };

/// The bars, and where they stand on the terminal.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    area: Area,
    total: Option<Bar>,
    blobs: BTreeMap<BlobId, Bar>,
}

#[derive(Debug)]
struct Bar {
    name: String,
    size: Option<u64>,
    done: u64,
    pace: Pace,
}

impl Bars {
    /// Notes an event. What it changes shows with the next frame, but for the end, which leaves nothing.
    pub(crate) fn event(&mut self, event: &Event) {
        if event.kind.is_end() {
            return self.clear();
        }
        self.note(&event.kind, Instant::now());
    }

    /// Bytes were read, of nobody knows how many.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.read_at(bytes, Instant::now());
    }

    /// Draws what there is to see now.
    pub(crate) fn draw(&mut self) {
        write(&self.frame(Instant::now(), size()));
    }

    /// Takes the bars away while something else is written.
    pub(crate) fn aside<T>(&mut self, other: impl FnOnce() -> T) -> T {
        write(self.area.erase());
        let done = other();
        self.draw();
        done
    }

    pub(crate) fn clear(&mut self) {
        write(self.nothing());
    }

    /// What has to be written to show how far things are.
    pub(super) fn frame(&mut self, now: Instant, size: Size) -> String {
        let lines = self.lines(now, size);
        self.area.draw(lines, size)
    }

    /// What has to be written so that no bars are there, nor come back.
    pub(super) fn nothing(&mut self) -> &'static str {
        self.blobs.clear();
        self.total = None;
        self.area.erase()
    }

    pub(super) fn note(&mut self, kind: &EventKind, now: Instant) {
        match kind {
            // In place of those that came before it was known how many there are.
            EventKind::Planned { bytes, .. } => {
                self.total = Some(Bar::new("total", Some(*bytes), now));
            }
            EventKind::StreamAdvanced { bytes } => self.read_at(*bytes, now),
            EventKind::BlobStarted { blob, digest, size, .. } => {
                self.blobs.insert(*blob, Bar::new(short(digest), Some(*size), now));
            }
            EventKind::Advanced { blob, bytes } => {
                self.blobs.get_mut(blob).into_iter().for_each(|bar| bar.advance(*bytes));
                self.total.iter_mut().for_each(|total| total.advance(*bytes));
            }
            EventKind::Retried { blob, .. } | EventKind::ReadAgain { blob } => self.rewind(*blob),
            EventKind::Reused { size, .. } => self.jump(*size),
            // One that changes form was read to see what it becomes.
            EventKind::LeftOut { blob, size, .. } => match self.blobs.remove(blob) {
                Some(bar) => self.jump(bar.ahead()),
                None => self.jump(*size),
            },
            EventKind::BlobFailed { blob, .. } | EventKind::BlobCancelled { blob } => {
                self.blobs.remove(blob);
            }
            // What was taken from nearby did not pass.
            EventKind::Stored { blob, .. } => {
                let ahead = self.blobs.remove(blob).map_or(0, |bar| bar.ahead());
                self.jump(ahead);
            }
            _ => {}
        }
    }

    fn read_at(&mut self, bytes: u64, now: Instant) {
        self.total.get_or_insert_with(|| Bar::new("read", None, now)).advance(bytes);
    }

    fn rewind(&mut self, blob: BlobId) {
        let again = self.blobs.get_mut(&blob).map_or(0, |bar| std::mem::take(&mut bar.done));
        if let Some(total) = &mut self.total {
            total.done = total.done.saturating_sub(again);
        }
    }

    /// Bytes that are there without having passed.
    fn jump(&mut self, bytes: u64) {
        if let Some(total) = &mut self.total {
            total.done = total.done.saturating_add(bytes);
        }
    }

    /// The total, and below it as many blobs as there is room for.
    fn lines(&mut self, now: Instant, Size { columns, rows }: Size) -> Vec<String> {
        let blobs = self.blobs.values_mut().filter(|bar| bar.size >= Some(SMALL));
        // A row is left for the cursor, and a column so that no line wraps.
        let all = self.total.iter_mut().chain(blobs).take(rows.saturating_sub(1));
        all.map(|bar| bar.line(now, columns.saturating_sub(1))).collect()
    }
}

impl Bar {
    fn new(name: &str, size: Option<u64>, now: Instant) -> Self {
        Self { name: name.to_owned(), size, done: 0, pace: Pace::new(now) }
    }

    fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        self.pace.pass(bytes);
    }

    /// What is not done.
    fn ahead(&self) -> u64 {
        self.size.unwrap_or(0).saturating_sub(self.done)
    }

    fn line(&mut self, now: Instant, columns: usize) -> String {
        self.pace.note(now);
        Row {
            name: &self.name,
            done: self.done,
            of: self.size,
            rate: self.pace.rate(),
            left: self.pace.time_for(self.ahead()),
        }
        .line(columns)
    }
}

/// The size of the terminal behind stderr, now.
#[cfg(unix)]
fn size() -> Size {
    match rustix::termios::tcgetwinsize(stderr()) {
        Ok(found) if found.ws_col > 0 && found.ws_row > 0 => {
            Size { columns: found.ws_col.into(), rows: found.ws_row.into() }
        }
        _ => SIZE,
    }
}

#[cfg(not(unix))]
fn size() -> Size {
    SIZE
}

/// In one piece, so that no half of it is ever seen. A terminal that cannot be written to has no bars.
fn write(text: &str) {
    if !text.is_empty() {
        let mut stderr = stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}
