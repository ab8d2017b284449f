//! The child between clone3 and exec: every inherited attribute is set on purpose, each change is checked, and any
//! failure ends here.
//!
//! It runs in its parent's memory ([`spawn_into`](jit_sys::clone::spawn_into)), and its own user can kill it: so all
//! that it needs is made ready before, and on the way it allocates nothing.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use caps::CapSet;
use jit_protocol::order::{Account, Cwd, FolderFacts, Program, Umask};
use jit_sys::exec::Exec;
use jit_sys::limits::Limits;
use jit_sys::{process, signals};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Pid, Uid, chdir, fchdir, setfsgid, setfsuid, setgroups, setpgid, setresgid, setresuid,
};
use rustix::fs::{OFlags, stat};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::command::{Command, NotRun, Step};
use crate::timer::DeadlineTimer;

/// What this process ignores, and so its child before it says otherwise.
pub const IGNORED: [i32; 1] = [Signal::SIGPIPE as i32];

/// The way from root in the monitor's clothes to the command, ready to be gone.
pub struct Way<'a> {
    stdio: [BorrowedFd<'a>; 3],
    /// In the foreground of which it begins.
    terminal: Option<BorrowedFd<'a>>,
    umask: Mode,
    nice: i32,
    oom_score: String,
    program: &'a Program,
    /// A copy runs, which nobody can change.
    is_copied: bool,
    path: CString,
    /// None: it starts in another folder.
    callers_folder: Option<CallersFolder<'a>>,
    /// Where it goes if it is not the caller's: the first that can be entered.
    folders: Vec<CString>,
    /// The folder entered must be the one with this path.
    folder_is_resolved: bool,
    /// Which folder it must be.
    folder: Option<FolderFacts>,
    limits: Limits,
    own_limits: Limits,
    uid: Uid,
    gid: Gid,
    groups: &'a [Gid],
    sorted_groups: Vec<Gid>,
    scratch: Vec<Gid>,
    ignored_signals: &'a [i32],
    deadline: &'a DeadlineTimer,
    exec: Exec,
}

/// The helper's folder, and whose rights it is entered with.
struct CallersFolder<'a> {
    folder: Folder<'a>,
    uid: u32,
    gid: u32,
    groups: Vec<Gid>,
}

/// A folder that is open here, or that has to be looked for: the caller's own is in another mount namespace.
enum Folder<'a> {
    Open(BorrowedFd<'a>),
    Path(CString),
}

type Errno = i32;

impl<'a> Way<'a> {
    /// Makes everything ready.
    ///
    /// # Errors
    /// If a path, a word or a variable contains a zero byte.
    pub fn prepare(command: &Command<'a>, deadline: &'a DeadlineTimer) -> Result<Self, NotRun> {
        let Command { order, program, .. } = command;
        let zero_byte = |_| NotRun { step: Step::Exec, errno: 0 };
        let target = &order.target;
        let (callers_folder, folders) = match &order.restrictions.cwd {
            Cwd::Path(folder) | Cwd::Asked(folder) => (None, vec![folder.as_slice()]),
            Cwd::Home => (None, vec![target.home.as_slice(), b"/"]),
            Cwd::Caller => {
                let folder = match order.foreign_mounts.as_ref().filter(|_| command.inherited.foreign_mounts)
                {
                    Some(path) => Folder::Path(CString::new(path.as_slice()).map_err(zero_byte)?),
                    None => Folder::Open(command.cwd),
                };
                let caller = CallersFolder::of(&order.invoking, folder);
                (Some(caller), vec![target.home.as_slice(), b"/"])
            }
        };
        let variables =
            command.environment.iter().map(|(name, value)| [&name.0, &b"="[..], &value.0].concat());
        let mut sorted_groups = command.groups.to_vec();
        sorted_groups.sort_unstable_by_key(|gid| gid.as_raw());
        Ok(Self {
            stdio: command.stdio,
            terminal: command
                .terminal
                .filter(|_| order.terminal.as_ref().is_none_or(|theirs| theirs.foreground)),
            umask: Mode::from_bits_truncate(match order.restrictions.umask {
                Umask::Exactly(mask) => mask,
                Umask::CallersAnd(mask) => mask | command.inherited.umask,
            }),
            nice: command.nice,
            oom_score: command.inherited.oom_score.to_string(),
            program,
            is_copied: command.copy.is_some(),
            path: CString::new(program.path.as_slice()).map_err(zero_byte)?,
            callers_folder,
            folders: folders.into_iter().map(CString::new).collect::<Result<_, _>>().map_err(zero_byte)?,
            folder_is_resolved: matches!(order.restrictions.cwd, Cwd::Asked(_)),
            folder: order.restrictions.folder,
            limits: command.limits,
            own_limits: command.own_limits,
            uid: Uid::from_raw(target.uid),
            gid: Gid::from_raw(target.gid),
            groups: command.groups,
            scratch: vec![Gid::from_raw(0); sorted_groups.len() + 1],
            sorted_groups,
            ignored_signals: &order.ignored_signals,
            deadline,
            exec: Exec::new(program.path.as_slice(), order.argv.iter().map(|word| word.0.clone()), variables)
                .map_err(zero_byte)?
                .of_file(command.copy),
        })
    }

