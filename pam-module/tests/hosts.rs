//! Programs that host the module in a bad state of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jit_protocol::login::LoginRequest;
use jit_protocol::paths::PAM_SOCKET;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{
    ALLOW, Behaviour, DENY, fake_agent, in_own_world, pamtester, start, write_gated, write_service,
};

const STACK: &str = "account required MODULE\naccount required pam_permit.so\n";

/// Runs a shell line in which `PAMTESTER` is the whole call; its exit status says whether the user got in.
fn enters(line: &str) -> bool {
    let line = line.replace("PAMTESTER", "exec pamtester sshd daemon acct_mgmt");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let done = shell.status();
    match done.unwrap().code() {
        Some(0) => true,
        Some(1) => false,
        other => panic!("{line}: {other:?}"),
    }
}

/// A setuid host (su: real uid the user's, effective 0) speaks with its effective identity (measured: by default the
/// kernel would attest the real one).
#[test]
fn a_set_uid_host_speaks_as_its_effective_user() {
    in_own_world(|| {
        write_service("sshd", STACK);
        let requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
        let line = "exec setpriv --ruid 65534 --rgid 65534 --keep-groups pamtester sshd daemon acct_mgmt";
        let child = start(Command::new("sh").args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null()));
        let pid = i32::try_from(child.id()).unwrap();
        assert!(child.wait_with_output().unwrap().status.success());
        let (sender, _) = requests.recv().unwrap();
        assert_eq!(
            (sender.pid.as_raw_nonzero().get(), sender.uid.as_raw(), sender.gid.as_raw()),
            (pid, 0, 0)
        );
    });
}

/// Exactly what PAM says is asked, and claims that are only recorded are cut.
#[test]
fn the_request_holds_what_pam_says() {
    in_own_world(|| {
        write_service("sshd", STACK);
        let requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
        let items = [("tty", "/dev/pts/7"), ("rhost", &"x".repeat(300))];
        let done = start(&mut pamtester("SSHD", "daemon", &items, "acct_mgmt")).wait_with_output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let (_, message) = requests.recv().unwrap();
        let request: LoginRequest = serde_json::from_slice(&message[8..]).unwrap();
        let rhost = Some("x".repeat(256));
        let tty = Some("/dev/pts/7".to_owned());
        assert_eq!(request, LoginRequest::new("daemon".into(), "sshd".into(), tty, rhost));
    });
}

#[test]
fn closed_standard_descriptors_change_nothing() {
    in_own_world(|| {
        write_service("sshd", STACK);
        write_gated("sshd daemon\n");
        for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
            let _ = fs::remove_file(PAM_SOCKET);
            assert!(!enters(&format!("PAMTESTER {closed}")), "{closed}, no agent");
            let requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(DENY));
            assert!(!enters(&format!("PAMTESTER {closed}")), "{closed}, denied");
            let (_, message) = requests.recv().unwrap();
            assert!(message.starts_with(b"JITR"), "{closed}: something else went to the agent");
            assert!(requests.try_recv().is_err(), "{closed}: more than the request went to the agent");
            fs::remove_file(PAM_SOCKET).unwrap();
            let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
            assert!(enters(&format!("PAMTESTER {closed}")), "{closed}, allowed");
        }
    });
}

/// Where the limit leaves PAM the two descriptors it needs itself, the module needs no third.
#[test]
fn two_free_descriptors_are_enough() {
    in_own_world(|| {
        write_service("sshd", STACK);
        write_gated("sshd bin\n");
        assert!(enters("ulimit -n 5; PAMTESTER"), "not named, no agent");
        write_gated("sshd daemon\n");
        assert!(!enters("ulimit -n 5; PAMTESTER"), "named, no agent");
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
        assert!(enters("ulimit -n 5; PAMTESTER"), "allowed");
    });
}

/// A signal interrupts a wait and must not begin it anew. (After SIGSTOP and SIGCONT the calls return as after any
/// handled signal.)
#[test]
fn a_storm_of_signals_does_not_prolong_the_wait() {
    in_own_world(|| {
        write_service("sshd", STACK);
        write_gated("sshd daemon\n");
        for behaviour in [Behaviour::Silent, Behaviour::Full] {
            let _ = fs::remove_file(PAM_SOCKET);
            let _requests = fake_agent(PAM_SOCKET.as_ref(), behaviour);
            let begun = Instant::now();
            let mut child = start(&mut pamtester("sshd", "daemon", &[], "acct_mgmt"));
            let pid = Pid::from_raw(child.id().try_into().unwrap());
            let done = loop {
                if let Some(done) = child.try_wait().unwrap() {
                    break done;
                }
                let _ = kill(pid, Signal::SIGSTOP);
                let _ = kill(pid, Signal::SIGCONT);
                thread::sleep(Duration::from_millis(20));
                assert!(begun.elapsed() < Duration::from_secs(40), "{behaviour:?}: still waiting");
            };
            let took = begun.elapsed();
            assert!(!done.success());
            assert!(took > Duration::from_millis(1500), "{behaviour:?}: {took:?}");
        }
    });
}

