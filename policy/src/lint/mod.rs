//! Lint: what a policy may say, and probably should not.
//!
//! Each check is a file. It looks at rules as they were loaded, and says where by name; [`places`] finds that in the text,
//! and the comments there that allow it. What only a host can tell comes through [`LintHost`].

mod accounts;
mod applies;
mod approvals;
mod code;
mod danger;
mod facts;
mod globs;
mod paths;
mod places;
mod reach;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer};

pub use self::code::{Code, Severity};
use self::places::{Places, Subject};
use crate::account::{Directory, LookupFailed};
use crate::diagnostics::Place;
use crate::policy::Core;
use crate::sha256::Sha256;
use crate::source::Source;

/// What a host knows of files and accounts.
pub trait LintHost: Directory {
    /// A file or folder; `None` if there is none.
    fn file(&self, path: &str) -> Option<LintFile>;

    /// SHA-256 of a program's file.
    ///
    /// # Errors
    /// Why it can't be told.
    fn sha256(&self, path: &str) -> Result<Sha256, String>;

    /// The account of a name, or of `#uid`; `None` if there is none.
    ///
    /// # Errors
    /// [`LookupFailed`] if the question could not be answered.
    fn account(&self, user: &str) -> Result<Option<LintAccount>, LookupFailed>;
}

/// A file or folder of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFile {
    /// Its path, all links followed.
    pub leads_to: String,
    /// The first component on the way that somebody but root can change.
    pub changeable: Option<String>,
}

/// An account of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintAccount {
    /// Its uid.
    pub uid: u32,
    /// Its login shell.
    pub shell: String,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub code: Code,
    /// How bad it is: of the code, or less where the rule gives nobody's rights but an ordinary user's.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// The rule or login.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Finding {
    /// As rustc shows it, in plain text, with a newline at the end.
    pub fn render(&self) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let group = level
            .primary_title(&self.message)
            .id(self.code.as_str())
            .element(self.place.snippet(AnnotationKind::Primary, None))
            .element(Level::HELP.message(&self.hint));
        let groups: [Group<'_>; 1] = [group];
        format!("{}\n", Renderer::plain().render(&groups))
    }
}

/// Findings while they are made: places are looked for at the end.
struct Findings<'p> {
    found: Vec<(Code, Severity, Subject<'p>, String, String)>,
}

impl<'p> Findings<'p> {
    fn add(&mut self, code: Code, at: Subject<'p>, message: impl Into<String>, hint: impl Into<String>) {
        self.add_as(code.severity(), code, at, message, hint);
    }

    fn add_as(
        &mut self,
        severity: Severity,
        code: Code,
        at: Subject<'p>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.found.push((code, severity, at, message.into(), hint.into()));
    }
}

/// Where a finding is.
fn spot(finding: &Finding) -> (Arc<str>, usize) {
    (Arc::clone(&finding.place.file), finding.place.span.start)
}

impl Core {
    /// Everything that the checks find, by file and place; `sources` are the texts that were loaded.
    pub(crate) fn lint(
        &self,
        sources: &[Source],
        host: Option<&dyn LintHost>,
        now: jiff::Timestamp,
    ) -> Result<Vec<Finding>, LookupFailed> {
        let mut found = Findings { found: Vec::new() };
        for rule in &self.rules {
            self.check_commands(rule, host, &mut found);
            self.check_globs(rule, &mut found);
            self.check_settings(rule, &mut found);
            self.check_approval(rule, &mut found);
        }
        self.check_reach(now, &mut found);
        if let Some(host) = host {
            self.check_paths(host, &mut found);
            self.check_names(host, &mut found)?;
            self.check_service_accounts(host, &mut found)?;
        }
        let places = Places::new(sources);
        let mut findings = Vec::new();
        for (code, severity, subject, message, hint) in found.found {
            let Some(place) = places.find(&subject) else { continue };
            if places.allows(code, &place) {
                continue;
            }
            let rule = subject.rule().map(str::to_owned);
            findings.push(Finding { code, severity, place, rule, message, hint });
        }
        findings.extend(places.idle_comments());
        let key = |finding: &Finding| (spot(finding), finding.code);
        findings.sort_by_key(key);
        // A set that several rules use is one place.
        findings.dedup_by_key(|finding| key(finding));
        let gives: BTreeSet<_> =
            findings.iter().filter(|one| one.code <= Code::FileReader).map(spot).collect();
        findings.retain(|finding| finding.code != Code::OptionGlob || !gives.contains(&spot(finding)));
        Ok(findings)
    }
}
