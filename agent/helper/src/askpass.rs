//! `-A`: a program of the user's asks in our place. It is the user's own, as this process is; nothing is decided by it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Starts the program with the prompt as its argument. What it prints, up to the line's end, is the answer; nothing is
/// that of a person who gave up. Nobody waits for it: it may stay to clean up.
///
/// # Errors
/// If it cannot be executed.
pub(crate) fn start(program: &OsStr, prompt: &[u8]) -> io::Result<OwnedFd> {
    // Not looked for in PATH: execl(3) is what sudo uses.
    let path = if program.as_bytes().contains(&b'/') {
        PathBuf::from(program)
    } else {
        PathBuf::from(".").join(program)
    };
    let (answer, output) = io::pipe()?;
    Command::new(path)
        .arg(OsString::from_vec(prompt.iter().copied().filter(|byte| *byte != 0).collect()))
        .stdout(Stdio::from(output))
        .spawn()?;
    Ok(answer.into())
}
