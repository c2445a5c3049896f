//! Writing to stdout, as text, bytes or one JSON value; and formatting for people.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use transship::transfer::LayerElsewhere;
use transship::transport::{Escaped, few};
use transship::{Digest, Error, ErrorKind};

use crate::exit::{Failure, Result};

pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::stdout)
}

pub(crate) fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes one JSON value, indented, with a line end.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| {
        Error::new(ErrorKind::Unexpected, "the result cannot be written as JSON").caused_by(e)
    })?;
    text.push('\n');
    print(&text)
}

/// The most characters of a cell. `--json` has all of them.
const LONGEST_CELL: usize = 500;

/// Cells are padded to at most this width.
const WIDEST_COLUMN: usize = 100;

/// Rows in columns, two spaces apart; the last column is not padded. Long cells are shortened.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let width = |column| width(column).unwrap_or(0).min(WIDEST_COLUMN);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let cell = shortened(cell);
            let blanks = 2 + width.saturating_sub(cell.chars().count());
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Rows below their heads.
pub(crate) fn table<const N: usize>(
    heads: [&str; N],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let heads = heads.map(str::to_owned).to_vec();
    columns(&[heads].into_iter().chain(rows).collect::<Vec<_>>())
}

fn shortened(cell: &str) -> Cow<'_, str> {
    match cell.char_indices().nth(LONGEST_CELL) {
        Some((end, _)) => format!("{}... ({} bytes)", &cell[..end], cell.len()).into(),
        None => cell.into(),
    }
}

/// What to say of layers that are not to be distributed, where there are some.
pub(crate) fn not_distributed(layers: &[LayerElsewhere]) -> Option<String> {
    let of = count(layers.len(), "layer");
    (!layers.is_empty())
        .then(|| format!("{of} not to be distributed, and not copied: {}", few(layers)))
}

/// Text from outside, with control characters escaped.
pub(crate) fn safe(text: &str) -> String {
    Escaped(text).to_string()
}

/// The first 12 digits of a digest, as docker shows image IDs.
pub(crate) fn short(digest: &Digest) -> &str {
    let encoded = digest.encoded();
    encoded.get(..12).unwrap_or(encoded)
}

/// A size with three digits and a unit of powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Whole numbers: no float is right about 19 digits.
    let bytes = u128::from(bytes);
    let (mut unit, mut of) = (0, 1000_u128);
    loop {
        let tenths = (bytes * 10 + of / 2) / of;
        if tenths < 1000 {
            return format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]);
        }
        let whole = (bytes + of / 2) / of;
        if whole < 1000 || unit + 1 == UNITS.len() {
            return format!("{whole} {}", UNITS[unit]);
        }
        unit += 1;
        of *= 1000;
    }
}

/// `1 image`, `2 images`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (123_456, "123 kB"),
            (999_600, "1.0 MB"),
            (1_000_000, "1.0 MB"),
            (248_000_000, "248 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(columns(&[row(["a", "b"]), row(["long", ""])]), "a     b\nlong\n");
        let huge = "ä".repeat(70_000);
        let text = columns(&[row(["a", "b"]), row([&huge, "c"])]);
        let start = "ä".repeat(LONGEST_CELL);
        let blanks = " ".repeat(WIDEST_COLUMN - 1);
        assert_eq!(text, format!("a{blanks}  b\n{start}... (140000 bytes)  c\n"));
    }
}
