//! `jitctl token`: approval by a signature, wherever the approver is.

mod request;
mod sign;
mod verify;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jit_protocol::token::{MAX_TOKEN, Signed};

use crate::failure::Failure;
use crate::output::{Output, counted};
use crate::shown;

/// Approve by a signature, on any machine: ask for a token, sign it, look at it
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Request(request::Request),
    Sign(sign::Sign),
    Show(Show),
    Verify(verify::Verify),
}

impl Token {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Request(request) => request.run(),
            Self::Sign(sign) => sign.run(output),
            Self::Show(show) => show.run(output),
            Self::Verify(verify) => verify.run(output),
        }
    }
}

/// Show all of a token; nothing is checked
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The token, signed or not; none or -: standard input
    file: Option<PathBuf>,
}

impl Show {
    fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let signed = read(self.file.as_deref())?;
        output.text(&shown::token(&signed.token))?;
        let signatures = counted(signed.signatures.len(), "signature");
        output.text(&format!("It has {signatures}; jitctl token verify tells whose."))
    }
}

/// A token from a file or standard input.
fn read(file: Option<&Path>) -> Result<Signed, Failure> {
    let mut text = String::new();
    let mut take = |from: &mut dyn Read| from.take(MAX_TOKEN as u64 + 1).read_to_string(&mut text);
    let taken = match file {
        Some(file) if file != Path::new("-") => File::open(file).and_then(|mut file| take(&mut file)),
        _ => take(&mut io::stdin().lock()),
    };
    taken.map_err(|error| Failure::new(format!("the token cannot be read: {error}"), ""))?;
    Signed::parse(&text)
        .map_err(|why| Failure::new(why.to_string(), "take the whole text, as it was printed"))
}
