//! The child between clone3 and exec: every inherited attribute is set on purpose, each change is checked, and any
//! failure ends here.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use caps::CapSet;
use jit_protocol::Bytes;
use jit_protocol::order::{Account, Cwd, Order, Program, Umask};
use jit_sys::clone::{Child, fork_into};
use jit_sys::limits::Limits;
use jit_sys::{process, signals};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{
    Gid, Pid, Uid, chdir, execve, fchdir, setfsgid, setfsuid, setgroups, setpgid, setresgid, setresuid,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::pidfd_send_signal;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::cgroup::Cgroup;
use crate::peer::Inherited;
use crate::timer::DeadlineTimer;

/// All that the child needs, prepared while it was not there yet.
pub struct Command<'a> {
    /// What was ordered.
    pub order: &'a Order,
    /// The file to run.
    pub program: &'a Program,
    /// Complete.
    pub environment: &'a [(Bytes, Bytes)],
    /// The groups, read back after PAM had its say.
    pub groups: &'a [Gid],
    /// The limits: the invoking user's, with what PAM set.
    pub limits: Limits,
    /// The nice value: likewise.
    pub nice: i32,
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
/// # Errors
/// [`NotRun`]; what was begun has been killed.
pub fn start(
    command: &Command<'_>,
    cgroup: Option<&Cgroup>,
    deadline: &DeadlineTimer,
) -> Result<Child, NotRun> {
    let failed =
        |step: Step| move |error: io::Error| NotRun { step, errno: error.raw_os_error().unwrap_or(0) };
    if deadline.has_passed() {
        return Err(NotRun { step: Step::Late, errno: 0 });
    }
    let (mut told, teller) = io::pipe().map_err(failed(Step::Fork))?; // close-on-exec: exec closes it
    let run = || {
        let Err(NotRun { step, errno }) = become_command(command);
        let mut message = vec![step as u8];
        message.extend_from_slice(&errno.to_le_bytes());
        let _ = (&teller).write_all(&message);
        1
    };
    let child = fork_into(cgroup.map(|cgroup| cgroup.handle().as_fd()), run).map_err(failed(Step::Fork))?;
    drop(teller);
    let not_run = match wait_for_exec(&mut told, deadline) {
        Ok(None) => return Ok(child),
        Ok(Some(not_run)) => not_run,
        Err(error) => failed(Step::Fork)(error),
    };
    end(&child);
    Err(not_run)
}

/// Until the command has executed or tells why not. It may be held on the way, by a signal of its own user or by a
/// file server: then until its time is up; without a deadline the spawner's watch ends this.
fn wait_for_exec(told: &mut io::PipeReader, deadline: &DeadlineTimer) -> io::Result<Option<NotRun>> {
    let (boottime, realtime) = (deadline.boottime.as_fd(), deadline.realtime.as_fd());
    let mut fds = [told.as_fd(), boottime, realtime].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    retry_on_intr(|| poll(&mut fds, None))?;
    let [first, ..] = &fds;
    if first.revents().is_empty() {
        return Ok(Some(NotRun { step: Step::Late, errno: 0 }));
    }
    let mut message = [0; 5];
    let length = told.read(&mut message)?; // written at once, so read at once
    Ok(match message.get(..length) {
        Some([step, errno @ ..]) => {
            let errno = errno.try_into().map_or(0, i32::from_le_bytes);
            Some(NotRun { step: step_of(*step), errno })
        }
        _ => None,
    })
}

/// Kills a child that did not execute, and buries it unless a file server holds it: then the spawner does.
fn end(child: &Child) {
    let _ = pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let mut fds = [PollFd::new(&child.pidfd, PollFlags::IN)];
    let _ = retry_on_intr(|| poll(&mut fds, Some(&second)));
    let _ = waitpid(child.pid, Some(WaitPidFlag::WNOHANG));
}

fn step_of(number: u8) -> Step {
    use Step::{Attributes, Changed, Exec, Folder, Fork, Identity, Isolation, Late, Stdio, Terminal};
    let all = [Fork, Terminal, Stdio, Attributes, Changed, Late, Folder, Identity, Isolation, Exec];
    all.into_iter().find(|step| *step as u8 == number).unwrap_or(Fork)
}

/// In the child: from root in the monitor's clothes to the command. Returns only to tell what failed.
fn become_command(command: &Command<'_>) -> Result<std::convert::Infallible, NotRun> {
    let failed = |step: Step| move |errno: i32| NotRun { step, errno };
    let words = words(command).ok_or(NotRun { step: Step::Exec, errno: 0 })?;
    join_terminal(command).map_err(failed(Step::Terminal))?;
    take_stdio(command).map_err(failed(Step::Stdio))?;
    set_attributes(command).map_err(failed(Step::Attributes))?;
    if !is_unchanged(command.program) {
        return Err(NotRun { step: Step::Changed, errno: 0 });
    }
    let entered = enter_callers_folder(command);
    // While it is root's: a hard limit can be raised then. Nothing is opened after it, for they may be tiny.
    command.limits.apply().map_err(number).map_err(failed(Step::Attributes))?;
    switch_identity(&command.order.target, command.groups).map_err(failed(Step::Identity))?;
    enter_folder(command, entered).map_err(failed(Step::Folder))?;
    isolate(command).map_err(failed(Step::Isolation))?;
    Err(NotRun { step: Step::Exec, errno: execute(&words) })
}

type Errno = i32;

fn number(error: impl Into<io::Error>) -> Errno {
    error.into().raw_os_error().unwrap_or(0)
}

/// A process group of its own, in the foreground of the terminal, if there is one.
fn join_terminal(command: &Command<'_>) -> Result<(), Errno> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(number)?;
    if let Some(terminal) = command.terminal {
        // SIGTTOU is blocked, as everything is: a background group may do this then (tcsetpgrp(3)).
        rustix::termios::tcsetpgrp(terminal, rustix::process::getpid()).map_err(number)?;
    }
    Ok(())
}

fn take_stdio(command: &Command<'_>) -> Result<(), Errno> {
    let [input, output, error] = command.stdio;
    dup2_stdin(input).map_err(number)?;
    dup2_stdout(output).map_err(number)?;
    dup2_stderr(error).map_err(number)
}

fn set_attributes(command: &Command<'_>) -> Result<(), Errno> {
    let mask = match command.order.restrictions.umask {
        Umask::Exactly(mask) => mask,
        Umask::CallersAnd(mask) => mask | command.inherited.umask,
    };
    umask(Mode::from_bits_truncate(mask));
    process::set_nice(command.nice).map_err(number)?;
    fs::write("/proc/self/oom_score_adj", command.inherited.oom_score.to_string()).map_err(number)
}

/// The same file as decided: device, inode, size and times. It is executed by path, for scripts and process names;
/// nobody but root can put another one there (the agent has checked every component), unless the rule says "ALL".
fn is_unchanged(program: &Program) -> bool {
    let Ok(now) = fs::metadata(program.path.as_os_str()) else { return false };
    let nanoseconds =
        |seconds: i64, fraction: i64| i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
    now.dev() == program.device
        && now.ino() == program.inode
        && i64::try_from(now.size()).is_ok_and(|size| size == program.size)
        && nanoseconds(now.mtime(), now.mtime_nsec()) == program.modified
        && nanoseconds(now.ctime(), now.ctime_nsec()) == program.changed
}

/// The helper's folder, entered with the invoking user's rights: root could enter one that the user may not.
fn enter_callers_folder(command: &Command<'_>) -> bool {
    if command.order.restrictions.cwd != Cwd::Caller {
        return false;
    }
    let user = &command.order.invoking;
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    if setgroups(&groups).is_err() {
        return false;
    }
    setfsgid(Gid::from_raw(user.gid));
    setfsuid(Uid::from_raw(user.uid));
    // The calls tell the identity before them; asked again they tell the one in force (setfsuid(2)).
    let switched = setfsuid(Uid::from_raw(user.uid)).as_raw() == user.uid
        && setfsgid(Gid::from_raw(user.gid)).as_raw() == user.gid;
    let entered = switched && fchdir(command.cwd).is_ok() && process::reachable_cwd().is_some();
    setfsuid(Uid::from_raw(0));
    setfsgid(Gid::from_raw(0));
    entered
}

/// Groups, gid, uid, capabilities; each read back.
fn switch_identity(target: &Account, groups: &[Gid]) -> Result<(), Errno> {
    let denied = nix::errno::Errno::EPERM as Errno;
    let (uid, gid) = (Uid::from_raw(target.uid), Gid::from_raw(target.gid));
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|_| denied)?;
    }
    setresgid(gid, gid, gid).map_err(number)?;
    setgroups(groups).map_err(number)?;
    setresuid(uid, uid, uid).map_err(number)?;
    let mut got: Vec<u32> =
        nix::unistd::getgroups().map_err(number)?.iter().map(|gid| gid.as_raw()).collect();
    let mut wanted: Vec<u32> = groups.iter().map(|gid| gid.as_raw()).collect();
    got.sort_unstable();
    wanted.sort_unstable();
    let no_capabilities = || {
        [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable, CapSet::Ambient]
            .into_iter()
            .all(|set| caps::read(None, set).is_ok_and(|held| held.is_empty()))
    };
    let switched = process::ids_are(uid, gid) && got == wanted && (uid.is_root() || no_capabilities());
    if switched { Ok(()) } else { Err(denied) }
}