    /// Goes it, in the child. Returns only to tell what failed.
    pub fn go(&mut self) -> NotRun {
        match self.steps() {
            Ok(()) => NotRun { step: Step::Exec, errno: self.exec.execute() },
            Err(not_run) => not_run,
        }
    }

    fn steps(&mut self) -> Result<(), NotRun> {
        let failed = |step: Step| move |errno: Errno| NotRun { step, errno };
        self.join_terminal().map_err(failed(Step::Terminal))?;
        self.take_stdio().map_err(failed(Step::Stdio))?;
        self.set_attributes().map_err(failed(Step::Attributes))?;
        if !self.is_unchanged() {
            return Err(NotRun { step: Step::Changed, errno: 0 });
        }
        let entered = self.callers_folder.as_ref().is_some_and(CallersFolder::enter);
        // While it is root's: a hard limit can be raised then. Nothing is opened after it, for they may be tiny.
        self.limits.apply_over(&self.own_limits).map_err(number).map_err(failed(Step::Attributes))?;
        self.switch_identity().map_err(failed(Step::Identity))?;
        if !entered {
            self.enter_folder().map_err(failed(Step::Folder))?;
        }
        if !self.is_where_it_was_approved() {
            return Err(NotRun { step: Step::OtherFolder, errno: 0 });
        }
        self.isolate().map_err(failed(Step::Isolation))?;
        // It may have been held on the way.
        if self.deadline.has_passed() { Err(NotRun { step: Step::Late, errno: 0 }) } else { Ok(()) }
    }

    /// A process group of its own, in the foreground of the terminal, if there is one and its person has it. Of one that
    /// is read from already nobody can be put in the background: it would wait for keys that another one gets.
    fn join_terminal(&self) -> Result<(), Errno> {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(number)?;
        if let Some(terminal) = self.terminal {
            // SIGTTOU is blocked, as everything is: a background group may do this then (tcsetpgrp(3)).
            rustix::termios::tcsetpgrp(terminal, rustix::process::getpid()).map_err(number)?;
        }
        Ok(())
    }

    fn take_stdio(&self) -> Result<(), Errno> {
        let [input, output, error] = self.stdio;
        dup2_stdin(input).map_err(number)?;
        dup2_stdout(output).map_err(number)?;
        dup2_stderr(error).map_err(number)
    }

    fn set_attributes(&self) -> Result<(), Errno> {
        umask(self.umask);
        process::set_nice(self.nice).map_err(number)?;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(c"/proc/self/oom_score_adj", flags, rustix::fs::Mode::empty())
            .map_err(number)?;
        rustix::io::write(&file, self.oom_score.as_bytes()).map_err(number)?;
        Ok(())
    }

    /// The same file as decided: device, inode, size and times. It is executed by path, for scripts and process names;
    /// nobody but root can put another one there (the agent has checked every component), unless the rule says "ALL".
    fn is_unchanged(&self) -> bool {
        if self.is_copied {
            return true;
        }
        let Ok(now) = stat(self.path.as_c_str()) else { return false };
        let nanoseconds =
            |seconds: i64, fraction: u64| i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
        now.st_dev == self.program.device
            && now.st_ino == self.program.inode
            && now.st_size == self.program.size
            && nanoseconds(now.st_mtime, now.st_mtime_nsec) == self.program.modified
            && nanoseconds(now.st_ctime, now.st_ctime_nsec) == self.program.changed
    }

    /// Groups, gid, uid, capabilities; each read back.
    fn switch_identity(&mut self) -> Result<(), Errno> {
        let denied = nix::errno::Errno::EPERM as Errno;
        let (uid, gid) = (self.uid, self.gid);
        for set in [CapSet::Ambient, CapSet::Inheritable] {
            caps::clear(None, set).map_err(|_| denied)?;
        }
        setresgid(gid, gid, gid).map_err(number)?;
        setgroups(self.groups).map_err(number)?;
        self.switch_user()?;
        // What is not permitted can be neither effective nor ambient (capabilities(7)).
        let no_capabilities = || {
            rustix::thread::capabilities(None)
                .is_ok_and(|held| held.permitted.is_empty() && held.inheritable.is_empty())
        };
        let switched = process::ids_are(uid, gid)
            && process::groups_are(&self.sorted_groups, &mut self.scratch)
            && (uid.is_root() || no_capabilities());
        if switched { Ok(()) } else { Err(denied) }
    }

