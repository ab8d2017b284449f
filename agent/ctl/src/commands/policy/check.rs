//! `jitctl policy check`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// Check policy files: all that are installed, or with one file or folder in another's place
///
/// Writes nothing: for the `validate:` of configuration management.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Check this file, of any name, together with those installed; installed rules that it repeats are taken as replaced
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    pub(super) file: Option<PathBuf>,
    /// Check the file as if it stood under this name in the policy folder
    #[arg(long, value_name = "NAME.toml", requires = "file")]
    pub(super) name: Option<String>,
    /// Check this folder in the place of /etc/jit-sudo/policy.d
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = match (&self.file, &self.folder) {
            (Some(file), _) => installed.sources_with_file(file, self.name.as_deref())?,
            (None, Some(folder)) => installed.sources_with_folder(folder)?,
            (None, None) => installed.sources()?,
        };
        let policy = policy_source::load(&sources)?;
        let rules = policy.rules().count();
        output.text(&format!(
            "the policy is valid: {rules} rules in {} files, digest {}",
            sources.len(),
            policy.digest()
        ))
    }
}
