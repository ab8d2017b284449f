//! Another program in this very process: after an upgrade the new one goes on with the sessions of the old one. The
//! process stays, and with it the monitors' parent; its descriptors stay open, and what it knows is left in a memory file.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use crate::pool;

/// The word on the command line before the number of the memory file.
pub const WORD: &str = "--take-over";

/// What the spawner leaves. Descriptors by their numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Where the program is that an upgrade replaces. Asked of the kernel after a second one it would be a deleted file.
    pub program: PathBuf,
    /// Under systemd.
    pub in_unit: bool,
    /// Where the agent calls.
    pub listener: RawFd,
    /// The work socket: the agent's end and the monitors'.
    pub work: [RawFd; 2],
    /// The monitors.
    pub pool: pool::State,
}

impl State {
    /// What the program before left in its memory file, which is open under this number and stays so.
    ///
    /// # Errors
    /// Those of open(2) and read(2); `InvalidData` if it is not what we know.
    pub fn read(number: RawFd) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(format!("/proc/self/fd/{number}"))?)?)
    }

    /// All descriptors in it.
    pub fn descriptors(&self) -> Vec<RawFd> {
        [self.listener].into_iter().chain(self.work).chain(self.pool.descriptors()).collect()
    }
}

/// Executes a program in this process, which finds these descriptors open and the state in a memory file. Returns only
/// if that fails; nothing has changed then.
pub fn exec(program: &Path, state: &State, descriptors: &[BorrowedFd<'_>]) -> io::Error {
    let Err(error) = try_exec(program, state, descriptors);
    for descriptor in descriptors {
        let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC); // what was possible a moment ago
    }
    error
}

fn try_exec(program: &Path, state: &State, descriptors: &[BorrowedFd<'_>]) -> io::Result<Infallible> {
    let mut memory = File::from(memfd_create("jit-spawner", MemfdFlags::empty())?);
    memory.write_all(&serde_json::to_vec(state)?)?;
    memory.rewind()?;
    for descriptor in descriptors {
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    let word = |bytes: &[u8]| CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput);
    let program = word(program.as_os_str().as_bytes())?;
    let number = word(memory.as_raw_fd().to_string().as_bytes())?;
    // Not by way of std, which would unblock the signals that wait.
    Ok(nix::unistd::execve(
        &program,
        &[program.clone(), word(WORD.as_bytes())?, number],
        &[c"PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    )?)
}
