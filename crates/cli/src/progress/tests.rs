//! Bars on a screen, of any width and while that changes.

use std::time::{Duration, Instant};

use transship::transfer::BlobId;
use transship::transport::sha256;
use transship::{EventKind, MediaType};

use super::area::Size;
use super::bars::Bars;

const WIDTHS: [usize; 9] = [1, 2, 7, 19, 20, 40, 80, 81, 200];

/// What a terminal that gets narrower does with lines that do not fit any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrowed {
    /// They go on in the next row, and come back when it gets wider: tmux and nearly all that draw windows.
    Folds,
    /// What does not fit is gone: xterm.
    Cuts,
}

/// A terminal that knows what is written here.
struct Screen {
    lines: Vec<Vec<char>>,
    /// The line and the position in it.
    cursor: (usize, usize),
    size: Size,
    narrowed: Narrowed,
}

impl Screen {
    fn new(size: Size, narrowed: Narrowed) -> Self {
        Self { lines: vec![Vec::new()], cursor: (0, 0), size, narrowed }
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
        if self.narrowed == Narrowed::Cuts {
            self.lines.iter_mut().for_each(|line| line.truncate(size.columns));
        }
    }

    fn write(&mut self, text: &str) {
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '\r' => self.cursor.1 -= self.cursor.1 % self.size.columns,
                '\n' => self.down(),
                '\x1b' => {
                    assert_eq!(rest.next(), Some('['));
                    let digits: String = rest.clone().take_while(char::is_ascii_digit).collect();
                    match rest.nth(digits.len()).unwrap() {
                        'A' => self.up(digits.parse().unwrap()),
                        'J' => self.erase(usize::MAX),
                        'K' if digits == "2" => self.erase_row(),
                        'K' => self.erase(self.size.columns),
                        other => panic!("{other} is not known"),
                    }
                }
                other => self.put(other),
            }
        }
    }

    fn put(&mut self, c: char) {
        let (line, at) = self.cursor;
        let line = &mut self.lines[line];
        line.resize(line.len().max(at + 1), ' ');
        line[at] = c;
        self.cursor.1 += 1;
    }

    fn down(&mut self) {
        let (line, at) = self.cursor;
        assert_eq!(at % self.size.columns, 0, "a line end goes straight down");
        let next = at + self.size.columns;
        self.cursor = if next < self.lines[line].len() { (line, next) } else { (line + 1, 0) };
        self.lines.resize(self.lines.len().max(self.cursor.0 + 1), Vec::new());
    }

    /// Erases the row, which is then a line of its own.
    fn erase_row(&mut self) {
        let (line, at) = self.cursor;
        assert_eq!(at, 0, "only the first row of a line is ever erased so");
        let row = self.size.columns.min(self.lines[line].len());
        let rest = self.lines[line].split_off(row);
        self.lines[line].clear();
        if !rest.is_empty() {
            self.lines.insert(line + 1, rest);
        }
    }

    fn up(&mut self, rows: usize) {
        let above = self.lines[..self.cursor.0].iter().map(|line| self.folds(line)).sum::<usize>();
        let above = above + self.cursor.1 / self.size.columns;
        assert!(rows < self.size.rows, "there is no row to go up to");
        let mut left = above.checked_sub(rows).expect("it goes up beyond what was written");
        for (at, line) in self.lines.iter().enumerate() {
            if left < self.folds(line) {
                self.cursor = (at, left * self.size.columns);
                return;
            }
            left -= self.folds(line);
        }
    }

    fn folds(&self, line: &[char]) -> usize {
        line.len().div_ceil(self.size.columns).max(1)
    }

    /// Erases the next cells of the row, or all that follows.
    fn erase(&mut self, cells: usize) {
        let (line, at) = self.cursor;
        if cells == usize::MAX {
            self.lines.truncate(line + 1);
        }
        let line = &mut self.lines[line];
        let end = at.saturating_add(cells).min(line.len());
        line.drain(at.min(end)..end);
    }

    /// What a person sees, row by row, as far down as anything was.
    fn rows(&self) -> Vec<String> {
        let row = |row: &[char]| row.iter().collect::<String>().trim_end().to_owned();
        let rows = |line: &Vec<char>| match line.as_slice() {
            [] => vec![String::new()],
            line => line.chunks(self.size.columns).map(row).collect(),
        };
        self.lines.iter().flat_map(rows).collect()
    }
}

/// So high that nothing scrolls away, whatever folds.
fn size(columns: usize) -> Size {
    Size { columns, rows: 900 }
}

fn started(blob: usize, size: u64) -> EventKind {
    EventKind::BlobStarted {
        blob: BlobId(blob),
        image: transship::transfer::ImageId(0),
        digest: sha256(blob.to_string().as_bytes()),
        media_type: MediaType::from("application/vnd.oci.image.layer.v1.tar"),
        size,
    }
}

fn advanced(blob: usize, bytes: u64) -> EventKind {
    EventKind::Advanced { blob: BlobId(blob), bytes }
}

fn stored(blob: usize) -> EventKind {
    EventKind::Stored { blob: BlobId(blob), digest: sha256(b"it"), size: 9 }
}

fn planned(bytes: u64) -> EventKind {
    EventKind::Planned { images: 1, blobs: 3, bytes }
}

/// Bars at work on a screen, on which time passes as it is said to.
struct Work {
    bars: Bars,
    screen: Screen,
    now: Instant,
}

impl Work {
    fn new(size: Size, narrowed: Narrowed) -> Self {
        let mut screen = Screen::new(size, narrowed);
        screen.write("$\r\n");
        Self { bars: Bars::default(), screen, now: Instant::now() }
    }