    /// A change of the effective ids makes memory one that can be traced and dumped, where `fs.suid_dumpable` says so
    /// (proc(5)); and this memory is the monitor's. The target user can signal and trace this process once all three of
    /// its user ids are theirs: before that it is hidden again, and that last change does not touch the effective one.
    fn switch_user(&self) -> Result<(), Errno> {
        let (root, uid) = (Uid::from_raw(0), self.uid);
        setresuid(root, uid, root).map_err(number)?;
        nix::sys::prctl::set_dumpable(false).map_err(number)?;
        setresuid(uid, uid, uid).map_err(number)
    }

    /// The folder that was ordered, as the target user; for the caller's that could not be entered the target's home.
    fn enter_folder(&self) -> Result<(), Errno> {
        let mut result = Err(nix::errno::Errno::ENOENT as Errno);
        for folder in &self.folders {
            result = chdir(folder.as_c_str()).map_err(number);
            if result.is_ok() {
                // A link that somebody has put there since leads elsewhere.
                let is_there = !self.folder_is_resolved || process::is_cwd(folder);
                return if is_there { Ok(()) } else { Err(nix::errno::Errno::ELOOP as Errno) };
            }
        }
        result
    }

    fn is_where_it_was_approved(&self) -> bool {
        let Some(FolderFacts { device, inode }) = self.folder else { return true };
        // Of the working folder itself, which the target user may not be able to search.
        let here = rustix::fs::statat(rustix::fs::CWD, c"", rustix::fs::AtFlags::EMPTY_PATH);
        here.is_ok_and(|here| (here.st_dev, here.st_ino) == (device, inode))
    }

    fn isolate(&self) -> Result<(), Errno> {
        process::close_on_exec_from(3).map_err(number)?;
        signals::change_ignored(&IGNORED, self.ignored_signals).map_err(number)?;
        signals::unblock_all().map_err(number)
    }
}

impl<'a> CallersFolder<'a> {
    fn of(user: &Account, folder: Folder<'a>) -> Self {
        let groups = user.groups.iter().copied().map(Gid::from_raw).collect();
        Self { folder, uid: user.uid, gid: user.gid, groups }
    }

    /// Enters it with the invoking user's rights: root could enter one that the user may not.
    fn enter(&self) -> bool {
        if setgroups(&self.groups).is_err() {
            return false;
        }
        setfsgid(Gid::from_raw(self.gid));
        setfsuid(Uid::from_raw(self.uid));
        // The calls tell the identity before them; asked again they tell the one in force (setfsuid(2)).
        let switched = setfsuid(Uid::from_raw(self.uid)).as_raw() == self.uid
            && setfsgid(Gid::from_raw(self.gid)).as_raw() == self.gid;
        let entered = switched && self.folder.enter() && process::is_cwd_reachable();
        setfsuid(Uid::from_raw(0));
        setfsgid(Gid::from_raw(0));
        entered
    }
}

impl Folder<'_> {
    fn enter(&self) -> bool {
        match self {
            Self::Open(folder) => fchdir(folder).is_ok(),
            // By no link, such as another process's in /proc, which this one could follow whosever folder it leads to.
            Self::Path(path) => chdir(path.as_c_str()).is_ok() && process::is_cwd(path),
        }
    }
}

/// The error number; 0 if it is not the kernel's. Allocates nothing for errors that are.
fn number(error: impl Into<std::io::Error>) -> Errno {
    error.into().raw_os_error().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_folder_that_is_looked_for_is_entered_by_its_own_path_alone() {
        let entering = || {
            // The working folder of this thread alone.
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).unwrap();
            let around = tempfile::tempdir().unwrap();
            let around = around.path().canonicalize().unwrap();
            let (folder, link) = (around.join("folder"), around.join("link"));
            std::fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(&folder, &link).unwrap();
            let enter = |path: &[u8]| Folder::Path(CString::new(path).unwrap()).enter();
            assert!(enter(folder.as_os_str().as_bytes()));
            for path in
                [link.as_os_str().as_bytes(), b"/proc/thread-self/cwd", b"/proc/1/cwd", b".", b"/no/such"]
            {
                assert!(!enter(path), "{}", String::from_utf8_lossy(path));
            }
            std::fs::remove_dir_all(around).unwrap();
        };
        std::thread::spawn(entering).join().unwrap();
    }
}
