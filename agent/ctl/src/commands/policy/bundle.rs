//! `jitctl policy bundle`.

use std::path::{Path, PathBuf};

use clap::Args;
use jit_signature::bundle::Bundle as List;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// List the files of a policy folder with their digests, to be signed
///
/// The list is what `ssh-keygen -Y sign -n jit-policy@jit-sudo` signs. With the name BUNDLE, and its signature as BUNDLE.sig,
/// it belongs into the folder; an agent with `policy.require_signed` takes the folder then, and no older one after it.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// Number of this bundle: larger than that of the one before
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) number: u64,
}

impl Bundle {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let sources = installed.sources_with_folder(&self.folder)?;
        policy_source::load(&sources)?;
        let own = sources.iter().filter(|source| Path::new(&source.path).starts_with(&self.folder));
        let list = List::of(self.number, own.map(|source| (source.name.as_str(), source.text.as_bytes())));
        output.text(list.to_string().trim_end())
    }
}
