//! `jitctl audit`: reads the log itself, so that it can be read without the agent; only the agent writes it.

mod files;
mod rotate;
mod show;
#[cfg(test)]
mod tests;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// Read, verify and rotate the audit log
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    Show(show::Show),
    Verify(verify::Verify),
    Rotate(rotate::Rotate),
}

impl Audit {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.run(output),
            Self::Verify(verify) => verify.run(output),
            Self::Rotate(rotate) => rotate.run(output),
        }
    }
}
