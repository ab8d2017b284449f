//! `jitctl policy bundle`.

use std::fs;
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
        if let Some(mask) = mask(&self.folder) {
            return Err(Failure::new(
                format!("{} is a link to /dev/null: what it takes away would not be signed", mask.display()),
                "put a file in its place that holds `schema = 1`",
            ));
        }
        let sources = installed.sources_with_folder(&self.folder)?;
        policy_source::load(&sources)?;
        let own = sources.iter().filter(|source| Path::new(&source.path).parent() == Some(&self.folder));
        let list = List::of(self.number, own.map(|source| (source.name.as_str(), source.text.as_bytes())));
        // A name may hold the end of a line, and what looks like another file.
        if List::parse(&list.to_string()).as_ref() != Ok(&list) {
            return Err(Failure::new("the name of a file cannot be listed", "give the files plainer names"));
        }
        output.text(list.to_string().trim_end())
    }
}

/// A link that disables a vendor's file: an agent that wants signatures takes none.
fn mask(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.find(|path| fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null")))
}
