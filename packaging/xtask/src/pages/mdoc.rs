//! Markdown, as far as our documents use it, to mdoc(7): the source of a manual page.
//!
//! ```text
//! # name(8): what it is     the head of the page
//! ## NAME                   a section; everything deeper is a subsection
//! - item   1. item   ```    lists, and text as it is
//! | key | holds |           a list of keys; what is in further columns follows, after the column's heading
//! `bold` **bold** *italic* [text](link)
//! ```

use std::fmt::Write as _;

/// mandoc(1) wants lines of at most 80 bytes.
const WIDTH: usize = 78;

/// The page. `date`: as mdoc(7) wants it, `January 1, 2026`. `None`: the first line is no head of a page.
pub(super) fn page(markdown: &str, date: &str) -> Option<String> {
    let (first, rest) = markdown.split_once('\n')?;
    let (title, about) = first.strip_prefix("# ")?.split_once(": ")?;
    let (name, section) = title.strip_suffix(')')?.split_once('(')?;
    let mut mdoc = Mdoc { text: String::new(), after_heading: true };
    let _ = write!(
        mdoc.text,
        ".Dd {date}\n.Dt {} {section}\n.Os\n.Sh NAME\n.Nm {name}\n.Nd {about}\n",
        name.to_uppercase()
    );
    mdoc.blocks(rest);
    Some(mdoc.text)
}

struct Mdoc {
    text: String,
    /// No paragraph begins right below a heading: mandoc(1) says so.
    after_heading: bool,
}

impl Mdoc {
    fn blocks(&mut self, markdown: &str) {
        let mut lines = markdown.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(heading) = line.strip_prefix("## ") {
                self.heading(".Sh", &heading.to_uppercase());
            } else if line.starts_with("###") {
                self.heading(".Ss", line.trim_start_matches('#').trim());
            } else if line.starts_with("```") {
                self.macros(".Bd -literal -offset indent");
                for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                    let _ = writeln!(self.text, "{}", safe_start(&literal(line)));
                }
                self.macros(".Ed");
            } else if line.starts_with('|') {
                let mut rows = vec![cells(line)];
                while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                    rows.push(cells(row));
                }
                self.table(&rows);
            } else if let Some((kind, first)) = item(line) {
                self.macros(kind);
                let mut text = first.to_owned();
                while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                    if let Some((_, next)) = item(line) {
                        self.item("", &text);
                        next.clone_into(&mut text);
                    } else {
                        text.push(' ');
                        text.push_str(line.trim());
                    }
                }
                self.item("", &text);
                self.macros(".El");
            } else if !line.is_empty() {
                let mut text = line.to_owned();
                while let Some(line) = lines.next_if(|line| !line.is_empty() && !starts_block(line)) {
                    text.push(' ');
                    text.push_str(line);
                }
                if !self.after_heading {
                    self.macros(".Pp");
                }
                self.fill(&text);
            }
        }
    }

    fn heading(&mut self, kind: &str, text: &str) {
        let _ = writeln!(self.text, "{kind} {}", argument(&inline(text)));
        self.after_heading = true;
    }

    fn macros(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
        self.after_heading = false;
    }

    fn item(&mut self, tag: &str, text: &str) {
        let tag = argument(&inline(tag));
        self.macros(format!(".It {tag}").trim_end());
        self.fill(text);
    }

    /// The first column is what it is about. A table that is only there for its columns has empty headings.
    fn table(&mut self, rows: &[Vec<String>]) {
        let (Some(heading), rows) = (rows.first(), rows.get(2..).unwrap_or_default()) else { return };
        if rows.is_empty() {
            return; // mandoc(1) takes an empty list for a mistake
        }
        self.macros(".Bl -tag -width Ds");
        for row in rows {
            let mut cells = row.iter();
            let tag = cells.next().map_or("", String::as_str);
            let mut text = cells.next().cloned().unwrap_or_default();
            for (cell, name) in cells.zip(heading.iter().skip(2)) {
                let name = format!(
                    "{}{}",
                    name.get(..1).unwrap_or_default().to_uppercase(),
                    name.get(1..).unwrap_or_default()
                );
                let _ = write!(text, ". {name}: {cell}");
            }
            if !text.ends_with('.') {
                text.push('.');
            }
            self.item(tag, &text);
        }
        self.macros(".El");
    }

    /// Each sentence begins on a line of its own, as mdoc(7) asks for.
    fn fill(&mut self, text: &str) {
        let mut line = String::new();
        for word in inline(text).split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
                let _ = writeln!(self.text, "{}", safe_start(&line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if word.trim_end_matches("\\fR").trim_end_matches([')', '"']).ends_with(['.', '?', '!']) {
                let _ = writeln!(self.text, "{}", safe_start(&line));
                line.clear();
            }
        }
        if !line.is_empty() {
            let _ = writeln!(self.text, "{}", safe_start(&line));
        }
        self.after_heading = false;
    }
}

