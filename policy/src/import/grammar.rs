//! Lines of a sudoers file: aliases, defaults, and who may do what.

mod commands;
mod defaults;

use std::sync::Arc;

use super::ast::{At, List, Member, Place, Privilege, RunAs, Sudoers, UserSpec, Who};
use super::scan::{Mistake, Read, Scanner, Word};

/// A line that names other files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Include {
    pub(super) path: String,
    pub(super) is_folder: bool,
    pub(super) line: usize,
}

/// Reads one file, line by line.
pub(super) struct Parser<'t> {
    pub(super) scan: Scanner<'t>,
    file: Arc<str>,
    /// Where the lines begin.
    lines: &'t [usize],
    pub(super) sudoers: &'t mut Sudoers,
}

impl<'t> Parser<'t> {
    /// `lines`: [`line_starts`] of the text.
    pub(super) fn new(file: Arc<str>, text: &'t str, lines: &'t [usize], sudoers: &'t mut Sudoers) -> Self {
        Self { scan: Scanner::new(text), file, lines, sudoers }
    }

    /// Goes on from here.
    pub(super) fn resume(&mut self, at: Option<usize>) {
        if let Some(at) = at {
            self.scan.go_to(at);
        }
    }

    /// Where this stands.
    pub(super) fn place(&self, at: usize) -> At {
        At { file: Arc::clone(&self.file), line: self.lines.partition_point(|start| *start <= at) }
    }

    /// To the next line that names other files; `None` at the end of the file.
    pub(super) fn next_include(&mut self, mistakes: &mut Vec<Mistake>) -> Option<Include> {
        while !self.scan.is_at_end() {
            match self.line() {
                Ok(None) => {}
                Ok(include) => return include,
                Err(mistake) => {
                    mistakes.push(mistake);
                    self.scan.skip_line();
                }
            }
        }
        None
    }

    fn line(&mut self) -> Read<Option<Include>> {
        let start = self.scan.at();
        for (word, is_folder) in [("include", false), ("includedir", true)] {
            let mut ahead = self.scan.clone();
            if ahead.take("#") && ahead.take(word) && matches!(ahead.peek(), Some(' ' | '\t')) {
                self.scan = ahead;
                return self.include(start, is_folder).map(Some);
            }
        }
        if self.scan.line_end() {
            return Ok(None);
        }
        let first = self.scan.at();
        let mut ahead = self.scan.clone();
        if ahead.take("@include") {
            let is_folder = ahead.take("dir");
            if matches!(ahead.peek(), Some(' ' | '\t' | '"')) {
                self.begins_its_line(start, first)?;
                self.scan = ahead;
                return self.include(start, is_folder).map(Some);
            }
        }
        let mut ahead = self.scan.clone();
        let keyword = ahead.take_while(|char| char.is_ascii_alphanumeric() || char == '_');
        let ends = !matches!(ahead.peek(), Some('.' | '-' | '\\' | ','));
        match keyword {
            "Defaults" if ends => {
                self.begins_its_line(start, first)?;
                self.scan = ahead;
                self.defaults(start)?;
            }
            "User_Alias" | "Runas_Alias" | "Host_Alias" | "Cmnd_Alias" | "Cmd_Alias" if ends => {
                self.begins_its_line(start, first)?;
                self.scan = ahead;
                self.aliases(keyword)?;
            }
            _ => {
                let spec = self.user_spec()?;
                self.sudoers.specs.push(spec);
            }
        }
        self.end_of_line().map(|()| None)
    }

    /// What has a keyword does not begin on a line that goes on.
    fn begins_its_line(&self, start: usize, first: usize) -> Read<()> {
        if self.place(start).line == self.place(first).line {
            return Ok(());
        }
        Err(self
            .scan
            .mistake("this can't stand on a line that was continued", "end the line before without a `\\`"))
    }

    fn end_of_line(&mut self) -> Read<()> {
        if self.scan.line_end() { Ok(()) } else { Err(self.scan.expected("the end of the line")) }
    }

