//! `-e`: a copy of each file is edited by the invoking user's own editor, which has no privilege at all, and what was changed
//! goes back to our program that runs as the target user.
//!
//! ```text
//! editor.rs   which editor
//! copies.rs   the copies, and whether they were changed
//! work.rs     from the first contents to the last that are saved
//! talk.rs     waiting for the other end, the monitor, signals and the editor
//! ```
//! Whatever happens, what the person has typed is not lost: a copy that was changed and not saved stays, and they are told where.

mod copies;
mod editor;
mod talk;
mod work;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use jit_protocol::client::Connection;
use jit_protocol::edit::{Channel, MAX_FILES, pair};
use jit_protocol::request::Request;
use nix::sys::signal::Signal;

use crate::conversation::Outcome;
use crate::messages::Messages;
use crate::options::Asked;
use crate::request;
use crate::terminal::Terminal;
use copies::Copies;
use talk::Talk;
use work::Work;

/// An edit that is asked for.
#[derive(Debug)]
pub(crate) struct Edit {
    editor: Vec<OsString>,
    files: Vec<OsString>,
    /// `-D`: where the editor is started.
    folder: Option<OsString>,
    ours: Option<Channel<OwnedFd>>,
    theirs: Option<OwnedFd>,
}

/// Why an edit ends before all is saved.
#[derive(Debug)]
enum Stop {
    /// The other end is gone: the session has ended.
    Ended,
    /// The other end says so.
    Refused(String),
    /// A signal ends this process.
    Killed(Signal),
    /// Something failed here.
    Failed(String),
}

impl Stop {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Failed("jit-edit speaks another protocol".to_owned()),
            _ => Self::Ended,
        }
    }
}

impl Edit {
    /// Chooses the editor, before anybody is asked for a password.
    ///
    /// # Errors
    /// What to say and what to do.
    pub(crate) fn prepare(
        asked: &Asked,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, (String, &'static str)> {
        let files: Vec<OsString> = asked.command.iter().skip(1).cloned().collect();
        if files.len() > MAX_FILES {
            return Err((format!("more than {MAX_FILES} files cannot be edited at once"), ""));
        }
        let editor = editor::choose(variable)?;
        let (ours, theirs) = pair().map_err(|error| (format!("no socket can be made: {error}"), ""))?;
        let (ours, theirs) = (Some(ours), Some(theirs));
        Ok(Self { editor, files, folder: asked.folder.clone(), ours, theirs })
    }

    /// Sends the request. What runs speaks to us alone: it gets no terminal and no file of ours.
    ///
    /// # Errors
    /// As [`request::send`].
    pub(crate) fn send(&mut self, connection: &Connection, request: Request) -> io::Result<()> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        // Closed here afterwards, so that the end of the other one is seen.
        let theirs = self.theirs.take().ok_or(io::ErrorKind::BrokenPipe)?;
        request::send(connection, request, [theirs.as_fd(), theirs.as_fd(), null.as_fd()])
    }

    /// Edits, from the first contents to the last that are saved.
    pub(crate) fn run(
        &mut self,
        connection: &Connection,
        messages: &mut Messages<'_>,
        terminal: Option<&Terminal>,
    ) -> Outcome {
        let Some(channel) = self.ours.take() else { return Outcome::REFUSED };
        let prepared = Talk::new(connection, &channel).and_then(|talk| Ok((talk, Copies::new()?)));
        let (talk, copies) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                messages.refusal(&format!("no copies can be made: {error}"), "");
                return Outcome::REFUSED;
            }
        };
        let terminal = terminal.filter(|_| messages.person);
        let mut work =
            Work { edit: self, channel: &channel, connection, talk, copies, messages, terminal, errors: 0 };
        let outcome = work.run();
        let Work { mut talk, copies, .. } = work;
        drop(copies);
        if outcome.is_ok() {
            // Its end is the other one's, and then the monitor's.
            let _ = rustix::net::shutdown(&channel, rustix::net::Shutdown::Both);
            talk.finish();
        }
        outcome.unwrap_or_else(|broken_off| broken_off)
    }
}
