//! A program on a real terminal, driven from the test as a person would.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::process::{Outcome, wait};

/// How long to wait for a text or for the end unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with a program on it. Dropped, the terminal hangs up.
pub struct Terminal {
    /// The only owner: whoever reads from it holds it no longer than that takes.
    master: Arc<File>,
    child: Child,
    what: String,
    incoming: Receiver<Vec<u8>>,
    screen: Vec<u8>,
    /// Up to where `expect` has read.
    seen: usize,
    started: Instant,
    echo: bool,
    printed: usize,
}

/// Both ends of a new terminal, before a program is on it.
pub struct Pair {
    /// Ours.
    pub master: OwnedFd,
    /// The program's.
    pub slave: OwnedFd,
}

/// A new terminal of the `devpts` that this `ptmx` belongs to.
///
/// # Errors
/// Whatever the kernel says.
pub fn open(ptmx: &Path) -> std::io::Result<Pair> {
    let master = rustix::fs::open(ptmx, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    rustix::termios::tcsetwinsize(&slave, window(24, 80))?;
    Ok(Pair { master, slave })
}

impl Terminal {
    /// Starts the command with all three of its standard streams on this terminal. The command itself has to make it
    /// its controlling terminal: `setsid --ctty`.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(pair: Pair, mut command: Command) -> Self {
        let what = format!("{command:?} (on a terminal)");
        let slave = |fd: &OwnedFd| fd.try_clone().expect("a descriptor can be duplicated");
        command.stdin(slave(&pair.slave)).stdout(slave(&pair.slave)).stderr(slave(&pair.slave));
        let child = command.spawn().unwrap_or_else(|error| panic!("can't start {what}: {error}"));
        drop((command, pair.slave));
        let master = Arc::new(File::from(pair.master));
        let reader = Arc::downgrade(&master);
        let (send, incoming) = channel();
        std::thread::spawn(move || while read_some(&reader, &send).is_some() {});
        let started = Instant::now();
        Self { master, child, what, incoming, screen: Vec::new(), seen: 0, started, echo: false, printed: 0 }
    }

    /// Copies what appears from now on to our own stdout as it comes, for a person who watches.
    #[must_use]
    pub fn echoing(mut self) -> Self {
        self.echo = true;
        self.printed = self.screen.len();
        self
    }

    /// Types this, without a newline.
    pub fn type_text(&mut self, text: &str) -> &mut Self {
        (&*self.master)
            .write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("can't type {text:?}: {error}"));
        self
    }

    /// Types this and presses enter.
    pub fn type_line(&mut self, text: &str) -> &mut Self {
        self.type_text(&format!("{text}\r"))
    }

    /// Presses Ctrl and this letter.
    pub fn press_ctrl(&mut self, letter: char) -> &mut Self {
        let code = u32::from(letter.to_ascii_uppercase()).checked_sub(64).and_then(char::from_u32);
        self.type_text(&code.expect("a letter").to_string())
    }

    /// Changes the size of the window: the kernel sends SIGWINCH.
    pub fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        rustix::termios::tcsetwinsize(self.master.as_fd(), window(rows, columns))
            .expect("a terminal has a size");
        self
    }

    /// Waits until this text appears after the last one that was waited for.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> &mut Self {
        let found = self.appears(text, PATIENCE);
        assert!(found, "expected on the screen: {text:?}\n{}\nthe screen:\n{}", self.what, self.shown());
        self
    }

    /// Whether this text appears within that time.
    pub fn appears(&mut self, text: &str, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            let fresh = self.screen.get(self.seen..).unwrap_or_default();
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.seen += at + text.len();
                return true;
            }
            if !self.receive(end) {
                return false;
            }
        }
    }

    /// All that was printed so far, with control characters escaped.
    pub fn shown(&self) -> String {
        let lines = String::from_utf8_lossy(&self.screen);
        lines.lines().map(|line| format!("  {}", line.escape_debug())).collect::<Vec<_>>().join("\n")
    }

    /// Process id of the program that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the program; its screen is the outcome's stdout, with plain newlines.
    pub fn finish(mut self) -> Outcome {
        let end = Instant::now() + PATIENCE;
        let status = wait(&mut self.child, end);
        let took = self.started.elapsed();
        // What it left behind may hold the terminal open.
        let rest = Instant::now() + Duration::from_secs(2);
        while self.receive(rest) {}
        let stdout = String::from_utf8_lossy(&self.screen).replace("\r\n", "\n");
        Outcome { what: self.what.clone(), status, stdout, stderr: String::new(), took }
    }

    /// Waits for the end, whatever it is.
    pub fn hang_up(self) {
        drop(self.finish());
    }

    fn receive(&mut self, end: Instant) -> bool {
        match self.incoming.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => {
                self.screen.extend_from_slice(&bytes);
                self.copy();
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    fn copy(&mut self) {
        if self.echo {
            let mut out = std::io::stdout();
            let _ = out.write_all(self.screen.get(self.printed..).unwrap_or_default());
            let _ = out.flush();
            self.printed = self.screen.len();
        }
    }
}

/// Hands on what can be read within a moment; none: that was all.
fn read_some(terminal: &Weak<File>, to: &Sender<Vec<u8>>) -> Option<()> {
    const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let terminal = terminal.upgrade()?;
    let mut ready = [PollFd::new(&*terminal, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut ready, Some(&MOMENT))).ok()? == 0 {
        return Some(());
    }
    let mut buffer = vec![0; 16 * 1024];
    match (&*terminal).read(&mut buffer) {
        Ok(count @ 1..) => to.send(buffer.get(..count)?.to_vec()).ok(),
        _ => None, // EIO: the last process has closed its end
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Terminal {
        // Whatever this process ignores.
        let mut command = Command::new("env");
        command.args(["--default-signal", "setsid", "--ctty", "--wait", "sh", "-c", script]);
        Terminal::start(open(Path::new("/dev/ptmx")).unwrap(), command)
    }

    #[test]
    fn a_program_sees_a_terminal_and_what_is_typed() {
        let mut terminal = shell("test -t 0 && read -p 'name: ' name; echo hello $name; exit 4");
        terminal.expect("name: ").type_line("alice").expect("hello alice");
        terminal.finish().exits(4);
    }

    #[test]
    fn dropped_it_hangs_up() {
        let mark = std::env::temp_dir().join(format!("hangup-{}", std::process::id()));
        let script =
            format!("trap 'touch {}; exit' HUP; echo ready; while :; do sleep 0.1; done", mark.display());
        let mut terminal = shell(&script);
        terminal.expect("ready");
        drop(terminal);
        let end = Instant::now() + PATIENCE;
        while !mark.exists() {
            assert!(Instant::now() < end, "no SIGHUP");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(mark).unwrap();
    }

    #[test]
    fn ctrl_c_and_the_window_size_reach_it() {
        let mut terminal = shell(
            "trap 'stty size; exit 5' WINCH; trap 'echo caught' INT; echo ready; while :; do sleep 0.1; done",
        );
        terminal.expect("ready").press_ctrl('c').expect("caught").resize(33, 101).expect("33 101");
        terminal.finish().exits(5);
    }
}
