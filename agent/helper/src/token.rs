//! `--token`, whose text the agent reads; and what `jitctl token request` starts this program for.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};

use jit_protocol::brief::Brief;
use jit_protocol::request::{Request, Wish};
use jit_protocol::token::MAX_TOKEN;

use crate::ahead::{ask_agent, misunderstood};
use crate::options::Asked;

/// The text of a file, or with `-` of standard input, all of it: the command finds nothing there.
///
/// # Errors
/// In words.
pub(crate) fn read(file: &OsStr) -> Result<String, String> {
    let mut text = String::new();
    let most = MAX_TOKEN as u64 + 1;
    let from: Box<dyn Read> = if file == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|error| failed(file, &error))?)
    };
    from.take(most).read_to_string(&mut text).map_err(|error| failed(file, &error))?;
    Ok(text)
}

fn failed(file: &OsStr, error: &io::Error) -> String {
    let shown = jit_protocol::escape(file.as_encoded_bytes());
    format!("the token in {shown} cannot be read: {error}")
}

/// What is to be signed, as the agent makes it.
///
/// # Errors
/// What happened, and what to do.
pub(crate) fn make(
    asked: Asked,
    (not_before, valid): (Option<String>, Option<u64>),
) -> Result<String, (String, String)> {
    match ask_agent(asked, |asked| Request::Token(Box::new(Wish { asked, not_before, valid })))? {
        Brief::Token { text } => Ok(text),
        _ => Err(misunderstood()),
    }
}
