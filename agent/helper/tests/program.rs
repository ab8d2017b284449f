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

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jit_protocol::client::Connection;
use jit_protocol::frame::{Frame, Kind, MAX_FRAME};
use jit_protocol::request::{Elevate, Envelope, Mode, Request};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, accept, bind, listen, recvmsg, socket_with,
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

    /// A shell in that namespace; `$0` is the program, the script is `script`.
    fn shell(&self, script: &str) -> Command {
        let setup = "mount -t tmpfs none /run && mkdir /run/jit-sudo && mount --bind \"$1\" /run/jit-sudo || exit 99; shift; ";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &format!("{setup}{script}"), PROGRAM]);
        command.arg(self.folder.path()).env_remove("JIT_REASON").env_remove("SUDO_ASKPASS");
        command
    }

    /// The next helper.
    fn accept(&self) -> Helper {
        let soon = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
        let mut files = [rustix::event::PollFd::new(&self.socket, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut files, Some(&soon)).unwrap(), 1, "the program does not come");
        let connection = accept(&self.socket).unwrap();
        let twin = connection.try_clone().unwrap();
        let connection = Connection::over(connection);
        let request: Envelope = serde_json::from_slice(&connection.receive_text().unwrap()).unwrap();
        let descriptors = match request.request {
            Request::Elevate(_) => descriptors(&twin),
            _ => Vec::new(),
        };
        Helper { connection, request: request.request, descriptors }
    }
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
    let mut child = agent.shell("exec \"$0\" sleep 60").stdin(Stdio::null()).spawn().unwrap();
    let helper = agent.accept();
    helper.says(&Frame::new(Kind::Started, 0));
    // It holds signals back once it has the frame; until then it would die, and the command with it.
    helper.says(&Frame::with(Kind::Notice, 0, "", ""));
    std::thread::sleep(Duration::from_millis(200));
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

/// A program that asks; it notes what it is asked.
fn asker(folder: &tempfile::TempDir, text: &str) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.path().join("asker");
    let mut file = File::options().write(true).create_new(true).mode(0o755).open(&path).unwrap();
    write!(file, "#!/bin/sh\nprintf %s \"$1\" >\"$0.asked\"\n{text}\n").unwrap();
    path.display().to_string()
}

// sudo(8), -A: "a (possibly graphical) helper program is executed to read the user's password and output the password to the
// standard output". Also used "if no terminal is available".
#[test]
fn a_program_asks_where_it_is_told_to_or_nobody_else_can() {
    for option in ["-A", "", "-A -B -p PROMPT"] {
        let folder = tempfile::tempdir().unwrap();
        let program = asker(&folder, "echo secret; echo more");
        let script = format!("SUDO_ASKPASS={program} exec \"$0\" {option} id");
        let output = run(&script, b"for the command", |helper| {
            assert!(helper.elevate().can_ask && helper.elevate().terminal.is_none());
            helper.says(&Frame::with(Kind::Prompt, 0, "[jit-sudo] id\nPassword: ", ""));
            assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()), "{option}");
            let mut rest = String::new();
            File::from(helper.descriptors[0].try_clone().unwrap()).read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "for the command");
            ends(0)(helper);
        });
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "the prompt is the program's");
        let asked = std::fs::read_to_string(folder.path().join("asker.asked")).unwrap();
        assert_eq!(asked, "[jit-sudo] id\nPassword: ");
    }
}

#[test]
fn a_program_that_says_nothing_has_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let program = asker(&folder, "exit 0");
    run(&format!("SUDO_ASKPASS={program} exec \"$0\" -A id"), b"", |helper| {
        helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
        assert_eq!(helper.hears(), (Kind::Answer, 1, Vec::new()));
        helper.says(&Frame::refused("a password is required", ""));
    });
}

#[test]
fn a_program_that_cannot_ask_is_told_in_sudos_words() {
    for (script, told) in [
        ("exec \"$0\" -A id", "no askpass program specified, try setting SUDO_ASKPASS"),
        ("SUDO_ASKPASS= exec \"$0\" -A id", "no askpass program specified, try setting SUDO_ASKPASS"),
        (
            "SUDO_ASKPASS=/no/such exec \"$0\" -A id",
            "unable to run /no/such: No such file or directory (os error 2)",
        ),
        ("SUDO_ASKPASS=true exec \"$0\" -A id", "unable to run true: No such file or directory (os error 2)"),
    ] {
        let output = run(script, b"", |helper| {
            assert!(helper.elevate().can_ask);
            helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
            assert!(helper.connection.wait(Some(20_000)).unwrap(), "it leaves");
        });
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("jit-sudo: {told}\n"));
    }
    let output = run("exec \"$0\" id", b"", |helper| {
        assert!(!helper.elevate().can_ask, "neither a terminal nor a program");
        helper.says(&Frame::refused("a terminal is required", ""));
    });
    assert_eq!(output.status.code(), Some(1));
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
    let connection = Connection::over(accept(&agent.socket).unwrap());
    connection.receive_text().unwrap();
    std::thread::sleep(Duration::from_millis(100)); // the descriptors are in the socket by now
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

