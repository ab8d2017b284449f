//! The program that must succeed before a file is saved, such as `visudo -c -f {}`.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, Command, Stdio};

use jit_protocol::edit::{CHECK, Channel, Kind, MAX_OUTPUT};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::signals::Held;

/// What stands for the path of the new contents.
const PLACE: &[u8] = b"{}";

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Check {
    words: Vec<OsString>,
}

impl Check {
    /// As the agent tells it: words, one a line.
    pub(crate) fn new(text: &OsStr) -> Self {
        let words =
            text.as_bytes().split(|byte| *byte == b'\n').map(|word| OsString::from_vec(word.to_vec()));
        Self { words: words.collect() }
    }

    /// Runs it, and sends what it says to the helper; whether it succeeded.
    ///
    /// It starts in the root folder: many programs load code from where they start, and that is the person's choice.
    ///
    /// # Errors
    /// `Interrupted` if a signal came, which is its end as well; those of running a program.
    pub(crate) fn succeeds<F: AsFd>(
        &self,
        channel: &Channel<F>,
        path: &OsStr,
        held: &Held,
    ) -> io::Result<bool> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (said, says) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|word| with_path(word, path))).env_remove(CHECK).current_dir("/");
        command.stdin(Stdio::null()).stdout(says.try_clone()?).stderr(says);
        let mut child = command.spawn()?;
        drop(command); // the other end of the pipe is in there
        let heard = hear(&child, said, channel, held);
        if heard.is_err() {
            let _ = child.kill();
        }
        let status = child.wait()?;
        heard.map(|()| status.success())
    }
}

/// Sends what a check says until it has ended, whatever it leaves behind. All of it is read, so that it does not wait for a
/// reader; and so much of it shown.
fn hear<F: AsFd>(child: &Child, mut said: PipeReader, channel: &Channel<F>, held: &Held) -> io::Result<()> {
    let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let (mut buffer, mut shown, mut is_open) = (vec![0; 4096], 0, true);
    loop {
        let mut files = vec![PollFd::new(&end, PollFlags::IN)];
        if is_open {
            files.push(PollFd::new(&said, PollFlags::IN));
        }
        held.wait(&mut files)?;
        let is_ready = |at: usize| files.get(at).is_some_and(|file| !file.revents().is_empty());
        let (has_ended, speaks) = (is_ready(0), is_ready(1));
        if has_ended && (!speaks || shown == MAX_OUTPUT) {
            return Ok(());
        }
        if speaks {
            let length = said.read(&mut buffer)?;
            is_open = length > 0;
            let part = buffer.get(..length.min(MAX_OUTPUT - shown)).unwrap_or_default();
            if !part.is_empty() {
                shown += part.len();
                held.wait(&mut vec![PollFd::new(channel, PollFlags::OUT)])?;
                channel.send(Kind::Output, 0, part)?;
            }
        }
    }
}

fn with_path(word: &OsStr, path: &OsStr) -> OsString {
    let word = word.as_bytes();
    match word.windows(PLACE.len()).position(|window| window == PLACE) {
        None => OsString::from_vec(word.to_vec()),
        Some(at) => {
            let (before, after) = (word.get(..at), word.get(at + PLACE.len()..));
            let parts = [before.unwrap_or_default(), path.as_bytes(), after.unwrap_or_default()];
            OsString::from_vec(parts.concat())
        }
    }
}
