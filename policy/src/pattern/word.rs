//! Words: how a command's text is split, and what one word matches.
//!
//! A text is split once, at load, as a shell would split it, but nothing is expanded, and it is remembered which
//! characters were quoted. What is quoted is literal; the rest may be a wildcard. Choices (`{a,b}`) are multiplied
//! out here, so that the glob engine only ever sees `*`, `?`, `[…]` and escaped characters: its own meanings of
//! `{}`, a leading `!`, `**` and `\n` are never reached.

use std::ops::Range;

/// How many words the choices of one word may stand for.
pub(crate) const MAX_CHOICES: usize = 256;

/// One character of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) char: char,
    /// Quoted or backslashed.
    pub(crate) literal: bool,
    /// Where it stands in the text.
    pub(crate) at: usize,
}

impl Piece {
    fn is(&self, char: char) -> bool {
        self.char == char && !self.literal
    }
}

/// Why a text is not a list of words, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordError {
    pub(crate) at: Range<usize>,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
}

impl WordError {
    fn new(at: Range<usize>, message: &'static str, hint: &'static str) -> Self {
        Self { at, message, hint }
    }

    fn piece(piece: &Piece, message: &'static str, hint: &'static str) -> Self {
        Self::new(piece.at..piece.at + piece.char.len_utf8(), message, hint)
    }
}

/// Splits a text at its unquoted blanks.
pub(crate) fn words_of(text: &str) -> Result<Vec<Vec<Piece>>, WordError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<Piece>> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        refuse_nul(char, at)?;
        let literal = Piece { char, literal: true, at };
        match (quote, char) {
            (Some((open, _)), _) if char == open => quote = None,
            (Some(('"', _)), '\\') => {
                let escaped = chars.next_if(|(_, next)| matches!(next, '"' | '\\' | '$' | '`'));
                let (at, char) = escaped.unwrap_or((at, char));
                word.get_or_insert_default().push(Piece { char, literal: true, at });
            }
            (Some(_), _) => word.get_or_insert_default().push(literal),
            (None, '\'' | '"') => {
                quote = Some((char, at));
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(escaped(at, chars.next())?),
            (None, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(Piece { literal: false, ..literal }),
        }
    }
    if let Some((_, at)) = quote {
        return Err(WordError::new(
            at..at + 1,
            "this quote is never closed",
            "close it, or write \\ before it",
        ));
    }
    words.extend(word);
    Ok(words)
}

/// Reads a text as one word: only a backslash quotes, blanks and quotes are ordinary characters.
pub(crate) fn one_word(text: &str) -> Result<Vec<Piece>, WordError> {
    let mut word = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        refuse_nul(char, at)?;
        word.push(if char == '\\' { escaped(at, chars.next())? } else { Piece { char, literal: false, at } });
    }
    Ok(word)
}

fn escaped(at: usize, next: Option<(usize, char)>) -> Result<Piece, WordError> {
    match next {
        Some((at, char)) => {
            refuse_nul(char, at)?;
            Ok(Piece { char, literal: true, at })
        }
        None => Err(WordError::new(
            at..at + 1,
            "nothing follows this backslash",
            "a backslash makes the next character literal; write two for a backslash itself",
        )),
    }
}

