//! The same events for the host's own log: journald in its native form, or syslog where there is no journald.
//!
//! A record is in the audit log before it comes here. What can't be sent at once is dropped and said in the status.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use super::message::{Entry, Severity};

/// Programs find our lines by it.
const IDENTIFIER: &str = "jit-sudo";
/// `authpriv`, as the journal writes it.
const FACILITY: &str = "10";
/// Longest message for syslog in bytes: daemons cut or drop what is above 8 KiB.
const SYSLOG_LONGEST: usize = 7 * 1024;
/// How long a syslog that takes a stream may keep us waiting.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where events go. Asked for anew with each of them, for daemons come and go.
pub(super) struct Sinks {
    journal: PathBuf,
    syslog: PathBuf,
    socket: UnixDatagram,
    logger: Option<Logger<LoggerBackend, Formatter3164>>,
}

impl Sinks {
    /// `journal` is journald's socket, `/run/systemd/journal/socket`; syslog's is `/dev/log` in the same tree.
    pub(super) fn new(journal: &Path) -> io::Result<Self> {
        let root = journal.ancestors().nth(4).unwrap_or(Path::new("/"));
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { journal: journal.to_owned(), syslog: root.join("dev/log"), socket, logger: None })
    }

    /// Which one is there: `journald`, `syslog` or `none`.
    pub(super) fn probe(&self) -> &'static str {
        let takes = |path: &Path| UnixDatagram::unbound().and_then(|socket| socket.connect(path)).is_ok();
        if takes(&self.journal) {
            "journald"
        } else if self.syslog.exists() {
            "syslog"
        } else {
            "none"
        }
    }

    /// Sends one entry and tells where to. Does not wait.
    pub(super) fn send(&mut self, entry: &Entry) -> io::Result<&'static str> {
        match self.socket.send_to(&datagram(entry), &self.journal) {
            Ok(_) => return Ok("journald"),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
        if !self.syslog.exists() {
            return Ok("none");
        }
        let sent = self.send_to_syslog(entry);
        if sent.is_err() {
            self.logger = None; // connect again next time: the daemon may have been restarted
        }
        sent.map(|()| "syslog")
    }

    fn send_to_syslog(&mut self, entry: &Entry) -> io::Result<()> {
        let logger = match &mut self.logger {
            Some(logger) => logger,
            none => none.insert(connect(&self.syslog)?),
        };
        let message =
            entry.message.get(..entry.message.floor_char_boundary(SYSLOG_LONGEST)).unwrap_or_default();
        match entry.severity {
            Severity::Critical => logger.crit(message),
            Severity::Error => logger.err(message),
            Severity::Warning => logger.warning(message),
            Severity::Notice => logger.notice(message),
            Severity::Info => logger.info(message),
        }
        .map_err(io_error)
    }
}

fn connect(path: &Path) -> io::Result<Logger<LoggerBackend, Formatter3164>> {
    let formatter = Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: IDENTIFIER.to_owned(),
        pid: std::process::id(),
    };
    let logger = syslog::unix_custom(formatter, path).map_err(io_error)?;
    match &logger.backend {
        LoggerBackend::Unix(socket) => socket.set_nonblocking(true)?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_write_timeout(Some(PATIENCE))?,
        LoggerBackend::Udp(..) | LoggerBackend::Tcp(..) => {}
    }
    Ok(logger)
}

fn io_error(error: syslog::Error) -> io::Error {
    match error {
        syslog::Error::Write(error) | syslog::Error::Io(error) => error,
        syslog::Error::Initialization(error) => io::Error::other(error),
    }
}

/// There is no daemon, as opposed to: it has no time.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// The journal's native form (systemd's documentation, "Native Journal Protocol").
fn datagram(entry: &Entry) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(1024);
    let level = (entry.severity as u8).to_string();
    for (key, value) in [
        ("MESSAGE_ID", entry.message_id),
        ("PRIORITY", &level),
        ("SYSLOG_FACILITY", FACILITY),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("MESSAGE", &entry.message),
    ] {
        push_field(&mut datagram, key, value);
    }
    for (key, value) in &entry.fields {
        push_field(&mut datagram, key, value);
    }
    datagram
}

/// A value of several lines goes with its length in front, or its second line would be a field of its own.
fn push_field(datagram: &mut Vec<u8>, key: &str, value: &str) {
    datagram.extend_from_slice(key.as_bytes());
    if value.contains('\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entry() -> Entry {
        Entry {
            message_id: "cae0414f96174082921f78b82f7429c7",
            severity: Severity::Notice,
            message: "alice : TTY=pts/0".into(),
            fields: vec![("JIT_EVENT", "session.started".into())],
        }
    }

    /// A tree with no daemon in it, and the path of its journal.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("run/systemd/journal/socket");
        fs::create_dir_all(journal.parent().unwrap()).unwrap();
        fs::create_dir(root.path().join("dev")).unwrap();
        (root, journal)
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = vec![0; 65536];
        socket.set_nonblocking(true).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_journal_gets_fields_in_its_native_form() {
        let (_root, path) = tree();
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut sinks = Sinks::new(&path).unwrap();
        assert_eq!(sinks.probe(), "journald");
        assert_eq!(sinks.send(&entry()).unwrap(), "journald");
        assert_eq!(
            receive(&journal),
            "MESSAGE_ID=cae0414f96174082921f78b82f7429c7\nPRIORITY=5\nSYSLOG_FACILITY=10\n\
             SYSLOG_IDENTIFIER=jit-sudo\nMESSAGE=alice : TTY=pts/0\nJIT_EVENT=session.started\n"
        );
    }

    #[test]
    fn a_value_of_two_lines_cannot_become_two_fields() {
        let mut datagram = Vec::new();
        push_field(&mut datagram, "MESSAGE", "one\nPRIORITY=0");
        assert_eq!(datagram, b"MESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\n");
    }

    #[test]
    fn without_a_journal_syslog_gets_the_message() {
        let (root, path) = tree();
        let daemon = UnixDatagram::bind(root.path().join("dev/log")).unwrap();
        let mut sinks = Sinks::new(&path).unwrap();
        assert_eq!(sinks.probe(), "syslog");
        assert_eq!(sinks.send(&Entry { message: "x".repeat(10_000), ..entry() }).unwrap(), "syslog");
        let line = receive(&daemon);
        // authpriv (10) * 8 + notice (5)
        assert!(
            line.starts_with("<85>") && line.contains(&format!(" jit-sudo[{}]: xxx", std::process::id()))
        );
        assert!(line.len() < 8192);
        let journal = UnixDatagram::bind(&path).unwrap();
        assert_eq!(sinks.send(&entry()).unwrap(), "journald", "it has come up meanwhile");
        drop(journal);
        assert_eq!(sinks.send(&entry()).unwrap(), "syslog", "and is gone again");
        assert!(receive(&daemon).ends_with("alice : TTY=pts/0"));
    }

    #[test]
    fn without_any_daemon_there_is_no_error() {
        let (_root, path) = tree();
        let mut sinks = Sinks::new(&path).unwrap();
        assert_eq!((sinks.probe(), sinks.send(&entry()).unwrap()), ("none", "none"));
    }

    #[test]
    fn a_journal_that_does_not_read_is_an_error_and_no_wait() {
        let (_root, path) = tree();
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut sinks = Sinks::new(&path).unwrap();
        let error = (0..100_000).find_map(|_| sinks.send(&entry()).err()).expect("its queue is full");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        while journal.set_nonblocking(true).is_ok() && journal.recv(&mut [0]).is_ok() {}
        assert_eq!(sinks.send(&entry()).unwrap(), "journald");
    }
}
