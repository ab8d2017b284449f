//! Lines of a doas.conf.

use std::ops::Range;

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) permits: bool,
    pub(super) no_password: bool,
    pub(super) no_log: bool,
    pub(super) persist: bool,
    pub(super) keep_env: bool,
    pub(super) variables: Vec<Variable>,
    /// A user, or a group after a `:`.
    pub(super) who: String,
    pub(super) target: Option<String>,
    pub(super) command: Option<String>,
    pub(super) arguments: Option<Vec<String>>,
}

/// One of `setenv { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Kept(String),
    Set(String, String),
    /// It is removed, or has the value of another.
    Lost(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word that is quoted in any way is no keyword.
    Word {
        text: String,
        quoted: bool,
    },
    Open,
    Close,
    End,
}

/// Words have fewer bytes.
const LONGEST: usize = 1024;

/// What is no text unless it is quoted.
const KEYWORDS: [&str; 10] =
    ["deny", "permit", "as", "cmd", "args", "nopass", "nolog", "persist", "keepenv", "setenv"];

type Mistake = (Range<usize>, &'static str);

pub(super) fn read_lines(text: &str) -> Result<Vec<Line>, Vec<Mistake>> {
    let mut lexer = Lexer { text, at: 0, line: 1, line_has_no_end: false };
    let mut lines = Vec::new();
    let mut mistakes = Vec::new();
    while lexer.at < text.len() {
        let start = lexer.at;
        let line = lexer.line;
        let read = lexer.line().and_then(|tokens| match tokens.as_slice() {
            [] => Ok(None),
            _ if lexer.line_has_no_end => Err("doas takes no line without an end: a newline is missing"),
            tokens => rule(tokens, line).map(Some),
        });
        match read {
            Ok(rule) => lines.extend(rule),
            Err(what) => {
                lexer.skip_line(start);
                let shown = text.get(start..lexer.at).unwrap_or_default();
                let begin = start + shown.len() - shown.trim_start().len();
                mistakes.push((begin..(start + shown.trim_end().len()).max(begin), what));
            }
        }
    }
    if mistakes.is_empty() { Ok(lines) } else { Err(mistakes) }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// From 1.
    line: usize,
    /// The text ended before the last line did.
    line_has_no_end: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.text.get(self.at..)?.chars().next()?;
        self.at += next.len_utf8();
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    /// To the end of the line that began there, unless it was passed.
    fn skip_line(&mut self, start: usize) {
        if self.at == start || !self.text.get(..self.at).is_some_and(|before| before.ends_with('\n')) {
            while self.next().is_some_and(|char| char != '\n') {}
        }
    }

    /// The words of one line.
    fn line(&mut self) -> Result<Vec<Token>, &'static str> {
        let mut tokens = Vec::new();
        loop {
            match self.token()? {
                Token::End => return Ok(tokens),
                token => tokens.push(token),
            }
        }
    }

    fn token(&mut self) -> Result<Token, &'static str> {
        // doas takes no word behind a continued line for a keyword.
        let mut continued = false;
        loop {
            match self.peek() {
                Some(' ' | '\t') => {
                    self.next();
                }
                Some('#') => {
                    while self.peek().is_some_and(|char| char != '\n') {
                        self.next();
                    }
                }
                None => {
                    self.line_has_no_end = true;
                    return Ok(Token::End);
                }
                Some('\n') => {
                    self.next();
                    return Ok(Token::End);
                }
                Some('{') => {
                    self.next();
                    return Ok(Token::Open);
                }
                Some('}') => {
                    self.next();
                    return Ok(Token::Close);
                }
                Some('\\') if self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\\n")) => {
                    self.next();
                    self.next();
                    continued = true;
                }
                Some(_) => return self.word(continued),
            }
        }
    }

    fn word(&mut self, mut quoted: bool) -> Result<Token, &'static str> {
        let mut text = String::new();
        let mut within = false;
        while let Some(char) = self.peek() {
            match char {
                '{' | '}' | '#' | ' ' | '\t' | '\n' if !within => break,
                '\n' => return Err("this text does not end on its line"),
                '\0' | '\u{fffd}' => return Err("this is not UTF-8, or contains a NUL"),
                '\r' => return Err("to doas this carriage return is a part of the word"),
                '"' => {
                    self.next();
                    (quoted, within) = (true, !within);
                }
                '\\' => {
                    self.next();
                    quoted = true;
                    match self.next() {
                        None => return Err("nothing follows this backslash"),
                        Some('\n') => {}
                        Some('\0' | '\u{fffd}') => return Err("this is not UTF-8, or contains a NUL"),
                        Some(char) => text.push(char),
                    }
                }
                char => {
                    self.next();
                    text.push(char);
                }
            }
        }
        if within {
            return Err("this text does not end");
        }
        if text.len() >= LONGEST {
            Err("doas takes no word as long as this")
        } else {
            Ok(Token::Word { text, quoted })
        }
    }
}

