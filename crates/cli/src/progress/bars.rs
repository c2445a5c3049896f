//! Progress in bars: one for all bytes, and one for each blob that is on its way.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use transship::{Event, EventKind};

use super::area::{Area, Size};
use super::row::Row;
use super::tally::{Part, Tally};

/// How often bars are drawn anew.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// Blobs below this size come and go too fast to be seen.
const SMALL: u64 = 4 << 20;

/// If the terminal does not say its size.
const SIZE: Size = Size { columns: 80, rows: 24 };

/// The bars, and where they stand on the terminal.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    area: Area,
    tally: Tally,
}

impl Bars {
    /// Notes an event. What it changes shows with the next frame, but for the end, which leaves nothing.
    pub(crate) fn event(&mut self, event: &Event) {
        if event.kind.is_end() {
            return self.clear();
        }
        self.note(&event.kind, Instant::now());
    }

    /// Bytes were read; the total is unknown.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.tally.read(bytes, Instant::now());
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
        self.tally = Tally::default();
        self.area.erase()
    }

    pub(super) fn note(&mut self, kind: &EventKind, now: Instant) {
        self.tally.note(kind, now);
    }

    /// The total, and below it as many blobs as there is room for.
    fn lines(&mut self, now: Instant, Size { columns, rows }: Size) -> Vec<String> {
        let blobs = self.tally.blobs.values_mut().filter(|blob| blob.size >= Some(SMALL));
        // A row is left for the cursor, and a column so that no line wraps.
        let all = self.tally.total.iter_mut().chain(blobs).take(rows.saturating_sub(1));
        all.map(|part| line(part, now, columns.saturating_sub(1))).collect()
    }
}

fn line(part: &mut Part, now: Instant, columns: usize) -> String {
    part.pace.note(now);
    let (rate, left) = (part.pace.rate(), part.pace.time_for(part.ahead()));
    Row { name: &part.name, done: part.done, of: part.size, rate, left }.line(columns)
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
