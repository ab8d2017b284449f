//! Cargo and other programs, called so that one sees what is called.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a task ends with: nothing, or what went wrong, for a person.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The version of all crates.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Cargo, in the workspace.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(workspace());
    command
}

/// `cargo test`, with no signal ignored: programs started by nohup, or as jobs of a script, inherit that, and tests of
/// Ctrl-C would test nothing.
pub(crate) fn cargo_test(words: &[&str]) -> Command {
    let cargo = cargo(&[]);
    let mut command = command(&["env", "--default-signal"]);
    command.arg(cargo.get_program()).arg("test").args(words).current_dir(workspace());
    command
}

/// Git, in the workspace.
pub(crate) fn git(words: &[&str]) -> Command {
    let mut command = command(&["git"]);
    command.args(words).current_dir(workspace());
    command
}

/// Runs it with our own terminal; anything but success is an error.
///
/// # Errors
/// The command and how it ended.
pub(crate) fn run(mut command: Command) -> Done {
    println!("\x1b[2m$ {}\x1b[0m", shown(&command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed: {status}", shown(&command))),
        Err(error) => Err(format!("can't start `{}`: {error}", shown(&command))),
    }
}

/// Runs it and returns its stdout, without white space around it.
///
/// # Errors
/// The command, how it ended, and what it wrote to stderr.
pub(crate) fn read(mut command: Command) -> Done<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("can't start `{}`: {error}", shown(&command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` failed: {}\n{stderr}", shown(&command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command with these words.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().unwrap_or(&"true"));
    command.args(words);
    command
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let name = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
    let mut words: Vec<String> = words.map(name).collect();
    if let Some(first) = words.first_mut().filter(|first| first.ends_with("/cargo")) {
        "cargo".clone_into(first);
    }
    words.join(" ")
}