    fn include(&mut self, start: usize, is_folder: bool) -> Read<Include> {
        self.scan.blanks();
        let begin = self.scan.at();
        let path = if self.scan.peek() == Some('"') {
            self.scan.quoted()?
        } else {
            let mut path = String::new();
            while let Some(char) = self.scan.peek().filter(|char| !char.is_whitespace()) {
                self.scan.next();
                let escaped = char == '\\' && matches!(self.scan.peek(), Some(' ' | '\t' | '\\' | '"'));
                path.extend(if escaped { self.scan.next() } else { Some(char) });
            }
            path
        };
        self.scan.utf8_since(begin)?;
        if path.is_empty() {
            return Err(self.scan.expected("a path"));
        }
        let line = self.place(start).line;
        self.end_of_line()?;
        Ok(Include { path, is_folder, line })
    }

    /// `NAME = list : NAME = list …`
    fn aliases(&mut self, keyword: &str) -> Read<()> {
        loop {
            self.scan.blanks();
            let start = self.scan.at();
            let name = self.alias_name()?;
            self.scan.blanks();
            if !self.scan.take("=") {
                return Err(self.scan.expected("`=`"));
            }
            let new = match keyword {
                "User_Alias" => {
                    let list = self.users()?;
                    self.sudoers.users.define(name, list)
                }
                "Runas_Alias" => {
                    let list = self.users()?;
                    self.sudoers.run_as.define(name, list)
                }
                "Host_Alias" => {
                    let list = self.hosts()?;
                    self.sudoers.hosts.define(name, list)
                }
                _ => {
                    let list = self.commands()?;
                    self.sudoers.commands.define(name, list)
                }
            };
            if !new {
                return Err(self.scan.mistake_since(start, "this alias is defined twice", ""));
            }
            self.scan.blanks();
            if !self.scan.take(":") {
                return Ok(());
            }
        }
    }

    fn alias_name(&mut self) -> Read<String> {
        let start = self.scan.at();
        let name = self
            .scan
            .take_while(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_')
            .to_owned();
        let word = Word { text: name, plain: true };
        if !word.is_alias() || word.is_reserved() || word.text == "ALL" {
            let hint = "an alias has capital letters, digits and `_`, a letter first";
            return Err(self.scan.mistake_since(start, "the name of an alias is expected here", hint));
        }
        Ok(word.text)
    }

    /// `users hosts = commands : hosts = commands …`
    fn user_spec(&mut self) -> Read<UserSpec> {
        let start = self.scan.at();
        let at = self.place(start);
        let users = self.users()?;
        let mut privileges = Vec::new();
        loop {
            let hosts = self.hosts()?;
            self.scan.blanks();
            if !self.scan.take("=") {
                return Err(self.scan.expected("`=` after the hosts"));
            }
            privileges.push(Privilege { hosts, specs: self.command_specs()? });
            self.scan.blanks();
            if !self.scan.take(":") {
                let text = one_line(self.scan.text_from(start));
                return Ok(UserSpec { at, text, users, privileges });
            }
        }
    }

    /// A list whose members are separated by commas.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<List<T>> {
        let mut list = Vec::new();
        loop {
            self.scan.blanks();
            let negated = self.scan.negation()?;
            self.scan.blanks();
            list.push(Member { negated, what: one(self)? });
            self.scan.blanks();
            if !self.scan.take(",") {
                return Ok(list);
            }
        }
    }

    pub(super) fn users(&mut self) -> Read<List<Who>> {
        self.list(Self::user)
    }

    fn user(&mut self) -> Read<Who> {
        let start = self.scan.at();
        if self.address().is_some() {
            return Err(self.scan.mistake_since(start, "this is not the name of a user", ""));
        }
        let first = self.scan.peek();
        // `%` and `+` belong to the word, `%:` and `%#gid` do not look like one.
        let sigil = if first == Some('"') { String::new() } else { self.sigil() };
        let word = if sigil.is_empty() { self.scan.word()? } else { self.scan.plain_word()? };
        let Some(word) = word else { return Err(self.scan.expected("a user or a group")) };
        let text = format!("{sigil}{}", word.text);
        let empty = |name: &str| {
            if name.is_empty() {
                Err(self.scan.mistake_since(start, "this group has no name", ""))
            } else {
                Ok(name.to_owned())
            }
        };
        // With a backslash before them they belong to the name of a user.
        if matches!(first, Some('"' | '%' | '+')) {
            if let Some(group) = text.strip_prefix("%:") {
                return empty(group).map(Who::OtherGroup);
            }
            if let Some(group) = text.strip_prefix('%') {
                return empty(group).map(Who::Group);
            }
            if let Some(group) = text.strip_prefix('+') {
                return empty(group).map(Who::Netgroup);
            }
        }
        if word.is_reserved() || (word.plain && is_address(&text)) {
            return Err(self.scan.mistake_since(start, "this is not the name of a user", ""));
        }
        Ok(match &word {
            Word { text, plain: true } if text == "ALL" => Who::All,
            word if word.is_alias() => Who::Alias(text),
            _ => Who::Name(text),
        })
    }

