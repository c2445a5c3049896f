//! [`Area`]: lines on a terminal that are written over, also after its size has changed.

use std::fmt::Write as _;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The lines that were drawn last.
///
/// The cursor stands at their start. A terminal that gets narrower folds what does not fit into more rows, or cuts it off, and
/// keeps the cursor where it is in the text: so all that has to go stands after it, however many rows that is by then. It
/// is never hidden, and nothing has to be put right when the process is killed.
#[derive(Debug, Default)]
pub(super) struct Area {
    drawn: Vec<String>,
    size: Size,
}

/// Erases the row of the cursor and all below. In two steps: tmux keeps a screen that is erased from its very start in its
/// history, and a row that was folded is only itself again when it was erased whole.
const ERASE: &str = "\r\x1b[2K\r\n\x1b[J\x1b[1A";

impl Area {
    /// What has to be written so that these lines are there in place of the last ones: nothing where they are the same.
    ///
    /// Each has to be shorter than the terminal is wide, and all have to leave a row free.
    pub(super) fn draw(&mut self, lines: Vec<String>, size: Size) -> String {
        if lines.is_empty() {
            return self.erase().to_owned();
        }
        if lines == self.drawn && size == self.size {
            return String::new();
        }
        let resized = size != self.size;
        let mut text = if resized { self.erase() } else { "\r" }.to_owned();
        for line in &lines {
            // Writing to a String cannot fail.
            let _ = write!(text, "{line}\x1b[K\r\n");
        }
        let _ = write!(text, "\x1b[J\x1b[{}A", lines.len());
        (self.drawn, self.size) = (lines, size);
        text
    }

    /// What has to be written so that nothing of the lines is left, and the cursor is where they began.
    pub(super) fn erase(&mut self) -> &'static str {
        if std::mem::take(&mut self.drawn).is_empty() { "" } else { ERASE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_not_written() {
        let mut area = Area::default();
        let size = Size { columns: 20, rows: 5 };
        assert_eq!(area.erase(), "");
        assert_eq!(area.draw(Vec::new(), size), "");
        let lines = || vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(area.draw(lines(), size), "one\x1b[K\r\ntwo\x1b[K\r\n\x1b[J\x1b[2A");
        assert_eq!(area.draw(lines(), size), "");
        assert_eq!(area.draw(vec!["1".to_owned()], size), "\r1\x1b[K\r\n\x1b[J\x1b[1A");
        let wider = Size { columns: 21, ..size };
        let again = format!("{ERASE}1\x1b[K\r\n\x1b[J\x1b[1A");
        assert_eq!(area.draw(vec!["1".to_owned()], wider), again);
        assert_eq!(area.draw(Vec::new(), wider), ERASE);
        assert_eq!(area.erase(), "");
    }
}
