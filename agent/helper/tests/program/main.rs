//! The built program as a process: descriptors, job control under a real shell, death by signal.
//!
//! The test is the agent. It listens at the one address that the program knows, in a mount namespace of its own, where
//! the program runs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may fail as tests do"
)]

mod askpass;
mod edit;
mod jobs;

use std::fs::File;
use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind, MAX_FRAME};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, listen, recvmsg, socket_with,
};

const SOON: Duration = Duration::from_secs(20);
const PROGRAM: &str = env!("CARGO_BIN_EXE_jit-sudo");

/// The agent's socket, and a namespace where it stands at its address.
struct Agent {
    folder: tempfile::TempDir,
    socket: OwnedFd,
}

impl Agent {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(folder.path().join("agent.sock")).unwrap()).unwrap();
        listen(&socket, 8).unwrap();
        Self { folder, socket }
    }

    /// A shell in that namespace; `$0` is the program, the script is `script`. No signal is ignored there, whatever is in this
    /// process.
    fn shell(&self, script: &str) -> Command {
        let setup = "mount -t tmpfs none /run && mkdir /run/jit-sudo && mount --bind \"$1\" /run/jit-sudo || exit 99; shift; ";
        let mut command = Command::new("env");
        command.args(["--default-signal", "unshare", "--map-root-user", "--mount", "sh", "-c"]);
        command.args([&format!("{setup}{script}"), PROGRAM]);
        command.arg(self.folder.path()).env_remove("JIT_REASON").env_remove("SUDO_ASKPASS");
        command
    }

    /// The next helper.
    fn accept(&self) -> Helper {
        let connection = self.accept_only();
        let twin = connection.try_clone().unwrap();
        let connection = Connection::over(connection);
        let request: Envelope = serde_json::from_slice(&connection.receive_text().unwrap()).unwrap();
        let descriptors = match request.request {
            Request::Elevate(_) => descriptors(&twin),
            _ => Vec::new(),
        };
        Helper { connection, request: request.request, descriptors }
    }

    /// The next connection, of which nothing is read. It is no other test's program's: its end must be seen as such.
    fn accept_only(&self) -> OwnedFd {
        assert!(is_readable_soon(&self.socket), "the program does not come");
        accept_with(&self.socket, SocketFlags::CLOEXEC).unwrap()
    }
}

fn is_readable_soon(file: &OwnedFd) -> bool {
    let soon = rustix::event::Timespec { tv_sec: SOON.as_secs().cast_signed(), tv_nsec: 0 };
    let mut files = [rustix::event::PollFd::new(file, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut files, Some(&soon)).unwrap() == 1
}

struct Helper {
    connection: Connection,
    request: Request,
    descriptors: Vec<OwnedFd>,
}

impl Helper {
    fn says(&self, frame: &Frame) {
        self.connection.send_frame(frame, &[]).unwrap();
    }

    fn hears(&self) -> (Kind, i32, Vec<u8>) {
        assert!(self.connection.wait(Some(20_000)).unwrap(), "the monitor is told nothing");
        let (frame, _) = self.connection.receive_frame().unwrap();
        (frame.kind, frame.value, frame.first.clone())
    }

    /// Starts the command with a terminal; our end of it.
    fn starts(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.connection.send_frame(&Frame::new(Kind::Started, 1), &[theirs.as_fd()]).unwrap();
        ours
    }

    fn elevate(&self) -> &Elevate {
        match &self.request {
            Request::Elevate(elevate) => elevate,
            other => panic!("{other:?}"),
        }
    }
}

fn descriptors(connection: &OwnedFd) -> Vec<OwnedFd> {
    let mut buffer = [0; MAX_FRAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(connection, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)
            .unwrap();
    assert_eq!(Frame::decode(&buffer[..received.bytes]).unwrap().kind, Kind::Descriptors);
    control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Runs a script without a terminal to its end, with `talk` as agent and monitor.
fn run(script: &str, stdin: &[u8], talk: impl FnOnce(Helper)) -> Output {
    let agent = Agent::new();
    let mut child = agent
        .shell(&format!("exec setsid -w sh -c '{script}' \"$0\""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    talk(agent.accept());
    child.wait_with_output().unwrap()
}

fn ends(value: i32) -> impl FnOnce(Helper) {
    move |helper| {
        helper.says(&Frame::new(Kind::Started, 0));
        helper.says(&Frame::new(Kind::Ended, value));
    }
}

#[test]
fn the_program_exits_as_the_command_did_and_says_nothing() {
    for status in [0, 1, 42, 255] {
        let output = run("exec \"$0\" -n id", b"", ends(status));
        assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(status), 0, 0));
    }
}

// features.md, 2.4: "if killed by a signal, kill yourself with the same signal". SIGPIPE is ignored by Rust's runtime, INT by
// whoever called: the program dies of them all the same.
#[test]
fn the_program_dies_of_the_signal_that_killed_the_command() {
    for signal in [1, 2, 3, 9, 11, 13, 15] {
        for script in ["exec \"$0\" id", "trap \"\" HUP INT QUIT PIPE; exec \"$0\" id"] {
            let agent = Agent::new();
            let mut child =
                agent.shell(&format!("exec sh -c '{script}' \"$0\"")).stdin(Stdio::null()).spawn().unwrap();
            let helper = agent.accept();
            let ignored: &[i32] = if script.starts_with("trap") { &[1, 2, 3] } else { &[] };
            assert_eq!(helper.elevate().ignored_signals, ignored);
            ends(-signal)(helper);
            let status = child.wait().unwrap();
            assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false), "{script}");
        }
    }
}

#[test]
fn a_signal_sent_to_the_program_goes_to_the_command() {
    let agent = Agent::new();
    let mut command = agent.shell("exec \"$0\" sleep 60");
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let helper = agent.accept();
    helper.says(&Frame::new(Kind::Started, 0));
    // It holds signals back once it has the frame; until then it would die, and the command with it.
    helper.says(&Frame::with(Kind::Notice, 0, "begun", ""));
    let mut told = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told, "jit-sudo: begun\n");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(helper.hears(), (Kind::Signal, 15, Vec::new()));
    helper.says(&Frame::new(Kind::Ended, 7));
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

// security.md row 81: "client with 0,1,2 closed, each combination -> substituted by /dev/null"
#[test]
fn closed_descriptors_are_the_null_device_in_every_combination() {
    let null = std::fs::metadata("/dev/null").unwrap();
    for closed in 0..8_u8 {
        let redirections: String = [" <&-", " >&-", " 2>&-"]
            .into_iter()
            .enumerate()
            .filter(|(at, _)| closed & (1 << at) != 0)
            .map(|(_, text)| text)
            .collect();
        let output = run(&format!("exec \"$0\" id{redirections}"), b"", |helper| {
            assert_eq!(helper.descriptors.len(), 4);
            for (at, file) in helper.descriptors.iter().take(3).enumerate() {
                let metadata = File::from(file.try_clone().unwrap()).metadata().unwrap();
                let is_null = metadata.file_type().is_char_device()
                    && std::os::unix::fs::MetadataExt::rdev(&metadata)
                        == std::os::unix::fs::MetadataExt::rdev(&null);
                assert_eq!(is_null, closed & (1 << at) != 0, "{at} of {closed:03b}");
            }
            helper.says(&Frame::refused("no", ""));
        });
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(output.stderr.is_empty(), closed & 4 != 0);
    }
}

#[test]
fn the_working_folder_comes_by_descriptor_though_it_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let output = run(&format!("cd {path} && rmdir {path} && exec \"$0\" id"), b"", |helper| {
        assert_eq!(helper.elevate().cwd.to_string_lossy(), format!("{path} (deleted)"));
        assert_eq!(rustix::fs::fstat(&helper.descriptors[3]).unwrap().st_nlink, 0);
        helper.says(&Frame::refused("no", ""));
    });
    assert_eq!(output.stderr, b"jit-sudo: no\n");
}