    /// A group that `-g` may name: here no `%` stands before it.
    fn group(&mut self) -> Read<Who> {
        let start = self.scan.at();
        match self.user()? {
            Who::Group(_) | Who::OtherGroup(_) | Who::Netgroup(_) => {
                let hint = "after the `:` groups stand without a `%`";
                Err(self.scan.mistake_since(start, "this is not the name of a group", hint))
            }
            group => Ok(group),
        }
    }

    /// A `%` before what is no plain word.
    fn sigil(&mut self) -> String {
        for sigil in ["%:", "%"] {
            let mut ahead = self.scan.clone();
            if ahead.take(sigil) && (sigil == "%:" || ahead.peek() == Some('#')) {
                self.scan = ahead;
                return sigil.to_owned();
            }
        }
        String::new()
    }

    pub(super) fn hosts(&mut self) -> Read<List<Place>> {
        self.list(Self::host)
    }

    fn host(&mut self) -> Read<Place> {
        if let Some(address) = self.address() {
            return Ok(Place::Address(address));
        }
        let start = self.scan.at();
        let first = self.scan.peek();
        let Some(word) = self.scan.word()? else { return Err(self.scan.expected("a host")) };
        let begins = |with: char| matches!(first, Some('"' | '%' | '+')) && word.text.starts_with(with);
        if begins('%') || word.is_reserved() {
            return Err(self.scan.mistake_since(start, "this is not the name of a host", ""));
        }
        if begins('+') {
            return Ok(Place::Netgroup(word.text.chars().skip(1).collect()));
        }
        Ok(match word {
            Word { text, plain: true } if text == "ALL" => Place::All,
            Word { text, plain: true } if is_address(&text) => Place::Address(text),
            word if word.is_alias() => Place::Alias(word.text),
            Word { text, .. } => Place::Name(text),
        })
    }

    /// An IPv6 address, with a mask or without.
    fn address(&mut self) -> Option<String> {
        let mut ahead = self.scan.clone();
        let start = ahead.at();
        let text = ahead.take_while(|char| char.is_ascii_hexdigit() || matches!(char, ':' | '.'));
        text.parse::<std::net::Ipv6Addr>().ok()?;
        if ahead.take("/") {
            ahead.take_while(|char| char.is_ascii_hexdigit() || matches!(char, ':' | '.'));
        }
        let text = ahead.text_from(start).to_owned();
        self.scan = ahead;
        Some(text)
    }

    /// `(users:groups)`
    pub(super) fn run_as(&mut self) -> Read<Option<RunAs>> {
        if !self.scan.take("(") {
            return Ok(None);
        }
        self.scan.blanks();
        let oneself = || vec![Member { negated: false, what: Who::Oneself }];
        let is_oneself = matches!(self.scan.peek(), Some(':' | ')'));
        let users = if is_oneself { oneself() } else { self.users()? };
        self.scan.blanks();
        let mut groups = None;
        if self.scan.take(":") {
            self.scan.blanks();
            if !is_oneself || self.scan.peek() != Some(')') {
                groups = Some(self.list(Self::group)?);
            }
        }
        self.scan.blanks();
        if !self.scan.take(")") {
            return Err(self.scan.expected("`)`"));
        }
        Ok(Some(RunAs { users, groups }))
    }
}

/// Where the lines of a text begin.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// An IPv4 address, with a mask or without, as sudo tells it from a name: whatever its numbers are.
fn is_address(word: &str) -> bool {
    let (address, mask) = word.split_once('/').unwrap_or((word, "32"));
    let is_number = |text: &str| {
        matches!(text.len(), 1..=3)
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok()
    };
    let is_dotted = |text: &str| text.split('.').count() == 4 && text.split('.').all(is_number);
    is_dotted(address) && (is_dotted(mask) || mask.parse::<u8>().is_ok_and(|bits| bits <= 32))
}

/// With a blank where lines or blanks are.
pub(super) fn one_line(text: &str) -> String {
    text.replace("\\\r\n", " ").replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
