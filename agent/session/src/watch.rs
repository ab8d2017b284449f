//! A monitor's way to the spawner, which watches it: what a dead or stuck monitor leaves is ended. A spawner that was
//! started anew is called, and watches from then on.

use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::path::Path;
use std::time::Duration;

use jit_protocol::paths::SPAWNER_SOCKET;
use nix::sys::socket::{getsockopt, sockopt};

use crate::channel::Channel;
use crate::report::Report;
use crate::timer::boottime;

/// The spawner's end of a monitor.
#[derive(Debug)]
pub struct Watch {
    /// None: it is gone.
    channel: RefCell<Option<Channel>>,
    /// Until when it is to hear from us again, `CLOCK_BOOTTIME` in nanoseconds.
    until: Cell<Option<u64>>,
}

impl Watch {
    /// The channel that the spawner made.
    pub fn new(channel: Channel) -> Self {
        Self { channel: RefCell::new(Some(channel)), until: Cell::new(None) }
    }

    /// Reports. What can't be told is told to the next spawner.
    pub fn tell(&self, report: &Report) {
        if let Report::Taken(time) | Report::Within(time) = report {
            let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            self.until.set(time.map(|time| boottime().saturating_add(nanoseconds(time))));
        }
        if let Some(channel) = &*self.channel.borrow() {
            report.send(channel);
        }
    }

    /// Whether nobody watches any more.
    pub fn is_cut(&self) -> bool {
        let mut channel = self.channel.borrow_mut();
        while let Some(spawner) = &*channel {
            match spawner.receive(&mut [0; 16], false) {
                Ok(_) => {} // a word to those that have no order yet
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => *channel = None,
            }
        }
        channel.is_none()
    }

    /// To wait on: it is readable when the spawner is gone. To be given back before anything else is called.
    pub fn channel(&self) -> Ref<'_, Option<Channel>> {
        self.channel.borrow()
    }

    /// Tries to find the next spawner and tells it what to watch: the session in this cgroup.
    pub fn redial(&self, cgroup: &str) {
        let Ok(channel) = Channel::connect(Path::new(SPAWNER_SOCKET)) else { return };
        if !getsockopt(&channel, sockopt::PeerCredentials).is_ok_and(|peer| peer.uid() == 0) {
            return;
        }
        let left = self.until.get().map(|until| Duration::from_nanos(until.saturating_sub(boottime())));
        for report in [Report::Taken(left), Report::Cgroup(cgroup.to_owned())] {
            report.send(&channel);
        }
        *self.channel.borrow_mut() = Some(channel);
    }
}
