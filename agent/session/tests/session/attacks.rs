//! Attacks on the spawner and its monitors: by the helper's end of the connection, by its descriptors, by the command.

mod terminals;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind, MAX_ANSWER};
use jit_protocol::link::{ExitStatus, FromMonitor, ToMonitor};
use jit_protocol::order::{Cwd, Order};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::fuse::{self, Fuse};
use crate::stage::{self, Session, Stage, order, shell, until};

pub(crate) const ATTACKS: &[Test] = &[
    ("a_flood_of_frames_delays_no_expiry", flood_and_expiry),
    ("a_flood_of_frames_delays_no_revocation", flood_and_revocation),
    ("a_frame_of_another_user_on_the_connection_ends_the_session", other_sender),
    ("descriptors_sent_later_are_dropped_unopened", later_descriptors),
    ("an_answer_longer_than_the_protocol_allows_is_refused", long_answer),
    ("a_file_server_that_hangs_the_monitor_does_not_prolong_the_command", hanging_close),
    ("the_end_of_a_command_is_noticed_whenever_it_comes", end_at_any_moment),
    ("a_helper_that_never_reads_its_terminal_holds_no_expired_session", unread_terminal),
    ("a_pipe_that_nobody_reads_delays_no_expiry", unread_pipe),
    ("a_command_that_gives_the_terminal_to_the_monitor_gains_nothing", terminal_given_to_monitor),
    ("a_terminal_that_the_command_let_go_can_be_opened_again", terminals::opened_again),
    ("a_command_with_nothing_on_its_terminal_still_has_one", terminals::only_controlling),
    ("a_command_that_wants_its_terminal_back_gets_it_from_whoever_has_it", terminals::wants_it_back),
    ("a_terminal_that_its_own_command_hangs_up_is_opened_again", terminals::hung_up_by_itself),
    ("what_a_terminal_session_left_behind_lives_until_its_time", leftover_of_terminal),
    ("a_command_of_another_user_cannot_signal_trace_or_read_the_monitor", monitor_untouchable),
    ("a_command_of_another_user_cannot_leave_its_cgroup", cgroup_kept),
    ("a_command_of_root_is_neither_agent_nor_monitor_to_the_spawner", caller_in_session),
    ("a_nested_session_ends_with_the_one_around_it", nested),
    ("a_deeply_nested_session_of_a_dead_monitor_is_ended", deeply_nested),
    ("a_nested_session_is_placed_nowhere_else", nested_elsewhere),
    ("a_folder_of_root_passed_as_a_handle_is_not_entered", folder_handle),
    ("an_order_is_never_lost_while_pam_changes", pam_changes),
];

