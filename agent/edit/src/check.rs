//! The program that must succeed before a file is saved, such as `visudo -c -f {}`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Stdio};

use jit_protocol::edit::{CHECK, Channel, Kind, MAX_OUTPUT};

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
    pub(crate) fn succeeds<F: AsFd>(&self, channel: &Channel<F>, path: &OsStr) -> io::Result<bool> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (mut said, says) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|word| with_path(word, path))).env_remove(CHECK);
        command.stdin(Stdio::null()).stdout(says.try_clone()?).stderr(says);
        let mut child = command.spawn()?;
        drop(command); // the other end of the pipe is in there
        // All of it is read, so that the check does not wait for a reader; and so much of it shown.
        let (mut buffer, mut shown) = (vec![0; 4096], 0);
        while let Ok(length @ 1..) = said.read(&mut buffer) {
            let part = buffer.get(..length.min(MAX_OUTPUT - shown)).unwrap_or_default();
            if !part.is_empty() {
                shown += part.len();
                channel.send(Kind::Output, 0, part)?;
            }
        }
        Ok(child.wait()?.success())
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
