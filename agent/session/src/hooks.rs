//! A monitor that tells the administrator's programs of an event: as a user without any rights, for a while, all at once.
//! What they leave running is ended with them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use jit_protocol::order::MAX_ORDER;
use jit_protocol::telling::{MAX_TOLD, MOST, TIME, Telling, Told};
use jit_sys::account::{self, Account};
use jit_sys::clone::{Child, fork_into};
use jit_sys::policy_files::CheckedFolder;
use jit_sys::process;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroup::Cgroup;
use crate::channel::Channel;
use crate::tree::Tree;

/// Most processes of theirs at a time, on the whole host.
const PROCESSES: u64 = 128;
/// Most open files of one.
const FILES: u64 = 1024;
/// Status of a program that could not be started.
const NOT_STARTED: i32 = 127;
/// Where they find programs.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a monitor is to tell, and whom to answer.
pub struct Errand {
    /// What and to whom, in a sealed memory file.
    pub text: OwnedFd,
    /// The agent.
    pub link: Channel,
}

/// A program that runs.
struct Hook {
    name: String,
    child: Child,
}

/// Tells them all, waits for them, and answers the agent.
pub fn tell(errand: &Errand, cgroup: Option<Cgroup>) {
    let mut told = Told::default();
    if cgroup.is_none()
        && let Err(error) = process::adopt_orphans()
    {
        told.failures.push(error.to_string());
    }
    let tree = Tree::new(cgroup);
    match start_all(errand, &tree, &mut told.failures) {
        Ok(hooks) => wait_for(hooks, &mut told.failures),
        Err(why) => told.failures.push(why),
    }
    end(&tree);
    let mut answer = serde_json::to_vec(&told).unwrap_or_default();
    if answer.len() > MAX_TOLD {
        let few = Told { failures: vec![format!("{} programs failed", told.failures.len())] };
        answer = serde_json::to_vec(&few).unwrap_or_default();
    }
    let _ = errand.link.send(&answer, &[], false); // an agent that is gone logs nothing
}

fn start_all(errand: &Errand, tree: &Tree, failures: &mut Vec<String>) -> Result<Vec<Hook>, String> {
    let telling = read(&errand.text).map_err(|error| format!("the event cannot be read: {error}"))?;
    let folder = CheckedFolder::open(Path::new(&telling.folder), 0).map_err(|refused| refused.to_string())?;
    // Refused ones show in the agent's status.
    let programs =
        folder.map(|folder| folder.programs()).transpose().map_err(|refused| refused.to_string())?;
    let programs = programs.map(|(programs, _)| programs).unwrap_or_default();
    let user = account::by_name(&telling.user).map_err(|error| error.to_string())?;
    let user = user.filter(|user| user.uid != 0 && user.gid != 0);
    let user = user.ok_or_else(|| format!("there is no user {} without rights", telling.user))?;
    if programs.len() > MOST {
        failures.push(format!("only the first {MOST} of {} programs are started", programs.len()));
    }
    let event = sealed(&telling.event).map_err(|error| format!("the event: {error}"))?;
    let mut hooks = Vec::new();
    for program in programs.into_iter().take(MOST) {
        let name = name_of(&program);
        match start(&program, &user, &event, tree) {
            Ok(child) => hooks.push(Hook { name, child }),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    Ok(hooks)
}

fn read(text: &OwnedFd) -> io::Result<Telling> {
    let file = File::from(text.try_clone()?);
    let length = usize::try_from(file.metadata()?.len()).ok().filter(|length| *length <= MAX_ORDER);
    let mut bytes = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// The event alone, in memory that each program reads from its beginning and none can change.
fn sealed(event: &str) -> io::Result<OwnedFd> {
    use std::io::Write;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let mut file = File::from(memfd_create("jit-event", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(event.as_bytes())?;
    file.write_all(b"\n")?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

fn start(program: &Path, user: &Account, event: &OwnedFd, tree: &Tree) -> io::Result<Child> {
    // Opened anew: each has a place of its own to read from.
    let input = File::open(format!("/proc/self/fd/{}", event.as_raw_fd()))?;
    let cgroup = match tree {
        Tree::Cgroup(cgroup, ..) => Some(cgroup.handle().as_fd()),
        Tree::Descendants => None,
    };
    fork_into(cgroup, || {
        let error = become_hook(program, user, input);
        note(&format!("{}: {error}", program.display()));
        NOT_STARTED
    })
}

/// In the new process. Its identity is switched by the standard library, which drops all groups, then the group, then the user.
fn become_hook(program: &Path, user: &Account, input: File) -> io::Error {
    let prepare = || {
        std::fs::write("/proc/self/oom_score_adj", "0")?;
        setrlimit(Resource::RLIMIT_NPROC, PROCESSES, PROCESSES)?;
        setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES)?;
        process::close_on_exec_from(3)
    };
    if let Err(error) = prepare() {
        return error;
    }
    Command::new(program)
        .env_clear()
        .env("PATH", SEARCH)
        .env("LANG", "C.UTF-8")
        .env("HOME", "/")
        .env("USER", &user.name)
        .env("LOGNAME", &user.name)
        .current_dir("/")
        .stdin(Stdio::from(input))
        .uid(user.uid)
        .gid(user.gid)
        .exec()
}

/// Until each has ended or their time is up.
fn wait_for(mut hooks: Vec<Hook>, failures: &mut Vec<String>) {
    let end = Instant::now() + TIME;
    while !hooks.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let late =
                hooks.iter().map(|hook| format!("{}: took longer than {} s", hook.name, TIME.as_secs()));
            failures.extend(late);
            return;
        }
        let time = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut fds: Vec<PollFd<'_>> =
            hooks.iter().map(|hook| PollFd::new(&hook.child.pidfd, PollFlags::IN)).collect();
        let _ = poll(&mut fds, Some(&time)); // what has ended is asked next
        hooks.retain(|hook| {
            let ended =
                waitid(Id::PIDFd(hook.child.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            let failure = match ended {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(WaitStatus::Exited(_, 0)) => None,
                Ok(WaitStatus::Exited(_, NOT_STARTED)) => Some("could not be started".to_owned()),
                Ok(WaitStatus::Exited(_, status)) => Some(format!("ended with status {status}")),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("died of {signal}")),
                Ok(_) => Some("was lost".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            failures.extend(failure.map(|failure| format!("{}: {failure}", hook.name)));
            false
        });
    }
}

/// Nothing of theirs is left. What cannot be killed now is the spawner's to kill.
fn end(tree: &Tree) {
    for _ in 0..50 {
        if tree.is_empty() {
            break;
        }
        tree.kill();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn name_of(program: &Path) -> String {
    program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// A line on standard error, where the journal or whoever started this reads it.
fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "jit-spawner: {text}");
}
