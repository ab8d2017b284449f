//! `commands`, `except_commands` and sets of commands.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use toml::de::DeValue;

use super::Loader;
use super::edits::is_edit;
use super::pins::pins;
use super::reader::{Reader, Value};
use super::sets::{BARE, Kind, Use};
use crate::pattern::{
    ArgPattern, Arguments, CommandPattern, Commands, Piece, Program, Symbol, Token, Word, WordError,
    alternatives, is_normal, is_rest, literal, one_word, words_of,
};
use crate::request::EDIT;
use crate::sha256::Sha256;

/// The most memory that one compiled regex may take.
const REGEX_SIZE: usize = 1 << 20;

/// What a command without arguments means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// In an allow: no arguments.
    NoArguments,
    /// In a deny and in `except_commands`: it must say which.
    Refused,
    /// In a set: depends on where the set is used.
    InSet,
}

/// Entries while they are read.
#[derive(Default)]
struct Entries {
    all: bool,
    exact: Vec<(Symbol, u32)>,
    globs: Vec<(Symbol, Word, u32)>,
    patterns: Vec<CommandPattern>,
    sets: Vec<u32>,
}

impl Loader<'_> {
    pub(super) fn commands(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        key: &str,
        bare: Bare,
    ) -> Option<Commands> {
        let array = reader.array(value, key)?;
        let mut entries = Entries::default();
        for entry in array {
            // What can't be read is noted, and the rest is read for more mistakes.
            let _ = match entry.get_ref() {
                DeValue::String(text) => self.command_text(reader, text, entry.span(), bare, &mut entries),
                DeValue::Table(_) => self.command_table(reader, entry, bare, &mut entries),
                _ => {
                    let hint = "write \"/path/of/command arguments\" or { path = \"…\", args = […] }";
                    reader.mistake(entry.span(), "a command is a string or a table", hint);
                    None
                }
            };
        }
        entries.exact.sort_unstable();
        entries.sets.sort_unstable();
        entries.sets.dedup();
        Some(Commands {
            all: entries.all,
            has_pins: entries.patterns.iter().any(CommandPattern::is_pinned),
            exact: entries.exact.into(),
            globs: entries.globs.into(),
            patterns: entries.patterns.into(),
            sets: entries.sets.into(),
        })
    }

    /// `"/usr/bin/systemctl {start,stop} nginx.service"`
    fn command_text(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        span: Range<usize>,
        bare: Bare,
        entries: &mut Entries,
    ) -> Option<()> {
        if text == "ALL" {
            entries.all = true;
            return Some(());
        }
        if let Some(set) = text.strip_prefix('@') {
            let how = match bare {
                Bare::NoArguments => Use::Plain,
                Bare::Refused => Use::Strict,
                Bare::InSet => Use::InSet,
            };
            entries.sets.push(self.set(reader, Kind::Commands, set, span, how)?);
            return Some(());
        }
        let words = words_of(text).map_err(|error| note(reader, text, &span, error)).ok()?;
        let Some((program, mut words)) = words.split_first() else {
            reader.mistake(span, "a command can't be empty", "write its path, or \"ALL\"");
            return None;
        };
        if is_edit(program) {
            let files = self.edited_words(reader, text, &span, words)?;
            entries.add(vec![Program::Exact(self.symbols.intern(EDIT))], text, files, Box::default());
            return Some(());
        }
        let programs = self.programs(reader, text, &span, program)?;
        let rest = words.last().is_some_and(|word| is_rest(word));
        if let (true, Some((_, others))) = (rest, words.split_last()) {
            words = others;
        }
        if words.is_empty() && !rest {
            self.note_bare(reader, &span, bare)?;
        }
        let mut arguments = Vec::with_capacity(words.len());
        for word in words {
            arguments.push(argument(word).map_err(|error| note(reader, text, &span, error)).ok()?);
        }
        entries.add(programs, text, Arguments { words: arguments.into(), rest }, Box::default());
        Some(())
    }

    /// `{ path = "/usr/local/sbin/deploy", args = ["--env", { regex = "prod|stage" }], sha256 = "…" }`, or
    /// `{ edit = ["/etc/nginx/*.conf", { under = "/srv/x" }] }`
    fn command_table(
        &mut self,
        reader: &mut Reader<'_>,
        entry: &Value<'_>,
        bare: Bare,
        entries: &mut Entries,
    ) -> Option<()> {
        let span = entry.span();
        let table = reader.table(entry, "commands")?;
        reader.only(table, "a command", &["path", "args", "sha256", "edit"], &[]);
        if let Some(edit) = table.get("edit") {
            if ["path", "args", "sha256"].iter().any(|key| table.contains_key(*key)) {
                let hint = "write { edit = [\"/path/of/file\"] } as an entry of its own";
                reader.mistake(span, "`edit` stands alone: it runs no program", hint);
                return None;
            }
            let files = self.edited_values(reader, edit)?;
            let written = reader.text_at(span);
            entries.add(vec![Program::Exact(self.symbols.intern(EDIT))], written, files, Box::default());
            return Some(());
        }
        let Some(path) = table.get("path") else {
            reader.mistake(span, "this command has no `path`", "add path = \"/path/of/command\"");
            return None;
        };
        let text = reader.string(path, "path")?;
        let pieces = one_word(text).map_err(|error| note(reader, text, &path.span(), error)).ok()?;
        let programs = self.programs(reader, text, &path.span(), &pieces)?;
        let mut arguments = Arguments::default();
        match table.get("args") {
            None => self.note_bare(reader, &span, bare)?,
            Some(args) => {
                let args = reader.array(args, "args")?;
                let mut words = Vec::with_capacity(args.len());
                for (at, arg) in args.iter().enumerate() {
                    if at + 1 == args.len() && arg.get_ref().as_str() == Some("**") {
                        arguments.rest = true;
                    } else {
                        words.push(self.argument_value(reader, arg)?);
                    }
                }
                arguments.words = words.into();
            }
        }
        let pins = pins(reader, table)?;
        let written = reader.text_at(span);
        entries.add(programs, written, arguments, pins);
        Some(())
    }

    /// One element of `args`.
    pub(super) fn argument_value(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
    ) -> Option<ArgPattern> {
        const HINT: &str = "an argument is a string, { regex = \"…\" } or { under = \"/folder\" }";
        if let Some(text) = value.get_ref().as_str() {
            let word = one_word(text).and_then(|pieces| argument(&pieces));
            return word.map_err(|error| note(reader, text, &value.span(), error)).ok();
        }
        let Some(table) = value.get_ref().as_table() else {
            reader.mistake(value.span(), "this is not an argument", HINT);
            return None;
        };
        reader.only(table, "an argument", &["regex", "under"], &[]);
        match (table.get("regex"), table.get("under")) {
            (Some(regex), None) => {
                let text = reader.string(regex, "regex")?;
                self.regex(reader, text, regex.span()).map(ArgPattern::Regex)
            }
            (None, Some(under)) => {
                let text = reader.string(under, "under")?;
                if !is_normal(text.as_bytes()) {
                    let hint = "write it absolute, without `.`, `..`, `//` and without a `/` at its end";
                    reader.mistake(under.span(), "this is not the path of a folder", hint);
                    return None;
                }
                Some(ArgPattern::Under(self.canonical(text).into()))
            }
            _ => {
                reader.mistake(value.span(), "an argument has one of `regex` and `under`", HINT);
                None
            }
        }
    }

    /// A regex that must match a whole text. The same text is compiled once.
    pub(super) fn regex(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        span: Range<usize>,
    ) -> Option<Arc<Regex>> {
        if let Some(regex) = self.regexes.get(text) {
            return Some(Arc::clone(regex));
        }
        let compile = |text: &str| RegexBuilder::new(text).size_limit(REGEX_SIZE).nest_limit(64).build();
        // Alone first: `a)|(b` is a mistake, though it is none between the parentheses.
        let built = compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z")));
        match built {
            Ok(regex) => {
                let regex = Arc::new(regex);
                self.regexes.insert(text.to_owned(), Arc::clone(&regex));
                Some(regex)
            }
            Err(error) => {
                let why = match error {
                    regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
                    error => error.to_string().lines().last().unwrap_or_default().replace("error: ", ""),
                };
                let hint = "it must match the whole text; in TOML, 'single quotes' keep backslashes";
                reader.mistake(span, format!("this regex can't be used: {why}"), hint);
                None
            }
        }
    }

    /// The programs that the first word stands for.
    fn programs(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        span: &Range<usize>,
        word: &[Piece],
    ) -> Option<Vec<Program>> {
        let paths = alternatives(word).map_err(|error| note(reader, text, span, error)).ok()?;
        let end = word.last().map_or(0, |last| last.at + last.char.len_utf8());
        let span = within(reader, text, span, word.first().map_or(0, |first| first.at)..end);
        paths.iter().map(|tokens| self.program(reader, &span, tokens)).collect()
    }

    fn program(&mut self, reader: &mut Reader<'_>, span: &Range<usize>, tokens: &[Token]) -> Option<Program> {
        let shape = shape(tokens);
        if !is_normal(shape.as_bytes()) || shape == "/" {
            let (message, hint) = match shape.as_str() {
                "ALL" => ("\"ALL\" stands alone", "it is any command with any arguments"),
                _ if shape.starts_with('/') => PLAIN_FORM,
                _ => (
                    "a command begins with its absolute path",
                    "write it as `/usr/bin/…`, or \"ALL\" for any command",
                ),
            };
            reader.mistake(span.clone(), message, hint);
            return None;
        }
        let Resolved { folder, path } = self.resolved(tokens)?;
        if let Some(path) = literal(&path) {
            return Some(Program::Exact(self.symbols.intern(&path)));
        }
        Some(Program::Glob { folder: self.symbols.intern(&folder), word: Word::new(&path) })
    }

    /// A path with the longest folder that it names without wildcards resolved.
    pub(super) fn resolved(&mut self, tokens: &[Token]) -> Option<Resolved> {
        let wildcard =
            tokens.iter().position(|token| !matches!(token, Token::Char(_))).unwrap_or(tokens.len());
        let slash = tokens.iter().take(wildcard).rposition(|token| *token == Token::Char('/'))?;
        let (folder, name) = tokens.split_at(slash);
        let folder = literal(folder)?;
        let folder = if folder.is_empty() { String::new() } else { self.canonical(&folder) };
        let path = folder.chars().map(Token::Char).chain(name.iter().cloned()).collect();
        Some(Resolved { folder: if folder.is_empty() { "/".to_owned() } else { folder }, path })
    }

    /// The folder with its links resolved; as written if that is not known.
    pub(super) fn canonical(&mut self, folder: &str) -> String {
        if let Some(known) = self.canonical_folders.get(folder) {
            return known.clone();
        }
        let found = self.host.canonical_folder(folder).filter(|found| is_normal(found.as_bytes()));
        let canonical = match found.as_deref() {
            Some("/") => String::new(),
            Some(found) => found.to_owned(),
            None => folder.to_owned(),
        };
        self.canonical_folders.insert(folder.to_owned(), canonical.clone());
        canonical
    }

    fn note_bare(&mut self, reader: &mut Reader<'_>, span: &Range<usize>, bare: Bare) -> Option<()> {
        match bare {
            Bare::NoArguments => {}
            Bare::InSet => {
                self.bare.get_or_insert_with(|| reader.place(span.clone()));
            }
            Bare::Refused => {
                reader.mistake(span.clone(), "this command must say which arguments it means", BARE);
                return None;
            }
        }
        Some(())
    }
}