fn starts_block(line: &str) -> bool {
    line.starts_with(['#', '|']) || line.starts_with("```") || item(line).is_some()
}

/// An item of a list, and the list's beginning.
fn item(line: &str) -> Option<(&'static str, &str)> {
    let bullet = || line.strip_prefix("- ").or_else(|| line.strip_prefix("* "));
    if let Some(text) = bullet() {
        return Some((".Bl -bullet", text));
    }
    let (number, text) = line.split_once(". ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((".Bl -enum", text))
}

/// The cells of a line of a table; `\|` is a bar.
fn cells(line: &str) -> Vec<String> {
    let line = line.replace("\\|", "\0");
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// What stands between the marks, without them: code is bold, a link is its text.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&plain(before));
        let marked = |mark: &str| from.strip_prefix(mark)?.split_once(mark);
        let link = || {
            let (text, rest) = from.strip_prefix('[')?.split_once("](")?;
            Some((text, rest.split_once(')')?.1)).filter(|(text, _)| !text.contains('['))
        };
        rest = if let Some((code, after)) = marked("`") {
            let _ = write!(out, "\\fB{}\\fR", literal(code));
            after
        } else if let Some((strong, after)) = marked("**").filter(|(strong, _)| !strong.is_empty()) {
            let _ = write!(out, "\\fB{}\\fR", plain(strong));
            after
        } else if let Some((text, after)) =
            marked("*").filter(|(text, _)| text.trim() == *text && !text.is_empty())
        {
            let _ = write!(out, "\\fI{}\\fR", plain(text));
            after
        } else if let Some((text, after)) = link() {
            out.push_str(&inline(text));
            after
        } else {
            let mut chars = from.chars();
            out.extend(chars.next());
            chars.as_str()
        };
    }
    out + &plain(rest)
}

/// Text: backslashes, and what is not ASCII, as roff(7) writes them.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\e"),
            char if char.is_ascii() => out.push(char),
            char => {
                let _ = write!(out, "\\[u{:04X}]", u32::from(char));
            }
        }
    }
    out
}

/// Text to be typed: its dashes are no hyphens, its quotes and carets no accents.
fn literal(text: &str) -> String {
    let plain = plain(text).replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    plain.replace('^', "\\(ha").replace('~', "\\(ti")
}

/// A line of text never is a macro.
fn safe_start(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// Words after a macro: none of them is one, and none ends with a delimiter.
fn argument(text: &str) -> String {
    let words: Vec<String> =
        text.split_whitespace().map(|word| format!("\\&{}", word.replace('"', "\\(dq"))).collect();
    let words = words.join(" ");
    if words.ends_with(|char: char| char.is_ascii_punctuation()) { words + "\\&" } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(markdown: &str) -> String {
        let page = page(&format!("# x(1): a test\n{markdown}"), "January 1, 2026").unwrap();
        page.split_once(".Nd a test\n").unwrap().1.to_owned()
    }

    #[test]
    fn what_our_documents_use_becomes_mdoc() {
        for (markdown, mdoc) in [
            ("## Files\ntext", ".Sh \\&FILES\ntext\n"),
            (
                "### A `-x` thing\n\none\ntwo\n\nthree",
                ".Ss \\&A \\&\\fB\\-x\\fR \\&thing\none two\n.Pp\nthree\n",
            ),
            ("### x [FILE]...", ".Ss \\&x \\&[FILE]...\\&\n"),
            ("One. Two? *three* 2 * 3", "One.\nTwo?\n\\fIthree\\fR 2 * 3\n"),
            ("see [the **guide**](x.md#y), `a]b`", "see the \\fBguide\\fR, \\fBa]b\\fR\n"),
            (".Sh no\n'macro", "\\&.Sh no 'macro\n"),
            ("a\\b \u{2026} `it's -x`", "a\\eb \\[u2026] \\fBit\\(aqs \\-x\\fR\n"),
            ("- one\n  more\n- two", ".Bl -bullet\n.It\none more\n.It\ntwo\n.El\n"),
            ("1. one\n2. two", ".Bl -enum\n.It\none\n.It\ntwo\n.El\n"),
            ("```\n.x  y\n\n```", ".Bd -literal -offset indent\n\\&.x  y\n\n.Ed\n"),
            (
                "| key | holds | without it |\n|---|---|---|\n| `a\\|\"b\"` | this | that |",
                ".Bl -tag -width Ds\n.It \\&\\fBa|\\(dqb\\(dq\\fR\nthis.\nWithout it: that.\n.El\n",
            ),
        ] {
            assert_eq!(body(markdown), mdoc, "{markdown}");
        }
    }

    #[test]
    fn a_page_without_its_head_is_none() {
        assert_eq!(page("text\n", ""), None);
        assert_eq!(page("# x: y\n", ""), None);
    }

    #[test]
    fn lines_are_short() {
        let text = body(&"words ".repeat(100));
        assert!(text.lines().all(|line| line.len() <= WIDTH) && text.lines().count() > 6, "{text}");
    }
}
