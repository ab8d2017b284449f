//! What `/proc` tells of a process. May only narrow a decision, and is read between two checks that it is alive.

use std::fs;
use std::io;

use jit_sys::proc;

/// The kernel's "unset" for login uids and audit sessions.
const UNSET: u32 = u32::MAX;

/// What `/proc` answers for a process that ends while it is read.
const ESRCH: i32 = nix::errno::Errno::ESRCH as i32;

/// Facts of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Real uid.
    pub real_uid: u32,
    /// Effective uid.
    pub effective_uid: u32,
    /// Controlling terminal.
    pub tty: Option<Tty>,
    /// Process id of the session leader, and its start time in clock ticks since boot (0: it is gone).
    pub leader: (i32, u64),
    /// Process id of the parent, and its start time.
    pub parent: (i32, u64),
    /// Login uid, if set.
    pub loginuid: Option<u32>,
    /// Audit session, if set.
    pub audit_session: Option<u32>,
    /// Path on the `0::` line of its cgroups, if there is one.
    pub cgroup: Option<String>,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tty {
    /// Device number as in `/proc/PID/stat`.
    pub device: u32,
    /// Name below `/dev`: `pts/0`.
    pub name: String,
}

impl Process {
    /// Reads the facts of a process.
    ///
    /// # Errors
    /// If it is gone, or `/proc` says something unexpected.
    pub fn read(pid: i32) -> io::Result<Self> {
        let text = |file: &str| proc::read(format!("/proc/{pid}/{file}"));
        let stat = Stat::parse(&text("stat")?).ok_or_else(|| unexpected("stat"))?;
        let loginuid = optional(text("loginuid"))?;
        // The kernel gives a process both at once.
        let audit_session = if loginuid.is_some() { optional(text("sessionid"))? } else { None };
        let (real_uid, effective_uid) = uids(&text("status")?).ok_or_else(|| unexpected("status"))?;
        Ok(Self {
            real_uid,
            effective_uid,
            tty: Tty::of_device(stat.tty),
            leader: (stat.session, start_of(stat.session)),
            parent: (stat.parent, start_of(stat.parent)),
            loginuid,
            audit_session,
            cgroup: unified_cgroup(&text("cgroup")?),
        })
    }
}

/// Fields of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    session: i32,
    tty: u32,
    start: u64,
}

impl Stat {
    /// Everything after the *last* closing parenthesis: a process may have any name (CVE-2017-1000367).
    fn parse(stat: &[u8]) -> Option<Self> {
        let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let text = std::str::from_utf8(stat.get(after..)?).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        // The first field here is the third of proc(5): state.
        let field = |number: usize| fields.get(number - 3).copied();
        let tty: i32 = field(7)?.parse().ok()?;
        Some(Self {
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            tty: tty.cast_unsigned(),
            start: field(22)?.parse().ok()?,
        })
    }
}

impl Tty {
    /// Names the terminal of a device number; 0 is none.
    fn of_device(device: u32) -> Option<Self> {
        if device == 0 {
            return None;
        }
        let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
        let name = match major {
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            4 if minor < 64 => format!("tty{minor}"),
            4 => format!("ttyS{}", minor - 64),
            _ => device_name(major, minor).unwrap_or_else(|| format!("char/{major}:{minor}")),
        };
        Some(Self { device, name })
    }
}

/// The kernel's own name of a device, where sysfs is there to tell.
fn device_name(major: u32, minor: u32) -> Option<String> {
    let uevent = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    (!name.is_empty() && !name.contains(|c: char| c.is_control())).then(|| name.to_owned())
}

/// When a process was started, in clock ticks since boot; 0: there is none, or none that can be looked at.
pub fn start_of(pid: i32) -> u64 {
    if pid <= 0 {
        return 0;
    }
    proc::read(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Stat::parse(&stat))
        .map_or(0, |stat| stat.start)
}

