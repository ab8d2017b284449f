//! One line to the system log, without waiting for it.

use std::io;

use jit_protocol::escape::escape;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};

/// `authpriv`, warning.
const PRIORITY: u8 = 10 << 3 | 4;
const DEV_LOG: &str = "/dev/log";

/// Sends the line, or drops it. Not `syslog(3)`: that one waits for a log that is stuck, keeps its descriptor, and shares
/// its settings with the program we are in.
pub(crate) fn warn(line: &str) {
    // Nothing to do about it: the verdict stands, and nobody else may be told.
    let _ = send(line);
}

fn send(line: &str) -> io::Result<()> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    let text = format!("<{PRIORITY}>pam_jit[{}]: {}", std::process::id(), escape(line.as_bytes()));
    sendto(&socket, text.as_bytes(), SendFlags::NOSIGNAL, &SocketAddrUnix::new(DEV_LOG)?)?;
    Ok(())
}
