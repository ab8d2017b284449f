//! The helper's end of a session: its connection, handed over by the agent.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use jit_protocol::frame::{Frame, Kind, MAX_ANSWER, MAX_FRAME, Phase, is_legal};
use nix::sys::signal::Signal;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::incoming;

/// How many descriptors the helper sends: stdin, stdout, stderr, working folder.
const DESCRIPTORS: usize = 4;

/// How many frames are read in a row while PAM works; what is more waits.
const MOST_EARLY: usize = 256;

/// Why nothing more comes from the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It is gone.
    Gone,
    /// It did not answer in time.
    Late,
    /// It sent what is not allowed.
    Broken,
}

/// The helper, as a monitor sees it.
#[derive(Debug)]
pub struct Helper {
    channel: Channel,
    /// The user at the other end; frames that another sent are not taken.
    owner: Option<u32>,
    window: Cell<Option<(u16, u16)>>,
    interrupted: Cell<Option<Signal>>,
    lost: Cell<Option<Lost>>,
    /// A frame's worth of bytes; an answer passes through it, so it is wiped.
    buffer: RefCell<Zeroizing<Vec<u8>>>,
}

/// How a question is shown. The number is the frame's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Without echo.
    Hidden = 0,
    /// With echo.
    Echoed = 1,
    /// Without echo, and the prompt is the person's own.
    Own = 2,
}

/// What the helper wants while the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The terminal has another size now: rows, columns.
    Window(u16, u16),
    /// Deliver a signal.
    Signal(Signal),
    /// It was continued; true: in the foreground.
    Continue(bool),
}

impl Helper {
    /// Takes the connection over.
    pub fn new(connection: OwnedFd) -> Self {
        let owner = getsockopt(&connection, sockopt::PeerCredentials).map(|peer| peer.uid()).ok();
        Self {
            channel: Channel::from(connection),
            owner,
            window: Cell::new(None),
            interrupted: Cell::new(None),
            lost: Cell::new(None),
            buffer: RefCell::new(Zeroizing::new(vec![0; MAX_FRAME + 1])),
        }
    }

    /// The helper's descriptors: the message that has waited in the socket since the request.
    ///
    /// # Errors
    /// [`Lost`] if it does not come, or is anything else.
    pub fn descriptors(&self) -> Result<[OwnedFd; DESCRIPTORS], Lost> {
        let (frame, descriptors) = self.receive(Phase::Begin, Some(Duration::from_secs(2)))?;
        if frame.kind != Kind::Descriptors {
            return Err(Lost::Broken);
        }
        descriptors.try_into().map_err(|_| Lost::Broken)
    }

    /// Asks the person; `None` if they gave up.
    ///
    /// # Errors
    /// [`Lost`] if no answer comes.
    pub fn ask(
        &self,
        prompt: &[u8],
        shown: Shown,
        time: Duration,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Lost> {
        self.send(&Frame::with(Kind::Prompt, shown as i32, prompt, ""))?;
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (mut frame, _) = self.receive(Phase::Asked, Some(left))?;
            if frame.kind == Kind::Answer {
                if frame.first.len() > MAX_ANSWER {
                    return Err(Lost::Broken);
                }
                let answer = Zeroizing::new(std::mem::take(&mut frame.first));
                return Ok((frame.value == 0).then_some(answer));
            }
            self.note(&frame);
            if self.interrupted.get().is_some() {
                return Ok(None);
            }
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// [`Lost::Gone`] if it can't be sent.
    pub fn send(&self, frame: &Frame) -> Result<(), Lost> {
        self.send_with(frame, &[])
    }

    /// Sends a frame with descriptors. Never waits: a helper that does not read has 200 KiB of room, then is lost.
    ///
    /// # Errors
    /// [`Lost::Gone`] if it can't be sent.
    pub fn send_with(&self, frame: &Frame, descriptors: &[BorrowedFd<'_>]) -> Result<(), Lost> {
        self.channel.send(&frame.encode(), descriptors, false).map_err(|_| Lost::Gone)
    }

    /// The signal that told us to give up before the command ran, from the helper's person.
    pub fn interruption(&self) -> Option<Signal> {
        self.take_early();
        self.interrupted.get()
    }

    /// The last size it told before the command ran.
    pub fn window(&self) -> Option<(u16, u16)> {
        self.take_early();
        self.window.get()
    }

    /// Whether it is gone or broke the rules before the command ran.
    pub fn lost(&self) -> Option<Lost> {
        self.take_early();
        self.lost.get()
    }

    /// The next wish while the command runs, if there is one.
    ///
    /// # Errors
    /// [`Lost`] if there will be none any more.
    pub fn wish(&self) -> Result<Option<Wish>, Lost> {
        let (frame, _) = match self.receive(Phase::Running, Some(Duration::ZERO)) {
            Err(Lost::Late) => return Ok(None),
            result => result?,
        };
        Ok(match frame.kind {
            Kind::Window => Some(window(frame.value)).map(|(rows, columns)| Wish::Window(rows, columns)),
            Kind::Signal => deliverable(frame.value).map(Wish::Signal),
            Kind::Continue => Some(Wish::Continue(frame.value == 1)),
            _ => None,
        })
    }

    /// Reads what came while PAM worked, without waiting.
    fn take_early(&self) {
        for _ in 0..MOST_EARLY {
            if self.lost.get().is_some() {
                return;
            }
            match self.receive(Phase::Working, Some(Duration::ZERO)) {
                Ok((frame, _)) => self.note(&frame),
                Err(Lost::Late) => return,
                Err(lost) => self.lost.set(Some(lost)),
            }
        }
    }

    fn note(&self, frame: &Frame) {
        match frame.kind {
            Kind::Window => self.window.set(Some(window(frame.value))),
            Kind::Signal => self.interrupted.set(deliverable(frame.value).or(self.interrupted.get())),
            _ => {}
        }
    }

    fn receive(&self, phase: Phase, time: Option<Duration>) -> Result<(Frame, Vec<OwnedFd>), Lost> {
        if !self.wait(time).map_err(|_| Lost::Gone)? {
            return Err(Lost::Late);
        }
        let mut buffer = self.buffer.borrow_mut();
        let (length, sender, descriptors) =
            self.take(phase, &mut buffer).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Lost::Late,
                io::ErrorKind::InvalidData => Lost::Broken,
                _ => Lost::Gone,
            })?;
        let frame = Frame::decode(buffer.get(..length).unwrap_or_default());
        buffer.iter_mut().take(length).for_each(|byte| *byte = 0);
        let frame = frame.map_err(|_| Lost::Broken)?;
        if !is_legal(phase, frame.kind) || sender.is_none() || sender != self.owner {
            return Err(Lost::Broken);
        }
        Ok((frame, descriptors))
    }

    /// Descriptors are taken with the first message alone.
    fn take(&self, phase: Phase, buffer: &mut [u8]) -> io::Result<(usize, Option<u32>, Vec<OwnedFd>)> {
        if phase == Phase::Begin {
            let received = self.channel.receive(buffer, false)?;
            return Ok((received.length, received.sender, received.descriptors));
        }
        let received = incoming::receive(self.as_fd(), buffer)?;
        Ok((received.length, received.sender, Vec::new()))
    }

    fn wait(&self, time: Option<Duration>) -> io::Result<bool> {
        let timeout = time.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        let mut fds = [PollFd::new(&self.channel, PollFlags::IN)];
        Ok(retry_on_intr(|| poll(&mut fds, timeout.as_ref()))? > 0)
    }
}

impl AsFd for Helper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn window(value: i32) -> (u16, u16) {
    let [low, high] = [value & 0xffff, (value >> 16) & 0xffff];
    (u16::try_from(high).unwrap_or(0), u16::try_from(low).unwrap_or(0))
}

/// Signals that a helper passes on for its person; nothing else is delivered.
fn deliverable(number: i32) -> Option<Signal> {
    let signal = Signal::try_from(number).ok()?;
    let known = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGTSTP,
        Signal::SIGCONT,
    ];
    known.contains(&signal).then_some(signal)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    fn connected() -> (Helper, Channel) {
        let (ours, theirs) = Channel::pair().unwrap();
        nix::sys::socket::setsockopt(&ours, sockopt::PassCred, &true).unwrap();
        (Helper::new(ours.as_fd().try_clone_to_owned().unwrap()), theirs)
    }

