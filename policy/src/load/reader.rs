//! Reads one file: typed values out of TOML, each mistake with its place.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::duration::{InvalidDuration, parse_duration};
use crate::source::Source;

/// A longer line is not kept whole for messages.
const LONG_LINE: usize = 64 << 10;

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One file while it is read.
pub(crate) struct Reader<'t> {
    pub(super) path: Arc<str>,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Where the part begins that is read now: the places of values count from there.
    pub(super) base: usize,
    pub(crate) found: Diagnostics,
    /// The line that was shown last.
    shown: RefCell<Option<(usize, Arc<str>)>>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(source: &'t Source) -> Self {
        let text = source.text.as_str();
        // A byte order mark is no part of what is seen of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let lines = [first].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self {
            path: source.path.as_str().into(),
            text,
            lines,
            base: 0,
            found: Diagnostics::default(),
            shown: RefCell::default(),
        }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_in_file(self.base + at)
    }

    fn line_in_file(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    /// What stands there.
    pub(super) fn text_at(&self, span: Range<usize>) -> &'t str {
        self.text.get(self.in_file(span)).unwrap_or_default()
    }

    /// Counted from where the file begins.
    pub(super) fn in_file(&self, span: Range<usize>) -> Range<usize> {
        self.base + span.start..self.base + span.end
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        self.place_in_file(self.in_file(span))
    }

    /// The place of a span that counts from where the file begins.
    pub(crate) fn place_in_file(&self, span: Range<usize>) -> Place {
        let line = self.line_in_file(span.start);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or_default();
        let whole = rest.lines().next().unwrap_or_default();
        let within = |at: usize| self.floor(at.clamp(start, start + whole.len())) - start;
        let (from, to) = (within(span.start), within(span.end.max(span.start)));
        let column = whole.get(..from).unwrap_or_default().chars().count() + 1;
        let mut within = from..to;
        let excerpt = if whole.len() <= LONG_LINE {
            self.shown(line, whole)
        } else {
            let at = |offset: usize| self.floor(start + offset) - start;
            let (cut, end) =
                (at(from.saturating_sub(80)), at(whole.len().min(to + 80).min(from + LONG_LINE)));
            within = from - cut..to.min(end) - cut;
            whole.get(cut..end).unwrap_or_default().into()
        };
        Place { file: Arc::clone(&self.path), line, column, span, excerpt, within }
    }

    /// Mistakes in one line share its text.
    fn shown(&self, line: usize, text: &str) -> Arc<str> {
        match &mut *self.shown.borrow_mut() {
            Some((known, shown)) if *known == line => Arc::clone(shown),
            other => Arc::clone(&other.insert((line, text.into())).1),
        }
    }

    fn floor(&self, mut at: usize) -> usize {
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Notes a mistake.
    pub(crate) fn mistake(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        let diagnostic = Diagnostic { place: self.place(span), message: message.into(), hint, other: None };
        self.found.push(diagnostic);
    }

    /// Notes a mistake that has two places.
    pub(super) fn clash(
        &mut self,
        span: Range<usize>,
        message: String,
        hint: &str,
        other: Place,
        what: &str,
    ) {
        let hint = Some(hint.to_owned());
        let other = Some((other, what.to_owned()));
        self.found.push(Diagnostic { place: self.place(span), message, hint, other });
    }

    /// Notes each key of a table that is not known, or not built yet. `what` names the table.
    pub(super) fn only(&mut self, table: &DeTable<'_>, what: &str, known: &[&str], unbuilt: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if unbuilt.contains(&name) {
                self.mistake(
                    key.span(),
                    format!("`{name}` in {what} is not built yet"),
                    "remove it: nothing is read and then ignored",
                );
            } else if !known.contains(&name) {
                let all = known.iter().chain(unbuilt);
                let hint = did_you_mean(name, all.copied())
                    .unwrap_or_else(|| format!("{what} may have: {}", known.join(", ")));
                self.mistake(key.span(), format!("unknown key `{name}` in {what}"), hint);
            }
        }
    }

    pub(super) fn table<'v, 'd>(&mut self, value: &'v Value<'d>, key: &str) -> Option<&'v DeTable<'d>> {
        let table = value.get_ref().as_table();
        self.expect(table, value, key, "a table")
    }

    pub(super) fn array<'v, 'd>(&mut self, value: &'v Value<'d>, key: &str) -> Option<&'v DeArray<'d>> {
        let array = value.get_ref().as_array();
        self.expect(array, value, key, "an array, in `[` and `]`")
    }

    pub(super) fn string<'v>(&mut self, value: &'v Value<'_>, key: &str) -> Option<&'v str> {
        let string = value.get_ref().as_str();
        self.expect(string, value, key, "a string, in quotes")
    }

    pub(super) fn boolean(&mut self, value: &Value<'_>, key: &str) -> Option<bool> {
        let boolean = value.get_ref().as_bool();
        self.expect(boolean, value, key, "`true` or `false`")
    }

    /// Each element of an array of strings.
    pub(super) fn strings<'v>(
        &mut self,
        value: &'v Value<'_>,
        key: &str,
    ) -> Option<Vec<(&'v str, Range<usize>)>> {
        let array = self.array(value, key)?;
        Some(array.iter().filter_map(|one| Some((self.string(one, key)?, one.span()))).collect())
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&mut self, value: &Value<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(value, key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
            let message = format!("`{key}` is one of {}", names.join(", "));
            self.mistake(value.span(), message, hint.unwrap_or_default());
        }
        found.map(|(_, value)| *value)
    }

    /// A duration; "0" only where it has a meaning.
    pub(super) fn duration(&mut self, value: &Value<'_>, key: &str, may_be_zero: bool) -> Option<Duration> {
        let text = self.string(value, key)?;
        if may_be_zero && text == "0" {
            return Some(Duration::ZERO);
        }
        let why = match parse_duration(text) {
            Ok(duration) => return Some(duration),
            Err(why) => why,
        };
        let hint = match why {
            InvalidDuration::Form => "write it as 90s, 15m, 1h30m or 7d",
            InvalidDuration::TooShort if may_be_zero => "write \"0\" for every time",
            InvalidDuration::TooShort => "write \"1s\" or more",
            InvalidDuration::TooLong => "ten years are the most",
        };
        self.mistake(value.span(), format!("`{key}`: {why}"), hint);
        None
    }

    /// A time with an offset.
    pub(super) fn timestamp(&mut self, value: &Value<'_>, key: &str) -> Option<jiff::Timestamp> {
        const FORM: &str = "write it as 2027-01-31T18:00:00+01:00 or 2027-01-31T17:00:00Z, without quotes";
        let datetime = value.get_ref().as_datetime();
        let datetime = self.expect(datetime, value, key, "a time, without quotes")?;
        if datetime.offset.is_none() {
            self.mistake(value.span(), format!("`{key}` is a time without an offset"), FORM);
            return None;
        }
        let timestamp = datetime.to_string().parse().ok();
        if timestamp.is_none() {
            self.mistake(
                value.span(),
                format!("`{key}` is a time that does not exist or is out of range"),
                FORM,
            );
        }
        timestamp
    }

    fn expect<V>(&mut self, found: Option<V>, value: &Value<'_>, key: &str, wanted: &str) -> Option<V> {
        if found.is_none() {
            let kind = match value.get_ref() {
                DeValue::String(_) => "a string",
                DeValue::Integer(_) => "an integer",
                DeValue::Float(_) => "a float",
                DeValue::Boolean(_) => "a boolean",
                DeValue::Datetime(_) => "a time",
                DeValue::Array(_) => "an array",
                DeValue::Table(_) => "a table",
            };
            self.mistake(value.span(), format!("`{key}` holds {kind}"), format!("it must be {wanted}"));
        }
        found
    }
}

/// "did you mean `…`?", for the nearest name that is near enough.
pub(super) fn did_you_mean(name: &str, known: impl Iterator<Item = impl AsRef<str>>) -> Option<String> {
    let name = name.to_lowercase();
    known
        .map(|other| (strsim::osa_distance(&name, &other.as_ref().to_lowercase()), other))
        .filter(|(distance, other)| *distance <= 1 + other.as_ref().chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| format!("did you mean `{}`?", other.as_ref()))
}