    fn after(&mut self, ms: u64, events: &[EventKind]) -> Vec<String> {
        for event in events {
            self.bars.note(event, self.now);
        }
        self.now += Duration::from_millis(ms);
        let frame = self.bars.frame(self.now, self.screen.size);
        self.screen.write(&frame);
        self.screen.rows()
    }

    fn end(&mut self) -> Vec<String> {
        let text = self.bars.nothing();
        self.screen.write(text);
        let mut rows = self.screen.rows();
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }
}

#[test]
fn a_copy_as_it_looks() {
    let mut work = Work::new(size(80), Narrowed::Folds);
    let begun = [planned(200_000_000), started(0, 50_000_000), started(1, 1000)];
    let rows = work.after(100, &begun);
    assert_eq!(
        rows[1..3],
        [
            "total        [>                      ]     0 B of  200 MB".to_owned(),
            format!(
                "{} [>                      ]     0 B of 50.0 MB",
                &sha256(b"0").encoded()[..12]
            ),
        ]
    );
    // The small one is not seen, and counts; so does what was there.
    let image = transship::transfer::ImageId(0);
    let there =
        EventKind::Reused { blob: BlobId(2), image, digest: sha256(b"x"), size: 100_000_000 };
    let rows = work.after(900, &[advanced(0, 20_000_000), advanced(1, 1000), there]);
    assert_eq!(
        rows[1],
        "total        [=============>         ]  120 MB of  200 MB 20.0 MB/s     4s left"
    );
    assert!(rows[2].ends_with("] 20.0 MB of 50.0 MB 20.0 MB/s     2s left"), "{rows:?}");
    let again = EventKind::Retried { blob: BlobId(0), why: "cut".to_owned() };
    let rows = work.after(100, &[again, stored(1)]);
    assert!(rows[1].contains("]  100 MB of  200 MB"), "{rows:?}");
    assert!(rows[2].contains("]     0 B of 50.0 MB"), "{rows:?}");
    let rows = work.after(100, &[stored(0)]);
    assert!(rows[1].contains("]  150 MB of  200 MB"), "{rows:?}");
    assert_eq!(rows[2..], [""]);
    assert_eq!(work.end(), ["$"]);
}

#[test]
fn what_comes_once_has_no_end_until_it_is_planned() {
    let mut work = Work::new(size(80), Narrowed::Folds);
    work.after(0, &[EventKind::StreamAdvanced { bytes: 1_000_000 }]);
    let rows = work.after(1000, &[EventKind::StreamAdvanced { bytes: 1_000_000 }]);
    assert_eq!(rows[1..], ["read    2.0 MB  2.0 MB/s", ""]);
    let rows = work.after(100, &[planned(9_000_000), started(0, 9_000_000)]);
    assert!(rows[1].starts_with("total") && rows.len() == 4, "{rows:?}");
    assert_eq!(work.end(), ["$"]);
}

#[test]
fn a_layer_that_a_delta_may_leave_out_is_read_once_or_twice() {
    let mut work = Work::new(size(80), Narrowed::Folds);
    let big = 50_000_000;
    work.after(100, &[planned(2 * big), started(0, big), advanced(0, big)]);
    let left = EventKind::LeftOut {
        blob: BlobId(0),
        image: transship::transfer::ImageId(0),
        digest: sha256(b"zipped"),
        size: 9,
    };
    let rows = work.after(100, &[left, started(1, big), advanced(1, big)]);
    assert!(rows[1].contains("]  100 MB of  100 MB"), "{rows:?}");
    let rows = work.after(100, &[EventKind::ReadAgain { blob: BlobId(1) }]);
    assert!(rows[1].contains("] 50.0 MB of  100 MB"), "{rows:?}");
}

#[test]
fn nothing_is_left_over_when_the_width_changes() {
    for narrowed in [Narrowed::Folds, Narrowed::Cuts] {
        for first in WIDTHS {
            for second in WIDTHS {
                resized(narrowed, first, second);
            }
        }
    }
}

fn resized(narrowed: Narrowed, first: usize, second: usize) {
    let mut work = Work::new(size(first), narrowed);
    let blobs = [started(0, 50_000_000), started(1, 60_000_000), started(2, 70_000_000)];
    work.after(10, &[planned(180_000_000)]);
    let mut check = |width: usize, ms, events: &[EventKind], lines: usize| {
        work.screen.resize(size(width));
        let rows = work.after(ms, events);
        let what = format!("{narrowed:?}, {first} to {second}, now {width}: {rows:#?}");
        assert_eq!(rows.len(), lines + 2, "{what}");
        assert!(rows[0] == "$" && rows[lines + 1].is_empty(), "{what}");
        assert!(rows[1..=lines].iter().all(|row| row.len() < width), "{what}");
        assert!(width < 19 || rows[1].starts_with("total "), "{what}");
    };
    check(first, 1000, &blobs, 4);
    check(second, 700, &[advanced(0, 30_000_000)], 4);
    check(second, 700, &[advanced(2, 30_000_000), stored(0)], 3);
    check(first, 700, &[stored(1)], 2);
    check(second, 700, &[], 2);
    work.screen.resize(size(first));
    assert_eq!(work.end(), ["$"], "{narrowed:?}, {first} to {second}");
    assert_eq!(work.screen.cursor, (1, 0));
}

#[test]
fn there_are_no_more_lines_than_rows() {
    for rows in 1..8 {
        let mut work = Work::new(Size { columns: 80, rows }, Narrowed::Folds);
        let mut begun = vec![planned(900_000_000)];
        begun.extend((0..6).map(|blob| started(blob, 100_000_000)));
        let seen = work.after(500, &begun);
        // The command line, the bars, and the cursor's row.
        assert_eq!(seen.len(), 1 + (rows - 1).min(7) + 1, "{seen:?}");
        assert_eq!(work.end(), ["$"]);
    }
}
