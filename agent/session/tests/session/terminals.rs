//! The command's terminal.

use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::ExitStatus;

use crate::Test;
use crate::stage::{self, Stage, order, shell};

pub(crate) const TERMINALS: &[Test] = &[
    ("a_terminal_is_ours_with_the_helpers_size_and_follows_it", terminal),
    ("a_terminal_belongs_to_the_target_user", terminal_of_the_target),
    ("a_command_in_the_background_is_stopped_when_it_reads", in_the_background),
    ("a_terminal_that_hangs_up_is_the_commands_hang_up", hung_up),
    ("control_c_in_the_terminal_interrupts_the_command", control_c),
    ("control_z_stops_the_command_and_continue_continues_it", control_z),
    ("the_last_output_before_exit_is_never_lost", last_output),
];

fn terminal(stage: &Stage) {
    let mut wanted = order(&shell(
        "tty; stty size; ps -o tty= -p $$; until stty size | grep '^40 100$'; do sleep 0.05; done; \
         exec 0</dev/tty && echo has-a-terminal",
    ));
    wanted.terminal = Some(stage::terminal(33, 77));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("33 77");
    session.send(&Frame::new(Kind::Window, 0x0028_0064));
    session.await_terminal("40 100");
    session.await_terminal("has-a-terminal");
    assert!(session.shown().starts_with("/dev/pts/"), "{}", session.shown());
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn terminal_of_the_target(stage: &Stage) {
    let mut wanted = order(&shell("echo by its name >$(tty) && stat -c owner-%u $(tty)"));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("by its name");
    session.await_terminal("owner-1");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn control_c(stage: &Stage) {
    let mut wanted = order(&shell("echo ready; exec sleep 30"));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    session.type_in("\x03");
    assert_eq!(session.finish().ended(), ExitStatus::Signal(2));
}

/// The helper stays (a shell around it may wait for it), its terminal is gone.
fn hung_up(stage: &Stage) {
    let script = "trap 'trap \"\" HUP; read line || exit 7' HUP; echo ready; while :; do sleep 0.1; done";
    let mut wanted = order(&shell(script));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    session.hang_up_terminal();
    assert_eq!(session.finish().ended(), ExitStatus::Status(7));
}

fn control_z(stage: &Stage) {
    // One process all the time: a shell that waits in vfork(2) can't be stopped.
    let mut wanted = order(&shell("echo ready; read line; echo went on"));
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("ready");
    session.type_in("\x1a");
    let stopped = session.await_frame(Kind::Stopped);
    assert_eq!(stopped.value, 20);
    session.send(&Frame::new(Kind::Continue, 1));
    session.type_in("\n");
    session.await_terminal("went on");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

/// It must not read before it has the keys: whoever waits in read(2) cannot be stopped for it any more.
fn in_the_background(stage: &Stage) {
    let mut wanted = order(&shell("read line; echo got-$line"));
    wanted.terminal = Some(jit_protocol::request::Terminal { foreground: false, ..stage::terminal(24, 80) });
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    let stopped = session.await_frame(Kind::Stopped);
    assert_eq!(stopped.value, 21, "SIGTTIN");
    session.send(&Frame::new(Kind::Continue, 1));
    session.await_terminal("");
    session.type_in("this\n");
    session.await_terminal("got-this");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

fn last_output(stage: &Stage) {
    for _ in 0..20 {
        let mut wanted = order(&shell("seq 1 20000; printf the-very-end"));
        wanted.terminal = Some(stage::terminal(24, 80));
        let mut session = stage.begin_on_terminal(&wanted);
        session.expect_accepted();
        session.go(None, Duration::from_secs(1), false);
        session.finish_terminal();
        assert!(session.shown().ends_with("20000\r\nthe-very-end"), "{} bytes", session.shown().len());
    }
}
