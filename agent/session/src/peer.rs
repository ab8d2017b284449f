//! The process behind the helper's connection: it must live where we live, and what the command takes over from it is
//! read from the kernel, between two checks that it is still the same process.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use jit_sys::limits::Limits;
use jit_sys::proc::read_text;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// What a command takes over from the process that asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    /// Its file mode creation mask.
    pub umask: u32,
    /// Its resource limits.
    pub limits: Limits,
    /// Its nice value.
    pub nice: i32,
    /// Its login uid, if it has one (audit attribution).
    pub login_uid: Option<u32>,
    /// Its `oom_score_adj`: −1000 to 1000.
    pub oom_score: i32,
    /// It lives in another mount namespace: its working folder is none of ours.
    pub foreign_mounts: bool,
}

/// Why the peer is not served.
#[derive(Debug)]
pub enum PeerError {
    /// It is not who the order says.
    OtherUser,
    /// It is gone, or was replaced while we looked.
    Gone,
    /// It lives in another namespace or root: its name.
    Elsewhere(&'static str),
    /// The kernel would not tell.
    Unknown(io::Error),
}

impl From<io::Error> for PeerError {
    fn from(error: io::Error) -> Self {
        Self::Unknown(error)
    }
}

/// Checks the connection's peer against the order and against our own namespaces and root; tells what the command
/// takes over from it. `foreign_mounts`: its mount namespace may be another one, with the same root folder.
///
/// # Errors
/// [`PeerError`]; anything that can't be determined refuses.
pub fn inspect(
    connection: BorrowedFd<'_>,
    uid: u32,
    own: &Place,
    foreign_mounts: bool,
) -> Result<Inherited, PeerError> {
    let credentials = getsockopt(&connection, sockopt::PeerCredentials).map_err(io::Error::from)?;
    if credentials.uid() != uid {
        return Err(PeerError::OtherUser);
    }
    let pid = Pid::from_raw(credentials.pid());
    let process = pidfd(connection, pid)?;
    check_alive(&process)?;
    let shares_mounts = own.is_that_of(pid, foreign_mounts)?;
    let inherited = inherited(pid)?;
    check_alive(&process)?;
    Ok(Inherited { foreign_mounts: !shares_mounts, ..inherited })
}

/// The peer's pidfd. Only `ENOPROTOOPT` means a kernel without it (before 6.5), and there the agent has made sure,
/// by a challenge, that the process of this number is the one that asks.
fn pidfd(connection: BorrowedFd<'_>, pid: Pid) -> Result<OwnedFd, PeerError> {
    match getsockopt(&connection, sockopt::PeerPidfd) {
        Ok(pidfd) => Ok(pidfd),
        Err(Errno::ENOPROTOOPT) => {
            let pid = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(PeerError::Gone)?;
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
                .map_err(|_| PeerError::Gone)
        }
        Err(_) => Err(PeerError::Gone),
    }
}

/// A pidfd becomes readable when its process ends.
fn check_alive(process: &OwnedFd) -> Result<(), PeerError> {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&now)) {
        Ok(0) => Ok(()),
        _ => Err(PeerError::Gone),
    }
}

/// What a peer must share with us: its links below `/proc/PID`, and what people call them.
const SHARED: [(&str, &str); 4] = [
    ("ns/user", "user namespace"),
    (MOUNTS, "mount namespace"),
    ("ns/pid", "process namespace"),
    (ROOT, "root folder"),
];
const MOUNTS: &str = "ns/mnt";
const ROOT: &str = "root";

/// Device, inode and mount of what a path leads to.
type Identity = (u32, u32, u64, u64);

/// The namespaces and the root folder of this process.
#[derive(Debug)]
pub struct Place([Identity; SHARED.len()]);

impl Place {
    /// Those that it has now.
    ///
    /// # Errors
    /// [`PeerError::Unknown`].
    pub fn own() -> Result<Self, PeerError> {
        let mut own = [Identity::default(); SHARED.len()];
        for (identity, (link, _)) in own.iter_mut().zip(SHARED) {
            *identity = identity_of(&format!("/proc/self/{link}"))?;
        }
        Ok(Self(own))
    }

    /// Whether a process lives there too: an error if not. False: in all but the mount namespace, where that is allowed.
    fn is_that_of(&self, pid: Pid, foreign_mounts: bool) -> Result<bool, PeerError> {
        let mut shares_mounts = true;
        for (own, (link, what)) in self.0.iter().zip(SHARED) {
            let theirs = identity_of(&format!("/proc/{pid}/{link}"))?;
            match link {
                _ if theirs == *own => {}
                MOUNTS if foreign_mounts => shares_mounts = false,
                // Each namespace has a mount of its own there.
                ROOT if !shares_mounts && folder_of(theirs) == folder_of(*own) => {}
                _ => return Err(PeerError::Elsewhere(what)),
            }
        }
        Ok(shares_mounts)
    }
}

/// Device and inode.
fn folder_of((major, minor, inode, _): Identity) -> (u32, u32, u64) {
    (major, minor, inode)
}

fn identity_of(path: &str) -> Result<Identity, PeerError> {
    let stat = statx(CWD, path, AtFlags::empty(), StatxFlags::INO | StatxFlags::MNT_ID)
        .map_err(|error| PeerError::Unknown(error.into()))?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino, stat.stx_mnt_id))
}

fn inherited(pid: Pid) -> Result<Inherited, PeerError> {
    let status = read_text(format!("/proc/{pid}/status"))?;
    let umask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no umask"))?;
    let login_uid = read_text(format!("/proc/{pid}/loginuid"))
        .ok()
        .and_then(|uid| uid.trim().parse().ok())
        .filter(|uid| *uid != u32::MAX);
    let oom_score =
        read_text(format!("/proc/{pid}/oom_score_adj"))?.trim().parse().map_err(io::Error::other)?;
    Ok(Inherited {
        umask,
        limits: Limits::of(pid)?,
        nice: jit_sys::process::nice_of(pid.as_raw())?,
        login_uid,
        oom_score,
        foreign_mounts: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use std::os::fd::AsFd;

    #[test]
    fn our_own_process_is_accepted_and_its_attributes_are_read() {
        let (one, _other) = Channel::pair().unwrap();
        let place = Place::own().unwrap();
        let inherited = inspect(one.as_fd(), nix::unistd::getuid().as_raw(), &place, false).unwrap();
        assert_eq!(inherited.limits, Limits::of(nix::unistd::getpid()).unwrap());
    }

    #[test]
    fn another_uid_than_ordered_is_refused() {
        let (one, _other) = Channel::pair().unwrap();
        let other = nix::unistd::getuid().as_raw() + 1;
        let place = Place::own().unwrap();
        assert!(matches!(inspect(one.as_fd(), other, &place, false), Err(PeerError::OtherUser)));
    }
}
