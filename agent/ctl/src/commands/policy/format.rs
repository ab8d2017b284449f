//! `jitctl policy format`.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use jit_policy::Source;
use jit_sys::policy_files::MAX_FILE;

use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::read_plain;

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
            let text = read(path)?;
            let formatted = formatted(path, &text)?;
            if self.check {
                if formatted != text {
                    unformatted = true;
                    output.text(&path.display().to_string())?;
                }
            } else if self.write && path != Path::new("-") {
                if formatted != text {
                    replace(path, &formatted).map_err(|error| {
                        Failure::new(format!("{} cannot be written: {error}", path.display()), "")
                    })?;
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

fn formatted(path: &Path, text: &str) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let source = Source { name: shown.clone(), path: shown, text: text.to_owned() };
    jit_policy::format(&source).map_err(|mistakes| {
        Failure::new(format!("this file is not TOML\n{}", mistakes.render().trim_end()), "")
    })
}

/// Whole or not at all, with the owner and the mode that it had. The name begins with a dot, which the agent does not read.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let known = fs::metadata(&path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (known.uid(), known.gid()) {
                fchown(&file, Some(known.uid()), Some(known.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(known.mode() & 0o7777))?;
            file.sync_all()
        });
    let replaced = written.and_then(|()| fs::rename(&new, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&new);
    }
    replaced
}
