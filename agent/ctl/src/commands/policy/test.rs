//! `jitctl policy test`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use jit_policy::{Effect, Policy, PolicyTest, TestResult};
use serde::Serialize;

use super::junit;
use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};
use crate::zones::HostZones;

/// Run the tests of a policy: each `[[test]]` in its files, and in those of its folder `tests`
///
/// A test brings its own accounts, groups and host, so that it says the same everywhere. Exits with 1 if any fails.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Test this folder in the place of /etc/jit-sudo/policy.d
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Write a report for build servers, in the XML of `JUnit`
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Print one array as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A test and what became of it.
pub(super) struct Ran<'t> {
    pub(super) test: &'t PolicyTest,
    pub(super) title: String,
    pub(super) result: TestResult,
}

#[derive(Serialize)]
struct Report<'r> {
    id: String,
    title: &'r str,
    passed: bool,
    rule: Option<&'r str>,
    failure: Option<&'r str>,
}

impl Test {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = match &self.folder {
            Some(folder) => installed.sources_with_folder(folder)?,
            None => installed.sources()?,
        };
        let policy = policy_source::load(&sources)?;
        let own = policy_source::load_tests(&installed.tests(self.folder.as_deref())?)?;
        let ran = run(&policy, policy.tests().iter().chain(&own));
        if let Some(path) = &self.junit {
            let failed = |error| Failure::new(format!("{} cannot be written: {error}", path.display()), "");
            fs::write(path, junit::report(&ran)).map_err(failed)?;
        }
        let failures = ran.iter().filter(|ran| ran.result.failure.is_some()).count();
        if self.json {
            output.json(&ran.iter().map(Ran::report).collect::<Vec<_>>())?;
        } else {
            for one in &ran {
                output.text(&one.lines())?;
            }
            output.text(&format!("{} tests, {failures} failed", ran.len()))?;
        }
        if failures == 0 { Ok(()) } else { Err(Failure::Told) }
    }
}

fn run<'t>(policy: &Policy, tests: impl Iterator<Item = &'t PolicyTest>) -> Vec<Ran<'t>> {
    let now = jiff::Timestamp::now();
    let run = |test: &'t PolicyTest| {
        let title = test.description.clone().unwrap_or_else(|| test.title());
        Ran { test, title, result: policy.run(test, now, &HostZones) }
    };
    tests.map(run).collect()
}

impl Ran<'_> {
    /// Where the test stands.
    fn place(&self) -> String {
        format!("{}:{}", self.test.file, self.test.line)
    }

    /// What was expected, what came instead, and why.
    pub(super) fn account(&self) -> Option<String> {
        let failure = self.result.failure.as_ref()?;
        let expected = if self.test.expect == Effect::Allow { "allow" } else { "deny" };
        let why = self.result.explanation.for_administrator();
        let request = self.test.description.as_ref().map(|_| self.test.title() + "\n");
        Some(format!("{}expected {expected}: {failure}\n{}", request.unwrap_or_default(), why.trim_end()))
    }

    fn lines(&self) -> String {
        match self.account() {
            None => format!("ok    {}: {}", self.place(), self.title),
            Some(account) => {
                let account = account.replace('\n', "\n      ");
                format!("FAIL  {}: {}\n      {account}", self.place(), self.title)
            }
        }
    }

    fn report(&self) -> Report<'_> {
        Report {
            id: self.place(),
            title: &self.title,
            passed: self.result.failure.is_none(),
            rule: self.result.rule.as_deref(),
            failure: self.result.failure.as_deref(),
        }
    }
}
