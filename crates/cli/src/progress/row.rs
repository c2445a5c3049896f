//! [`Row`]: a bar with numbers, in a line of any width.

use std::time::Duration;

use crate::output::size;

#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// In ASCII.
    pub(super) name: &'a str,
    pub(super) done: u64,
    /// The total, if it is known.
    pub(super) of: Option<u64>,
    /// Bytes per second.
    pub(super) rate: Option<u64>,
    pub(super) left: Option<Duration>,
}

/// A part of a line, and its width.
#[derive(Clone, Copy, Debug)]
enum Part {
    Name(usize),
    /// Takes what the others leave.
    Bar,
    Percent,
    Done,
    DoneOf,
    Rate,
    Left,
    LeftSaid,
}

use Part::{Bar, Done, DoneOf, Left, LeftSaid, Name, Percent, Rate};

/// Layouts, from the widest to the narrowest.
const SIZED: [&[Part]; 7] = [
    &[Name(12), Bar, DoneOf, Rate, LeftSaid],
    &[Name(6), Bar, DoneOf, Rate, Left],
    &[Name(6), Percent, Done, Rate, Left],
    &[Name(6), Percent, Rate, Left],
    &[Name(6), Percent, Left],
    &[Name(6), Percent],
    &[Percent],
];

/// Layouts if the total is unknown.
const UNSIZED: [&[Part]; 3] = [&[Name(6), Done, Rate], &[Name(6), Done], &[Done]];

impl Part {
    /// The least columns that it needs.
    const fn width(self) -> usize {
        match self {
            Name(width) => width,
            Bar => 10,
            Percent => 4,
            Done => 7,
            DoneOf => 18,
            Rate => 9,
            Left => 6,
            LeftSaid => 11,
        }
    }
}

impl Row<'_> {
    /// The line, of at most so many columns, in the widest layout that fits.
    pub(super) fn line(&self, columns: usize) -> String {
        let layouts: &[&[Part]] = if self.of.is_some() { &SIZED } else { &UNSIZED };
        let least = |parts: &[Part]| parts.iter().map(|part| part.width() + 1).sum::<usize>() - 1;
        let Some(parts) = layouts.iter().find(|parts| least(parts) <= columns) else {
            return String::new();
        };
        let bar = Bar.width() + columns - least(parts);
        let texts: Vec<String> = parts.iter().map(|part| self.part(*part, bar)).collect();
        let mut line = texts.join(" ");
        // Sizes beyond all measure are wider than their column.
        line.truncate(columns);
        line.truncate(line.trim_end().len());
        line
    }

    fn part(&self, part: Part, bar: usize) -> String {
        let of = self.of.unwrap_or(self.done);
        let rate = || self.rate.map(|rate| size(rate) + "/s").unwrap_or_default();
        let left = || self.left.map(time).unwrap_or_default();
        match part {
            Name(width) => format!("{:<width$}", self.name.get(..width).unwrap_or(self.name)),
            Bar => drawn(share(self.done, of, bar.saturating_sub(2)), bar.saturating_sub(2)),
            Percent => format!("{:>3}%", share(self.done, of, 100)),
            Done => format!("{:>7}", size(self.done)),
            DoneOf => format!("{:>7} of {:>7}", size(self.done), size(of)),
            Rate => format!("{:>9}", rate()),
            Left => format!("{:>6}", left()),
            LeftSaid if self.left.is_some() => format!("{:>6} left", left()),
            LeftSaid => format!("{:>11}", ""),
        }
    }
}

fn drawn(full: usize, width: usize) -> String {
    let head = if full < width { ">" } else { "" };
    format!("[{}{head}{}]", "=".repeat(full), " ".repeat((width - full).saturating_sub(1)))
}

/// `done` of `of` as so many parts of `whole`; of nothing all is done.
fn share(done: u64, of: u64, whole: usize) -> usize {
    let parts = u128::from(done.min(of)) * whole as u128;
    parts.checked_div(u128::from(of)).map_or(whole, |parts| usize::try_from(parts).unwrap_or(whole))
}

/// A time in six columns.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    if minutes == 0 {
        format!("{seconds}s")
    } else if hours == 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if hours < 100 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{}d", (hours / 24).min(99_999))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row<'_> = Row {
        name: "0123456789ab",
        done: 400_000_000,
        of: Some(1_600_000_000),
        rate: Some(12_300_000),
        left: Some(Duration::from_secs(98)),
    };

    #[test]
    fn a_line_says_what_fits() {
        let total = Row { name: "total", ..ROW };
        for (columns, sized, unknown) in [
            (
                79,
                "total        [=====>                 ]  400 MB of  1.6 GB 12.3 MB/s  1m38s left",
                "total   400 MB 12.3 MB/s",
            ),
            (
                63,
                "total  [====>             ]  400 MB of  1.6 GB 12.3 MB/s  1m38s",
                "total   400 MB 12.3 MB/s",
            ),
            (39, "total   25%  400 MB 12.3 MB/s  1m38s", "total   400 MB 12.3 MB/s"),
            (30, "total   25% 12.3 MB/s  1m38s", "total   400 MB 12.3 MB/s"),
            (19, "total   25%  1m38s", "total   400 MB"),
            (12, "total   25%", " 400 MB"),
            (5, " 25%", ""),
            (3, "", ""),
            (0, "", ""),
        ] {
            assert_eq!(total.line(columns), sized, "{columns}");
            assert_eq!(Row { of: None, ..total }.line(columns), unknown, "{columns}");
        }
        assert!(ROW.line(79).starts_with("0123456789ab [="));
        assert!(ROW.line(39).starts_with("012345  25%"));
    }

    #[test]
    fn no_line_is_too_wide() {
        let none = Row { name: "", done: 0, of: Some(0), rate: None, left: None };
        let left = Some(Duration::MAX);
        let most = Row { done: u64::MAX, of: Some(u64::MAX), rate: Some(u64::MAX), left, ..ROW };
        let over = Row { done: 9, of: Some(3), ..ROW };
        for row in [ROW, none, most, over] {
            for of in [row.of, None] {
                for columns in 0..250 {
                    let line = Row { of, ..row }.line(columns);
                    assert!(line.len() <= columns && line.is_ascii(), "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn bars_end_full() {
        let full = |done, of| Row { done, of: Some(of), rate: None, left: None, ..ROW }.line(70);
        for full in [full(7, 7), full(9, 7), full(0, 0)] {
            assert!(full.contains("[==============]"), "{full}");
        }
        assert!(full(6, 7).contains("[============> ]"), "{}", full(6, 7));
        assert!(full(0, 7).contains("[>             ]"), "{}", full(0, 7));
    }

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3599, "59m59s"),
            (3600, "1h00m"),
            (359_999, "99h59m"),
            (360_000, "4d"),
            (u64::MAX, "99999d"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }
}
