//! `jitctl policy diff`.

use std::path::{Path, PathBuf};

use clap::Args;
use jit_policy::{Difference, Policy};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// Tell who gains and who loses which command, as whom and on which hosts, if NEW takes the place of OLD
///
/// Computed from what the rules mean: another order, other names of sets and rules that are split make no difference. What may differ,
/// though no request was found for which it does, is told as such. A folder stands in the place of /etc/jit-sudo/policy.d, a file is
/// taken together with those installed, in the place of the one whose rules it repeats.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// A folder or file
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,
    /// A folder or file
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
    /// Print an array of objects as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Exit with 1 if there is any difference
    #[arg(long)]
    pub(super) exit_code: bool,
}

impl Diff {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let differences = load(&self.old, installed)?.diff(&load(&self.new, installed)?);
        if self.json {
            output.json(&(0..).zip(&differences).map(object).collect::<Result<Value, Failure>>()?)?;
        } else if differences.is_empty() {
            output.text("no difference")?;
        }
        for difference in differences.iter().filter(|_| !self.json) {
            output.text(&difference.to_string())?;
        }
        if self.exit_code && !differences.is_empty() { Err(Failure::Told) } else { Ok(()) }
    }
}

fn load(path: &Path, installed: &Installed) -> Result<Policy, Failure> {
    let sources = if path.is_dir() {
        installed.sources_with_folder(path)?
    } else {
        installed.sources_with_file(path, None)?
    };
    policy_source::load(&sources)
}

fn object((number, difference): (usize, &Difference)) -> Result<Value, Failure> {
    let mut object = serde_json::to_value(difference).map_err(std::io::Error::from)?;
    if let Value::Object(keys) = &mut object {
        keys.insert("id".to_owned(), json!(number));
    }
    Ok(object)
}
