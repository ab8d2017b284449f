//! `jitctl audit verify`.

use std::path::PathBuf;

use clap::Args;
use jit_audit::{Finding, Head, Report, Verifier};
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use super::files::Files;
use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// Find each changed, lost, swapped, inserted or cut line of the audit log
///
/// Without files: the whole log over all its files, and its end against the one that the agent keeps. Exits with 1 if anything is found.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Files of one log, oldest first; their first record may have any number
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        // The kept head first: what is written after it was asked for is then no surprise.
        let kept = if self.files.is_empty() { kept_head() } else { Err("files were named".to_owned()) };
        let first = self.files.is_empty().then_some(1);
        verify(Files::open(&self.files)?, first, kept, output)
    }
}

/// Verifies these files. `first`: the number that the log must begin with, if that is known.
pub(super) fn verify(
    files: Files,
    first: Option<u64>,
    kept: Result<Head, String>,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut verifier = Verifier::default();
    let lengths = files.for_each_line(|line| verifier.push(line))?;
    let report = verifier.finish(first, kept.as_ref().ok());
    for finding in &report.findings {
        output.text(&in_its_file(finding, &lengths))?;
    }
    if !report.is_sound() {
        let count = report.findings.len();
        let plural = if count == 1 { "" } else { "s" };
        output.text(&format!("the audit log is not sound: {count} finding{plural}"))?;
        return Err(Failure::Told);
    }
    output.text(&sound(&report))?;
    if first.is_some_and(|first| report.first > first) {
        output.text("older records were removed, as the log itself says")?;
    }
    output.text(&match kept {
        Ok(_) => "its end is the one that the agent keeps".to_owned(),
        Err(why) => format!("its end was not compared with the agent's: {why}"),
    })
}

/// A finding, with the file in which it is if there are several, and its line there.
fn in_its_file(finding: &Finding, lengths: &[(PathBuf, usize)]) -> String {
    let mut before = 0;
    for (path, length) in lengths {
        if lengths.len() > 1 && finding.line <= before + length {
            let there = Finding { line: finding.line - before, kind: finding.kind.clone() };
            return format!("{}, {there}", path.display());
        }
        before += length;
    }
    finding.to_string()
}

fn sound(report: &Report) -> String {
    let gaps = match report.gaps {
        0 => String::new(),
        1 => ", 1 line torn by a crash".to_owned(),
        gaps => format!(", {gaps} lines torn by a crash"),
    };
    let Report { records, first, head, .. } = report;
    format!("the audit log is sound: {records} records, {first} to {}{gaps}", head.seq)
}

fn kept_head() -> Result<Head, String> {
    match agent::ask(Request::AuditHead) {
        Ok(Response::AuditHead { seq, hash }) => Ok(Head { seq, hash }),
        Ok(_) => Err("it answered something else".to_owned()),
        Err(Failure::Refused { what, .. }) => Err(what),
        Err(_) => Err("it did not answer".to_owned()),
    }
}
