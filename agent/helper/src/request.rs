//! The request: what the command line asks for, with what this process is and has.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use jit_protocol::Bytes;
use jit_protocol::ask::nonce;
use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use rustix::fs::{CWD, Mode as Permissions, OFlags, Stat, openat, stat};

use crate::options::Asked;
use crate::process;
use crate::terminal::{Pipeline, Terminal};

/// Completes what was asked for with the environment, the working folder and the terminal. `can_ask`: there is a way to
/// ask the person.
///
/// # Errors
/// A relative command in a working folder that no longer has a path.
pub(crate) fn complete(
    asked: Asked,
    terminal: Option<(&Terminal, Pipeline)>,
    can_ask: bool,
) -> io::Result<Elevate> {
    let cwd = std::env::current_dir();
    let path = match asked.command.first() {
        // What a shell is to run, the shell finds.
        Some(name) if asked.shell.is_none() && !asked.edit && name.as_bytes().contains(&b'/') => {
            Some(absolute(name, &cwd)?)
        }
        _ => None,
    };
    let files = asked.command.iter().skip(1).map(|file| absolute(file, &cwd));
    let edit = asked.edit.then(|| files.collect::<io::Result<Vec<_>>>()).transpose()?;
    let folder = match &asked.folder {
        Some(folder) => Some(asked_folder(folder, &cwd)?),
        None => None,
    };
    // A folder that was removed still is one to start in; the kernel's link says what it was called.
    let cwd = cwd.or_else(|_| std::fs::read_link("/proc/self/cwd")).unwrap_or_default();
    let runs = asked.mode == Mode::Run;
    let has_terminal = runs && !asked.edit;
    Ok(Elevate {
        mode: asked.mode,
        command: asked.command.into_iter().map(Bytes::from).collect(),
        shell: asked.shell,
        edit,
        detailed: asked.detailed,
        other_user: asked.other_user,
        path,
        user: asked.user,
        group: asked.group,
        folder,
        timeout: asked.timeout,
        preserve_groups: asked.preserve_groups,
        background: asked.background,
        environment: environment(std::env::vars_os()),
        assignments: asked.assignments,
        preserve_environment: asked.preserve_environment,
        preserve_names: asked.preserve_names,
        reason: asked.reason,
        duration: asked.duration,
        rule: asked.rule,
        token: None,
        non_interactive: asked.non_interactive,
        ignore_record: asked.ignore_record,
        no_update: asked.no_update,
        prompt: asked.prompt.map(Bytes::from),
        can_ask,
        terminal: terminal
            .filter(|_| has_terminal)
            .and_then(|(terminal, pipeline)| terminal.describe(pipeline.began_in_foreground)),
        cwd: Bytes::from(cwd.into_os_string()),
        ignored_signals: if runs { process::ignored_signals() } else { Vec::new() },
    })
}

/// Sends the request, and for an elevation the descriptors that become the command's standard input, output and error, and
/// that of the working folder, at once: they wait in the socket for the monitor.
///
/// # Errors
/// `InvalidInput` if the request is too long; no working folder; those of sendmsg(2).
pub(crate) fn send(
    connection: &Connection,
    request: Request,
    [input, output, error]: [BorrowedFd<'_>; 3],
) -> io::Result<()> {
    let elevates = matches!(request, Request::Elevate(_));
    let text = serde_json::to_vec(&Envelope::new(request, nonce(connection)?))?;
    connection.send_text(&text)?;
    if elevates {
        let cwd = working_folder()?;
        let files = [input, output, error, cwd.as_fd()];
        connection.send_frame(&Frame::new(Kind::Descriptors, 0), &files)?;
    }
    Ok(())
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

/// `-D`, absolute: the working folder in its own words if it is that one, whatever it was called.
fn asked_folder(folder: &OsString, cwd: &io::Result<PathBuf>) -> io::Result<Bytes> {
    let is_here = |here: &Stat, there: &Stat| (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino);
    match (cwd, stat("."), stat(folder)) {
        (Ok(cwd), Ok(here), Ok(there)) if is_here(&here, &there) => {
            Ok(Bytes::from(cwd.as_os_str().as_bytes()))
        }
        _ => absolute(folder, cwd),
    }
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
    fn the_folder_asked_for_is_absolute_and_the_working_folder_called_by_its_name() {
        let here = std::env::current_dir();
        let name = || Bytes::from(here.as_ref().unwrap().as_os_str().as_bytes());
        let dotted =
            [name().0, b"/../".to_vec(), here.as_ref().unwrap().file_name().unwrap().as_bytes().to_vec()];
        for folder in [OsString::from("."), "./src/..".into(), OsString::from_vec(dotted.concat())] {
            assert_eq!(asked_folder(&folder, &here).unwrap(), name(), "{folder:?}");
        }
        assert_eq!(asked_folder(&"/no/../such".into(), &here).unwrap(), "/no/../such".into());
        assert_eq!(asked_folder(&"src".into(), &here).unwrap(), Bytes([name().0, b"/src".to_vec()].concat()));
        assert!(asked_folder(&"src".into(), &Err(io::ErrorKind::NotFound.into())).is_err());
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