/// Whether any process is in this audit session. One that cannot be looked at may be.
///
/// # Errors
/// If the processes cannot be listed.
pub fn is_in_audit_session(session: u32) -> io::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let file = std::path::Path::new("/proc").join(&name).join("sessionid");
        let is_in_it = || match proc::read(&file) {
            Ok(text) => optional(Ok(text)).map_or(true, |found| found == Some(session)),
            // It has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => error.raw_os_error() != Some(ESRCH),
        };
        if is_process && is_in_it() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Real and effective uid from `/proc/PID/status`.
fn uids(status: &[u8]) -> Option<(u32, u32)> {
    let text = String::from_utf8_lossy(status);
    let mut ids = text.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace();
    Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
}

/// A number that may be unset, in a file that a kernel without audit does not have.
fn optional(text: io::Result<Vec<u8>>) -> io::Result<Option<u32>> {
    let text = match text {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number: u32 =
        String::from_utf8_lossy(&text).trim().parse().map_err(|_| unexpected("loginuid or sessionid"))?;
    Ok((number != UNSET).then_some(number))
}

fn unified_cgroup(cgroup: &[u8]) -> Option<String> {
    String::from_utf8_lossy(cgroup).lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc tells something unexpected ({what})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 100 200 300 34817 400 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";

    // CVE-2017-1000367: a process named to look like other fields.
    #[test]
    fn a_processes_name_cannot_fake_the_fields() {
        let wanted = Some(Stat { parent: 100, session: 300, tty: 34817, start: 98765 });
        for name in ["cat", "a b", ") S 1 1 1 1025 (", ")", "(()", "x\ny", ") 34817 a b"] {
            let stat = format!("42 ({name}) {REST}\n");
            assert_eq!(Stat::parse(stat.as_bytes()), wanted, "{name}");
        }
        for bad in ["", "42 cat S 1", "42 (cat) S 1 2", "42 (cat) S x 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2"]
        {
            assert_eq!(Stat::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn terminals_have_the_names_that_users_know() {
        let device = |major: u32, minor: u32| (minor & 0xff) | (major << 8) | ((minor & 0xf_ff00) << 12);
        let name = |major, minor| Tty::of_device(device(major, minor)).unwrap().name;
        assert_eq!(Tty::of_device(0), None);
        assert_eq!(name(136, 0), "pts/0");
        assert_eq!(name(136, 1000), "pts/1000");
        assert_eq!(name(137, 3), "pts/259");
        assert_eq!(name(4, 1), "tty1");
        assert_eq!(name(4, 64), "ttyS0");
        assert_eq!(name(4000, 77), "char/4000:77");
    }

    #[test]
    fn the_unified_hierarchy_is_the_one_that_counts() {
        let hybrid = b"1:name=systemd:/a\n0::/user.slice/x.scope\n";
        assert_eq!(unified_cgroup(hybrid).as_deref(), Some("/user.slice/x.scope"));
        assert_eq!(unified_cgroup(b"1:cpu:/a\n"), None);
        assert_eq!(unified_cgroup(b"0::/\n").as_deref(), Some("/"));
    }

    #[test]
    fn unset_is_none_and_nonsense_an_error() {
        assert_eq!(optional(Ok(b"4294967295".to_vec())).unwrap(), None);
        assert_eq!(optional(Ok(b"1000\n".to_vec())).unwrap(), Some(1000));
        assert_eq!(optional(Err(io::ErrorKind::NotFound.into())).unwrap(), None);
        assert!(optional(Ok(b"x".to_vec())).is_err());
    }

    #[test]
    fn nobody_is_in_an_audit_session_that_never_was() {
        assert!(!is_in_audit_session(UNSET - 1).unwrap());
        let own = optional(fs::read("/proc/self/sessionid")).unwrap();
        assert!(own.is_none_or(|own| is_in_audit_session(own).unwrap()));
    }

    #[test]
    fn our_own_facts_are_right() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let process = Process::read(pid).unwrap();
        assert_eq!(process.real_uid, rustix::process::getuid().as_raw());
        assert_eq!(process.effective_uid, rustix::process::geteuid().as_raw());
        assert_eq!(process.parent.0, rustix::process::getppid().unwrap().as_raw_nonzero().get());
        assert!(process.parent.1 > 0);
        assert!(Process::read(i32::MAX).is_err());
    }
}
