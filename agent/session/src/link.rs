//! The agent's end of a session, and finding it again when the agent was started anew.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use jit_protocol::link::{ExitStatus, FromMonitor, MAX_MESSAGE, ToMonitor};
use jit_protocol::paths::MONITOR_SOCKET;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use crate::channel::Channel;

/// The way to the agent. What it said is kept, to be told to the next agent.
#[derive(Debug)]
pub struct Link {
    channel: Option<Channel>,
    session: String,
    /// `Running`, once it was said.
    running: Option<FromMonitor>,
    expired: bool,
    ended: Option<ExitStatus>,
    /// It could not be told something.
    unheard: bool,
    /// Where the agent's words are received: looked for so often that it is made once.
    buffer: Vec<u8>,
}

impl Link {
    /// The link that came with an order.
    pub fn new(socket: OwnedFd, session: String) -> Self {
        let channel = Some(Channel::from(socket));
        Self {
            channel,
            session,
            running: None,
            expired: false,
            ended: None,
            unheard: false,
            buffer: Vec::new(),
        }
    }

    /// Tells the agent. That the time is up is told once.
    pub fn send(&mut self, message: &FromMonitor) {
        match message {
            FromMonitor::Running { .. } => self.running = Some(message.clone()),
            FromMonitor::Expired if self.expired => return,
            FromMonitor::Expired => self.expired = true,
            FromMonitor::Ended { status, .. } => self.ended = Some(*status),
            _ => {}
        }
        self.say(message);
    }

    fn say(&mut self, message: &FromMonitor) {
        let Ok(text) = serde_json::to_vec(message) else { return };
        if let Some(channel) = &self.channel
            && channel.send(&text, &[], false).is_err()
        {
            if self.running.is_some() {
                self.channel = None;
            } else {
                // Before it runs the agent may have refused and gone: its word is still to be read. If it is there, it must
                // not wait for ours.
                channel.say_no_more();
                self.unheard = true;
            }
        }
    }

    /// Waits for the agent's word at most this long; `None` if it does not come.
    pub fn wait(&mut self, time: Duration) -> Option<ToMonitor> {
        let channel = self.channel.as_ref()?;
        let timeout = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let mut fds = [PollFd::new(channel, PollFlags::IN)];
        match retry_on_intr(|| poll(&mut fds, Some(&timeout))) {
            Ok(1..) => self.receive(),
            _ => None,
        }
    }

    /// The agent's next word, if there is one. Its going away closes the link.
    pub fn receive(&mut self) -> Option<ToMonitor> {
        let channel = self.channel.as_ref()?;
        // Room for the largest would be memory of which nearly all is never used. One that comes after this look is for
        // the next time.
        let received = channel.next_length().and_then(|length| {
            self.buffer.resize(length.min(MAX_MESSAGE) + 1, 0);
            channel.receive(&mut self.buffer, false)
        });
        match received {
            Ok(received) => serde_json::from_slice(self.buffer.get(..received.length)?).ok(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => {
                self.channel = None;
                None
            }
        }
    }

    /// The descriptor to wait on, while there is an agent.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    /// Whether the agent went away, or does not hear us any more.
    pub fn is_cut(&self) -> bool {
        self.channel.is_none() || self.unheard
    }

    /// Tries to find the next agent and tells it what it missed.
    pub fn redial(&mut self) {
        if self.channel.is_some() {
            return;
        }
        let Some(running) = self.running.clone() else { return };
        let Ok(channel) = Channel::connect(Path::new(MONITOR_SOCKET)) else { return };
        if !getsockopt(&channel, sockopt::PeerCredentials).is_ok_and(|peer| peer.uid() == 0) {
            return;
        }
        let resume =
            FromMonitor::Resume { session: self.session.clone(), ended: self.ended, expired: self.expired };
        self.channel = Some(channel);
        self.say(&resume);
        // The agent before may have ended without a word of where the session is.
        self.say(&running);
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{Shutdown, shutdown};

    use super::*;

    fn connected() -> (Link, Channel) {
        let (ours, agent) = Channel::pair().unwrap();
        (Link::new(ours.as_fd().try_clone_to_owned().unwrap(), "s".to_owned()), agent)
    }

    fn refuse(agent: &Channel) -> ToMonitor {
        let word = ToMonitor::Refuse { what: "policy has changed meanwhile".to_owned(), hint: String::new() };
        agent.send(&serde_json::to_vec(&word).unwrap(), &[], false).unwrap();
        word
    }

    // To the kernel such an agent has reset the connection.
    #[test]
    fn the_last_word_of_an_agent_that_did_not_read_ours_is_heard() {
        let (mut link, agent) = connected();
        link.send(&FromMonitor::Accepted);
        let word = refuse(&agent);
        drop(agent);
        assert_eq!(link.receive(), Some(word));
        assert!(!link.is_cut());
        assert_eq!(link.receive(), None);
        assert!(link.is_cut());
    }

    // It can't know that a command began, and would let the same use of a grant begin another.
    #[test]
    fn an_agent_that_hears_nothing_is_as_good_as_gone() {
        let (mut link, agent) = connected();
        shutdown(&agent, Shutdown::Read).unwrap();
        link.send(&FromMonitor::Accepted);
        let word = refuse(&agent);
        assert_eq!(link.receive(), Some(word), "what it says is heard all the same");
        assert!(link.is_cut());
    }
}
