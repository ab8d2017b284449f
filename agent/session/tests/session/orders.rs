//! Orders, as an agent gives them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jit_protocol::Bytes;
use jit_protocol::order::{Account, Cwd, Order, Program, Restrictions, Umask};
use jit_protocol::request::{Mode, Terminal};

/// Words for `/bin/sh -c`.
pub(crate) fn shell(script: &str) -> [String; 3] {
    ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()]
}

/// An order from root to root, for an absolute command as it is now.
pub(crate) fn order<S: AsRef<str>>(argv: &[S]) -> Order {
    let path = argv[0].as_ref();
    let now = fs::metadata(path).unwrap();
    let nanoseconds = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
    let program = Program {
        path: Bytes::from(path),
        device: now.dev(),
        inode: now.ino(),
        size: i64::try_from(now.size()).unwrap(),
        modified: nanoseconds(now.mtime(), now.mtime_nsec()),
        changed: nanoseconds(now.ctime(), now.ctime_nsec()),
        pin: None,
    };
    Order {
        session: "0123456789abcdef0123456789abcdef".to_owned(),
        mode: Mode::Run,
        invoking: account("root", 0, 0, &[0]),
        target: account("root", 0, 0, &[0]),
        authenticate: None,
        ask_reason: false,
        program: Some(program),
        argv: argv.iter().map(|word| Bytes::from(word.as_ref())).collect(),
        shell: None,
        edit: false,
        environment: vec![(Bytes::from("PATH"), Bytes::from("/usr/bin:/bin"))],
        restrictions: Restrictions { umask: Umask::CallersAnd(0o022), cwd: Cwd::Caller, folder: None },
        terminal: None,
        background: false,
        ignored_signals: Vec::new(),
        nested_in: None,
        foreign_mounts: None,
        tty: None,
        host: "host".to_owned(),
    }
}

pub(crate) fn account(name: &str, uid: u32, gid: u32, groups: &[u32]) -> Account {
    Account {
        name: name.to_owned(),
        uid,
        gid,
        groups: groups.to_vec(),
        home: Bytes::from("/"),
        shell: Bytes::from("/bin/sh"),
    }
}

/// A terminal's settings as `stty sane` has them.
pub(crate) fn terminal(rows: u16, columns: u16) -> Terminal {
    let pty = nix::pty::openpty(None, None).unwrap();
    let sane = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
    Terminal {
        foreground: true,
        rows,
        columns,
        flags: [
            sane.input_flags.bits(),
            sane.output_flags.bits(),
            sane.control_flags.bits(),
            sane.local_flags.bits(),
        ],
        control_characters: sane.control_chars.to_vec(),
    }
}
