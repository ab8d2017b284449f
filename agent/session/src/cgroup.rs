//! Cgroups of sessions: a subtree of ours, one cgroup a session, ended whole (`cgroup.kill`, cgroups(7); Linux 5.14).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use jit_sys::proc::{self, read_text};
use nix::unistd::Pid;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// The delegated subtree below which sessions live.
#[derive(Debug)]
pub struct Subtree {
    folder: PathBuf,
    /// As `/proc/PID/cgroup` shows it.
    name: String,
}

impl Subtree {
    /// Finds the cgroup v2 mount, makes the subtree and moves this process below it, beside the sessions. Under
    /// systemd the subtree is the unit's own cgroup (`Delegate=yes`), else `/jit-sudo`.
    ///
    /// # Errors
    /// `NotFound` if there is no cgroup v2, `Unsupported` without `cgroup.kill`, or what the file system says.
    pub fn prepare(in_unit: bool) -> io::Result<Self> {
        let mount = mount_point(&fs::read_to_string("/proc/self/mountinfo")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "cgroup v2 is not mounted"))?;
        let name = if in_unit {
            let own = own_cgroup(&fs::read_to_string("/proc/self/cgroup")?).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "this process is in no cgroup of v2")
            })?;
            // A spawner that was started again finds itself where its unit starts it, or still in `supervisor`.
            own.strip_suffix("/supervisor").unwrap_or(&own).to_owned()
        } else {
            "/jit-sudo".to_owned()
        };
        let folder = mount.join(name.trim_start_matches('/'));
        let supervisor = folder.join("supervisor");
        fs::create_dir_all(&supervisor)?;
        fs::write(supervisor.join("cgroup.procs"), "0")?;
        if !supervisor.join("cgroup.kill").exists() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel has no cgroup.kill"));
        }
        Ok(Self { folder, name })
    }

    /// As `/proc/PID/cgroup` shows it on the `0::` line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a cgroup for a session; `path` is relative to the subtree.
    ///
    /// # Errors
    /// `InvalidInput` for a path that does not stay below; those of mkdir(2).
    pub fn create(&self, path: &str) -> io::Result<Cgroup> {
        let relative = Path::new(path);
        if path.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let folder = self.folder.join(relative);
        fs::create_dir(&folder)?;
        let handle = openat(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Cgroup { folder, path: path.to_owned(), handle })
    }

    /// A session's cgroup that somebody else made.
    ///
    /// # Errors
    /// As [`Self::create`], and `NotFound`.
    pub fn open(&self, path: &str) -> io::Result<Cgroup> {
        let relative = Path::new(path);
        if path.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let folder = self.folder.join(relative);
        let handle = openat(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Cgroup { folder, path: path.to_owned(), handle })
    }

    /// Whether `/proc/PID/cgroup` shows a process of a session.
    pub fn holds_session(&self, proc_cgroup: &str) -> bool {
        own_cgroup(proc_cgroup)
            .and_then(|path| Some(path.strip_prefix(&self.name)?.starts_with("/s-")))
            .unwrap_or(false)
    }

    /// Whether `/proc/PID/cgroup` shows the spawner or one of the monitors, of whichever spawner.
    pub fn holds_monitor(&self, proc_cgroup: &str) -> bool {
        own_cgroup(proc_cgroup).is_some_and(|path| path == format!("{}/supervisor", self.name))
    }

    /// The cgroups of sessions in which something lives, nested ones too.
    pub fn sessions(&self) -> Vec<Cgroup> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(path) = open.pop() {
            for folder in subfolders(&self.folder.join(&path)) {
                let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
                if !name.starts_with("s-") {
                    continue; // the supervisor, or a cgroup that a command made for itself
                }
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                if let Ok(cgroup) = self.open(&path)
                    && cgroup.is_populated()
                {
                    found.push(cgroup);
                    open.push(path);
                }
            }
        }
        found
    }

    /// Removes what an earlier spawner left, where nothing lives in it any more.
    pub fn remove_empty(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("s-") {
                remove_below(&entry.path());
            }
        }
    }
}