fn refuse_nul(char: char, at: usize) -> Result<(), WordError> {
    if char == '\0' {
        return Err(WordError::new(
            at..at + 1,
            "a command can't contain a NUL",
            "no argument can ever contain it",
        ));
    }
    Ok(())
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[…]`, as the glob engine wants it.
    Class(String),
}

/// The words that the choices of one word stand for, each as tokens.
pub(crate) fn alternatives(word: &[Piece]) -> Result<Vec<Vec<Token>>, WordError> {
    let mut all: Vec<Vec<Token>> = vec![Vec::new()];
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        if first.is('{') {
            let (choices, after) = choice(first, after)?;
            if all.len() * choices.len() > MAX_CHOICES {
                let message = "the choices of this word stand for more than 256 words";
                return Err(WordError::piece(first, message, "split it into several commands"));
            }
            all = all
                .iter()
                .flat_map(|start| choices.iter().map(|end| [start.as_slice(), end].concat()))
                .collect();
            rest = after;
        } else {
            let (token, after) = token(first, after)?;
            for tokens in &mut all {
                tokens.push(token.clone());
            }
            rest = after;
        }
    }
    Ok(all)
}

/// What follows a `{`: its alternatives, and the rest of the word.
fn choice<'w>(open: &Piece, mut rest: &'w [Piece]) -> Result<(Vec<Vec<Token>>, &'w [Piece]), WordError> {
    const QUOTE: &str = "write '{' and '}' in quotes to mean the characters";
    let mut choices = Vec::new();
    let mut tokens = Vec::new();
    while let Some((piece, after)) = rest.split_first() {
        rest = after;
        match piece {
            _ if piece.is('{') => {
                return Err(WordError::piece(piece, "a choice can't hold another choice", QUOTE));
            }
            _ if piece.is('}') && choices.is_empty() => {
                let at = open.at..piece.at + 1;
                return Err(WordError::new(
                    at,
                    "a choice needs at least two alternatives, as in `{a,b}`",
                    QUOTE,
                ));
            }
            _ if piece.is('}') => {
                choices.push(tokens);
                return Ok((choices, rest));
            }
            _ if piece.is(',') => choices.push(std::mem::take(&mut tokens)),
            _ if piece.char.is_whitespace() => {
                return Err(WordError::piece(piece, "a choice holds no blanks", QUOTE));
            }
            _ => {
                let (token, after) = token(piece, rest)?;
                tokens.push(token);
                rest = after;
            }
        }
    }
    Err(WordError::piece(open, "this `{` is not closed in its word (a choice holds no blanks)", QUOTE))
}

fn token<'w>(first: &Piece, rest: &'w [Piece]) -> Result<(Token, &'w [Piece]), WordError> {
    match first {
        Piece { literal: true, char, .. } => Ok((Token::Char(*char), rest)),
        Piece { char: '*', .. } if rest.first().is_some_and(|next| next.is('*')) => Err(WordError::new(
            first.at..first.at + 2,
            "`**` stands only alone, as the last word",
            "it means any further arguments; within a word `*` never crosses a `/`",
        )),
        Piece { char: '*', .. } => Ok((Token::Many, rest)),
        Piece { char: '?', .. } => Ok((Token::One, rest)),
        Piece { char: '[', .. } => class(first, rest),
        Piece { char: '}', .. } => Err(WordError::piece(
            first,
            "this `}` closes nothing",
            "write '}' in quotes to mean the character",
        )),
        Piece { char, .. } => Ok((Token::Char(*char), rest)),
    }
}

/// What follows a `[`: its members, each escaped, and the rest of the word.
fn class<'w>(open: &Piece, rest: &'w [Piece]) -> Result<(Token, &'w [Piece]), WordError> {
    const QUOTE: &str = "write '[' in quotes to mean the character";
    let mut text = "[".to_owned();
    let mut rest = rest;
    if let Some((sign, after)) = rest.split_first()
        && (sign.is('!') || sign.is('^'))
    {
        text.push('!');
        rest = after;
    }
    let mut first = true;
    while let Some((low, after)) = rest.split_first() {
        if low.is(']') && !first {
            text.push(']');
            return Ok((Token::Class(text), after));
        }
        first = false;
        rest = after;
        push_member(&mut text, low)?;
        if let [dash, high, after @ ..] = rest
            && dash.is('-')
            && !high.is(']')
        {
            if high.char < low.char {
                return Err(WordError::piece(
                    high,
                    "this range ends before it begins",
                    "write it the other way round",
                ));
            }
            text.push('-');
            push_member(&mut text, high)?;
            rest = after;
        }
    }
    Err(WordError::piece(open, "this `[` is not closed in its word", QUOTE))
}

fn push_member(text: &mut String, member: &Piece) -> Result<(), WordError> {
    if !member.char.is_ascii() {
        let hint = "matching is on bytes; write a choice, as in `{ä,ö}`";
        return Err(WordError::piece(member, "only ASCII characters can stand between `[` and `]`", hint));
    }
    if member.char == '/' {
        return Err(WordError::piece(member, "`[…]` never matches a `/`", "write the `/` outside of it"));
    }
    push_escaped(text, member.char);
    Ok(())
}

/// Escapes what is not a letter or digit: a backslash before a letter has a meaning of its own to the engine.
fn push_escaped(text: &mut String, char: char) {
    if char.is_ascii_punctuation() && char != '/' {
        text.push('\\');
    }
    text.push(char);
}

/// What one argument or path must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// Exactly these bytes.
    Literal(Box<[u8]>),
    /// A glob, in the engine's syntax.
    Glob(Box<[u8]>),
}

impl Word {
    pub(crate) fn new(tokens: &[Token]) -> Self {
        if let Some(text) = literal(tokens) {
            return Self::Literal(text.into_bytes().into());
        }
        let mut glob = String::new();
        for token in tokens {
            match token {
                Token::Char(char) => push_escaped(&mut glob, *char),
                Token::One => glob.push('?'),
                // Two in a row would be a `**` to the engine.
                Token::Many if glob.ends_with('*') && !glob.ends_with("\\*") => {}
                Token::Many => glob.push('*'),
                Token::Class(class) => glob.push_str(class),
            }
        }
        Self::Glob(glob.into_bytes().into())
    }

    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Literal(text) => **text == *bytes,
            Self::Glob(glob) => fast_glob::glob_match(glob, bytes),
        }
    }
}

/// The text of a word without wildcards.
pub(crate) fn literal(tokens: &[Token]) -> Option<String> {
    tokens.iter().map(|token| if let Token::Char(char) = token { Some(*char) } else { None }).collect()
}

/// A glob, in the engine's syntax, up to its first wildcard.
pub(crate) fn literal_start(glob: &[u8]) -> String {
    let mut text = String::new();
    let mut escaped = false;
    for char in String::from_utf8_lossy(glob).chars() {
        match char {
            '\\' if !escaped => escaped = true,
            '*' | '?' | '[' if !escaped => break,
            _ => {
                text.push(char);
                escaped = false;
            }
        }
    }
    text
}

/// Whether this word is a bare `**`.
pub(crate) fn is_rest(word: &[Piece]) -> bool {
    matches!(word, [first, second] if first.is('*') && second.is('*'))
}

#[cfg(test)]
mod tests;
