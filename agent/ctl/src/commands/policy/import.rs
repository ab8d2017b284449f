//! `jitctl policy import-sudoers`.

mod files;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use jit_policy::import::{self, ImportOptions, Imported};

use self::files::HostFiles;
use crate::failure::{Failure, tell};
use crate::output::Output;

/// Import a sudoers file, with all that it includes, as a policy file
///
/// The policy is printed; what could not be carried over is told on standard error, with file and line. The policy never
/// permits more than sudo does.
#[derive(Debug, Args)]
pub(crate) struct ImportSudoers {
    /// The file, as visudo checks it
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Write `trusted_path = false`: as with sudo, others may be able to write a command's path
    #[arg(long)]
    pub(super) exact: bool,
    /// Exit with status 1 if anything could not be carried over
    #[arg(long)]
    pub(super) strict: bool,
}

impl ImportSudoers {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let imported = self.import()?;
        output.text(imported.text.trim_end())?;
        self.judge(&imported)
    }

    fn import(&self) -> Result<Imported, Failure> {
        let path = text_of(&self.file)?;
        let files = HostFiles::new(&self.file)?;
        let options = ImportOptions {
            exact: self.exact,
            zone: TimeZone::system(),
            made_by: format!("jitctl policy import-sudoers {path}"),
        };
        let imported = import::import_sudoers(&path, &files, &options).map_err(|mistakes| {
            let (number, s) = (mistakes.len(), if mistakes.len() == 1 { "" } else { "s" });
            Failure::new(
                format!("{path} has {number} mistake{s}\n{}", mistakes.render().trim_end()),
                "visudo -c checks a whole sudoers file",
            )
        })?;
        for finding in &imported.findings {
            tell(&finding.to_string());
        }
        Ok(imported)
    }

    fn judge(&self, imported: &Imported) -> Result<(), Failure> {
        if self.strict && !imported.is_complete() {
            return Err(Failure::new(
                "not everything could be carried over",
                "without --strict that is told only",
            ));
        }
        Ok(())
    }
}

fn text_of(path: &Path) -> Result<String, Failure> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("{}: the path is not UTF-8", path.display()), ""))
}
