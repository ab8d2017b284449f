//! Policies of others, as ours.
//!
//! ```text
//! bytes ── scan, grammar, include ──▶ ast ── aliases, names, command, scopes, items ──▶ items, in order
//!                                                                                        │ subtract
//! policy file ◀── write ── rules ◀── regions without an order ◀──────────────────────────┘
//! ```
//! In sudoers the last line that matches counts; ours have no order. So what a later line says is taken away from the
//! earlier ones. Whatever can't be said exactly is said so that it permits less, and told.

mod aliases;
mod ast;
mod command;
mod digest;
mod dimension;
mod doas;
mod ere;
mod glob;
mod grammar;
mod include;
mod items;
mod names;
mod region;
mod report;
mod rules;
mod scan;
mod scopes;
mod settings;
mod subtract;
mod times;
mod toml;
mod words;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

pub use self::doas::import_doas;
pub use self::report::{Finding, Severity};

use self::ast::{At, Sudoers};
use self::include::Loading;
use self::items::{Items, TooMuch};
use self::report::Report;
use self::scopes::Scopes;
use self::write::File;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::policy::Policy;
use crate::source::{AsWritten, Source};

/// The files of others, which the caller can read.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`Unread`]
    fn read(&self, path: &str) -> Result<Vec<u8>, Unread>;

    /// The names of the files in a folder, in any order; none if there is no such folder.
    ///
    /// # Errors
    /// [`Unread`]
    fn list(&self, folder: &str) -> Result<Vec<String>, Unread>;

    /// The host's name up to its first dot, for `%h` in the names of files.
    fn host(&self) -> String;

    /// Whether there is a program at this path.
    fn is_program(&self, path: &str) -> bool;
}

/// Why a file was not read, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Those whose file it is do not read it either.
    ByNobody(String),
    /// They would read it: what it takes away from others is not known.
    ByUs(String),
}

/// What an import is asked for.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Write `trusted_path = false`, as sudo does not look who can write a program.
    pub exact: bool,
    /// The zone of times that name none.
    pub zone: TimeZone,
    /// The command that makes the policy, for its first line.
    pub made_by: String,
}

/// What an import made.
#[derive(Clone, Debug)]
pub struct Imported {
    /// A policy file. It loads.
    pub text: String,
    /// How many rules it has.
    pub rules: usize,
    /// What is not as it was, by file and line.
    pub findings: Vec<Finding>,
    /// The files that were read.
    pub files: Vec<String>,
}

impl Imported {
    /// Whether everything that matters was carried over.
    pub fn is_complete(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// Imports a sudoers file and all that it names.
///
/// # Errors
/// [`Diagnostics`] with each mistake of the grammar: sudo would pass over such a line, and nobody knows what it was to say.
pub fn import_sudoers(
    path: &str,
    files: &dyn Files,
    options: &ImportOptions,
) -> Result<Imported, Diagnostics> {
    let mut loading = Loading {
        files,
        sudoers: Sudoers::default(),
        report: Report::default(),
        read: Vec::new(),
        mistakes: Diagnostics::default(),
        bytes: 0,
    };
    loading.file(path, None, 0);
    let Loading { sudoers, mut report, read, mistakes, .. } = loading;
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    match file_of(&sudoers, &mut report, options) {
        Ok(mut file) => {
            let (text, rules) = checked(&mut file, &mut report);
            Ok(Imported { text, rules, findings: report.finish(), files: read })
        }
        Err(TooMuch::Endless(at)) => {
            Err(mistake(&at, "the aliases of this line contain themselves, or too much"))
        }
        Err(TooMuch::Many(at)) => Err(mistake(
            &at,
            "with this line it is too much to compare each with all: more than 10,000 commands, 5,000 lines of settings, or 50,000 names",
        )),
    }
}

fn file_of(sudoers: &Sudoers, report: &mut Report, options: &ImportOptions) -> Result<File, TooMuch> {
    let first = sudoers.defaults.first().map(|defaults| defaults.at.clone());
    let first = first.unwrap_or(At { file: "".into(), line: 1 });
    if sudoers.defaults.len() > items::MOST_SETTINGS {
        return Err(TooMuch::Many(first));
    }
    let scopes = Scopes::of(sudoers, report).map_err(|_| TooMuch::Endless(first))?;
    let mut items =
        Items { sudoers, scopes: &scopes, zone: &options.zone, report, all: Vec::new(), names: 0 };
    items.fill()?;
    let Items { all: items, report, .. } = items;
    let outcome = subtract::outcome(&items, report);
    let rules = rules::rules(&items, &outcome, &sudoers.specs, "sudoers");
    let mut file = File::new(&options.made_by, &scopes.base, options.exact);
    file.add(&rules, &sudoers.specs, &scopes.base, report);
    Ok(file)
}

/// The text, once our own loader takes it.
fn checked(file: &mut File, report: &mut Report) -> (String, usize) {
    loop {
        let text = file.text();
        let source = Source { name: "import.toml".into(), path: "import.toml".into(), text: text.clone() };
        match Policy::load(&[source], &AsWritten) {
            Ok(policy) => return (text, policy.rules().count()),
            Err(_) if file.is_empty() => return ("schema = 1\n".to_owned(), 0),
            Err(mistakes) => {
                let lines: BTreeSet<usize> = mistakes.iter().map(|mistake| mistake.place.line).collect();
                file.leave_out(&lines, report);
            }
        }
    }
}

fn mistake(at: &At, message: &str) -> Diagnostics {
    let source = Source { name: at.file.to_string(), path: at.file.to_string(), text: String::new() };
    let mut place = Reader::new(&source).place_in_file(0..0);
    place.line = at.line;
    let mut mistakes = Diagnostics::default();
    mistakes.push(Diagnostic { place, message: message.to_owned(), hint: None, other: None });
    mistakes
}
