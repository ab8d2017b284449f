//! Files that may be edited, and what must hold of them before they are saved.

use std::ops::Range;

use super::Loader;
use super::commands::{PLAIN_FORM, note, shape, within};
use super::reader::{Reader, Value};
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::pattern::{
    ArgPattern, Arguments, CommandSet, Commands, Piece, Symbols, Word, alternatives, is_normal, is_rest,
    one_word, words_of,
};
use crate::request::EDIT;

const HINT: &str = "write `sudoedit /path/of/file`, or `sudoedit **` for any file";

/// Whether the first word of an entry is the one for edits.
pub(super) fn is_edit(word: &[Piece]) -> bool {
    word.iter().map(|piece| piece.char).eq(EDIT.chars())
}

impl Loader<'_> {
    /// `sudoedit /etc/nginx/*.conf /etc/motd`, from its second word on.
    pub(super) fn edited_words(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        span: &Range<usize>,
        words: &[Vec<Piece>],
    ) -> Option<Arguments> {
        if words.is_empty() {
            reader.mistake(span.clone(), "this names no file to edit", HINT);
            return None;
        }
        if words.iter().any(|word| is_rest(word)) {
            return any_file(reader, span.clone(), words.len());
        }
        let mut files = Vec::with_capacity(words.len());
        for word in words {
            files.push(self.edited_file(reader, text, span, word)?);
        }
        Some(Arguments { words: files.into(), rest: false })
    }

    /// `["/etc/nginx/*.conf", { under = "/srv/x" }, { regex = "…" }]`
    pub(super) fn edited_values(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Arguments> {
        let array = reader.array(value, "edit")?;
        if array.is_empty() {
            reader.mistake(value.span(), "this names no file to edit", HINT);
            return None;
        }
        if array.iter().any(|one| one.get_ref().as_str() == Some("**")) {
            return any_file(reader, value.span(), array.len());
        }
        let mut files = Vec::with_capacity(array.len());
        for one in array {
            files.push(match one.get_ref().as_str() {
                None => self.argument_value(reader, one)?,
                Some(text) => {
                    let word = one_word(text).map_err(|error| note(reader, text, &one.span(), error)).ok()?;
                    self.edited_file(reader, text, &one.span(), &word)?
                }
            });
        }
        Some(Arguments { words: files.into(), rest: false })
    }

    fn edited_file(
        &mut self,
        reader: &mut Reader<'_>,
        text: &str,
        span: &Range<usize>,
        word: &[Piece],
    ) -> Option<ArgPattern> {
        let mut words = Vec::new();
        for tokens in alternatives(word).map_err(|error| note(reader, text, span, error)).ok()? {
            let shape = shape(&tokens);
            if !is_normal(shape.as_bytes()) || shape == "/" {
                let end = word.last().map_or(0, |last| last.at + last.char.len_utf8());
                let at = within(reader, text, span, word.first().map_or(0, |first| first.at)..end);
                let (message, hint) = if shape.starts_with('/') && shape != "/" {
                    PLAIN_FORM
                } else {
                    ("a file to edit is named by its absolute path", HINT)
                };
                reader.mistake(at, message, hint);
                return None;
            }
            words.push(Word::new(&self.resolved(&tokens)?.path));
        }
        Some(ArgPattern::Word(words.into()))
    }

    /// A check in a rule that lets nobody edit anything would be read and then ignored.
    pub(super) fn note_edit_check(&mut self, reader: &Reader<'_>, at: Range<usize>, commands: &Commands) {
        if !names_files(commands, &self.symbols) {
            self.edit_checks.push((reader.place(at), commands.sets.clone()));
        }
    }
}

/// Notes each check whose rule has no set that names files either.
pub(super) fn find_useless(
    checks: &[(Place, Box<[u32]>)],
    sets: &[CommandSet],
    symbols: &Symbols,
    found: &mut Diagnostics,
) {
    for (place, used) in checks {
        let mut used = used.iter().filter_map(|set| sets.get(*set as usize));
        if !used.any(|set| names_files(&set.commands, symbols)) {
            found.push(Diagnostic {
                place: place.clone(),
                message: "`edit_check` stands in a rule that lets nobody edit anything".to_owned(),
                hint: Some("add `\"sudoedit /path/of/file\"` to its `commands`, or remove it".to_owned()),
                other: None,
            });
        }
    }
}

fn names_files(commands: &Commands, symbols: &Symbols) -> bool {
    let edit = symbols.find(EDIT);
    commands.all || commands.exact.iter().any(|(program, _)| Some(*program) == edit)
}

fn any_file(reader: &mut Reader<'_>, span: Range<usize>, words: usize) -> Option<Arguments> {
    if words > 1 {
        reader.mistake(span, "`**` is any file, and stands alone", "remove it, or the others");
        return None;
    }
    Some(Arguments { words: Box::default(), rest: true })
}

/// `edit_check`: split into words as a command is, but nothing in it is a wildcard.
pub(super) fn check(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<String>> {
    const HINT: &str = "write it as in \"/usr/sbin/visudo -c -f {}\": `{}` is the path of the new contents";
    let text = reader.string(value, "edit_check")?;
    let words = words_of(text).map_err(|error| note(reader, text, &value.span(), error)).ok()?;
    let words: Vec<String> = words.iter().map(|word| word.iter().map(|piece| piece.char).collect()).collect();
    let (program, arguments) = words.split_first().unzip();
    let message = if !program.is_some_and(|program| is_normal(program.as_bytes()) && program != "/") {
        "`edit_check` begins with the absolute path of a program"
    } else if program.is_some_and(|program| program.contains("{}"))
        || arguments.unwrap_or_default().iter().map(|word| word.matches("{}").count()).sum::<usize>() != 1
    {
        "`edit_check` has exactly one `{}`, after its program"
    } else if text.contains('\n') {
        "`edit_check` stands on one line"
    } else {
        return Some(words);
    };
    reader.mistake(value.span(), message, HINT);
    None
}
