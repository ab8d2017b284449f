//! A command that does with its terminal what few do: lets it go, gives it away.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::link::ExitStatus;

use crate::stage::{self, Session, Stage, order, shell};

// ssh and gpg ask on /dev/tty.
const ASKS: &str = "sleep 0.3; echo 'what now?' >/dev/tty; read line </dev/tty; echo got-$line >/dev/tty";

fn is_asked(mut session: Session) {
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    session.await_terminal("what now?");
    session.type_in("this\n");
    session.await_terminal("got-this");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

pub(super) fn opened_again(stage: &Stage) {
    let mut wanted = order(&shell(&format!("exec 0<&- 1>&- 2>&-; {ASKS}")));
    wanted.terminal = Some(stage::terminal(24, 80));
    is_asked(stage.begin_on_terminal(&wanted));
}

pub(super) fn only_controlling(stage: &Stage) {
    let mut wanted = order(&shell(ASKS));
    wanted.terminal = Some(stage::terminal(24, 80));
    let null = || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap());
    let root = OwnedFd::from(File::open("/").unwrap());
    is_asked(stage.hand_over_in(&wanted, &[null(), null(), null()], &root));
}

/// A shell that was killed while its job had the keys leaves them to nobody.
pub(super) fn wants_it_back(stage: &Stage) {
    let program = "import os,signal\nsignal.signal(signal.SIGTTOU,signal.SIG_IGN)\n\
                   job=os.fork()\nif job==0: signal.pause()\nos.setpgid(job,job)\nos.tcsetpgrp(0,job)\n\
                   os.kill(job,9)\nos.waitpid(job,0)\nprint('got-'+input(),flush=True)\n";
    let mut wanted = order(&["/usr/bin/python3", "-c", program]);
    wanted.terminal = Some(stage::terminal(24, 80));
    let mut session = stage.begin_on_terminal(&wanted);
    session.expect_accepted();
    session.go(None, Duration::from_secs(1), false);
    assert_eq!(session.await_frame(Kind::Stopped).value, nix::libc::SIGTTIN);
    session.send(&Frame::new(Kind::Continue, 1));
    session.type_in("this\n");
    session.await_terminal("got-this");
    assert_eq!(session.finish().ended(), ExitStatus::Status(0));
}

/// login(1) and agetty(8) do that.
pub(super) fn hung_up_by_itself(stage: &Stage) {
    let program = "import ctypes,os,signal,time\nsignal.signal(signal.SIGHUP,signal.SIG_IGN)\nname=os.ttyname(0)\n\
                   assert ctypes.CDLL(None).vhangup()==0\ntime.sleep(0.2)\n\
                   t=os.open(name,os.O_RDWR)\nos.write(t,b'what now?')\nos.write(t,b'got-'+os.read(t,100))\ntime.sleep(0.2)\n";
    let mut wanted = order(&["/usr/bin/python3", "-c", program]);
    wanted.terminal = Some(stage::terminal(24, 80));
    is_asked(stage.begin_on_terminal(&wanted));
}
