//! Which files a command of `jitctl policy` looks at.

use std::path::PathBuf;

use clap::Args;
use jit_policy::Source;

use crate::failure::Failure;
use crate::policy_source::Installed;

/// All that are installed, or with one file or folder in another's place.
#[derive(Debug, Default, Args)]
pub(crate) struct Which {
    /// This file, of any name, together with those installed; installed rules that it repeats are taken as replaced
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    pub(super) file: Option<PathBuf>,
    /// The file as if it stood under this name in the policy folder
    #[arg(long, value_name = "NAME.toml", requires = "file")]
    pub(super) name: Option<String>,
    /// This folder in the place of /etc/jit-sudo/policy.d
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
}

impl Which {
    pub(super) fn sources(&self, installed: &Installed) -> Result<Vec<Source>, Failure> {
        match (&self.file, &self.folder) {
            (Some(file), _) => installed.sources_with_file(file, self.name.as_deref()),
            (None, Some(folder)) => installed.sources_with_folder(folder),
            (None, None) => installed.sources(),
        }
    }
}
