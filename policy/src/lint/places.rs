//! Where in the text a finding is, and the comments there that allow it.
//!
//! `# lint: allow CODE: reason`, behind something, is for that line; on a line of its own for the rule or table that it stands in, or
//! right above.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::Finding;
use super::code::Code;
use crate::diagnostics::Place;
use crate::load::{Header, Reader, headers};
use crate::login::LoginRule;
use crate::rule::Rule;
use crate::source::Source;

/// What a finding is about.
#[derive(Clone, Debug)]
pub(super) struct Subject<'p> {
    owner: Owner<'p>,
    /// With a dot for each table: `grant.on_expiry`. Empty for the rule itself.
    key: &'static str,
    /// One item of a list, as it is written, but for sets.
    item: Option<String>,
}

#[derive(Clone, Debug)]
enum Owner<'p> {
    Rule(&'p Rule),
    Login(&'p LoginRule),
    /// A set, and a rule that uses it.
    Set(&'p str, Option<&'p Rule>),
}

impl<'p> Subject<'p> {
    /// The rule as a whole.
    pub(super) fn of_rule(rule: &'p Rule) -> Self {
        Self { owner: Owner::Rule(rule), key: "", item: None }
    }

    /// One key of it; the rule if it stands nowhere.
    pub(super) fn key(rule: &'p Rule, key: &'static str) -> Self {
        Self { owner: Owner::Rule(rule), key, item: None }
    }

    /// One item of a list.
    pub(super) fn item(rule: &'p Rule, key: &'static str, item: impl Into<String>) -> Self {
        Self { owner: Owner::Rule(rule), key, item: Some(item.into()) }
    }

    /// One command.
    pub(super) fn entry(rule: &'p Rule, key: &'static str, text: &str) -> Self {
        Self::item(rule, key, text)
    }

    /// One item of a login's list.
    pub(super) fn of_login(login: &'p LoginRule, key: &'static str, item: String) -> Self {
        Self { owner: Owner::Login(login), key, item: Some(item) }
    }

    /// One item of a set, that this rule uses; `kind` is `users`, `commands` or `hosts`.
    pub(super) fn of_set(rule: &'p Rule, kind: &'static str, set: &'p str, item: impl Into<String>) -> Self {
        Self { owner: Owner::Set(set, Some(rule)), key: kind, item: Some(item.into()) }
    }

    /// One item of a set that a login uses.
    pub(super) fn in_set(kind: &'static str, set: &'p str, item: String) -> Self {
        Self { owner: Owner::Set(set, None), key: kind, item: Some(item) }
    }

    pub(super) fn rule(&self) -> Option<&'p str> {
        match self.owner {
            Owner::Rule(rule) | Owner::Set(_, Some(rule)) => Some(&rule.id),
            Owner::Login(login) => Some(&login.id),
            Owner::Set(_, None) => None,
        }
    }
}

/// All files, each read when something is looked for in it.
pub(super) struct Places<'s> {
    files: Vec<File<'s>>,
}

struct File<'s> {
    source: &'s Source,
    reader: Reader<'s>,
    table: OnceCell<Option<Spanned<DeTable<'s>>>>,
    /// Where in its array each rule and login stands, by kind and id.
    numbers: OnceCell<HashMap<(&'static str, String), usize>>,
    comments: Vec<Comment>,
}

/// One `# lint: …`.
struct Comment {
    span: Range<usize>,
    /// Where it counts.
    within: Range<usize>,
    code: Option<Code>,
    has_reason: bool,
    used: Cell<bool>,
}

impl<'s> Places<'s> {
    pub(super) fn new(sources: &'s [Source]) -> Self {
        let file = |source| File {
            source,
            reader: Reader::new(source),
            table: OnceCell::new(),
            numbers: OnceCell::new(),
            comments: comments(&source.text),
        };
        Self { files: sources.iter().map(file).collect() }
    }

    /// The place; of the rule, if what is meant is not written out.
    pub(super) fn find(&self, subject: &Subject<'_>) -> Option<Place> {
        match subject.owner {
            Owner::Rule(rule) => self.file(&rule.file)?.find("rule", &rule.id, subject),
            Owner::Login(login) => self.file(&login.file)?.find("login", &login.id, subject),
            Owner::Set(name, _) => self.files.iter().find_map(|file| {
                let set = file.table()?.get("sets")?.get_ref().as_table()?.get(subject.key)?;
                let set = set.get_ref().as_table()?.get(name)?;
                Some(file.reader.place_in_file(file.item(set, subject.item.as_deref())))
            }),
        }
    }

    /// Whether a comment allows it.
    pub(super) fn allows(&self, code: Code, place: &Place) -> bool {
        let comments = self.file(&place.file).map(|file| file.comments.as_slice()).unwrap_or_default();
        let mut allowed = false;
        for comment in comments {
            if comment.code == Some(code) && comment.has_reason && comment.within.contains(&place.span.start)
            {
                comment.used.set(true);
                allowed = true;
            }
        }
        allowed
    }

