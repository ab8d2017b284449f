//! `jitctl policy import-sudoers` and `import-doas`.

mod destination;
mod files;
#[cfg(test)]
mod tests;
mod watch;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use jit_policy::Diagnostics;
use jit_policy::import::{Files, ImportOptions, Imported, import_doas, import_sudoers};

use self::files::HostFiles;
use crate::failure::{Failure, tell};
use crate::output::Output;

/// Import a sudoers file, with all that it includes, as a policy file
///
/// The policy is printed; what could not be carried over is told on standard error, with file and line. The policy never
/// permits more than sudo does.
#[derive(Debug, Args)]
pub(crate) struct ImportSudoers {
    #[command(flatten)]
    pub(super) import: Import,
    /// Import again whenever the file, or one that it includes, changes; with a mistake in it the policy stays as it was
    #[arg(long, requires = "policy")]
    pub(super) watch: bool,
}

/// Import a doas.conf as a policy file
///
/// The policy is printed; what could not be carried over is told on standard error, with file and line. The policy never
/// permits more than doas does.
#[derive(Debug, Args)]
pub(crate) struct ImportDoas {
    #[command(flatten)]
    pub(super) import: Import,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file to import
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Write `trusted_path = false`: others may then be able to write a command's path, as it is where the file comes from
    #[arg(long)]
    pub(super) exact: bool,
    /// Exit with status 1, and write no file, if anything could not be carried over
    #[arg(long)]
    pub(super) strict: bool,
    /// Write the policy to this file, in one step, and print nothing
    #[arg(short = 'o', long = "output", value_name = "POLICY")]
    pub(super) policy: Option<PathBuf>,
}

/// Whose file it is.
#[derive(Clone, Copy)]
struct Kind {
    command: &'static str,
    /// What finds mistakes in it.
    checker: &'static str,
    import: fn(&str, &dyn Files, &ImportOptions) -> Result<Imported, Diagnostics>,
}

const SUDOERS: Kind = Kind {
    command: "import-sudoers",
    checker: "visudo -c checks a whole sudoers file",
    import: import_sudoers,
};
const DOAS: Kind = Kind { command: "import-doas", checker: "doas -C checks a file", import: import_doas };

impl ImportSudoers {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match (&self.import.policy, self.watch) {
            (Some(policy), true) => watch::run(&self.import, SUDOERS, policy),
            _ => self.import.run(SUDOERS, output),
        }
    }
}

impl ImportDoas {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.import.run(DOAS, output)
    }
}

impl Import {
    fn run(&self, kind: Kind, output: &mut Output) -> Result<(), Failure> {
        let files = HostFiles::new(&self.file)?;
        let imported = self.import(kind, &files)?;
        for finding in &imported.findings {
            tell(&finding.to_string());
        }
        match &self.policy {
            None => {
                output.text(imported.text.trim_end())?;
                self.judge(&imported)
            }
            Some(policy) => {
                self.judge(&imported)?;
                destination::replace(policy, &imported.text).map(|_| ())
            }
        }
    }

    fn import(&self, kind: Kind, files: &HostFiles) -> Result<Imported, Failure> {
        let path = text_of(&self.file)?;
        let options = ImportOptions {
            exact: self.exact,
            zone: TimeZone::system(),
            made_by: format!("jitctl policy {} {path}", kind.command),
        };
        (kind.import)(&path, files, &options).map_err(|mistakes| {
            let (number, s) = (mistakes.len(), if mistakes.len() == 1 { "" } else { "s" });
            Failure::new(
                format!("{path} has {number} mistake{s}\n{}", mistakes.render().trim_end()),
                kind.checker,
            )
        })
    }

    /// Whether this is good enough.
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
