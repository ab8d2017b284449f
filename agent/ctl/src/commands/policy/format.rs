//! `jitctl policy format`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use jit_policy::Source;
use jit_sys::policy_files::MAX_FILE;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::Place;
use crate::policy_source::{read_plain, read_text};

/// Print a policy file in its canonical form: the same meaning and comments, keys in the order of jit-policy(5)
///
/// Rules, sets and values stay as they are written, and formatting what is formatted changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print nothing but the names of files that are not formatted, and exit with 1 if there are any
    #[arg(long, conflicts_with = "write")]
    pub(super) check: bool,
    /// Write each file in its place
    #[arg(long)]
    pub(super) write: bool,
}

impl Format {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        if self.files.len() > 1 && !self.check && !self.write {
            return Err(Failure::usage("jitctl: several files are formatted with --check or --write"));
        }
        let mut unformatted = false;
        for path in &self.files {
            if self.write && path != Path::new("-") {
                write(path)?;
                continue;
            }
            let text = read(path)?;
            let formatted = formatted(path, &text)?;
            if self.check {
                if formatted != text {
                    unformatted = true;
                    output.text(&path.display().to_string())?;
                }
            } else {
                output.document(&formatted)?;
            }
        }
        if unformatted { Err(Failure::Told) } else { Ok(()) }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return read_plain(path);
    }
    let mut text = String::new();
    io::stdin()
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("standard input cannot be read: {error}"), ""))?;
    if text.len() as u64 > MAX_FILE {
        return Err(Failure::new("standard input is larger than 64 MiB", ""));
    }
    Ok(text)
}

/// Reads and replaces one and the same file, wherever links lead meanwhile; with the owner and the mode that it had.
fn write(path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("{} cannot be written: {error}", path.display()), "");
    let place = fs::canonicalize(path).and_then(|path| Place::of(&path)).map_err(failed)?;
    let file =
        place.file().and_then(|file| file.ok_or_else(|| io::ErrorKind::NotFound.into())).map_err(failed)?;
    let known = file.metadata().map_err(failed)?;
    let text = read_text(path, Ok(file))?;
    let formatted = formatted(path, &text)?;
    if formatted == text {
        return Ok(());
    }
    place.replace(&formatted, Some(&known)).map_err(failed)
}

fn formatted(path: &Path, text: &str) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let source = Source { name: shown.clone(), path: shown, text: text.to_owned() };
    jit_policy::format(&source).map_err(|mistakes| {
        Failure::new(format!("this file is not TOML\n{}", mistakes.render().trim_end()), "")
    })
}
