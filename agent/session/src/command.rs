//! The command's process: what it needs, its start, and what can fail on the way.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use jit_protocol::Bytes;
use jit_protocol::order::{Order, Program};
use jit_sys::clone::{Child, spawn_into};
use jit_sys::limits::Limits;
use jit_sys::process;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Gid;

use crate::become_command::Way;
use crate::cgroup::Cgroup;
use crate::peer::Inherited;
use crate::timer::DeadlineTimer;

/// All that the child needs, prepared while it was not there yet.
pub struct Command<'a> {
    /// What was ordered.
    pub order: &'a Order,
    /// The file to run.
    pub program: &'a Program,
    /// A copy of it, which runs in its place.
    pub copy: Option<BorrowedFd<'a>>,
    /// Complete.
    pub environment: &'a [(Bytes, Bytes)],
    /// The groups, read back after PAM had its say.
    pub groups: &'a [Gid],
    /// The limits: the invoking user's, with what PAM set.
    pub limits: Limits,
    /// The nice value: likewise.
    pub nice: i32,
    /// The limits that this process has now.
    pub own_limits: Limits,
    /// What is taken over from the peer.
    pub inherited: Inherited,
    /// Standard input, output and error: the helper's, or the terminal.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The terminal that the command is put into the foreground of.
    pub terminal: Option<BorrowedFd<'a>>,
    /// The helper's working folder.
    pub cwd: BorrowedFd<'a>,
}

/// What failed before exec, or exec itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The process could not be made.
    Fork = 1,
    /// Process group, terminal.
    Terminal,
    /// Standard input, output, error.
    Stdio,
    /// Mask, nice value, limits, memory score.
    Attributes,
    /// The file is not the one that was decided upon.
    Changed,
    /// Its time was up before it could execute.
    Late,
    /// The working folder that policy names.
    Folder,
    /// The working folder is not the one that was approved.
    OtherFolder,
    /// Groups, user, capabilities.
    Identity,
    /// Descriptors, signals.
    Isolation,
    /// execve(2).
    Exec,
}

/// A command that did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRun {
    /// Where it failed.
    pub step: Step,
    /// The kernel's error number; 0 if it is not the kernel's.
    pub errno: i32,
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            Step::Fork => "its process cannot be made",
            Step::Terminal => "its terminal cannot be set up",
            Step::Stdio => "its input and output cannot be set up",
            Step::Attributes => "its limits cannot be set",
            Step::Changed => "the file was changed after it was checked",
            Step::Late => "its time is up before it could start",
            Step::Folder => "its working folder cannot be entered",
            Step::OtherFolder => "its working folder is not the one that was approved",
            Step::Identity => "the switch to the target user failed",
            Step::Isolation => "its descriptors and signals cannot be set",
            Step::Exec => "it cannot be executed",
        };
        f.write_str(what)?;
        if self.errno != 0 {
            write!(f, ": {}", nix::errno::Errno::from_raw(self.errno).desc())?;
        }
        Ok(())
    }
}

/// Starts the command in its cgroup; returns once it has executed.
///
/// It may be held on the way, by a signal of its own user or by a file server. Then nothing ends this but the spawner's
/// watch, which must be set.
///
/// # Errors
/// [`NotRun`]; what was begun is gone.
pub fn start(
    command: &Command<'_>,
    cgroup: Option<&Cgroup>,
    deadline: &DeadlineTimer,
) -> Result<Child, NotRun> {
    let mut way = Way::prepare(command, deadline)?;
    let not_run = Cell::new(None);
    let cgroup = cgroup.map(|cgroup| cgroup.handle().as_fd());
    let child = spawn_into(cgroup, || {
        // In our memory, which stands still: we read it when the child is gone, and if it executed it is not set.
        not_run.set(Some(way.go()));
        1
    })
    .map_err(|error| NotRun { step: Step::Fork, errno: error.raw_os_error().unwrap_or(0) })?;
    // The child has hidden our memory, which it shared, after its change of user: unless it ended in between.
    let hidden = process::hide_memory();
    match (not_run.get(), hidden) {
        (None, Ok(())) => Ok(child),
        (None, Err(error)) => {
            let _ = rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
            let _ = waitpid(child.pid, None);
            Err(NotRun { step: Step::Isolation, errno: error.raw_os_error().unwrap_or(0) })
        }
        (Some(not_run), _) => {
            let _ = waitpid(child.pid, Some(WaitPidFlag::empty()));
            Err(not_run)
        }
    }
}
