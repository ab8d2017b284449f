//! All processes of a session: found and ended as a whole.

use std::collections::HashSet;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use jit_sys::proc::read_text;
use nix::unistd::{Pid, getpid};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup::{self, Cgroup};
use crate::strays::{Stray, Strays};

/// Where a session's processes are found.
#[derive(Debug)]
pub enum Tree {
    /// In a cgroup; its events, to wait for its end; and below this process, which adopts orphans, what has left it.
    Cgroup(Cgroup, Option<fs::File>, Strays),
    /// Below this process, which adopts orphans: where there is no cgroup v2.
    Descendants,
}

impl Tree {
    /// The tree of a session that has a cgroup, or of one that has none.
    pub fn new(cgroup: Option<Cgroup>) -> Self {
        match cgroup {
            Some(cgroup) => {
                let events = cgroup.events().ok();
                let tree = Self::Cgroup(cgroup, events, Strays::begin());
                tree.acknowledge();
                tree
            }
            None => Self::Descendants,
        }
    }

    /// Reads the events, so that [`Self::events`] tells only of later ones.
    pub fn acknowledge(&self) {
        if let Self::Cgroup(_, Some(events), _) = self {
            let _ = events.read_at(&mut [0; 64], 0);
        }
    }

    /// For the audit: the cgroup's path below the subtree, or nothing.
    pub fn name(&self) -> &str {
        match self {
            Self::Cgroup(cgroup, ..) => cgroup.path(),
            Self::Descendants => "",
        }
    }

    /// A descriptor whose exceptional condition (`POLLPRI`) says that the last process may have gone.
    pub fn events(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Cgroup(_, events, _) => events.as_ref().map(AsFd::as_fd),
            Self::Descendants => None,
        }
    }

    /// Whether no process is left.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Cgroup(_, Some(events), strays) => {
                let mut text = [0; 64];
                // One that is gone cannot be read.
                let length = events.read_at(&mut text, 0).unwrap_or(0);
                !text.get(..length).is_some_and(cgroup::is_of_populated) && !strays.any()
            }
            Self::Cgroup(cgroup, None, strays) => !cgroup.is_populated() && !strays.any(),
            Self::Descendants => descendants(getpid(), &[]).is_empty(),
        }
    }

    /// Processes that have left the cgroup.
    pub fn strays(&self) -> Vec<Stray> {
        match self {
            Self::Cgroup(cgroup, _, strays) => strays.find(cgroup),
            Self::Descendants => Vec::new(),
        }
    }

    /// Asks all processes to end: SIGTERM, and SIGCONT so that stopped ones hear it.
    pub fn terminate(&self) {
        for pid in self.processes() {
            self.signal(pid, Signal::TERM);
            self.signal(pid, Signal::CONT);
        }
        for stray in self.strays() {
            stray.signal(Signal::TERM);
            stray.signal(Signal::CONT);
        }
    }

    /// Kills all processes. Has to be called again until [`Self::is_empty`].
    pub fn kill(&self) {
        self.strays().iter().for_each(|stray| stray.signal(Signal::KILL));
        if let Self::Cgroup(cgroup, ..) = self
            && cgroup.kill().is_ok()
        {
            return;
        }
        for pid in self.processes() {
            self.signal(pid, Signal::KILL);
        }
    }

    /// Removes the cgroup once nothing lives in it.
    pub fn remove(&self) -> bool {
        match self {
            Self::Cgroup(cgroup, ..) => cgroup.remove(),
            Self::Descendants => true,
        }
    }

    fn processes(&self) -> Vec<Pid> {
        match self {
            Self::Cgroup(cgroup, ..) => cgroup.processes(),
            Self::Descendants => descendants(getpid(), &[]),
        }
    }

    /// Signals a process by pidfd, after a look that the number still is one of ours.
    fn signal(&self, pid: Pid, signal: Signal) {
        signal_if(pid, signal, || match self {
            Self::Cgroup(cgroup, ..) => cgroup.holds(pid),
            Self::Descendants => descendants(getpid(), &[]).contains(&pid),
        });
    }
}

/// Kills what lives below another process now.
pub fn kill_below(root: Pid) {
    for pid in descendants(root, &[]) {
        signal_if(pid, Signal::KILL, || descendants(root, &[]).contains(&pid));
    }
}

fn signal_if(pid: Pid, signal: Signal, is_ours: impl FnOnce() -> bool) {
    let Some(number) = rustix::process::Pid::from_raw(pid.as_raw()) else { return };
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return };
    if is_ours() {
        let _ = pidfd_send_signal(&process, signal);
    }
}

/// Kills and buries children of this process that it did not make: orphans of a monitor that died, where there is no
/// cgroup to find them by. Their own children come here next, announced by SIGCHLD.
pub fn kill_adopted(own: &[Pid]) {
    for pid in children(getpid()).into_iter().filter(|pid| !own.contains(pid)) {
        // A child's number is its own until it is waited for, which only this process does.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
    }
}

/// All processes below one, zombies left out (`/proc/PID/task/TID/children`), and so `others` with all below them.
pub fn descendants(root: Pid, others: &[Pid]) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut seen: HashSet<Pid> = others.iter().copied().collect();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for child in children(pid) {
            if seen.insert(child) {
                open.push(child);
                if !is_zombie(child) {
                    found.push(child);
                }
            }
        }
    }
    found
}

fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| read_text(task.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .map(Pid::from_raw)
        .collect()
}

fn is_zombie(pid: Pid) -> bool {
    // After the last parenthesis: a process can name itself anything.
    let stat = read_text(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}
