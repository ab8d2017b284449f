//! A cgroup of our own as the root of all that is seen, so that others who test on this machine are not met.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// Left again when dropped. To be entered in a mount namespace of our own.
pub(crate) struct Home {
    /// The whole tree's root, which is mounted nowhere here.
    outside: fs::File,
    name: String,
}

impl Home {
    pub(crate) fn enter() -> Self {
        let mount_point = mounts().into_iter().next().expect("these tests need cgroup v2");
        let outside = fs::File::open(&mount_point).unwrap();
        unmount();
        let home = Self { outside, name: format!("jit-session-{}", std::process::id()) };
        fs::create_dir(home.path("")).unwrap();
        fs::write(home.path("cgroup.procs"), "0").unwrap();
        unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
        let kind = Some("cgroup2");
        mount(kind, mount_point.as_str(), kind, MsFlags::empty(), None::<&str>).unwrap();
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root().join(&self.name).join(below)
    }

    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.outside.as_raw_fd()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::write(self.root().join("cgroup.procs"), "0");
        let _ = fs::write(self.path("cgroup.kill"), "1"); // idle monitors that are about to go
        let end = Instant::now() + Duration::from_secs(20);
        while self.path("").exists() && Instant::now() < end {
            let sessions = fs::read_dir(self.path("jit-sudo")).into_iter().flatten().flatten();
            let below = sessions.map(|session| session.path());
            for folder in below.chain([self.path("jit-sudo"), self.path("")]) {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// A host without cgroup v2.
pub(crate) fn unmount() {
    for mount in mounts() {
        umount2(mount.as_str(), MntFlags::MNT_DETACH).unwrap();
    }
}

fn mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let v2 = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    v2.filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
}
