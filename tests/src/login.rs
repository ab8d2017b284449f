//! Doing things in a guest as one of its users.

use std::path::PathBuf;
use std::time::Duration;

use crate::guest::Guest;
use crate::process::{DEADLINE, Outcome, run};
use crate::terminal::{self, Terminal};

/// A user at the guest's door. Each way in is a new login session, through PAM and logind.
pub struct Login<'guest> {
    guest: &'guest Guest,
    user: String,
    input: Vec<u8>,
    deadline: Duration,
}

impl<'guest> Login<'guest> {
    pub(crate) fn new(guest: &'guest Guest, user: &str) -> Self {
        Self { guest, user: user.to_owned(), input: Vec::new(), deadline: DEADLINE }
    }

    /// Puts this on stdin.
    #[must_use]
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Changes the deadline.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// A login shell runs this, without a terminal.
    pub fn run(self, script: &str) -> Outcome {
        let words = ["runuser", "--login", &self.user, "--command", script];
        let mut outcome = run(self.guest.command(&words), &self.input, self.deadline);
        outcome.what = format!("guest {} {}$ {script}", self.guest.release(), self.user);
        outcome
    }

    /// A login shell runs this on a terminal of the guest's own, which belongs to the user as after `login`.
    ///
    /// # Panics
    /// If there is no terminal to be had.
    pub fn terminal(self, script: &str) -> Terminal {
        let root = PathBuf::from(format!("/proc/{}/root", self.guest.init()));
        let pair = terminal::open(&root.join("dev/pts/ptmx")).expect("the guest has terminals");
        let name = rustix::pty::ptsname(&pair.master, Vec::new()).expect("a terminal has a name");
        let name = name.to_string_lossy().into_owned();
        self.guest.sh(&format!("chown {} {name}", self.user)).success();
        // runuser's --command would leave the terminal (setsid); --session-command stays.
        let login = ["runuser", "--login", &self.user, "--session-command", script];
        let words: Vec<&str> = ["setsid", "--ctty", "--wait"].into_iter().chain(login).collect();
        Terminal::start(pair, self.guest.command(&words))
    }

    /// Comes in by ssh (with a key) and has sshd run this, without a terminal.
    pub fn ssh(self, script: &str) -> Outcome {
        let words = ["ssh", "-T", &format!("{}@127.0.0.1", self.user), script];
        let mut outcome = run(self.guest.command(&words), &self.input, self.deadline);
        outcome.what = format!("guest {} {}@ssh$ {script}", self.guest.release(), self.user);
        outcome
    }

    /// Comes in by ssh with a terminal (`ssh -t`).
    ///
    /// # Panics
    /// If there is no terminal to be had.
    pub fn ssh_terminal(self, script: &str) -> Terminal {
        let root = PathBuf::from(format!("/proc/{}/root", self.guest.init()));
        let pair = terminal::open(&root.join("dev/pts/ptmx")).expect("the guest has terminals");
        let there = format!("{}@127.0.0.1", self.user);
        let words = ["setsid", "--ctty", "--wait", "ssh", "-t", &there, script];
        Terminal::start(pair, self.guest.command(&words))
    }
}
