//! The characters of a sudoers file: blanks, continued lines, comments, words.

use std::ops::Range;

/// Why a text is not what sudoers(5) describes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

pub(super) type Read<T> = Result<T, Mistake>;

/// A place in a text, from its first character to its last.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

/// What ends a word unless a backslash is before it.
const WORD_ENDS: &str = "#>!=:,() \t\r\n\\\"";

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // A byte order mark is no part of the text.
        Self { text, at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at.min(self.text.len());
    }

    pub(super) fn text_from(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes this text if it is here.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let here = self.rest().starts_with(text);
        if here {
            self.at += text.len();
        }
        here
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    /// Takes characters while they are such.
    pub(super) fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'t str {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|char| !is(char)).unwrap_or(rest.len());
        self.text_from(start)
    }

    /// Passes blanks and continued lines; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let start = self.at;
        loop {
            self.take_while(|char| matches!(char, ' ' | '\t'));
            if !self.continuation() {
                return self.at > start;
            }
        }
    }

    /// A backslash, blanks and the end of the line.
    fn continuation(&mut self) -> bool {
        let Some(rest) = self.rest().strip_prefix('\\') else { return false };
        let end = rest.trim_start_matches([' ', '\t']);
        let Some(after) = end.strip_prefix("\r\n").or_else(|| end.strip_prefix('\n')) else { return false };
        self.at = self.text.len() - after.len();
        true
    }

    /// Whether a comment begins here: a `#` that begins no uid.
    pub(super) fn is_comment(&self) -> bool {
        self.rest().strip_prefix('#').is_some_and(|rest| {
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            !rest.starts_with(|char: char| char.is_ascii_digit())
        })
    }

    /// Passes the end of the line, with the comment before it; whether it is here.
    pub(super) fn line_end(&mut self) -> bool {
        self.blanks();
        if self.is_comment() {
            self.rest_of_line();
        }
        self.is_at_end() || self.take("\r\n") || self.take("\n")
    }

    /// To the end of this line, which stays.
    pub(super) fn rest_of_line(&mut self) -> &'t str {
        let start = self.at;
        self.take_while(|char| char != '\n');
        self.text_from(start).trim_end_matches('\r')
    }

    /// Past the end of the line with a mistake, continued lines included.
    pub(super) fn skip_line(&mut self) {
        loop {
            let line = self.rest_of_line();
            if !self.take("\n") || !line.trim_end_matches([' ', '\t']).ends_with('\\') {
                return;
            }
        }
    }

    /// A mistake at the next character.
    pub(super) fn mistake(&self, message: impl Into<String>, hint: &'static str) -> Mistake {
        let length = self.peek().map_or(0, char::len_utf8);
        Mistake { at: self.at..self.at + length, message: message.into(), hint }
    }

    /// A mistake in what was read since.
    pub(super) fn mistake_since(
        &self,
        start: usize,
        message: impl Into<String>,
        hint: &'static str,
    ) -> Mistake {
        Mistake { at: start..self.at.max(start), message: message.into(), hint }
    }

    /// What was expected is not here.
    pub(super) fn expected(&self, what: &str) -> Mistake {
        let found = match self.peek() {
            None | Some('\n' | '\r') => "the line ends".to_owned(),
            Some(char) => format!("there is `{}`", char.escape_debug()),
        };
        self.mistake(format!("{what} is expected here, but {found}"), "")
    }

    /// An exclamation mark or several: whether they negate.
    pub(super) fn negation(&mut self) -> bool {
        let mut negated = false;
        while self.take("!") {
            negated = !negated;
            self.blanks();
        }
        negated
    }

    /// A word, or a text in double quotes; without backslashes.
    pub(super) fn word(&mut self) -> Read<Option<String>> {
        if self.peek() == Some('"') { self.quoted().map(Some) } else { self.plain_word() }
    }

    /// A word; `#` and digits are one, too.
    pub(super) fn plain_word(&mut self) -> Read<Option<String>> {
        let start = self.at;
        let mut word = String::new();
        if self.peek() == Some('#') && !self.is_comment() {
            word.extend(self.next());
            word.push_str(self.take_while(|char| char == '-' || char.is_ascii_digit()));
            return Ok(Some(word));
        }
        loop {
            match self.peek() {
                Some('\\') if !self.is_continuation() => {
                    self.next();
                    word.push(self.escaped()?);
                }
                Some(char) if !WORD_ENDS.contains(char) => word.extend(self.next()),
                _ => break,
            }
        }
        self.utf8_since(start)?;
        Ok((!word.is_empty()).then_some(word))
    }

    fn is_continuation(&self) -> bool {
        self.clone().continuation()
    }

    /// What a backslash, which is passed, stands before: any character, or `x` and two digits.
    fn escaped(&mut self) -> Read<char> {
        if self.peek() == Some('x')
            && let Some(digits) = self.rest().get(1..3)
            && digits.chars().all(|char| char.is_ascii_hexdigit())
            && let Ok(code) = u8::from_str_radix(digits, 16)
            && code.is_ascii()
            && code != 0
        {
            self.at += 3;
            return Ok(char::from(code));
        }
        match self.peek() {
            None | Some('\n' | '\r' | '\t') => Err(self.expected("a character after the backslash")),
            Some(char) => {
                self.next();
                Ok(char)
            }
        }
    }

    /// A text in double quotes.
    pub(super) fn quoted(&mut self) -> Read<String> {
        let start = self.at;
        self.next();
        let mut text = String::new();
        loop {
            if self.continuation() {
                self.take_while(|char| matches!(char, ' ' | '\t'));
                continue;
            }
            match self.next() {
                Some('"') if text.is_empty() => {
                    return Err(self.mistake_since(start, "nothing stands between these quotes", ""));
                }
                Some('"') => break,
                Some('\\') => text.push(self.escaped()?),
                None | Some('\n' | '\r') => {
                    let hint = "end the text with \" on the same line";
                    return Err(self.mistake_since(start, "this text does not end", hint));
                }
                Some(char) => text.push(char),
            }
        }
        self.utf8_since(start)?;
        Ok(text)
    }

    /// What was not UTF-8 may stand in comments, but in nothing that is compared.
    pub(super) fn utf8_since(&self, start: usize) -> Read<()> {
        if self.text_from(start).contains(['\u{fffd}', '\0']) {
            let hint = "policy is UTF-8; in comments anything may stand";
            return Err(self.mistake_since(start, "this is not UTF-8, or contains a NUL", hint));
        }
        Ok(())
    }
}
