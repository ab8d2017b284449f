//! Files that name other files.

use std::sync::Arc;

use super::Files;
use super::ast::{At, Sudoers};
use super::grammar::{Include, Parser};
use super::report::{Report, Severity};
use super::scan::Mistake;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::source::Source;

/// How deep files may name files.
const DEEPEST: usize = 128;
/// The most files of one import.
const MOST_FILES: usize = 10_000;
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
}

impl Loading<'_> {
    /// Reads one file. What can't be read is told, and permits nothing.
    pub(super) fn file(&mut self, path: &str, named_by: Option<&At>, depth: usize) {
        let at = named_by.cloned().unwrap_or(At { file: path.into(), line: 1 });
        if depth > DEEPEST || self.read.len() >= MOST_FILES {
            self.report.tell(&at, Severity::LeftOut, format!("`{path}`: files name files too often"));
            return;
        }
        self.read.push(path.to_owned());
        match self.files.read(path) {
            Err(why) if named_by.is_none() => {
                let message = format!("this file can't be read: {why}");
                self.mistake(path, "", &Mistake { at: 0..0, message, hint: "" });
            }
            Err(why) => self.report.tell(&at, Severity::LeftOut, format!("`{path}` can't be read: {why}")),
            Ok(bytes) if bytes.len() > LONGEST => {
                self.mistake(
                    path,
                    "",
                    &Mistake { at: 0..0, message: "this file is longer than 4 MiB".into(), hint: "" },
                );
            }
            Ok(bytes) => self.text(path, &String::from_utf8_lossy(&bytes), depth),
        }
    }

    fn text(&mut self, path: &str, text: &str, depth: usize) {
        let file: Arc<str> = path.into();
        let mut sudoers = std::mem::take(&mut self.sudoers);
        let mut mistakes = Vec::new();
        let mut at = None;
        loop {
            let mut parser = Parser::new(Arc::clone(&file), text, &mut sudoers);
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
            Err(why) => self.report.tell(&at, Severity::LeftOut, format!("`{folder}` can't be read: {why}")),
            Ok(mut names) => {
                names.sort();
                for name in names.iter().filter(|name| counts(name)) {
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