impl Entries {
    fn add(&mut self, programs: Vec<Program>, text: &str, arguments: Arguments, sha256: Box<[Sha256]>) {
        let number = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        for program in programs {
            match program {
                Program::Exact(path) => self.exact.push((path, number)),
                Program::Glob { folder, word } => self.globs.push((folder, word, number)),
            }
        }
        self.patterns.push(CommandPattern { text: text.into(), arguments, sha256 });
    }
}

/// One word as an argument.
fn argument(word: &[Piece]) -> Result<ArgPattern, WordError> {
    let words: Vec<Word> = alternatives(word)?.iter().map(|tokens| Word::new(tokens)).collect();
    Ok(ArgPattern::Word(words.into()))
}

/// A path of a rule, as far as it can be resolved.
pub(super) struct Resolved {
    folder: String,
    /// All of it.
    pub(super) path: Vec<Token>,
}

/// What to say of a path like `/etc/../x`.
pub(super) const PLAIN_FORM: (&str, &str) =
    ("this path is not in its plain form", "remove `.`, `..`, `//` and a `/` at its end");

/// The path with a star for each wildcard.
pub(super) fn shape(tokens: &[Token]) -> String {
    tokens.iter().map(|token| if let Token::Char(char) = token { *char } else { '*' }).collect()
}

/// Notes a mistake within a string.
pub(super) fn note(reader: &mut Reader<'_>, text: &str, span: &Range<usize>, error: WordError) {
    let at = within(reader, text, span, error.at);
    reader.mistake(at, error.message, error.hint);
}

/// A part of a string: exactly where it is, if the string is written as it reads; else the whole string.
pub(super) fn within(
    reader: &Reader<'_>,
    text: &str,
    span: &Range<usize>,
    part: Range<usize>,
) -> Range<usize> {
    let written = reader.text_at(span.clone());
    let as_is = written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text);
    if as_is { span.start + 1 + part.start..span.start + 1 + part.end } else { span.clone() }
}
