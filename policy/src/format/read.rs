//! A text in sections: a header with its keys, and each comment with what it belongs to. The text is known to be TOML.

use toml_parser::lexer::{Token, TokenKind};

/// What stands above something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Above<'t> {
    Blank,
    Comment(&'t str),
}

/// A header with its keys; the first of a file has none.
#[derive(Debug, Default)]
pub(super) struct Section<'t> {
    pub(super) above: Vec<Above<'t>>,
    /// With its brackets, without blanks.
    pub(super) header: Option<String>,
    pub(super) trailing: Option<&'t str>,
    pub(super) pairs: Vec<Pair<'t>>,
}

/// One key with its value.
#[derive(Debug)]
pub(super) struct Pair<'t> {
    pub(super) above: Vec<Above<'t>>,
    pub(super) key: String,
    pub(super) value: Value<'t>,
    pub(super) trailing: Option<&'t str>,
    /// Written in one line.
    pub(super) in_one_line: bool,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// As it is written.
    Plain(&'t str),
    Array(List<'t>),
    /// An inline table.
    Table(List<'t>),
}

/// What stands in brackets.
#[derive(Debug, Default)]
pub(super) struct List<'t> {
    pub(super) items: Vec<Item<'t>>,
    /// Comments behind the last item.
    pub(super) end: Vec<&'t str>,
}

/// One item of it.
#[derive(Debug)]
pub(super) struct Item<'t> {
    pub(super) above: Vec<&'t str>,
    /// In a table.
    pub(super) key: Option<String>,
    pub(super) value: Value<'t>,
    pub(super) trailing: Option<&'t str>,
}

/// The sections, and what stands at the end.
pub(super) fn sections(text: &str) -> (Vec<Section<'_>>, Vec<Above<'_>>) {
    let mut tokens = Tokens { text, all: toml_parser::Source::new(text).lex().collect(), at: 0 };
    let mut sections = vec![Section::default()];
    let mut above = tokens.above();
    while let Some(kind) = tokens.kind() {
        if kind == TokenKind::LeftSquareBracket {
            let header = tokens.joined_until(&[TokenKind::Newline, TokenKind::Comment]);
            let trailing = tokens.trailing();
            sections.push(Section { above, header: Some(header), trailing, pairs: Vec::new() });
        } else {
            let start = tokens.at;
            let key = tokens.joined_until(&[TokenKind::Equals]);
            tokens.at += 1;
            let value = tokens.value();
            let in_one_line = !tokens.has_newline(start);
            let trailing = tokens.trailing();
            if let Some(section) = sections.last_mut() {
                section.pairs.push(Pair { above, key, value, trailing, in_one_line });
            }
        }
        above = tokens.above();
    }
    (sections, above)
}

struct Tokens<'t> {
    text: &'t str,
    all: Vec<Token>,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn kind(&self) -> Option<TokenKind> {
        self.all.get(self.at).map(Token::kind).filter(|kind| *kind != TokenKind::Eof)
    }

    fn text_of(&self, at: usize) -> &'t str {
        self.all
            .get(at)
            .and_then(|token| self.text.get(token.span().start()..token.span().end()))
            .unwrap_or_default()
    }

    fn has_newline(&self, start: usize) -> bool {
        (start..self.at).any(|at| self.text_of(at).contains('\n'))
    }

    fn blanks(&mut self) {
        while self.kind() == Some(TokenKind::Whitespace) {
            self.at += 1;
        }
    }

    fn comment(&mut self) -> Option<&'t str> {
        let comment = (self.kind() == Some(TokenKind::Comment)).then(|| self.text_of(self.at).trim_end())?;
        self.at += 1;
        Some(comment)
    }

    /// A comment on the same line.
    fn trailing(&mut self) -> Option<&'t str> {
        self.blanks();
        let comment = self.comment();
        self.blanks();
        if self.kind() == Some(TokenKind::Newline) {
            self.at += 1;
        }
        comment
    }

    /// Blank lines and comments.
    fn above(&mut self) -> Vec<Above<'t>> {
        let mut above = Vec::new();
        loop {
            self.blanks();
            if let Some(comment) = self.comment() {
                above.push(Above::Comment(comment));
                self.blanks();
                self.at += usize::from(self.kind() == Some(TokenKind::Newline));
            } else if self.kind() == Some(TokenKind::Newline) {
                above.push(Above::Blank);
                self.at += 1;
            } else {
                return above;
            }
        }
    }

    /// Everything but blanks, up to one of these.
    fn joined_until(&mut self, ends: &[TokenKind]) -> String {
        let mut text = String::new();
        while let Some(kind) = self.kind().filter(|kind| !ends.contains(kind)) {
            if kind != TokenKind::Whitespace {
                text.push_str(self.text_of(self.at));
            }
            self.at += 1;
        }
        text
    }

    /// Up to the value. Lines may end on both sides of the `=`.
    fn key_in_table(&mut self, above: &mut Vec<&'t str>) -> String {
        let mut key = String::new();
        let mut behind = false;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::Whitespace | TokenKind::Newline => {}
                TokenKind::Comment => above.push(self.text_of(self.at).trim_end()),
                TokenKind::Equals => behind = true,
                _ if behind => break,
                _ => key.push_str(self.text_of(self.at)),
            }
            self.at += 1;
        }
        key
    }

    fn value(&mut self) -> Value<'t> {
        self.blanks();
        match self.kind() {
            Some(TokenKind::LeftSquareBracket) => Value::Array(self.list(TokenKind::RightSquareBracket)),
            Some(TokenKind::LeftCurlyBracket) => Value::Table(self.list(TokenKind::RightCurlyBracket)),
            _ => Value::Plain(self.plain()),
        }
    }

    /// A time has a blank in it, a float a dot.
    fn plain(&mut self) -> &'t str {
        const ENDS: [TokenKind; 5] = [
            TokenKind::Newline,
            TokenKind::Comment,
            TokenKind::Comma,
            TokenKind::RightSquareBracket,
            TokenKind::RightCurlyBracket,
        ];
        let start = self.all.get(self.at).map_or(self.text.len(), |token| token.span().start());
        while self.kind().is_some_and(|kind| !ENDS.contains(&kind)) {
            self.at += 1;
        }
        let end = self.all.get(self.at).map_or(self.text.len(), |token| token.span().start());
        self.text.get(start..end).unwrap_or_default().trim_end_matches([' ', '\t'])
    }

    /// From the bracket to `end`.
    fn list(&mut self, end: TokenKind) -> List<'t> {
        let mut list = List::default();
        let mut above = Vec::new();
        let mut same_line = false;
        self.at += 1;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::Newline => same_line = false,
                TokenKind::Comment => {
                    let comment = self.text_of(self.at).trim_end();
                    match list
                        .items
                        .last_mut()
                        .filter(|last: &&mut Item<'_>| same_line && last.trailing.is_none())
                    {
                        Some(last) => last.trailing = Some(comment),
                        None => above.push(comment),
                    }
                }
                TokenKind::Whitespace | TokenKind::Comma => {}
                _ if kind == end => {
                    self.at += 1;
                    break;
                }
                _ => {
                    let key = (end == TokenKind::RightCurlyBracket).then(|| self.key_in_table(&mut above));
                    let value = self.value();
                    list.items.push(Item { above: std::mem::take(&mut above), key, value, trailing: None });
                    same_line = true;
                    continue;
                }
            }
            self.at += 1;
        }
        list.end = above;
        list
    }
}
