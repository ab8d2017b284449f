//! `jitctl policy check`.

use clap::Args;

use super::which::Which;
use crate::failure::Failure;
use crate::output::{Output, counted};
use crate::policy_source::{self, Installed};

/// Check policy files: all that are installed, or with one file or folder in another's place
///
/// Writes nothing: for the `validate:` of configuration management.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(super) which: Which,
}

impl Check {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = self.which.sources(installed)?;
        let policy = policy_source::load(&sources)?;
        let (rules, files) = (counted(policy.rules().count(), "rule"), counted(sources.len(), "file"));
        output.text(&format!("the policy is valid: {rules} in {files}, digest {}", policy.digest()))
    }
}
