//! A terminal for the contenders.

use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::process::Command;

use jit_bench::{Contender, Streams};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::Done;
use crate::drain::Drain;

/// The controlling terminal of this process and so of what it starts. Open until the end of the process, which would
/// end by SIGHUP with it.
pub(crate) struct Terminal {
    slave: ManuallyDrop<OwnedFd>,
    pub(crate) drain: Drain,
}

impl Terminal {
    /// Makes one, and makes it ours, if any of these wants one.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn wanted(contenders: &[Contender]) -> Done<Option<Self>> {
        let wanted = contenders.iter().any(|contender| contender.streams == Streams::Terminal);
        wanted.then(Self::take).transpose().map_err(|error| format!("a terminal: {error}"))
    }

    fn take() -> rustix::io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        // It fails for a process that leads a session already, which is as good.
        let _ = rustix::process::setsid();
        rustix::process::ioctl_tiocsctty(&slave)?;
        Ok(Self { slave: ManuallyDrop::new(slave), drain: Drain::start(master) })
    }

    /// Puts all standard streams of a command on it.
    ///
    /// # Errors
    /// There are too many descriptors.
    pub(crate) fn give(&self, command: &mut Command) -> Done<()> {
        let slave = || self.slave.try_clone().map_err(|error| format!("a terminal: {error}"));
        command.stdin(slave()?).stdout(slave()?).stderr(slave()?);
        Ok(())
    }
}
