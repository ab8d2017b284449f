//! The request: what the command line asks for, with what this process is and has.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use jit_protocol::Bytes;
use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use rustix::fs::{CWD, Mode as Permissions, OFlags, openat};

use crate::options::Asked;
use crate::process;
use crate::terminal::{Pipeline, Terminal};

/// Completes what was asked for with the environment, the working folder and the terminal.
///
/// # Errors
/// A relative command in a working folder that no longer has a path.
pub(crate) fn complete(asked: Asked, terminal: Option<(&Terminal, Pipeline)>) -> io::Result<Elevate> {
    let cwd = std::env::current_dir();
    let path = match asked.command.first() {
        // What a shell is to run, the shell finds.
        Some(name) if asked.shell.is_none() && name.as_bytes().contains(&b'/') => Some(absolute(name, &cwd)?),
        _ => None,
    };
    // A folder that was removed still is one to start in; the kernel's link says what it was called.
    let cwd = cwd.or_else(|_| std::fs::read_link("/proc/self/cwd")).unwrap_or_default();
    let runs = asked.mode == Mode::Run;
    Ok(Elevate {
        mode: asked.mode,
        command: asked.command.into_iter().map(Bytes::from).collect(),
        shell: asked.shell,
        path,
        user: asked.user,
        group: asked.group,
        environment: environment(std::env::vars_os()),
        assignments: asked.assignments,
        preserve_environment: asked.preserve_environment,
        preserve_names: asked.preserve_names,
        reason: asked.reason,
        duration: asked.duration,
        rule: asked.rule,
        non_interactive: asked.non_interactive,
        ignore_record: asked.ignore_record,
        prompt: asked.prompt.map(Bytes::from),
        can_ask: asked.stdin || terminal.is_some(),
        terminal: terminal
            .filter(|_| runs)
            .and_then(|(terminal, pipeline)| terminal.describe(pipeline.began_in_foreground)),
        cwd: Bytes::from(cwd.into_os_string()),
        ignored_signals: if runs { process::ignored_signals() } else { Vec::new() },
    })
}

/// Sends the request, and for an elevation the descriptors of standard input, output, error and the working folder at
/// once: they wait in the socket for the monitor.
///
/// # Errors
/// `InvalidInput` if the request is too long; no working folder; those of sendmsg(2).
pub(crate) fn send(connection: &Connection, request: Request) -> io::Result<()> {
    let elevates = matches!(request, Request::Elevate(_));
    let nonce = if connection.expects_challenge() { Some(challenge(connection)?) } else { None };
    let text = serde_json::to_vec(&Envelope::new(request, nonce))?;
    connection.send_text(&text)?;
    if elevates {
        let cwd = working_folder()?;
        // None of the first three can be closed: the runtime opened /dev/null in the place of those that were.
        let files = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr(), cwd.as_fd()];
        connection.send_frame(&Frame::new(Kind::Descriptors, 0), &files)?;
    }
    Ok(())
}

fn challenge(connection: &Connection) -> io::Result<Bytes> {
    let (frame, _) = connection.receive_frame()?;
    match frame.kind {
        Kind::Challenge => Ok(Bytes::from(frame.first.as_slice())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no challenge")),
    }
}

/// By descriptor, which the monitor enters with our identity. The kernel's link serves where the name `.` may not be
/// looked up any more.
fn working_folder() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path| openat(CWD, path, flags, Permissions::empty());
    Ok(open(c".").or_else(|_| open(c"/proc/self/cwd"))?)
}

fn absolute(name: &OsString, cwd: &io::Result<PathBuf>) -> io::Result<Bytes> {
    if name.as_bytes().starts_with(b"/") {
        return Ok(Bytes::from(name.as_bytes()));
    }
    let cwd = cwd.as_ref().map_err(|error| io::Error::from(error.kind()))?;
    let mut path = cwd.clone().into_os_string().into_vec();
    path.push(b'/');
    path.extend_from_slice(name.as_bytes());
    Ok(Bytes::from(path))
}

/// Each name once: of two the first, as getenv(3) finds it.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(Bytes, Bytes)> {
    let mut all: Vec<(Bytes, Bytes)> = variables
        .map(|(name, value)| (Bytes::from(name), Bytes::from(value)))
        .filter(|(name, _)| !name.as_slice().is_empty() && !name.as_slice().contains(&b'='))
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other)); // stable
    all.dedup_by(|(later, _), (earlier, _)| later == earlier);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_variable_that_stands_twice_the_first_counts() {
        let pairs = [("B", "1"), ("A", "1"), ("B", "2"), ("=C", "x"), ("", "y")];
        let sent = environment(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(sent, [("A".into(), "1".into()), ("B".into(), "1".into())]);
    }

    #[test]
    fn a_relative_command_is_made_absolute_and_not_resolved() {
        let cwd = || Ok(PathBuf::from("/home/alice"));
        assert_eq!(absolute(&"./../x".into(), &cwd()).unwrap(), "/home/alice/./../x".into());
        assert_eq!(absolute(&"/usr/../bin/id".into(), &cwd()).unwrap(), "/usr/../bin/id".into());
        assert!(absolute(&"./x".into(), &Err(io::ErrorKind::NotFound.into())).is_err());
        assert!(absolute(&"/x".into(), &Err(io::ErrorKind::NotFound.into())).is_ok());
    }
}
