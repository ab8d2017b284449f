//! Files that name other files.

use std::sync::Arc;

use super::ast::{At, Sudoers};
use super::grammar::{Include, Parser, line_starts};
use super::report::{Report, Severity};
use super::scan::Mistake;
use super::{Files, Unread};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::source::Source;

/// How deep files may name files.
const DEEPEST: usize = 128;
/// The most files of one import.
const MOST_FILES: usize = 10_000;
/// The longest that all of them may be, in bytes.
const LONGEST_IN_ALL: usize = 16 << 20;
/// The longest file, in bytes.
const LONGEST: usize = 4 << 20;

/// Reads a file and all that it names.
pub(super) struct Loading<'f> {
    pub(super) files: &'f dyn Files,
    pub(super) sudoers: Sudoers,
    pub(super) report: Report,
    /// Paths in the order they were read.
    pub(super) read: Vec<String>,
    pub(super) mistakes: Diagnostics,
    /// How much was read.
    pub(super) bytes: usize,
}

impl Loading<'_> {
    /// Reads one file. What sudo can't read either is told, and permits nothing.
    pub(super) fn file(&mut self, path: &str, named_by: Option<&At>, depth: usize) {
        let at = named_by.cloned().unwrap_or(At { file: path.into(), line: 1 });
        if depth > DEEPEST {
            self.report.tell(&at, Severity::LeftOut, format!("`{path}`: files name files too often"));
            return;
        }
        self.read.push(path.to_owned());
        let bytes = match self.files.read(path) {
            Err(Unread::ByNobody(why)) if named_by.is_some() => {
                self.report.tell(&at, Severity::LeftOut, format!("`{path}` can't be read: {why}"));
                return;
            }
            Err(Unread::ByUs(why) | Unread::ByNobody(why)) => {
                self.refuse(path, format!("this file can't be read: {why}"));
                return;
            }
            Ok(bytes) => bytes,
        };
        self.bytes = self.bytes.saturating_add(bytes.len());
        if bytes.len() > LONGEST {
            self.refuse(path, "this file is longer than 4 MiB".to_owned());
        } else if self.is_too_much() {
            self.refuse(path, "with this file there are more than 10,000, or 16 MiB".to_owned());
        } else {
            self.text(path, &String::from_utf8_lossy(&bytes), depth);
        }
    }

    fn is_too_much(&self) -> bool {
        self.bytes > LONGEST_IN_ALL || self.read.len() > MOST_FILES
    }

    fn refuse(&mut self, path: &str, message: String) {
        self.mistake(path, "", &Mistake { at: 0..0, message, hint: "" });
    }

    fn text(&mut self, path: &str, text: &str, depth: usize) {
        let file: Arc<str> = path.into();
        let mut sudoers = std::mem::take(&mut self.sudoers);
        let mut mistakes = Vec::new();
        let mut at = None;
        let lines = line_starts(text);
        // What is refused already is not read further.
        while !self.is_too_much() {
            let mut parser = Parser::new(Arc::clone(&file), text, &lines, &mut sudoers);
            parser.resume(at);
            let include = parser.next_include(&mut mistakes);
            at = Some(parser.scan.at());
            let Some(include) = include else { break };
            self.sudoers = sudoers;
            self.include(&file, &include, depth);
            sudoers = std::mem::take(&mut self.sudoers);
        }
        self.sudoers = sudoers;
        for mistake in &mistakes {
            self.mistake(path, text, mistake);
        }
    }

    fn include(&mut self, file: &Arc<str>, include: &Include, depth: usize) {
        let at = At { file: Arc::clone(file), line: include.line };
        let path = include.path.replace("%h", &self.files.host()).replace("%%", "%");
        // A path that is not absolute counts from where the file is.
        let path = match file.rsplit_once('/') {
            Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
            _ => path,
        };
        if !include.is_folder {
            self.file(&path, Some(&at), depth + 1);
            return;
        }
        let folder = path.trim_end_matches('/');
        match self.files.list(folder) {
            Err(Unread::ByNobody(why)) => {
                self.report.tell(&at, Severity::LeftOut, format!("`{folder}` can't be read: {why}"));
            }
            Err(Unread::ByUs(why)) => self.refuse(folder, format!("this folder can't be read: {why}")),
            Ok(mut names) => {
                names.sort();
                for name in names.iter().filter(|name| counts(name)) {
                    if self.is_too_much() {
                        break;
                    }
                    self.file(&format!("{folder}/{name}"), Some(&at), depth + 1);
                }
            }
        }
    }

    fn mistake(&mut self, path: &str, text: &str, mistake: &Mistake) {
        let source = Source { name: path.to_owned(), path: path.to_owned(), text: text.to_owned() };
        let place = Reader::new(&source).place_in_file(mistake.at.clone());
        let hint = (!mistake.hint.is_empty()).then(|| mistake.hint.to_owned());
        self.mistakes.push(Diagnostic { place, message: mistake.message.clone(), hint, other: None });
    }
}

/// Names with a dot, and backups, are not read from folders.
fn counts(name: &str) -> bool {
    !name.is_empty() && !name.ends_with('~') && !name.contains(['.', '/'])
}
