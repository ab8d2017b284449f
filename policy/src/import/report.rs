//! What an import has to tell: what is not as it was.

use std::fmt;

use super::ast::At;

/// How far what is told changes who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A rule, or a part of one, is not there: it permits nothing.
    LeftOut,
    /// A rule permits less than it did, or asks for more.
    Narrower,
    /// A setting has no counterpart.
    Setting,
    /// Worth knowing; nothing is lost.
    Note,
}

/// One thing that an import tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub(super) at: At,
    /// How far it matters.
    pub severity: Severity,
    /// What it is about.
    pub what: String,
}

impl Finding {
    /// The file it is about.
    pub fn file(&self) -> &str {
        &self.at.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.at.line
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, severity, what } = self;
        write!(formatter, "{}:{}: {severity}: {what}", at.file, at.line)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LeftOut => "left out",
            Self::Narrower => "narrower",
            Self::Setting => "not carried over",
            Self::Note => "note",
        })
    }
}

/// Findings while they are made, each once.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn tell(&mut self, at: &At, severity: Severity, what: impl Into<String>) {
        self.findings.push(Finding { at: at.clone(), severity, what: what.into() });
    }

    /// By file and line.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort();
        self.findings.dedup();
        self.findings
    }
}
