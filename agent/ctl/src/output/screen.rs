//! The terminal that results are shown on.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{isatty, tcgetwinsize};

/// Back to the upper left corner, and all from there on cleared.
const CLEAR: &str = "\x1b[H\x1b[J";

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Lines.
    pub(crate) rows: usize,
    /// Characters in a line.
    pub(crate) columns: usize,
}

impl Screen {
    /// Standard output's, if it is a terminal; one that does not know its size is of the usual one.
    pub(crate) fn of_standard_output() -> Option<Self> {
        let stdout = io::stdout();
        let size = isatty(stdout.as_fd()).then(|| tcgetwinsize(stdout.as_fd()).ok()).flatten()?;
        let or = |size: u16, usual: usize| if size == 0 { usual } else { size.into() };
        Some(Self { rows: or(size.ws_row, 24), columns: or(size.ws_col, 80) })
    }

    /// What to write to see this text in the place of all that was there. What the screen does not hold is counted: it would
    /// roll the rest away, again each time.
    pub(super) fn picture(self, text: &str) -> String {
        let lines_of = |line: &str| unicode_width::UnicodeWidthStr::width(line).div_ceil(self.columns).max(1);
        let most = self.rows.saturating_sub(2);
        let mut used = 0;
        let fits = |line: &&str| {
            used += lines_of(line);
            used <= most
        };
        let shown: Vec<&str> = text.lines().take_while(fits).collect();
        let hidden = text.lines().count() - shown.len();
        let mut picture = format!("{CLEAR}{}\n", shown.join("\n"));
        if hidden > 0 {
            picture = format!("{picture}({hidden} more lines do not fit)\n");
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_never_rolls_and_says_what_it_leaves_out() {
        let screen = Screen { rows: 5, columns: 10 };
        assert_eq!(screen.picture("one\ntwo\n"), format!("{CLEAR}one\ntwo\n"));
        assert_eq!(screen.picture("1\n2\n3"), format!("{CLEAR}1\n2\n3\n"));
        assert_eq!(screen.picture("1\n2\n3\n4\n5"), format!("{CLEAR}1\n2\n3\n(2 more lines do not fit)\n"));
        let folded = "a line of two\nb\nc";
        assert_eq!(screen.picture(folded), format!("{CLEAR}a line of two\nb\n(1 more lines do not fit)\n"));
    }
}