fn rule(tokens: &[Token], line: usize) -> Result<Line, &'static str> {
    let mut tokens = tokens.iter().peekable();
    let keyword = |token: &Token| match token {
        Token::Word { text, quoted: false } => Some(text.clone()),
        _ => None,
    };
    let mut rule = Line { number: line, ..Line::default() };
    match tokens.next().and_then(keyword).as_deref() {
        Some("permit") => rule.permits = true,
        Some("deny") => {}
        _ => return Err("a rule begins with `permit` or `deny`"),
    }
    while let Some(option) = tokens.peek().and_then(|token| keyword(token)).filter(|_| rule.permits) {
        match option.as_str() {
            "nopass" => rule.no_password = true,
            "nolog" => rule.no_log = true,
            "persist" => rule.persist = true,
            "keepenv" => rule.keep_env = true,
            "setenv" => {
                tokens.next();
                if tokens.next() != Some(&Token::Open) {
                    return Err("`{` is expected after `setenv`");
                }
                loop {
                    match tokens.next() {
                        Some(Token::Word { text, quoted }) if is_text(text, *quoted) => {
                            rule.variables.push(variable(text));
                        }
                        Some(Token::Close) => break,
                        _ => return Err("`}` is expected after the variables of `setenv`"),
                    }
                }
                continue;
            }
            _ => break,
        }
        tokens.next();
    }
    if rule.no_password && rule.persist {
        return Err("`nopass` and `persist` exclude each other");
    }
    let text = |token: Option<&Token>, what: &'static str| match token {
        Some(Token::Word { text, quoted }) if is_text(text, *quoted) => Ok(text.clone()),
        _ => Err(what),
    };
    let nobody = "this rule names no user";
    rule.who = text(tokens.next(), nobody)?;
    if matches!(rule.who.as_str(), "" | ":") {
        return Err(nobody);
    }
    let mut next = tokens.next();
    if next.and_then(keyword).as_deref() == Some("as") {
        rule.target = Some(text(tokens.next(), "a user is expected after `as`")?);
        next = tokens.next();
    }
    if next.and_then(keyword).as_deref() == Some("cmd") {
        let command = text(tokens.next(), "a command is expected after `cmd`")?;
        rule.command = Some(command).filter(|name| !name.is_empty());
        rule.command.as_ref().ok_or("a command is expected after `cmd`")?;
        next = tokens.next();
        if next.and_then(keyword).as_deref() == Some("args") {
            let arguments = tokens
                .map(|token| text(Some(token), "an argument is expected here; quote what is a keyword"));
            rule.arguments = Some(arguments.collect::<Result<_, _>>()?);
            next = None;
        }
    }
    if next.is_some() { Err("this is more than a rule has") } else { Ok(rule) }
}

fn is_text(word: &str, quoted: bool) -> bool {
    quoted || !KEYWORDS.contains(&word)
}

/// `NAME`, `NAME=value`, `-NAME`.
fn variable(text: &str) -> Variable {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|char: char| char.is_ascii_digit())
            && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    match text.split_once('=') {
        None if is_name(text) => Variable::Kept(text.to_owned()),
        Some((name, value)) if is_name(name) && !value.starts_with('$') => {
            Variable::Set(name.to_owned(), value.to_owned())
        }
        _ => Variable::Lost(text.to_owned()),
    }
}
