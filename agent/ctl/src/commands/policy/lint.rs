//! `jitctl policy lint`.

mod host;
mod report;

use clap::{Args, ValueEnum};
use jit_policy::{Finding, LintHost, Severity};

use self::host::LintedHost;
use super::which::Which;
use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// Find what a policy may say, and probably should not: shells in disguise, denies that do not hold, rules that do nothing
///
/// docs/lint.md explains each finding. `# lint: allow CODE: reason` behind a line, or on a line of its own in a rule, allows one there.
/// Exits with 1 if there is an error, with --deny-warnings also if there is a warning.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(super) which: Which,
    /// Exit with 1 also if there are only warnings
    #[arg(long)]
    pub(super) deny_warnings: bool,
    /// How to print what is found
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,
    /// Leave out what depends on the accounts and files of this host
    #[arg(long)]
    pub(super) without_host: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// An array of objects
    Json,
    /// SARIF 2.1.0, for what shows findings of several tools
    Sarif,
}

impl Lint {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = self.which.sources(installed)?;
        let policy = policy_source::load(&sources)?;
        let host = LintedHost::new()?;
        let host: Option<&dyn LintHost> = if self.without_host { None } else { Some(&host) };
        let findings = policy.lint(&sources, host, jiff::Timestamp::now()).map_err(|failed| {
            Failure::new(failed.to_string(), "--without-host leaves accounts and files out")
        })?;
        match self.format {
            Format::Text => text(&findings, output)?,
            Format::Json => output.json(&report::json(&findings))?,
            Format::Sarif => output.json(&report::sarif(&findings))?,
        }
        let worst = if self.deny_warnings { Severity::Warning } else { Severity::Error };
        if findings.iter().any(|finding| finding.severity <= worst) { Err(Failure::Told) } else { Ok(()) }
    }
}

fn text(findings: &[Finding], output: &mut Output) -> Result<(), Failure> {
    for finding in findings {
        output.text(&finding.render())?;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counted = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let number = count(severity);
        format!("{number} {}{}", severity.as_str(), if number == 1 { "" } else { "s" })
    });
    output.text(&counted.join(", "))
}
