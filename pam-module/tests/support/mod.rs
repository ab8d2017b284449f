//! A fake agent, and a world of its own in which the real module meets a real PAM.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, UCred, accept_with, bind, connect, listen, recvmsg, send, socket_with,
};
use rustix::process::Uid;

/// How the fake agent behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers every request with this message.
    Says(&'static [u8]),
    /// Speaks first, with this frame, then answers with that message.
    Challenges(&'static [u8], &'static [u8]),
    /// Takes requests and says nothing.
    Silent,
    /// Hangs up on every request.
    HangsUp,
    /// Its queue of connections is full, and it takes none.
    Full,
    /// Sends a chunk every 50 ms that is never the last one.
    Drips,
    /// Answers, but listens as another user.
    Foreign(&'static [u8]),
}

/// An answer as the agent sends it.
pub(crate) const ALLOW: &[u8] = b"JITR\x01\0\0\0\"allow\"";
pub(crate) const NOT_GATED: &[u8] = b"JITR\x01\0\0\0\"not_gated\"";
pub(crate) const DENY: &[u8] = b"JITR\x01\0\0\0{\"deny\":{\"message\":\"not on a \\u001b[31mSunday\"}}";

/// What a fake agent got: the sender as the kernel attests it, and the message.
pub(crate) type Request = (UCred, Vec<u8>);

/// Listens there until the test ends. Yields the requests it gets.
pub(crate) fn fake_agent(path: &Path, behaviour: Behaviour) -> Receiver<Request> {
    let (requests, received) = channel();
    let (ready, is_ready) = channel();
    let path = path.to_owned();
    thread::spawn(move || {
        let listener = seqpacket(SocketFlags::CLOEXEC);
        set_socket_passcred(&listener, true).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        if matches!(behaviour, Behaviour::Foreign(_)) {
            // The kernel notes who calls listen: this thread alone becomes somebody else for that.
            let nobody = Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(Uid::ROOT, nobody, Uid::ROOT).unwrap();
        }
        listen(&listener, if behaviour == Behaviour::Full { 0 } else { 128 }).unwrap();
        let waiting = if behaviour == Behaviour::Full { fill(&path) } else { vec![] };
        ready.send(()).unwrap();
        while !waiting.is_empty() {
            thread::park();
        }
        loop {
            let connection = accept_with(&listener, SocketFlags::CLOEXEC).unwrap();
            let requests = requests.clone();
            // One that has connected and says nothing yet keeps nobody else waiting.
            thread::spawn(move || converse(&connection, behaviour, &requests));
        }
    });
    is_ready.recv().expect("the fake agent listens (it must be run as root)");
    received
}

fn converse(connection: &OwnedFd, behaviour: Behaviour, requests: &Sender<Request>) {
    if let Behaviour::Challenges(challenge, _) = behaviour {
        send(connection, challenge, SendFlags::NOSIGNAL).unwrap();
    }
    if let Some(request) = receive(connection) {
        let _ = requests.send(request);
    }
    match behaviour {
        Behaviour::Says(answer) | Behaviour::Foreign(answer) | Behaviour::Challenges(_, answer) => {
            // A module that refused to speak has hung up by now.
            let _ = send(connection, answer, SendFlags::NOSIGNAL);
        }
        Behaviour::Silent => drop(receive(connection)), // its end
        Behaviour::Drips => {
            while send(connection, b"JITR\x01\x01\0\0 ", SendFlags::NOSIGNAL).is_ok() {
                thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        Behaviour::HangsUp | Behaviour::Full => {}
    }
}

/// Connects until the queue is full.
fn fill(path: &Path) -> Vec<OwnedFd> {
    let address = SocketAddrUnix::new(path).unwrap();
    let mut waiting = vec![];
    loop {
        let client = seqpacket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        match connect(&client, &address) {
            Ok(()) => waiting.push(client),
            Err(rustix::io::Errno::AGAIN) => return waiting,
            Err(other) => panic!("{other}"),
        }
    }
}

fn seqpacket(flags: SocketFlags) -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

fn receive(connection: &OwnedFd) -> Option<Request> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = vec![0; 70_000];
    let mut iov = [std::io::IoSliceMut::new(&mut buffer)];
    let length = recvmsg(connection.as_fd(), &mut iov, &mut control, RecvFlags::empty()).ok()?.bytes;
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
        _ => None,
    });
    buffer.truncate(length);
    Some((sender?, buffer)).filter(|_| length > 0)
}

/// Runs the test where `/run`, `/var/lib`, `/dev` and `/etc/pam.d` are its own: nothing of the host is touched.
pub(crate) fn in_own_world(test: impl FnOnce() + Send + 'static) {
    assert!(rustix::process::geteuid().is_root(), "this test mounts: run it as root");
    let done = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        for folder in ["/run", "/var/lib", "/etc/pam.d"] {
            mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        }
        fs::create_dir("/run/jit-sudo").unwrap();
        fs::create_dir("/var/lib/jit-sudo-login").unwrap();
        // PAM itself complains in the system log, with a call that can block, where this one is missing.
        write_service("other", "account required pam_deny.so\n");
        test();
    })
    .join();
    if let Err(failure) = done {
        std::panic::resume_unwind(failure);
    }
}

/// Writes the list of those who are gated.
pub(crate) fn write_gated(lines: &str) {
    fs::write(jit_protocol::paths::GATED, format!("# jit-sudo gated 1\n{lines}")).unwrap();
}

/// Writes a PAM service; `MODULE` stands for the module under test.
pub(crate) fn write_service(name: &str, stack: &str) {
    let module = module_path();
    fs::write(Path::new("/etc/pam.d").join(name), stack.replace("MODULE", module.to_str().unwrap())).unwrap();
}

/// The module as cargo built it for these tests.
pub(crate) fn module_path() -> PathBuf {
    let path = std::env::current_exe().unwrap().with_file_name("libpam_jit.so");
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// `pamtester -I ITEM=VALUE … SERVICE USER OPERATION`.
pub(crate) fn pamtester(service: &str, user: &str, items: &[(&str, &str)], operation: &str) -> Command {
    let mut command = Command::new("pamtester");
    for (item, value) in items {
        command.arg("-I").arg(format!("{item}={value}"));
    }
    command.args([service, user, operation]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it: `apt-get install pamtester` if that fails.
pub(crate) fn start(command: &mut Command) -> Child {
    command.spawn().expect("pamtester, setpriv and sh are installed")
}
