//! Without a service manager somebody else has to start the spawner again if it is killed: its keeper, which does nothing
//! but that. The agent does not: it starts no program once it serves.

use std::fs;
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The word on the command line that makes a keeper of the program.
pub const WORD: &str = "--keep";
/// As the units have it (`RestartSec=`).
const AGAIN: Duration = Duration::from_millis(200);
/// How a spawner exits that wants to be started anew (`EX_TEMPFAIL` in sysexits.h).
pub const AGAIN_STATUS: u8 = 75;

/// Starts the spawner, and again whenever a signal has killed it, or it says that it wants that. How it ended
/// otherwise: by itself, which is no reason to start it again.
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
        match status.code().map(|code| u8::try_from(code).unwrap_or(1)) {
            Some(code) if code != AGAIN_STATUS => return Ok(ExitCode::from(code)),
            _ => say(&format!("{status}: it is started again")),
        }
        std::thread::sleep(AGAIN);
    }
}

fn say(what: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "jit-spawner: {what}");
}