// Ansible's pipelining: the password, then a program for the command on the same standard input.
#[test]
fn the_rest_of_standard_input_is_the_commands() {
    let output = run("exec \"$0\" -S -p PROMPT python3", b"secret\nimport os\n", |helper| {
        assert!(helper.elevate().can_ask && helper.elevate().terminal.is_none());
        helper.says(&Frame::with(Kind::Prompt, 0, "PROMPT", ""));
        assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
        let mut rest = String::new();
        File::from(helper.descriptors[0].try_clone().unwrap()).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "import os\n");
        ends(0)(helper);
    });
    assert_eq!((output.stdout, output.stderr), (Vec::new(), b"PROMPT".to_vec()));
}

#[test]
fn called_as_sudo_it_says_sudo() {
    let agent = Agent::new();
    let link = agent.folder.path().join("sudo");
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    let mut child = agent.shell("exec /run/jit-sudo/sudo -H -S -n -u root /bin/sh -c x");
    let child = child.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let helper = agent.accept();
    let asked = helper.elevate();
    assert_eq!((asked.mode, asked.non_interactive, asked.user.as_deref()), (Mode::Run, true, Some("root")));
    helper.says(&Frame::refused("a password is required", ""));
    drop(helper); // it has the other end of standard error
    assert_eq!(child.wait_with_output().unwrap().stderr, b"sudo: a password is required\n");
}

#[test]
fn a_refusal_arrives_though_the_agent_reads_no_descriptors() {
    let agent = Agent::new();
    let child = agent.shell("exec \"$0\" id").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let connection = agent.accept_only();
    let twin = connection.try_clone().unwrap();
    let connection = Connection::over(connection);
    connection.receive_text().unwrap();
    assert!(is_readable_soon(&twin), "the descriptors are not sent");
    drop(twin);
    connection.send_frame(&Frame::refused("you have no rule for this", ""), &[]).unwrap();
    drop(connection);
    assert_eq!(child.wait_with_output().unwrap().stderr, b"jit-sudo: you have no rule for this\n");
}

#[test]
fn without_an_agent_there_is_a_message_with_a_hint() {
    let agent = Agent::new();
    std::fs::remove_file(agent.folder.path().join("agent.sock")).unwrap();
    let output = agent.shell("exec \"$0\" id").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"jit-sudo: the agent is not running\nhint: systemctl status jit-agentd\n");
    assert!(output.stdout.is_empty());
}

// CVE-2021-4034: no argument vector at all (the kernel makes it one empty string).
#[test]
fn no_argument_is_a_usage_error() {
    let output = Command::new(PROGRAM).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"jit-sudo: there is no command to run\nhint: --help lists the options\n");
}
