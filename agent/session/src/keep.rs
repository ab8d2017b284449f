//! Without a service manager somebody else has to start the spawner again if it is killed: its keeper, which does nothing
//! but that. The agent does not: it starts no program once it serves.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The word on the command line that makes a keeper of the program.
pub const WORD: &str = "--keep";
/// As the units have it (`RestartSec=`).
const AGAIN: Duration = Duration::from_millis(200);

/// Starts the spawner, and again whenever a signal has killed it. How it ended, if it did so by itself: that is no
/// reason to start it again.
///
/// # Errors
/// If it can't be started.
pub fn keep() -> io::Result<ExitCode> {
    // Found once: after an upgrade the same path is another program, the one to start next.
    let program = std::env::current_exe()?;
    // For whoever looks for the spawner by its name: this is not it.
    let _ = fs::write("/proc/self/comm", "jit-keeper");
    loop {
        let status = Command::new(&program).status()?;
        match status.code() {
            Some(code) => return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
            None => say(&format!("it was killed by signal {}: again", status.signal().unwrap_or(0))),
        }
        std::thread::sleep(AGAIN);
    }
}

fn say(what: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "jit-spawner: {what}");
}
