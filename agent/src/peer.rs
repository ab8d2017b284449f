//! Who is at the other end: told by the kernel, never by a message.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::LazyLock;

use jit_sys::proc;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::identifier;
use crate::process::Process;
use crate::socket::Sender;

/// The process that connected. Its uid is the effective one at that moment.
#[derive(Debug)]
pub struct Peer {
    /// Process, user and group.
    pub sender: Sender,
    pidfd: OwnedFd,
    /// What the request must carry, where the kernel has no `SO_PEERPIDFD`: it proves that the process that the pid
    /// names was alive after the pidfd was opened, so that it is the one that connected.
    pub nonce: Option<[u8; 16]>,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// Why this peer is refused, for the audit log.
    pub fn of(socket: BorrowedFd<'_>) -> Result<Self, String> {
        let credentials =
            getsockopt(&socket, sockopt::PeerCredentials).map_err(|errno| format!("SO_PEERCRED: {errno}"))?;
        let sender = Sender { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() };
        check_ids(sender, *NO_USER, *NO_GROUP)?;
        let (pidfd, nonce) = match getsockopt(&socket, sockopt::PeerPidfd) {
            Ok(pidfd) => (pidfd, None),
            // This error alone means "no such option" (before 6.5). EINVAL, ESRCH and ENODATA mean "gone".
            Err(Errno::ENOPROTOOPT) => {
                let pid = Pid::from_raw(sender.pid).ok_or("no process id")?;
                let pidfd =
                    pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| format!("pidfd_open: {errno}"))?;
                (pidfd, Some(identifier::random().map_err(|error| format!("no nonce: {error}"))?))
            }
            Err(errno) => return Err(format!("the peer is gone (SO_PEERPIDFD: {errno})")),
        };
        let peer = Self { sender, pidfd, nonce };
        peer.check_alive()?;
        Ok(peer)
    }

    /// Its user.
    pub fn uid(&self) -> u32 {
        self.sender.uid
    }

    /// Facts from `/proc`, read while it is certainly alive.
    ///
    /// # Errors
    /// Why this peer is refused, for the audit log.
    pub fn facts(&self) -> Result<Process, String> {
        self.check_alive()?;
        let facts = Process::read(self.sender.pid).map_err(|error| format!("facts of the peer: {error}"))?;
        self.check_alive()?;
        Ok(facts)
    }

    fn check_alive(&self) -> Result<(), String> {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => Ok(()),
            Ok(_) => Err("the peer is gone".to_owned()),
            Err(errno) => Err(format!("the peer's pidfd: {errno}")),
        }
    }
}

/// Process 0 and the overflow ids stand for what has no number here: another pid or user namespace.
fn check_ids(sender: Sender, no_user: u32, no_group: u32) -> Result<(), String> {
    if sender.pid <= 0 {
        return Err("the peer is in a pid namespace outside of ours".to_owned());
    }
    if sender.uid == no_user || sender.uid == u32::MAX || sender.gid == no_group || sender.gid == u32::MAX {
        return Err("the peer's user or group has no number in our user namespace".to_owned());
    }
    Ok(())
}

/// Whether a uid that somebody else attests is a user's here.
pub fn is_user(uid: u32) -> bool {
    uid != *NO_USER && uid != u32::MAX
}

/// Which ids stand for those without a number here (`proc_sys_kernel(5)`), as they were at the start.
static NO_USER: LazyLock<u32> = LazyLock::new(|| overflow_id("overflowuid"));
static NO_GROUP: LazyLock<u32> = LazyLock::new(|| overflow_id("overflowgid"));

fn overflow_id(name: &str) -> u32 {
    let text = proc::read_text(format!("/proc/sys/kernel/{name}"));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65_534)
}

/// Whose place a connection takes. Inside user namespaces of its own one user can be thousands (`/etc/subuid`): all
/// who are in others than ours are one, the overflow id.
///
/// # Errors
/// Those of getsockopt(2).
pub fn whose_place(socket: impl AsFd) -> io::Result<u32> {
    let credentials = getsockopt(&socket.as_fd(), sockopt::PeerCredentials)?;
    if is_in_our_user_namespace(credentials.pid()) {
        return Ok(credentials.uid());
    }
    Ok(*NO_USER)
}

/// As far as its map of uids tells. Not of one that is gone.
fn is_in_our_user_namespace(pid: i32) -> bool {
    // Once written it stays.
    static OURS: LazyLock<Result<Vec<u8>, io::ErrorKind>> =
        LazyLock::new(|| proc::read("/proc/self/uid_map").map_err(|error| error.kind()));
    match &*OURS {
        Ok(ours) => proc::read(format!("/proc/{pid}/uid_map")).is_ok_and(|theirs| theirs == *ours),
        Err(error) => *error == io::ErrorKind::NotFound, // a kernel without user namespaces
    }
}

/// The effective uid at the other end of a socket: for our own parts.
///
/// # Errors
/// Those of getsockopt(2).
pub fn uid_of(socket: impl AsFd) -> io::Result<u32> {
    Ok(getsockopt(&socket.as_fd(), sockopt::PeerCredentials)?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    // One user with 65,536 subordinate uids must not take the places of all others.
    #[test]
    fn who_is_in_another_user_namespace_is_told_apart() {
        let pid = |process: &std::process::Child| i32::try_from(process.id()).unwrap();
        assert!(is_in_our_user_namespace(i32::try_from(std::process::id()).unwrap()));
        assert!(!is_in_our_user_namespace(i32::MAX), "gone");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(is_in_our_user_namespace(pid(&child)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", "echo; exec sleep 60"]);
        let Ok(mut child) = command.stdout(std::process::Stdio::piped()).spawn() else { return };
        let mut line = [0; 1];
        let made = io::Read::read(child.stdout.as_mut().unwrap(), &mut line).unwrap() == 1;
        let told_apart = !is_in_our_user_namespace(pid(&child));
        let _ = child.kill(); // where no such namespace can be made it has ended
        child.wait().unwrap();
        assert!(told_apart || !made);
    }

    // E4: unmapped peers are the overflow ids, and processes of outer pid namespaces are 0.
    #[test]
    fn overflow_ids_and_process_zero_are_refused() {
        let sender = |pid, uid, gid| Sender { pid, uid, gid };
        assert!(check_ids(sender(7, 1000, 1000), 65_534, 65_534).is_ok());
        assert!(check_ids(sender(7, 0, 0), 65_534, 65_534).is_ok());
        for bad in [
            sender(0, 1000, 1000),
            sender(-1, 1000, 1000),
            sender(7, 65_534, 1000),
            sender(7, 1000, 65_534),
            sender(7, u32::MAX, 1000),
            sender(7, 1000, u32::MAX),
        ] {
            assert!(check_ids(bad, 65_534, 65_534).is_err(), "{bad:?}");
        }
    }
}