    fn say(channel: &Channel, frame: &Frame, descriptors: &[BorrowedFd<'_>]) {
        channel.send(&frame.encode(), descriptors, true).unwrap();
    }

    #[test]
    fn exactly_four_descriptors_are_taken() {
        for count in [0, 1, 3] {
            let (helper, other) = connected();
            let null = std::fs::File::open("/dev/null").unwrap();
            say(&other, &Frame::new(Kind::Descriptors, 0), &vec![null.as_fd(); count]);
            assert_eq!(helper.descriptors().unwrap_err(), Lost::Broken, "{count}");
        }
        let (helper, other) = connected();
        let null = std::fs::File::open("/dev/null").unwrap();
        say(&other, &Frame::new(Kind::Descriptors, 0), &[null.as_fd(); 4]);
        assert!(helper.descriptors().is_ok());
    }

    #[test]
    fn descriptors_on_any_other_frame_break_the_session() {
        let (helper, other) = connected();
        let null = std::fs::File::open("/dev/null").unwrap();
        say(&other, &Frame::new(Kind::Window, 0), &[null.as_fd()]);
        assert_eq!(helper.wish().unwrap_err(), Lost::Broken);
    }

    #[test]
    fn an_answer_nobody_asked_for_breaks_the_session() {
        let (helper, other) = connected();
        say(&other, &Frame::with(Kind::Answer, 0, "secret", ""), &[]);
        assert_eq!(helper.lost(), Some(Lost::Broken));
    }

    #[test]
    fn a_signal_during_a_prompt_gives_up() {
        let (helper, other) = connected();
        say(&other, &Frame::new(Kind::Signal, libc_sigint()), &[]);
        assert_eq!(helper.ask(b"Password: ", Shown::Hidden, Duration::from_secs(1)).unwrap(), None);
        assert_eq!(helper.interruption(), Some(Signal::SIGINT));
    }

    #[test]
    fn sizes_sent_during_a_question_do_not_prolong_it() {
        let (helper, other) = connected();
        let (start, answered) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let told = answered.clone();
        let talker = std::thread::spawn(move || {
            while !told.load(Relaxed) {
                assert!(start.elapsed() < Duration::from_secs(40), "it waits as long as there is something");
                let _ = other.send(&Frame::new(Kind::Window, 1).encode(), &[], false);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let answer = helper.ask(b"Password: ", Shown::Hidden, Duration::from_millis(200));
        assert_eq!(answer.unwrap_err(), Lost::Late);
        answered.store(true, Relaxed);
        talker.join().unwrap();
    }

    #[test]
    fn only_signals_of_a_person_are_delivered() {
        for number in [-1, 0, 9, 11, 17, 19, 64, 1000] {
            assert_eq!(deliverable(number), None, "{number}");
        }
    }

    fn libc_sigint() -> i32 {
        Signal::SIGINT as i32
    }
}