/// One session's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
    path: String,
    handle: OwnedFd,
}

impl Cgroup {
    /// Relative to the subtree.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// For `CLONE_INTO_CGROUP`.
    pub fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Kills every process in it and below, those that are forking too.
    ///
    /// # Errors
    /// Those of writing `cgroup.kill`.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.kill"), "1")
    }

    /// Whether a process lives in it or below. One that is gone is not populated.
    pub fn is_populated(&self) -> bool {
        proc::read(self.folder.join("cgroup.events")).is_ok_and(|events| is_of_populated(&events))
    }

    /// For waiting: its exceptional condition (`POLLPRI`) tells a change of [`Self::is_populated`].
    ///
    /// # Errors
    /// Those of open(2).
    pub fn events(&self) -> io::Result<fs::File> {
        fs::File::open(self.folder.join("cgroup.events"))
    }

    /// Processes in it and below, now.
    pub fn processes(&self) -> Vec<Pid> {
        let mut pids = Vec::new();
        collect(&self.folder, &mut pids);
        pids
    }

    /// Whether a process is in it or below, as `/proc/PID/cgroup` says.
    pub fn holds(&self, pid: Pid) -> bool {
        let Ok(text) = read_text(format!("/proc/{pid}/cgroup")) else { return false };
        own_cgroup(&text).is_some_and(|path| self.is_around(&path))
    }

    /// Whether a path, as `/proc/PID/cgroup` shows it, is its own or leads below it.
    pub fn is_around(&self, path: &str) -> bool {
        let found = path.split_once(&format!("/{}", self.path));
        found.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
    }

    /// Removes it with what is below, once nothing lives there; false if something does.
    pub fn remove(&self) -> bool {
        remove_below(&self.folder)
    }
}

fn collect(folder: &Path, pids: &mut Vec<Pid>) {
    let text = read_text(folder.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw));
    for entry in subfolders(folder) {
        collect(&entry, pids);
    }
}

fn remove_below(folder: &Path) -> bool {
    for entry in subfolders(folder) {
        remove_below(&entry);
    }
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// The first cgroup2 mount of a mountinfo text (`proc_pid_mountinfo(5)`).
fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        (right.split(' ').next()? == "cgroup2").then(|| left.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The v2 entry of a cgroup text (`0::PATH`, cgroups(7)).
pub fn own_cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Whether the text of `cgroup.events` tells of a process in the cgroup or below (cgroup-v2.rst).
pub fn is_of_populated(events: &[u8]) -> bool {
    events.split(|byte| *byte == b'\n').any(|line| line == b"populated 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_mount_is_found_among_hybrid_ones() {
        let text = "30 23 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
                    41 23 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 master:2 - cgroup2 cgroup rw\n";
        assert_eq!(mount_point(text), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_point("30 23 0:26 / /sys rw - sysfs sysfs rw\n"), None);
    }

    #[test]
    fn only_processes_below_a_session_are_in_a_session() {
        let subtree = Subtree { folder: PathBuf::new(), name: "/jit-sudo".to_owned() };
        for (path, inside) in [
            ("/jit-sudo/s-1", true),
            ("/jit-sudo/s-1/s-2", true),
            ("/jit-sudo/supervisor", false),
            ("/jit-sudox/s-1", false),
            ("/user.slice", false),
        ] {
            assert_eq!(subtree.holds_session(&format!("1:cpu:/x\n0::{path}\n")), inside, "{path}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_subtree_is_refused() {
        let subtree = Subtree { folder: PathBuf::from("/nonexistent"), name: String::new() };
        for path in ["", "/s-1", "../x", "s-1/../../x", "./s-1"] {
            assert_eq!(subtree.create(path).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