/// A person at an interactive shell with job control.
struct Shell {
    agent: Agent,
    keyboard: File,
    terminal: OwnedFd,
    screen: Receiver<u8>,
    seen: String,
    process: Child,
}

impl Shell {
    fn new() -> Self {
        let agent = Agent::new();
        let pty = openpty(None, None).unwrap();
        let stdio = || Stdio::from(pty.slave.try_clone().unwrap());
        let script =
            "export PROGRAM=\"$0\" PS1=ready: ; exec setsid -c -w bash --norc --noprofile --noediting -i";
        let process = agent.shell(script).stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let keyboard = File::from(pty.master);
        let mut master = keyboard.try_clone().unwrap();
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while master.read(&mut byte).is_ok_and(|read| read == 1) && send.send(byte[0]).is_ok() {}
        });
        let mut person = Self { agent, keyboard, terminal: pty.slave, screen, seen: String::new(), process };
        person.sees("ready:");
        person
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is on the screen, after what was waited for before.
    fn sees(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(SOON.saturating_sub(start.elapsed())) {
                Ok(byte) => self.seen.push(char::from(byte)),
                Err(why) => panic!("{text:?} is not on the screen ({why}): {:?}", self.seen),
            }
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    fn becomes_raw(&self) {
        let start = Instant::now();
        while !self.is_raw() {
            assert!(start.elapsed() < SOON, "the terminal does not become raw");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn says_status(&mut self, status: i32) {
        self.sees("ready:");
        assert!(!self.is_raw(), "the terminal is left raw");
        self.types("echo status=$?\n");
        self.sees(&format!("\r\nstatus={status}\r\n"));
        self.sees("ready:");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn ctrl_z_stops_the_job_and_fg_brings_it_back() {
    let mut person = Shell::new();
    person.types("$PROGRAM vi\n");
    let helper = person.agent.accept();
    let mut command = helper.starts();
    person.becomes_raw();
    assert!(helper.elevate().terminal.is_some());
    // Ctrl-Z is a key for the command's terminal; there it stops the command, which shows its last lines before.
    person.types("\x1a");
    let mut key = [0];
    command.read_exact(&mut key).unwrap();
    assert_eq!(key, *b"\x1a");
    command.write_all(b"leaving the screen").unwrap();
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTSTP));
    person.sees("leaving the screen");
    person.sees("Stopped");
    person.sees("ready:");
    assert!(!person.is_raw());
    person.types("fg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    command.write_all(b"back again").unwrap();
    person.sees("back again");
    helper.says(&Frame::new(Kind::Ended, 3));
    drop(command);
    person.says_status(3);
}

#[test]
fn a_job_in_the_background_leaves_the_terminal_alone() {
    let mut person = Shell::new();
    person.types("stty tostop; $PROGRAM make &\n");
    let helper = person.agent.accept();
    let mut command = helper.starts();
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    command.write_all(b"output of the job").unwrap();
    person.sees("output of the job");
    assert!(!person.is_raw());
    // It asks for the terminal: the job stops, as the shell tells, and has it once it is in the foreground.
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTTIN));
    std::thread::sleep(Duration::from_millis(100));
    person.types("\n");
    person.sees("Stopped");
    person.types("fg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Ended, -15));
    drop(command);
    person.sees("Terminated");
    person.says_status(143);
}

// sudo(8), -b: "Run the given command in the background."
#[test]
fn with_b_the_shell_waits_only_until_the_command_runs() {
    let mut person = Shell::new();
    person.types("\"$PROGRAM\" -b make; echo \"left with $?\"\n");
    let helper = person.agent.accept();
    assert!(helper.elevate().background && helper.elevate().terminal.is_some());
    helper.says(&Frame::with(Kind::Prompt, 0, "Password: ", ""));
    person.sees("Password: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    let mut stream = helper.starts();
    person.sees("left with 0");
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()), "it is not in the foreground");
    stream.write_all(b"built\n").unwrap();
    person.sees("built");
    // The terminal is the shell's, even if the command asks for it.
    helper.says(&Frame::new(Kind::Stopped, nix::sys::signal::Signal::SIGTTIN as i32));
    // Nobody could continue a process that is no shell's job.
    helper.says(&Frame::new(Kind::Stopped, nix::sys::signal::Signal::SIGSTOP as i32));
    helper.says(&Frame::with(Kind::Notice, 0, "still here", ""));
    person.sees("jit-sudo: still here");
    assert!(!person.is_raw());
    person.types("echo $((6*7))\n");
    person.sees("42");
    drop(stream);
    helper.says(&Frame::new(Kind::Ended, 3));
}

#[test]
fn with_b_a_refusal_is_still_waited_for() {
    let output = run("exec \"$0\" -b id", b"", |helper| helper.says(&Frame::refused("no", "")));
    assert_eq!((output.status.code(), output.stderr), (Some(1), b"jit-sudo: no\n".to_vec()));
    let output = run("exec \"$0\" -b id", b"", ends(7));
    assert_eq!(output.status.code(), Some(0), "how it ends is not waited for");
}

#[test]
fn a_stopped_job_goes_on_in_the_background() {
    let mut person = Shell::new();
    person.types("$PROGRAM make\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTSTP));
    person.sees("Stopped");
    person.types("bg\n");
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    assert!(!person.is_raw());
    helper.says(&Frame::new(Kind::Ended, 0));
    drop(command);
    person.types("wait; echo waited\n");
    person.sees("\r\nwaited");
}

// CVE-2025-64170 and row 47: Ctrl-Z and Ctrl-C at the prompt leave echo as it was, and nothing for the shell to run.
#[test]
fn a_prompt_survives_ctrl_z_and_ends_with_ctrl_c() {
    let mut person = Shell::new();
    person.types("$PROGRAM id\n");
    let helper = person.agent.accept();
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    person.sees("Password for alice: ");
    person.types("echo half");
    person.sees("*********");
    person.types("\x1a");
    person.sees("Stopped");
    person.sees("ready:");
    assert!(tcgetattr(&person.terminal).unwrap().local_flags.contains(LocalFlags::ECHO));
    person.types("fg\n");
    person.sees("Password for alice: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    helper.says(&Frame::with(Kind::Message, 1, "Sorry, try again.", ""));
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    person.sees("Sorry, try again.\r\nPassword for alice: ");
    person.types("half\x03");
    assert_eq!(helper.hears(), (Kind::Answer, 1, Vec::new()));
    helper.says(&Frame::refused("a password is required", ""));
    person.sees("jit-sudo: a password is required\r\n");
    person.says_status(1);
}

#[test]
fn a_prompt_in_the_background_waits_for_the_foreground() {
    let mut person = Shell::new();
    person.types("$PROGRAM id &\n");
    let helper = person.agent.accept();
    helper.says(&Frame::with(Kind::Prompt, 0, "Password for alice: ", ""));
    std::thread::sleep(Duration::from_millis(200));
    person.types("\n");
    person.sees("Stopped");
    person.types("fg\n");
    person.sees("Password for alice: ");
    person.types("secret\n");
    assert_eq!(helper.hears(), (Kind::Answer, 0, b"secret".to_vec()));
    ends(0)(helper);
    person.says_status(0);
}

#[test]
fn the_window_follows_and_a_pager_keeps_its_keys() {
    let mut person = Shell::new();
    person.types("$PROGRAM make | cat\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    assert_eq!(helper.hears(), (Kind::Continue, 0, Vec::new()));
    assert!(!person.is_raw());
    let size = rustix::termios::Winsize { ws_row: 33, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&person.keyboard, size).unwrap();
    assert_eq!(helper.hears(), (Kind::Window, (33 << 16) + 111, Vec::new()));
    // The command wants the keys after all.
    helper.says(&Frame::new(Kind::Stopped, nix::libc::SIGTTIN));
    assert_eq!(helper.hears(), (Kind::Continue, 1, Vec::new()));
    person.becomes_raw();
    helper.says(&Frame::new(Kind::Ended, 0));
    drop((helper, command)); // the pipe to `cat` among them
    person.says_status(0);
}

// A monitor that is killed: the person has their terminal back, and is told.
#[test]
fn a_lost_session_gives_the_terminal_back() {
    let mut person = Shell::new();
    person.types("$PROGRAM vi\n");
    let helper = person.agent.accept();
    let command = helper.starts();
    person.becomes_raw();
    drop((helper, command));
    person.sees("jit-sudo: the session was lost\r\n");
    person.says_status(1);
}
