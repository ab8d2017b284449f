//! A terminal for the contenders, with somebody at the other end who reads.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::Done;

/// The controlling terminal of this process and so of what it starts. All that is printed on it is read at once.
pub(crate) struct Terminal {
    slave: OwnedFd,
}

impl Terminal {
    /// Makes one, and makes it ours.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn take() -> Done<Self> {
        Self::open().map_err(|error| format!("a terminal: {error}"))
    }

    fn open() -> rustix::io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        // It fails for a process that leads a session already, which is as good.
        let _ = rustix::process::setsid();
        rustix::process::ioctl_tiocsctty(&slave)?;
        std::thread::spawn(move || drain(master));
        Ok(Self { slave })
    }

    /// The program's end, for a standard stream.
    ///
    /// # Errors
    /// There are too many descriptors.
    pub(crate) fn slave(&self) -> Done<Stdio> {
        self.slave.try_clone().map(Stdio::from).map_err(|error| format!("a terminal: {error}"))
    }
}

fn drain(master: OwnedFd) {
    let mut master = std::fs::File::from(master);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(1..) = master.read(&mut buffer) {}
}
