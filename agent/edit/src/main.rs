//! `jit-edit`: opens the files of an edit, hands their contents to the helper, and saves what it sends back.
//!
//! It is what the target user runs in an edit; the editor is the helper's, and runs as the invoking user. Which files these
//! are was decided before: they are its arguments. What comes from the helper is contents, and never a path.
//!
//! ```text
//! original.rs   a file as it was opened, and whether it still is that one
//! stage.rs      new contents, beside the file where that is possible
//! save.rs       from new contents to the saved file: attributes, check, then rename, or writing over it
//! check.rs      the program that must succeed first
//! ```
#![forbid(unsafe_code)]

mod check;
mod original;
mod save;
mod signals;
mod stage;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;

use jit_protocol::edit::{CHECK, Channel, Kind, MAX_FILES};

use crate::check::Check;
use crate::original::Original;

fn main() -> ExitCode {
    let files: Vec<OsString> = std::env::args_os().skip(1).collect();
    let check = std::env::var_os(CHECK).map(|text| Check::new(&text));
    match serve(&Channel::over(rustix::stdio::stdin()), &files, check.as_ref()) {
        Ok(true) => ExitCode::SUCCESS,
        // Nobody is there to be told.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Serves one edit; false if it could not begin, which the helper was told.
fn serve<F: AsFd>(channel: &Channel<F>, files: &[OsString], check: Option<&Check>) -> io::Result<bool> {
    let mut originals = Vec::with_capacity(files.len());
    if files.is_empty() || files.len() > MAX_FILES {
        channel.send(Kind::Refused, 0, b"no files to edit, or too many")?;
        return Ok(false);
    }
    // All are opened before any is sent: it is all of them or none.
    for file in files {
        match Original::open(file) {
            Ok(original) => originals.push(original),
            Err(why) => {
                channel.send(Kind::Refused, 0, format!("{}: {why}", file.to_string_lossy()).as_bytes())?;
                return Ok(false);
            }
        }
    }
    for original in &originals {
        channel.send(Kind::File, u32::from(original.is_new()), &[])?;
        if let Err(why) = channel.send_contents(&mut original.contents(), || Ok(()))? {
            let text = format!("{}: {why}", original.path().to_string_lossy());
            channel.send(Kind::Refused, 0, text.as_bytes())?;
            return Ok(false);
        }
    }
    channel.send(Kind::Ready, 0, &[])?;
    loop {
        let message = match channel.receive() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            other => other?,
        };
        let number = usize::try_from(message.value).ok().filter(|_| message.kind == Kind::Save);
        let original = number.and_then(|number| originals.get_mut(number));
        let original = original.ok_or(io::ErrorKind::InvalidData)?;
        match save::save(channel, original, check)? {
            Ok(()) => channel.send(Kind::Saved, 0, &[])?,
            Err(why) => {
                channel.send(Kind::NotSaved, u32::from(why.is_check()), why.to_string().as_bytes())?;
            }
        }
    }
}