/// Frames without a pause, until told to stop.
struct Flood(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Flood {
    fn on(session: &Session) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, helper) = (stop.clone(), session.helper().as_fd().try_clone_to_owned().unwrap());
        let thread = std::thread::spawn(move || {
            let wire = Frame::new(Kind::Signal, Signal::SIGCONT as i32).encode();
            while !told.load(Ordering::Relaxed) {
                let _ = nix::sys::socket::send(
                    std::os::fd::AsRawFd::as_raw_fd(&helper),
                    &wire,
                    nix::sys::socket::MsgFlags::MSG_NOSIGNAL | nix::sys::socket::MsgFlags::MSG_DONTWAIT,
                );
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(std::thread::JoinHandle::join);
    }
}

fn flood_and_expiry(stage: &Stage) {
    let mark = format!("{}.60", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
    session.expect_accepted();
    session.go(Some(Duration::from_secs(3)), Duration::from_millis(100), false);
    session.await_running();
    until("it runs", || stage::count_processes(&mark) == 1);
    let _floods = [Flood::on(&session), Flood::on(&session)];
    is_ended_by_its_monitor(&mut session);
    assert_eq!(stage::count_processes(&mark), 0);
}

fn flood_and_revocation(stage: &Stage) {
    let mark = format!("{}.61", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
    session.expect_accepted();
    session.go(Some(Duration::from_mins(10)), Duration::from_millis(100), false);
    session.await_running();
    until("it runs", || stage::count_processes(&mark) == 1);
    let _floods = [Flood::on(&session), Flood::on(&session)];
    std::thread::sleep(Duration::from_millis(100));
    session.say(&ToMonitor::Terminate { why: "revoked".into() });
    is_ended_by_its_monitor(&mut session);
    assert_eq!(stage::count_processes(&mark), 0);
}

/// And not by the spawner, ten seconds later.
fn is_ended_by_its_monitor(session: &mut Session) {
    let messages = session.listen_to_the_end();
    assert!(
        messages.contains(&FromMonitor::Expired) && messages.contains(&FromMonitor::Gone),
        "{messages:?}"
    );
}

// CVE class: the connection, once authenticated, handed to somebody else.
fn other_sender(stage: &Stage) {
    let mark = format!("{}.62", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("trap '' USR1; sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), false);
    session.await_running();
    until("it runs", || stage::count_processes(&mark) == 1);
    send_as(1, &session, &Frame::new(Kind::Signal, 10));
    until("it has ended", || stage::count_processes(&mark) == 0);
}

/// Sends a frame on the helper's connection from a process of another user.
fn send_as(uid: u32, session: &Session, frame: &Frame) {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&frame.encode()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let helper = session.helper().as_fd().try_clone_to_owned().unwrap();
    assert!(Command::new("cat").uid(uid).stdin(file).stdout(helper).status().unwrap().success());
}

fn later_descriptors(stage: &Stage) {
    let fuse = Fuse::new("");
    let file = fs::File::open(fuse.path()).unwrap();
    let mark = format!("{}.63", std::process::id());
    let mut session = stage.begin(&order(&shell(&format!("sleep {mark}"))));
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), false);
    session.await_running();
    until("it runs", || stage::count_processes(&mark) == 1);
    let own = i32::try_from(std::process::id()).unwrap();
    fuse.hold(move |kind, pid| kind == fuse::FLUSH && pid != own);
    session.helper().send(&Frame::new(Kind::Window, 0).encode(), &[file.as_fd()], true).unwrap();
    until("the session has ended", || stage::count_processes(&mark) == 0);
    assert!(!fuse.is_holding(), "the monitor closed what it should never have had");
}

fn long_answer(stage: &Stage) {
    for (length, taken) in [(MAX_ANSWER, true), (MAX_ANSWER + 1, false)] {
        let mut wanted = order(&shell("true"));
        wanted.ask_reason = true;
        let mut session = stage.begin(&wanted);
        session.await_frame(Kind::Prompt);
        session.send(&Frame::with(Kind::Answer, 0, "x".repeat(length), ""));
        session.go_when_asked();
        let run = session.finish();
        let fulfilled = run.messages.iter().any(|message| matches!(message, FromMonitor::Fulfilled { .. }));
        assert_eq!(fulfilled, taken, "{length}");
    }
}

// A close(2) of a file of FUSE waits for its server, and no signal ends that.
fn hanging_close(stage: &Stage) {
    let fuse = Fuse::new("");
    let mark = format!("{}.64", std::process::id());
    let spawner = stage.spawner_pid();
    let stdio = [(); 3].map(|()| OwnedFd::from(fs::File::open(fuse.path()).unwrap()));
    let root = OwnedFd::from(fs::File::open("/").unwrap());
    let mut session = stage.hand_over_in(&order(&shell(&format!("exec sleep {mark}"))), &stdio, &root);
    session.expect_accepted();
    fuse.hold(move |kind, pid| kind == fuse::FLUSH && fuse::parent(pid) == Some(spawner));
    session.go(Some(Duration::from_secs(4)), Duration::from_millis(100), false);
    until("the monitor hangs", || fuse.is_holding());
    until("the command runs", || stage::count_processes(&mark) == 1);
    until("its time is up", || stage::count_processes(&mark) == 0);
    fuse.release();
}

fn end_at_any_moment(stage: &Stage) {
    for _ in 0..8 {
        let mut sessions: Vec<_> = (0..24).map(|_| stage.begin(&order(&["/bin/sleep", "1000"]))).collect();
        for session in &mut sessions {
            session.expect_accepted();
            session.go(None, Duration::from_secs(1), false);
        }
        for session in &mut sessions {
            session.await_running();
        }
        // All at once, so that each monitor is interrupted at another point of its way.
        for session in &sessions {
            session.send(&Frame::new(Kind::Signal, 15));
        }
        for session in &mut sessions {
            session.await_ended();
        }
    }
}

fn unread_terminal(stage: &Stage) {
    let mut wanted = order(&shell("yes"));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(Some(Duration::from_secs(2)), Duration::from_secs(1), false);
    let messages = session.listen_to_the_end();
    assert!(messages.contains(&FromMonitor::Ended { status: ExitStatus::Signal(15), leftover: false }));
    assert!(messages.contains(&FromMonitor::Gone), "{messages:?}");
}

fn unread_pipe(stage: &Stage) {
    let (_reader, writer) = std::io::pipe().unwrap();
    let stdio = [(); 3].map(|()| OwnedFd::from(writer.try_clone().unwrap()));
    let root = OwnedFd::from(fs::File::open("/").unwrap());
    let mut session = stage.hand_over_in(&order(&["/usr/bin/yes"]), &stdio, &root);
    session.expect_accepted();
    session.go(Some(Duration::from_secs(2)), Duration::from_millis(100), false);
    is_ended_by_its_monitor(&mut session);
}

fn terminal_given_to_monitor(stage: &Stage) {
    // The terminal's foreground group becomes the monitor's; then its keys are pressed.
    let program = "import os,signal,sys,time\nsignal.signal(signal.SIGTTOU,signal.SIG_IGN)\n\
                   os.tcsetpgrp(0,os.getpgid(os.getppid()))\nprint('given',flush=True)\n\
                   while not os.path.exists(sys.argv[1]): time.sleep(0.02)\nos._exit(5)\n";
    let pressed = stage.path("keys-pressed");
    let _ = fs::remove_file(&pressed);
    let mut wanted = order(&["/usr/bin/python3", "-c", program, &pressed]);
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("given");
    session.type_in("\x03\x1c\x1a");
    session.await_terminal("^Z"); // the echo of the last one
    fs::write(&pressed, "").unwrap();
    let run = session.finish();
    assert_eq!(run.ended(), ExitStatus::Status(5));
    assert!(run.messages.contains(&FromMonitor::Gone), "{:?}", run.messages);
}

fn leftover_of_terminal(stage: &Stage) {
    let mark = format!("{}.65", std::process::id());
    let script = format!("setsid sleep {mark} </dev/null >/dev/null 2>&1 & sleep 0.2; exit 3");
    let mut wanted = order(&shell(&script));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), false);
    session.finish_terminal();
    session.await_ended();
    until("it is there", || stage::count_processes(&mark) == 1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stage::count_processes(&mark), 1);
    session.say(&ToMonitor::Terminate { why: "its time is up".into() });
    assert!(session.finish().messages.contains(&FromMonitor::Gone));
    assert_eq!(stage::count_processes(&mark), 0);
}

fn monitor_untouchable(stage: &Stage) {
    let script = "for s in KILL STOP TERM HUP USR1; do kill -$s $PPID && echo signalled; done; \
                  for f in mem environ maps fd/0 auxv; do cat /proc/$PPID/$f && echo read; done; \
                  for f in cwd root exe ns/mnt fd/0; do readlink /proc/$PPID/$f && echo looked; done; \
                  ls /proc/$PPID/fd && echo listed; (: >/proc/$PPID/oom_score_adj) && echo wrote; echo done";
    let mut wanted = order(&shell(script));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    let run = stage.run(&wanted);
    assert_eq!(run.stdout, "done\n", "{}", run.stderr);
    assert_eq!(run.ended(), ExitStatus::Status(0));
}

fn cgroup_kept(stage: &Stage) {
    let mark = format!("{}.66", std::process::id());
    let script = format!(
        "for c in $(find /sys/fs/cgroup -maxdepth 4 -name cgroup.procs); do (echo 0 >$c) 2>/dev/null && echo left $c; \
         done; p=$(sed -n s/^0:://p /proc/self/cgroup); for m in /sys/fs/cgroup /sys/fs/cgroup/unified; do \
         mkdir $m$p/own 2>/dev/null && echo made; echo 0 2>/dev/null >$m$p/cgroup.kill && echo wrote; done; \
         (setsid sleep {mark} &); sleep {mark}"
    );
    let mut wanted = order(&shell(&script));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    let mut session = stage.begin(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_millis(100), false);
    until("both run", || stage::count_processes(&mark) == 2);
    session.say(&ToMonitor::Terminate { why: "its time is up".into() });
    let run = session.finish();
    assert_eq!(run.stdout, "");
    assert_eq!(stage::count_processes(&mark), 0);
}

// What a monitor may say of itself decides which cgroup is killed with it; and the agent is given the way to all of them.
fn caller_in_session(stage: &Stage) {
    if stage.lacks_cgroup() {
        return; // where a session has none, nobody can tell: docs/threat-model.md
    }
    let program = "import os,socket,struct\n\
                   s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n\
                   s.connect('/run/jit-sudo/private/spawner.sock')\n\
                   for r in (b'\\x01'+b'\\xff'*8,b'\\x03'+os.environb[b'CLAIMED'],b'\\x02'+struct.pack('<Q',0)):\n try: s.send(r)\n except OSError: pass\n\
                   try: print(len(s.recv(4096)))\n\
                   except OSError: print('cut')\n";
    let mark = format!("{}.70", std::process::id());
    let mut other = stage.begin(&order(&shell(&format!("exec sleep {mark}"))));
    other.expect_accepted();
    other.go(None, Duration::from_millis(100), false);
    other.await_running();
    until("it runs", || stage::count_processes(&mark) == 1);
    let FromMonitor::Running { cgroup, .. } = other.messages().last().unwrap().clone() else { panic!() };
    let mut wanted = order(&["/usr/bin/python3", "-c", program]);
    wanted.environment.push(("CLAIMED".into(), cgroup.as_str().into()));
    let run = stage.run(&wanted);
    assert!(["0\n", "cut\n"].contains(&run.stdout.as_str()), "{} {}", run.stdout, run.stderr);
    assert_eq!(stage::count_processes(&mark), 1, "nothing that it claimed was killed");
    other.say(&ToMonitor::Terminate { why: "the test is over".into() });
    other.finish();
}

/// A session inside the cgroup at `parent`; its order.
fn nested_order(parent: &str, id: usize, script: &str) -> Order {
    let mut wanted = order(&shell(script));
    wanted.session = format!("{id:016x}{id:016x}");
    wanted.nested_in = Some(parent.to_owned());
    wanted
}

fn nested(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    let mark = format!("{}.67", std::process::id());
    let mut outer = stage.begin(&order(&["/bin/sleep", "60"]));
    outer.expect_accepted();
    outer.go(None, Duration::from_millis(100), false);
    let parent = cgroup_of(&mut outer);
    let mut inner = stage.begin(&nested_order(&parent, 1, &format!("exec sleep {mark}")));
    inner.expect_accepted();
    inner.go(None, Duration::from_secs(1), false);
    assert_eq!(cgroup_of(&mut inner), format!("{parent}/s-{:016x}", 1));
    until("it runs", || stage::count_processes(&mark) == 1);
    outer.say(&ToMonitor::Terminate { why: "its time is up".into() });
    assert!(outer.finish().messages.contains(&FromMonitor::Gone));
    assert_eq!(stage::count_processes(&mark), 0);
    assert!(inner.finish().messages.contains(&FromMonitor::Gone));
}

fn cgroup_of(session: &mut Session) -> String {
    session.await_running();
    let Some(FromMonitor::Running { cgroup, .. }) = session.messages().last() else { panic!() };
    cgroup.clone()
}

fn deeply_nested(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    let mark = format!("{}.68", std::process::id());
    let mut outer = stage.begin(&order(&["/bin/sleep", "60"]));
    outer.expect_accepted();
    outer.go(None, Duration::from_millis(100), false);
    let mut parent = cgroup_of(&mut outer);
    for depth in 0..30 {
        parent = format!("{parent}/s-{depth:016x}");
        fs::create_dir(stage.cgroup_folder("").unwrap().join(&parent)).unwrap();
    }
    let mut inner = stage.begin(&nested_order(&parent, 77, &format!("exec sleep {mark}")));
    inner.expect_accepted();
    inner.go(None, Duration::from_millis(100), false);
    let monitor = stage::parent_of(inner.await_running());
    kill(Pid::from_raw(monitor), Signal::SIGKILL).unwrap();
    until("nothing of it runs", || stage::count_processes(&mark) == 0);
    outer.hang_up_helper();
    outer.finish();
}

fn nested_elsewhere(stage: &Stage) {
    if stage.lacks_cgroup() {
        return;
    }
    for parent in ["..", "../..", "/", "/sys/fs/cgroup", "s-0/..", "no-such", ".", ""] {
        let mut wanted = nested_order(parent, 2, "true");
        wanted.nested_in = Some(parent.to_owned());
        let run = stage.begin(&wanted).finish();
        assert!(run.refused().first_text().contains("cgroup"), "{parent}: {}", run.refused().first_text());
    }
}

// F5 of the threat notes: root could enter it.
fn folder_handle(stage: &Stage) {
    let folder = stage.path("roots-own");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let handle = fs::File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_PATH.bits() | nix::fcntl::OFlag::O_DIRECTORY.bits())
        .open(&folder)
        .unwrap();
    let output = tempfile::tempfile().unwrap();
    let stdio = [(); 3].map(|()| OwnedFd::from(output.try_clone().unwrap()));
    let mut wanted = order(&shell("pwd"));
    wanted.invoking = stage::account("daemon", 1, 1, &[1]);
    assert_eq!(wanted.restrictions.cwd, Cwd::Caller);
    let mut session = stage::as_user(1, || stage.hand_over_in(&wanted, &stdio, &handle.into()));
    session.go_when_asked();
    let run = session.finish();
    assert_eq!(read(&output), "/\n", "{:?} {:?} {}", run.messages, run.frames, run.notices());
}

fn read(file: &fs::File) -> String {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; 4096];
    let length = file.read_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn pam_changes(stage: &Stage) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let changer = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            fs::write("/etc/pam.d/unrelated", "").unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for at in 0..150 {
            let run = stage.run(&order(&["/bin/true"]));
            assert_eq!(run.ended(), ExitStatus::Status(0), "order {at}");
        }
    }));
    stop.store(true, Ordering::Relaxed);
    changer.join().unwrap();
    assert!(result.is_ok(), "an order was lost");
}
