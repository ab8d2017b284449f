//! What `jitctl request` starts this program for: a grant is asked for ahead of time.

use std::io::ErrorKind;
use std::path::Path;

use jit_protocol::ask::ask;
use jit_protocol::brief::Brief;
use jit_protocol::client::Connection;
use jit_protocol::paths;
use jit_protocol::request::{Ahead, Elevate, Request};

use crate::options::Asked;
use crate::{no_agent, request as complete};

/// The request's id, and how it stands.
///
/// # Errors
/// What happened, and what to do.
pub(crate) fn request(asked: Asked, from: Option<String>) -> Result<(String, String), (String, String)> {
    match ask_agent(asked, |asked| Request::Ask(Box::new(Ahead { asked, from })))? {
        Brief::Asked { request, what } => Ok((request, what)),
        _ => Err(misunderstood()),
    }
}

/// Asks about a command that is not to run now.
///
/// # Errors
/// What happened, and what to do.
pub(crate) fn ask_agent(
    asked: Asked,
    request: impl FnOnce(Elevate) -> Request,
) -> Result<Brief, (String, String)> {
    let told = |(what, hint): (String, &str)| (what, hint.to_owned());
    let no_folder = |error| (format!("the working folder has no path: {error}"), String::new());
    let asked = complete::complete(asked, None, false).map_err(no_folder)?;
    let connection =
        Connection::open(Path::new(paths::AGENT_SOCKET)).map_err(|error| told(no_agent(&error)))?;
    match ask(&connection, request(asked)) {
        Ok(Brief::Refused { what, hint }) => Err((what, hint)),
        Ok(response) => Ok(response),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(misunderstood()),
        Err(error) => Err(told(no_agent(&error))),
    }
}

pub(crate) fn misunderstood() -> (String, String) {
    ("the agent answered something else than was asked".to_owned(), String::new())
}
