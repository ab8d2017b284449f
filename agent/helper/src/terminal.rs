//! The helper's own terminal: which one it is, its settings, and giving them back.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use jit_protocol::request;
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios};
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, dup, retry_on_intr};
use rustix::process::getpgrp;
use rustix::termios::{isatty, tcgetpgrp, tcgetwinsize};

/// How long a terminal that takes no output is waited for before a prompt or a star is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A terminal, opened by us: no flag that we set on it is anybody else's.
#[derive(Debug)]
pub(crate) struct Terminal {
    file: OwnedFd,
}

impl Terminal {
    /// The controlling terminal; without one, whichever of standard input, output and error is a terminal.
    pub(crate) fn find() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if let Ok(file) = openat(CWD, c"/dev/tty", flags, Mode::empty()) {
            return Some(Self { file });
        }
        let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let found = standard.into_iter().find(|file| isatty(file))?;
        // Opened anew for flags of our own. Where its owner is another user that fails; the descriptor itself serves
        // then, and waits for a terminal that takes no output.
        let anew = openat(CWD, format!("/proc/self/fd/{}", found.as_raw_fd()), flags, Mode::empty());
        anew.or_else(|_| dup(found)).ok().map(|file| Self { file })
    }

    #[cfg(test)]
    pub(crate) fn over(file: OwnedFd) -> Self {
        Self { file }
    }

    /// Rows and columns.
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        tcgetwinsize(&self.file).ok().map(|size| (size.ws_row, size.ws_col))
    }

    /// Whether it makes a line's end of every line feed that is written to it now.
    pub(crate) fn ends_lines(&self) -> bool {
        let wanted = OutputFlags::OPOST | OutputFlags::ONLCR;
        tcgetattr(&self.file).is_ok_and(|settings| settings.output_flags.contains(wanted))
    }

    /// Size and settings, for the command's terminal to start with.
    pub(crate) fn describe(&self, foreground: bool) -> Option<request::Terminal> {
        let (rows, columns) = self.size()?;
        let settings = tcgetattr(&self.file).ok()?;
        let flags = [
            settings.input_flags.bits(),
            settings.output_flags.bits(),
            settings.control_flags.bits(),
            settings.local_flags.bits(),
        ];
        let control_characters = settings.control_chars.to_vec();
        Some(request::Terminal { rows, columns, flags, control_characters, foreground })
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether this process is in its terminal's foreground. Of a terminal that controls no job of ours it always is.
pub(crate) fn is_foreground(terminal: BorrowedFd<'_>) -> bool {
    match tcgetpgrp(terminal) {
        Ok(group) => group == getpgrp(),
        Err(Errno::NOTTY) => true,
        Err(_) => false, // hung up, or its session has no foreground
    }
}

/// What else of a pipeline has to do with the terminal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pipeline {
    /// Standard input or output is a pipe: whoever is at its other end (a pager) may want the keys. Or standard input is
    /// /dev/null, as a shell has it for a script's job in the background: the terminal is the script's.
    pub(crate) shares_keys: bool,
    /// Standard output is no terminal: whoever writes to the terminal, in our place, writes plain lines.
    pub(crate) shares_output: bool,
    /// The command began in the foreground of its terminal, because we were in that of ours.
    pub(crate) began_in_foreground: bool,
}

impl Pipeline {
    /// As standard input and output are, and the terminal.
    pub(crate) fn of_this_process(terminal: &Terminal) -> Self {
        let is = |file, kind| fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind);
        let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let is_null = is(input, FileType::CharacterDevice) && !isatty(input);
        let shares_keys = is_null || is(input, FileType::Fifo) || is(output, FileType::Fifo);
        Self {
            shares_keys,
            shares_output: !isatty(output),
            began_in_foreground: !shares_keys && is_foreground(terminal.as_fd()),
        }
    }
}

/// Settings of a terminal that are ours for a while. They go back when this is dropped, on every way out, but for a
/// process in the background: there whoever has the terminal now has set it up.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
    ours: Termios,
    how: SetArg,
}

impl<'a> Settings<'a> {
    /// One line is read without echo, byte by byte. What was typed ahead is thrown away, here and when it ends, so that
    /// no part of a password is left for who reads next.
    ///
    /// # Errors
    /// Those of termios(3). In the background the kernel stops this process until it is in the foreground.
    pub(crate) fn hidden(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        Self::change(terminal, SetArg::TCSAFLUSH, |settings| {
            settings.local_flags &= !(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON);
            settings.local_flags |= LocalFlags::ISIG;
            one_byte_at_a_time(settings);
        })
    }

    /// One line is read with echo, edited by the kernel.
    ///
    /// # Errors
    /// As [`Self::hidden`].
    pub(crate) fn shown(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        Self::change(terminal, SetArg::TCSAFLUSH, |settings| {
            settings.local_flags |=
                LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ICANON | LocalFlags::ISIG;
            settings.input_flags |= InputFlags::ICRNL;
        })
    }

    /// Every byte goes through as it is. With `output` the terminal still processes what is written to it: somebody
    /// else of the pipeline writes there, and must not do so in stair steps.
    ///
    /// # Errors
    /// As [`Self::hidden`].
    pub(crate) fn raw(terminal: BorrowedFd<'a>, output: bool) -> io::Result<Self> {
        Self::change(terminal, SetArg::TCSANOW, |settings| {
            let processed = settings.output_flags;
            cfmakeraw(settings);
            if output {
                settings.output_flags = processed;
            }
            one_byte_at_a_time(settings);
        })
    }

    fn change(terminal: BorrowedFd<'a>, how: SetArg, change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut ours = before.clone();
        change(&mut ours);
        let settings = Self { terminal, before, ours, how };
        settings.apply()?;
        Ok(settings)
    }

    /// Sets them once more, after somebody else had the terminal.
    ///
    /// # Errors
    /// As [`Self::hidden`].
    pub(crate) fn apply(&self) -> io::Result<()> {
        loop {
            match tcsetattr(self.terminal, self.how, &self.ours) {
                Err(nix::errno::Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// A line end as the terminal needs it now.
    pub(crate) fn line_end(&self) -> &'static str {
        if self.ours.output_flags.contains(OutputFlags::OPOST) { "\n" } else { "\r\n" }
    }

    /// The character that `which` stands for, as the person has set it.
    pub(crate) fn character(&self, which: SpecialCharacterIndices) -> u8 {
        self.before.control_chars.get(which as usize).copied().unwrap_or_default()
    }
}

impl Drop for Settings<'_> {
    fn drop(&mut self) {
        if is_foreground(self.terminal) {
            // Nothing can be done about a failure: the terminal is gone.
            let _ = tcsetattr(self.terminal, self.how, &self.before);
        }
    }
}

fn one_byte_at_a_time(settings: &mut Termios) {
    for (which, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
        if let Some(character) = settings.control_chars.get_mut(which as usize) {
            *character = value;
        }
    }
}

/// Writes all, waiting a little for a terminal that takes nothing now; what it still does not take is lost.
pub(crate) fn write_patiently(file: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let patience = Timespec::try_from(PATIENCE).ok();
                let mut files = [PollFd::from_borrowed_fd(file, PollFlags::OUT)];
                if !matches!(retry_on_intr(|| poll(&mut files, patience.as_ref())), Ok(1..)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
