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

/// A word or a text in quotes, and whether it stands as it is: only then can it be a keyword or name an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Without quotes and backslashes.
    pub(super) plain: bool,
}

impl Word {
    /// Whether it looks like the name of an alias.
    pub(super) fn is_alias(&self) -> bool {
        let is_rest = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        self.plain
            && self.text.starts_with(|char: char| char.is_ascii_uppercase())
            && self.text.chars().all(is_rest)
    }

    /// Whether sudo reads it as a part of its grammar, a path or a regex, so that it can be no name.
    pub(super) fn is_reserved(&self) -> bool {
        self.plain && (self.text.starts_with(['/', '^']) || RESERVED.contains(&self.text.as_str()))
    }
}

/// Words that name nobody and nothing.
const RESERVED: [&str; 15] = [
    "APPARMOR_PROFILE",
    "CHROOT",
    "CWD",
    "LIMITPRIVS",
    "NOTAFTER",
    "NOTBEFORE",
    "PRIVS",
    "ROLE",
    "TIMEOUT",
    "TYPE",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sudoedit",
];

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

    /// Exclamation marks: whether they negate. Two that stand together are none, two that stand apart a mistake.
    pub(super) fn negation(&mut self) -> Read<bool> {
        let mut negated = false;
        loop {
            let start = self.at;
            let marks = self.take_while(|char| char == '!').len();
            if marks == 0 {
                return Ok(negated);
            }
            if negated && marks % 2 == 1 {
                return Err(self.mistake_since(start, "this is negated twice", "write one `!`, or none"));
            }
            negated |= marks % 2 == 1;
            self.blanks();
        }
    }

    /// A word, or a text in double quotes; without backslashes.
    pub(super) fn word(&mut self) -> Read<Option<Word>> {
        if self.peek() == Some('"') {
            self.quoted().map(|text| Some(Word { text, plain: false }))
        } else {
            self.plain_word()
        }
    }

    /// A word; `#` and digits are one, too.
    pub(super) fn plain_word(&mut self) -> Read<Option<Word>> {
        let start = self.at;
        let mut word = Word { text: String::new(), plain: true };
        if self.peek() == Some('#') && !self.is_comment() {
            word.text.extend(self.next());
            word.text.push_str(self.take_while(|char| char == '-' || char.is_ascii_digit()));
            return Ok(Some(word));
        }
        loop {
            match self.peek() {
                Some('\\') if !self.is_continuation() => {
                    self.next();
                    word.text.push(self.escaped()?);
                    word.plain = false;
                }
                Some(char) if !WORD_ENDS.contains(char) => word.text.extend(self.next()),
                _ => break,
            }
        }
        self.utf8_since(start)?;
        Ok((!word.text.is_empty()).then_some(word))
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
        {
            let start = self.at;
            self.at += 3;
            return if code.is_ascii() && code != 0 {
                Ok(char::from(code))
            } else {
                Err(self.mistake_since(start, "this is a byte that no name can have", ""))
            };
        }
        match self.peek() {
            None | Some('\n' | '\r' | '\t') => Err(self.expected("a character after the backslash")),
            Some(char) => {
                self.next();
                Ok(char)
            }
        }
    }

    /// A text in double quotes. In it a backslash stands for itself, unless a quote follows.
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
                Some('\\') if self.take("\"") => text.push('"'),
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
