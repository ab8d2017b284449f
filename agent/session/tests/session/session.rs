//! One session, with the helper and the agent played by the test.

use std::fs;
use std::io::{Read, Write};
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind, MAX_FRAME};
use jit_protocol::link::{Deadline, ExitStatus, FromMonitor, Go, Notice, ToMonitor};
use jit_session::channel::Channel;
use jit_session::timer::boottime;

use crate::stage::until;

/// The end of a grant without one.
const NEVER: Deadline = Deadline { boottime_ns: u64::MAX, realtime_ns: i64::MAX };

/// How long anything may take that must happen.
const SOON: Duration = Duration::from_secs(40);

/// One session, seen from the helper's and the agent's chair.
pub(crate) struct Session {
    helper: Option<Channel>,
    agent: Option<Channel>,
    messages: Vec<FromMonitor>,
    frames: Vec<Frame>,
    stream: Option<UnixStream>,
    shown: String,
    output: Option<[fs::File; 2]>,
    kept: Vec<OwnedFd>,
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) messages: Vec<FromMonitor>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn ended(&self) -> ExitStatus {
        let found = self.messages.iter().find_map(|message| match message {
            FromMonitor::Ended { status, .. } => Some(*status),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no end among {:?}; {:?}", self.messages, self.texts()))
    }

    pub(crate) fn refused(&self) -> &Frame {
        let last = self.frames.last().unwrap();
        assert_eq!(last.kind, Kind::Refused, "{:?}; {}", self.frames, self.stdout);
        last
    }

    pub(crate) fn notices(&self) -> String {
        self.texts().join("\n")
    }

    fn texts(&self) -> Vec<String> {
        self.frames.iter().map(Frame::first_text).collect()
    }
}

impl Session {
    /// Over the helper's and the agent's ends.
    pub(crate) fn between(helper: Channel, agent: Channel) -> Self {
        Self {
            helper: Some(helper),
            agent: Some(agent),
            messages: Vec::new(),
            frames: Vec::new(),
            stream: None,
            shown: String::new(),
            output: None,
            kept: Vec::new(),
        }
    }

    /// Reads the command's output from these files, stdout and stderr.
    pub(crate) fn watch_output(&mut self, files: [fs::File; 2]) {
        self.output = Some(files);
    }

    /// Leaves a descriptor open as long as the session is.
    pub(crate) fn keep(&mut self, descriptor: OwnedFd) {
        self.kept.push(descriptor);
    }

    pub(crate) fn expect_accepted(&mut self) {
        self.await_message("Accepted", |message| matches!(message, FromMonitor::Accepted));
    }

    pub(crate) fn go_when_asked(&mut self) {
        let asked =
            |message: &FromMonitor| matches!(message, FromMonitor::Accepted | FromMonitor::Refused { .. });
        self.await_message("Accepted or Refused", asked);
        if matches!(self.messages.last(), Some(FromMonitor::Accepted)) {
            self.go(None, Duration::from_secs(1), false);
        }
    }

    pub(crate) fn go(&mut self, time: Option<Duration>, grace: Duration, kill_leftover: bool) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let deadline = time.map(|time| Deadline {
            boottime_ns: boottime() + u64::try_from(time.as_nanos()).unwrap(),
            realtime_ns: i64::try_from((now + time + Duration::from_mins(1)).as_nanos()).unwrap(),
        });
        self.say_go(NEVER, deadline, grace, kill_leftover);
    }

    /// Go, for a command without a deadline.
    pub(crate) fn go_if_before(&mut self, begin_before: Deadline) {
        self.say_go(begin_before, None, Duration::from_secs(1), false);
    }

    pub(crate) fn go_until(&mut self, boottime_ns: u64, realtime_ns: i64) {
        let deadline = Some(Deadline { boottime_ns, realtime_ns });
        self.say_go(NEVER, deadline, Duration::from_millis(100), false);
    }

    fn say_go(
        &mut self,
        begin_before: Deadline,
        deadline: Option<Deadline>,
        grace: Duration,
        kill_leftover: bool,
    ) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap();
        let grant = "grant-1".to_owned();
        let notices = Vec::new();
        self.say(&ToMonitor::Go(Go { grant, begin_before, deadline, notices, grace_ms, kill_leftover }));
    }

    /// Lets it run until a moment of the wall clock, with these lines in between, at moments of that clock.
    pub(crate) fn go_with_notices(&mut self, realtime_ns: i64, notices: &[(i64, &str)]) {
        let at = |realtime_ns| Deadline { boottime_ns: u64::MAX / 2, realtime_ns };
        let notice = |(moment, text): &(i64, &str)| Notice { at: at(*moment), text: (*text).to_owned() };
        self.say(&ToMonitor::Go(Go {
            grant: "grant-1".to_owned(),
            begin_before: NEVER,
            deadline: Some(at(realtime_ns)),
            notices: notices.iter().map(notice).collect(),
            grace_ms: 100,
            kill_leftover: false,
        }));
    }

    pub(crate) fn say(&self, message: &ToMonitor) {
        // A monitor that has refused meanwhile is gone.
        let _ = self.agent.as_ref().unwrap().send(&serde_json::to_vec(message).unwrap(), &[], true);
    }

    pub(crate) fn send(&self, frame: &Frame) {
        self.helper.as_ref().unwrap().send(&frame.encode(), &[], true).unwrap();
    }

    /// The helper's end.
    pub(crate) fn helper(&self) -> &Channel {
        self.helper.as_ref().unwrap()
    }

    /// What the monitor has said so far.
    pub(crate) fn messages(&self) -> &[FromMonitor] {
        &self.messages
    }

    /// Whether another frame comes in time; it is read.
    pub(crate) fn try_frame(&mut self, time: Duration) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.helper().as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(time).unwrap()).unwrap() == 1 && self.next_frame().is_some()
    }

    /// Reads the agent's messages to their end, but nothing as the helper.
    pub(crate) fn listen_to_the_end(&mut self) -> Vec<FromMonitor> {
        while self.next_message() {}
        take(&mut self.messages)
    }

    pub(crate) fn hang_up_agent(&mut self) {
        self.agent = None;
    }

    /// As the kernel does for a helper that is killed: all its descriptors are closed.
    pub(crate) fn hang_up_helper(&mut self) {
        self.helper = None;
        self.stream = None;
    }

    pub(crate) fn await_running(&mut self) -> i32 {
        self.await_message("Running", |message| matches!(message, FromMonitor::Running { .. }));
        let Some(FromMonitor::Running { pid, .. }) = self.messages.last() else {
            panic!("{:?}", self.messages)
        };
        *pid
    }

    pub(crate) fn await_ended(&mut self) {
        self.await_message("Ended", |message| matches!(message, FromMonitor::Ended { .. }));
    }

    pub(crate) fn await_stdout(&mut self, text: &str) {
        until(text, || self.stdout().contains(text));
    }

    pub(crate) fn await_terminal(&mut self, text: &str) {
        if self.stream.is_none() {
            self.await_frame(Kind::Started);
        }
        let start = Instant::now();
        while !self.shown.contains(text) {
            assert!(start.elapsed() < SOON, "no {text:?} in {:?}", self.shown);
            let mut buffer = [0; 4096];
            match self.stream.as_mut().unwrap().read(&mut buffer) {
                Ok(0) => panic!("the terminal closed before {text:?}: {:?}", self.shown),
                Ok(length) => self.shown.push_str(&String::from_utf8_lossy(&buffer[..length])),
                Err(_) => {}
            }
        }
    }

    pub(crate) fn hang_up_terminal(&mut self) {
        self.stream.as_mut().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.stream.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn await_frame(&mut self, kind: Kind) -> Frame {
        loop {
            let frame = self.next_frame().unwrap_or_else(|| panic!("no {kind:?}; {:?}", self.frames));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    pub(crate) fn finish_terminal(&mut self) {
        self.await_frame(Kind::Started);
        let mut rest = Vec::new();
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.read_to_end(&mut rest).unwrap();
        self.shown.push_str(&String::from_utf8_lossy(&rest));
    }

    /// Reads all frames and messages to their ends.
    pub(crate) fn finish(&mut self) -> Run {
        if self.stream.is_some() {
            self.drain_stream();
        }
        while self.next_frame().is_some() {
            if self.stream.is_some() && self.frames.last().is_some_and(|frame| frame.kind == Kind::Started) {
                self.drain_stream();
            }
        }
        while self.agent.is_some() && self.next_message() {}
        let stdout = self.stdout();
        let stderr = self.output.as_mut().map(|[_, stderr]| read_all(stderr)).unwrap_or_default();
        Run { messages: take(&mut self.messages), frames: take(&mut self.frames), stdout, stderr }
    }

    fn drain_stream(&mut self) {
        let mut rest = Vec::new();
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let _ = stream.read_to_end(&mut rest);
        self.shown.push_str(&String::from_utf8_lossy(&rest));
    }

    fn stdout(&mut self) -> String {
        self.output.as_mut().map(|[stdout, _]| read_all(stdout)).unwrap_or_default()
    }

    fn await_message(&mut self, what: &str, wanted: impl Fn(&FromMonitor) -> bool) {
        loop {
            assert!(self.next_message(), "no {what} among {:?}", self.messages);
            if wanted(self.messages.last().unwrap()) {
                return;
            }
        }
    }

    fn next_message(&mut self) -> bool {
        let agent = self.agent.as_ref().unwrap();
        assert!(readable_in_time(agent), "the monitor says nothing; so far {:?}", self.messages);
        let mut buffer = vec![0; 64 * 1024];
        let Ok(received) = agent.receive(&mut buffer, true) else { return false };
        self.messages.push(serde_json::from_slice(&buffer[..received.length]).unwrap());
        true
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let helper = self.helper.as_ref()?;
        assert!(readable_in_time(helper), "the helper hears nothing; so far {:?}", self.frames);
        let mut buffer = vec![0; MAX_FRAME];
        let mut received = helper.receive(&mut buffer, true).ok()?;
        let frame = Frame::decode(&buffer[..received.length]).unwrap();
        if let Some(stream) = received.descriptors.pop() {
            let stream = UnixStream::from(stream);
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            self.stream = Some(stream);
        }
        self.frames.push(frame.clone());
        Some(frame)
    }
}

/// A monitor whose agent goes away waits for the next one: so the agent stays to the end.
impl Drop for Session {
    fn drop(&mut self) {
        self.helper = None;
        if let Some(agent) = &self.agent {
            let mut buffer = vec![0; 64 * 1024];
            while readable_in_time(agent) && agent.receive(&mut buffer, true).is_ok() {}
        }
    }
}

fn readable_in_time(channel: &Channel) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(SOON).unwrap()).unwrap() == 1
}

fn read_all(file: &mut fs::File) -> String {
    use std::os::unix::fs::FileExt;
    let length = usize::try_from(file.metadata().unwrap().size()).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