/// An agent that dies between request and answer must not take the host along by SIGPIPE.
#[test]
fn an_agent_that_hangs_up_kills_nobody() {
    in_own_world(|| {
        write_service("sshd", STACK);
        let _requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::HangsUp);
        for _ in 0..50 {
            // No list: whoever is not killed gets in.
            assert!(enters("PAMTESTER"));
        }
    });
}

/// A host without rights (a screen locker) asks about its own user with its own identity.
#[test]
fn a_host_without_rights_asks_as_itself() {
    in_own_world(|| {
        // The build folder may be closed to others: the module is brought to where they can read it.
        fs::copy(support::module_path(), "/run/pam_jit.so").unwrap();
        fs::write("/etc/pam.d/sshd", STACK.replace("MODULE", "/run/pam_jit.so")).unwrap();
        let requests = fake_agent(PAM_SOCKET.as_ref(), Behaviour::Says(ALLOW));
        fs::set_permissions(PAM_SOCKET, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        assert!(enters("exec setpriv --reuid 1 --regid 1 --clear-groups pamtester sshd daemon acct_mgmt"));
        let (sender, _) = requests.recv().unwrap();
        assert_eq!((sender.uid.as_raw(), sender.gid.as_raw()), (1, 1));
        fs::remove_file(PAM_SOCKET).unwrap();
        write_gated("sshd daemon\n");
        assert!(!enters("exec setpriv --reuid 1 --regid 1 --clear-groups pamtester sshd daemon acct_mgmt"));
        write_gated("sshd bin\n");
        assert!(enters("exec setpriv --reuid 1 --regid 1 --clear-groups pamtester sshd daemon acct_mgmt"));
    });
}

/// The system log learns why a login was refused without the agent, once, with nothing in it that forges a line.
#[test]
fn a_refusal_without_the_agent_is_in_the_system_log() {
    in_own_world(|| {
        let none = None::<&str>;
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("tmpfs"), "/dev", Some("tmpfs"), flags, none).unwrap();
        fs::write("/dev/null", "").unwrap();
        let log = UnixDatagram::bind("/dev/log").unwrap();
        log.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        write_service("sshd", STACK);
        write_gated("sshd daemon\nsshd a\\b\n");
        let child = start(&mut pamtester("sshd", "daemon", &[], "acct_mgmt"));
        let pid = child.id();
        assert!(!child.wait_with_output().unwrap().status.success());
        let mut buffer = [0; 2000];
        let mut line = || {
            let length = log.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let first = line();
        assert!(
            first.starts_with(&format!("<84>pam_jit[{pid}]: login of daemon by sshd refused")),
            "{first}"
        );
        assert!(first.ends_with("the list names daemon"), "{first}");
        start(&mut pamtester("sshd", "eve\nsshd[1]: Accepted password for root", &[], "acct_mgmt"))
            .wait()
            .unwrap();
        let forged = line();
        assert!(forged.contains("eve\\nsshd[1]"), "{forged}");
        assert!(!forged.contains('\n'), "{forged}");
    });
}

/// A log that nobody reads any more, its queue full, holds up no login.
#[test]
fn a_stuck_system_log_holds_up_nobody() {
    in_own_world(|| {
        let none = None::<&str>;
        nix::mount::mount(Some("tmpfs"), "/dev", Some("tmpfs"), nix::mount::MsFlags::empty(), none).unwrap();
        fs::write("/dev/null", "").unwrap();
        let _log = UnixDatagram::bind("/dev/log").unwrap();
        let writer = UnixDatagram::unbound().unwrap();
        writer.set_nonblocking(true).unwrap();
        while writer.send_to(b"full", "/dev/log").is_ok() {}
        write_service("sshd", STACK);
        write_gated("sshd daemon\n");
        let begun = Instant::now();
        assert!(!start(&mut pamtester("sshd", "daemon", &[], "acct_mgmt")).wait().unwrap().success());
        assert!(begun.elapsed() < Duration::from_secs(40));
    });
}
