//! `--token`, whose text the agent reads; and what `jitctl token request` starts this program for.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jit_protocol::ask::ask;
use jit_protocol::client::Connection;
use jit_protocol::paths;
use jit_protocol::request::{Request, Wish};
use jit_protocol::response::Response;
use jit_protocol::token::MAX_TOKEN;

use crate::options::Asked;
use crate::{no_agent, request};

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
    let told = |(what, hint): (String, &str)| (what, hint.to_owned());
    let no_folder = |error| (format!("the working folder has no path: {error}"), String::new());
    let asked = request::complete(asked, None, false).map_err(no_folder)?;
    let connection =
        Connection::open(Path::new(paths::AGENT_SOCKET)).map_err(|error| told(no_agent(&error)))?;
    match ask(&connection, Request::Token(Box::new(Wish { asked, not_before, valid }))) {
        Ok(Response::Token { text }) => Ok(text),
        Ok(Response::Refused { what, hint }) => Err((what, hint)),
        Ok(_) => Err(("the agent answered something else than was asked".to_owned(), String::new())),
        Err(error) => Err(told(no_agent(&error))),
    }
}
