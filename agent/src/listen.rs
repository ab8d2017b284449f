//! The agent's listening sockets: made here, or taken from the service manager by name.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::net::sockopt::{set_socket_passcred, socket_acceptconn, socket_type};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::paths::Paths;
use crate::socket::register;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;
/// Everyone may connect: who may what is decided by credentials.
const EVERYONE: u32 = 0o666;

/// All listening sockets.
#[derive(Debug)]
pub struct Listeners {
    /// Helper and command line.
    pub agent: Listener,
    /// The PAM module.
    pub pam: Listener,
    /// Monitors whose agent went away.
    pub monitor: Listener,
}

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
}

impl Listeners {
    /// Takes what the service manager passed (named `agent` and `pam`), makes the rest.
    ///
    /// # Errors
    /// Those of the file system and of socket(7), with the path.
    pub fn open(paths: &Paths) -> io::Result<Self> {
        make_folder(&paths.run, 0o755, paths.owner)?;
        make_folder(&paths.private, 0o700, paths.owner)?;
        let mut passed = jit_sys::passed::take()?;
        let mut open = |name: &str, path: &Path| match passed.iter().position(|(given, _)| given == name) {
            Some(at) => Listener::adopt(passed.swap_remove(at).1),
            None => Listener::bind(path, EVERYONE),
        };
        Ok(Self {
            agent: open("agent", &paths.agent_socket)?,
            pam: open("pam", &paths.pam_socket)?,
            monitor: Listener::bind(&paths.monitor_socket, 0o600)?,
        })
    }
}

impl Listener {
    fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        let context = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(context(error)),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // Before listen(2): connections inherit it, so that no message comes without its sender's credentials.
        set_socket_passcred(&socket, true)?;
        bind(&socket, &SocketAddrUnix::new(path)?).map_err(|errno| context(errno.into()))?;
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(context)?;
        listen(&socket, BACKLOG)?;
        Ok(Self { socket: register(socket, Interest::READABLE)? })
    }

    fn adopt(socket: OwnedFd) -> io::Result<Self> {
        if socket_type(&socket)? != SocketType::SEQPACKET || !socket_acceptconn(&socket)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket passed is not SOCK_SEQPACKET, or not listening",
            ));
        }
        set_socket_passcred(&socket, true)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: register(socket, Interest::READABLE)? })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Those of accept(2): none of them is a reason to stop.
    pub async fn accept(&self) -> io::Result<OwnedFd> {
        self.socket
            .async_io(Interest::READABLE, |socket| {
                let connection = accept_with(socket.as_fd(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
                // A connection that waited in the service manager's queue was made before the option was set.
                set_socket_passcred(&connection, true)?;
                Ok(connection)
            })
            .await
    }
}

/// Makes a folder of ours, or checks that it is ours.
///
/// # Errors
/// If it cannot be made, is no folder, or is another's.
pub fn make_folder(path: &Path, mode: u32, owner: u32) -> io::Result<()> {
    let refused =
        |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()));
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o755).create(path) {
        return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(refused("is not a folder"));
    }
    if metadata.uid() != owner {
        return Err(refused("does not belong to root"));
    }
    if metadata.mode() & 0o7777 != mode {
        fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}