/// The folder that policy names, as the target user; for the caller's that could not be entered the target's home.
fn enter_folder(command: &Command<'_>, entered: bool) -> Result<(), Errno> {
    match &command.order.restrictions.cwd {
        Cwd::Path(folder) => chdir(Path::new(folder.as_os_str())).map_err(number),
        Cwd::Caller if entered => Ok(()),
        Cwd::Caller => {
            let home = Path::new(command.order.target.home.as_os_str());
            chdir(home).or_else(|_| chdir("/")).map_err(number)
        }
    }
}

fn isolate(command: &Command<'_>) -> Result<(), Errno> {
    process::close_on_exec_from(3).map_err(number)?;
    signals::reset_dispositions(&command.order.ignored_signals).map_err(number)?;
    signals::unblock_all().map_err(number)
}

struct Words {
    path: CString,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

fn words(command: &Command<'_>) -> Option<Words> {
    let variable = |(name, value): &(Bytes, Bytes)| {
        let mut pair = name.0.clone();
        pair.push(b'=');
        pair.extend_from_slice(value.as_slice());
        CString::new(pair).ok()
    };
    Some(Words {
        path: CString::new(command.program.path.as_slice()).ok()?,
        argv: command
            .order
            .argv
            .iter()
            .map(|word| CString::new(word.as_slice()).ok())
            .collect::<Option<_>>()?,
        environment: command.environment.iter().map(variable).collect::<Option<_>>()?,
    })
}

/// Executes; a text file without `#!` as a script of sh(1), as execvp(3) and sudo do.
fn execute(words: &Words) -> Errno {
    let Err(error) = execve(&words.path, &words.argv, &words.environment);
    if error != nix::errno::Errno::ENOEXEC {
        return error as Errno;
    }
    let mut argv = vec![c"sh".to_owned(), words.path.clone()];
    argv.extend(words.argv.iter().skip(1).cloned());
    let Err(error) = execve(c"/bin/sh", &argv, &words.environment);
    error as Errno
}
