//! Standard output: text, tables and JSON, with everything from outside escaped.

mod screen;
mod table;

use std::io::{self, Write};

use jit_protocol::{Bytes, ascii_json, escape, escape_lines};
use serde::Serialize;

pub(crate) use self::screen::Screen;
use crate::failure::Failure;

/// Where results go.
pub(crate) struct Output {
    to: Box<dyn Write>,
    /// Asked each time: its size changes.
    screen: fn() -> Option<Screen>,
}

impl Output {
    /// Standard output.
    pub(crate) fn standard() -> Self {
        Self { to: Box::new(io::BufWriter::new(io::stdout())), screen: Screen::of_standard_output }
    }

    /// One or more lines.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.to, "{}", escape_lines(text))?)
    }

    /// Lines that are escaped already.
    pub(crate) fn lines(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.to.write_all(text.as_bytes())?)
    }

    /// A file as it is, for a file or a program: an escape would be another text.
    pub(crate) fn document(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.to.write_all(text.as_bytes())?)
    }

    /// A value as JSON, for programs: in ASCII but for text, which serde escapes.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        Ok(writeln!(self.to, "{}", ascii_json(&text))?)
    }

    /// A value as JSON on one line, for programs that read on.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        Ok(writeln!(self.to, "{}", ascii_json(&text))?)
    }

    /// Rows in columns under their titles; without rows `none`.
    pub(crate) fn table(&mut self, titles: &[&str], rows: &[Vec<String>], none: &str) -> Result<(), Failure> {
        self.lines(&table(titles, rows, none, self.screen()))
    }

    /// The terminal that this is shown on, if it is one.
    pub(crate) fn screen(&self) -> Option<Screen> {
        (self.screen)()
    }

    /// Lines in the place of all that was on the terminal.
    pub(crate) fn redraw(&mut self, text: &str, on: Screen) -> Result<(), Failure> {
        write!(self.to, "{}", on.picture(text))?;
        self.flush()
    }

    /// Asks something, on the same line.
    pub(crate) fn question(&mut self, text: &str) -> Result<(), Failure> {
        write!(self.to, "{}", escape(text.as_bytes()))?;
        self.flush()
    }

    /// Writes out what is there, for another program goes on.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.to.flush()?)
    }

    /// Writes out what is left.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        Ok(self.to.flush()?)
    }
}

/// Rows in columns under their titles, escaped; without rows `none`. On a terminal what does not fit stands below its row.
pub(crate) fn table(titles: &[&str], rows: &[Vec<String>], none: &str, screen: Option<Screen>) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape(cell.as_bytes())).collect()).collect();
    table::lay_out(&titles, &rows, screen.map(|screen| screen.columns))
}

/// A command on one line, each argument distinct: those with blanks, quotes or nothing in them in quotes. For [`Output::table`],
/// which escapes it.
pub(crate) fn command_line(command: &[Bytes]) -> String {
    let quoted = |argument: &Bytes| {
        let text = argument.to_string_lossy();
        let plain = !text.is_empty() && !text.contains([' ', '"', '\'']);
        if plain { text } else { format!("'{text}'") }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `1 rule`, `2 rules`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An output that a test can read.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn output(&self) -> Output {
            Output { to: Box::new(self.clone()), screen: || None }
        }

        pub(crate) fn output_on(&self, screen: fn() -> Option<Screen>) -> Output {
            Output { screen, ..self.output() }
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let captured = Captured::default();
        let rows = [
            vec!["1".to_owned(), "grüße".to_owned(), "x".to_owned()],
            vec!["22".to_owned(), String::new(), "y".to_owned()],
        ];
        captured.output().table(&["ID", "B", "C"], &rows, "none").unwrap();
        assert_eq!(captured.text(), "ID  B      C\n1   grüße  x\n22         y\n");
    }

    #[test]
    fn an_empty_table_says_so() {
        let captured = Captured::default();
        captured.output().table(&["ID"], &[], "no live grants").unwrap();
        assert_eq!(captured.text(), "no live grants\n");
    }

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        let captured = Captured::default();
        let evil = "a\x1b[2J\n\u{202e}\u{9b}b";
        captured.output().table(&["ID"], &[vec![evil.to_owned()]], "").unwrap();
        captured.output().text(evil).unwrap();
        captured.output().json(&[evil]).unwrap();
        let text = captured.text();
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
        assert!(text.contains("a\\x1b[2J\\n\\u{202e}\\u{9b}b"));
        let json = text.split_once('[').map(|_| text.rsplit_once("\n[").unwrap().1).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&format!("[{json}")).unwrap(), [evil]);
    }

    #[test]
    fn each_argument_of_a_command_is_seen_as_one() {
        let command = ["/usr/bin/id", "two words", "", "it's"].map(Bytes::from);
        assert_eq!(command_line(&command), "/usr/bin/id 'two words' '' 'it's'");
    }
}