    /// Comments that allow nothing.
    pub(super) fn idle_comments(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in &self.files {
            for comment in file.comments.iter().filter(|comment| !comment.used.get()) {
                let message = match comment.code {
                    None => "this names no check",
                    Some(_) if !comment.has_reason => "this gives no reason, and so allows nothing",
                    Some(_) => "this allows nothing: nothing of that kind is found here",
                };
                findings.push(Finding {
                    code: Code::LintComment,
                    severity: Code::LintComment.severity(),
                    place: file.reader.place_in_file(comment.span.clone()),
                    rule: None,
                    message: message.to_owned(),
                    hint: "write `# lint: allow CODE: reason`, or remove it".to_owned(),
                });
            }
        }
        findings
    }

    fn file(&self, path: &str) -> Option<&File<'s>> {
        self.files.iter().find(|file| file.source.path == path)
    }
}

impl<'s> File<'s> {
    fn table(&self) -> Option<&DeTable<'s>> {
        let parsed = self.table.get_or_init(|| DeTable::parse(&self.source.text).ok());
        parsed.as_ref().map(Spanned::get_ref)
    }

    fn find(&self, kind: &'static str, id: &str, subject: &Subject<'_>) -> Option<Place> {
        let root = self.table()?;
        let number = *self.numbers.get_or_init(|| numbers(root)).get(&(kind, id.to_owned()))?;
        let owner = root.get(kind)?.get_ref().as_array()?.get(number)?;
        let defaults = root.get(if kind == "rule" { "defaults" } else { "login_defaults" });
        let value =
            [Some(owner), defaults].into_iter().flatten().find_map(|table| value_at(table, subject.key));
        let span = value.map_or_else(|| owner.span(), |value| self.item(value, subject.item.as_deref()));
        Some(self.reader.place_in_file(span))
    }

    /// Where an item of a list stands; else the list.
    fn item(&self, list: &Spanned<DeValue<'_>>, item: Option<&str>) -> Range<usize> {
        let is_it = |value: &&Spanned<DeValue<'_>>| {
            value
                .get_ref()
                .as_str()
                .map_or_else(|| self.source.text.get(value.span()) == item, |text| Some(text) == item)
        };
        let found = list.get_ref().as_array().and_then(|array| array.iter().find(is_it));
        found.map_or_else(|| list.span(), Spanned::span)
    }
}

fn numbers(root: &DeTable<'_>) -> HashMap<(&'static str, String), usize> {
    let mut numbers = HashMap::new();
    for kind in ["rule", "login"] {
        let owners = root.get(kind).and_then(|owners| owners.get_ref().as_array()).into_iter().flatten();
        let ids = owners.map(|owner| owner.get_ref().as_table()?.get("id")?.get_ref().as_str());
        numbers.extend((0..).zip(ids).filter_map(|(number, id)| Some(((kind, id?.to_owned()), number))));
    }
    numbers
}

/// The value of a key with dots; none for an empty one.
fn value_at<'v, 't>(table: &'v Spanned<DeValue<'t>>, key: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    if key.is_empty() {
        return None;
    }
    key.split('.').try_fold(table, |table, key| table.get_ref().as_table()?.get(key))
}

/// The comments of a text that speak to lint.
fn comments(text: &str) -> Vec<Comment> {
    if !text.contains("lint:") {
        return Vec::new();
    }
    let starts: Vec<usize> =
        headers(text).filter(|(_, header)| !matches!(header, Header::OfRule)).map(|(at, _)| at).collect();
    let mut comments = Vec::new();
    for token in toml_parser::Source::new(text).lex().filter(|token| token.kind() == TokenKind::Comment) {
        let span = token.span().start()..token.span().end();
        let written = text.get(span.clone()).unwrap_or_default().trim_start_matches('#').trim();
        let Some(allow) = written.strip_prefix("lint:").map(str::trim) else { continue };
        let allowed = allow.strip_prefix("allow").map(str::trim).unwrap_or_default();
        let (code, reason) = allowed.split_once([':', ' ']).unwrap_or((allowed, ""));
        comments.push(Comment {
            within: within(text, &span, &starts),
            span,
            code: Code::parse(code),
            has_reason: !reason.trim_matches([':', ' ']).is_empty(),
            used: Cell::new(false),
        });
    }
    comments
}

/// Where a comment counts.
fn within(text: &str, span: &Range<usize>, starts: &[usize]) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    if !before.get(line..).unwrap_or_default().trim().is_empty() {
        return line..span.end;
    }
    // Right above a header it belongs to what follows.
    let after = text.get(span.end..).unwrap_or_default();
    let next = after.lines().skip(1).find(|line| !line.trim_start().starts_with('#')).unwrap_or_default();
    let at = starts.partition_point(|start| *start <= span.start);
    let above = next.trim_start().starts_with('[')
        && starts
            .get(at)
            .is_some_and(|start| text.get(*start..).is_some_and(|text| text.starts_with(next.trim())));
    let at = if above { at + 1 } else { at };
    let start = at.checked_sub(1).and_then(|at| starts.get(at)).copied().unwrap_or(0);
    start..starts.get(at).copied().unwrap_or(text.len())
}
