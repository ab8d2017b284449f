//! Pseudo-terminals of ours, and telling terminals apart without touching them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fstat, major};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr,
    tcsetwinsize,
};

/// A pseudo-terminal: what the command holds, and our end of it.
#[derive(Debug)]
pub struct Pty {
    /// Our end.
    pub master: OwnedFd,
    /// The command's.
    pub slave: OwnedFd,
}

/// Size and settings to start with, as the helper's terminal has them.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
    pub flags: [u32; 4],
    /// `c_cc`; empty: leave the kernel's defaults for all settings.
    pub control_characters: &'a [u8],
}

/// Opens a new pseudo-terminal. The slave is opened through its master (`TIOCGPTPEER`), never by a name.
///
/// # Errors
/// Those of ptmx(4) and termios(3).
pub fn open(settings: Settings<'_>) -> io::Result<Pty> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    set_size(&master, settings.rows, settings.columns)?;
    if !settings.control_characters.is_empty() {
        let mut termios = tcgetattr(&slave)?;
        let [input, output, control, local] = settings.flags;
        termios.input_modes = InputModes::from_bits_retain(input);
        termios.output_modes = OutputModes::from_bits_retain(output);
        // The line's speed, size and parity mean nothing on a pty; only what does is taken over.
        termios.control_modes |= ControlModes::from_bits_retain(control) & ControlModes::HUPCL;
        termios.local_modes = LocalModes::from_bits_retain(local);
        copy_control_characters(&mut termios, settings.control_characters);
        tcsetattr(&slave, OptionalActions::Now, &termios)?;
    }
    Ok(Pty { master, slave })
}

/// Gives a terminal to a user: what looks it up by its name opens it as the one that login(1) would give.
///
/// # Errors
/// Those of fchown(2).
pub fn give(terminal: impl AsFd, uid: u32) -> io::Result<()> {
    Ok(rustix::fs::fchown(terminal, Some(rustix::fs::Uid::from_raw(uid)), None)?)
}

/// Sets the size; the foreground process group gets `SIGWINCH` if it changed.
///
/// # Errors
/// Those of `TIOCSWINSZ`.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    Ok(tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// Makes a terminal the controlling one of this process, a session leader without one (`TIOCSCTTY`).
///
/// # Errors
/// Those of `TIOCSCTTY`.
pub fn become_controlling(terminal: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(terminal)?)
}

/// Whether a descriptor is a terminal, told by its device number alone: an ioctl(2) on what a user chose could block
/// or do something.
///
/// # Errors
/// Those of fstat(2).
pub fn is_terminal(file: impl AsFd) -> io::Result<bool> {
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
        return Ok(false);
    }
    // Documentation/admin-guide/devices.txt: virtual consoles and serial lines, /dev/tty and /dev/console, pty
    // slaves, and the serial lines of USB, hypervisors and ARM.
    Ok(matches!(major(stat.st_rdev), 4 | 5 | 136..=143 | 166 | 188 | 204 | 229))
}

/// A descriptor's status flags say that it is a mere handle (`O_PATH`), not an open file.
pub fn is_path_only(file: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::PATH))
}

fn copy_control_characters(termios: &mut rustix::termios::Termios, characters: &[u8]) {
    use rustix::termios::SpecialCodeIndex as Code;
    const CODES: [(Code, usize); 17] = [
        (Code::VINTR, libc::VINTR),
        (Code::VQUIT, libc::VQUIT),
        (Code::VERASE, libc::VERASE),
        (Code::VKILL, libc::VKILL),
        (Code::VEOF, libc::VEOF),
        (Code::VTIME, libc::VTIME),
        (Code::VMIN, libc::VMIN),
        (Code::VSWTC, libc::VSWTC),
        (Code::VSTART, libc::VSTART),
        (Code::VSTOP, libc::VSTOP),
        (Code::VSUSP, libc::VSUSP),
        (Code::VEOL, libc::VEOL),
        (Code::VREPRINT, libc::VREPRINT),
        (Code::VDISCARD, libc::VDISCARD),
        (Code::VWERASE, libc::VWERASE),
        (Code::VLNEXT, libc::VLNEXT),
        (Code::VEOL2, libc::VEOL2),
    ];
    for (code, at) in CODES {
        if let Some(character) = characters.get(at) {
            termios.special_codes[code] = *character;
        }
    }
}

/// The number of a descriptor, for `/proc/self/fd`.
pub fn proc_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
