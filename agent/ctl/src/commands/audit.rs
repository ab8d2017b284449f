//! `jitctl audit`: reads the log itself, so that it can be read without the agent.

mod show;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// Where the agent writes.
const LOG: &str = "/var/log/jit-sudo/audit.jsonl";

/// Read and verify the audit log
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    Show(show::Show),
    Verify(verify::Verify),
}

impl Audit {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.run(output),
            Self::Verify(verify) => verify.run(output),
        }
    }
}

/// The files that were named, or the log.
fn files(named: &[PathBuf]) -> Vec<PathBuf> {
    if named.is_empty() { vec![PathBuf::from(LOG)] } else { named.to_vec() }
}

/// Each line of the files, without its end; bytes, for a torn one may be anything.
fn for_each_line(files: &[PathBuf], mut each: impl FnMut(&[u8])) -> Result<(), Failure> {
    for path in files {
        let failed = |error| unreadable(path, &error);
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            each(line.strip_suffix(b"\n").unwrap_or(&line));
            line.clear();
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "only root reads the audit log: jit-sudo jitctl audit …",
        io::ErrorKind::NotFound if path == Path::new(LOG) => "the agent makes it when it starts",
        _ => "",
    };
    Failure::new(format!("{} cannot be read: {error}", path.display()), hint)
}
