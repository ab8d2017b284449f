//! Timers on the two clocks that bound a session, and the moments they are set to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use jit_protocol::link::Deadline;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// Nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`).
pub fn boottime() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000)
        + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Whether a deadline has passed, by either clock.
pub fn is_past(deadline: Deadline) -> bool {
    let wall = clock_gettime(ClockId::Realtime);
    let wall_ns = wall.tv_sec.saturating_mul(1_000_000_000).saturating_add(wall.tv_nsec);
    boottime() >= deadline.boottime_ns || wall_ns >= deadline.realtime_ns
}

/// One timer, readable once its moment has come.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    fn new(clock: TimerfdClockId) -> io::Result<Self> {
        Ok(Self(timerfd_create(clock, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?))
    }

    /// A timer on `CLOCK_BOOTTIME`, not armed.
    ///
    /// # Errors
    /// Those of `timerfd_create(2)`.
    pub fn boottime() -> io::Result<Self> {
        Self::new(TimerfdClockId::Boottime)
    }

    /// Arms it for a moment in nanoseconds of its clock; a past one fires at once, `None` never.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn set(&self, at: Option<u64>) -> io::Result<()> {
        // Zero would disarm it; one nanosecond is long past.
        let at = at.map_or(0, |at| at.max(1));
        let value = Timespec {
            tv_sec: i64::try_from(at / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at % 1_000_000_000).unwrap_or(0),
        };
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: none, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Whether it has fired since it was armed.
    pub fn has_fired(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now)) == Ok(1)
    }

    /// Arms it for a time from now.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn set_in(&self, time: Duration) -> io::Result<()> {
        self.set(Some(boottime().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))))
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A deadline on both clocks: suspended time and a clock set forward count, a clock set back prolongs nothing.
#[derive(Debug)]
pub struct DeadlineTimer {
    /// Time since boot.
    pub boottime: Timer,
    /// The wall clock.
    pub realtime: Timer,
    deadline: Option<Deadline>,
}

impl DeadlineTimer {
    /// Armed for a deadline; for none, never.
    ///
    /// # Errors
    /// Those of `timerfd_create(2)`.
    pub fn new(deadline: Option<Deadline>) -> io::Result<Self> {
        let (boottime, realtime) = (Timer::boottime()?, Timer::new(TimerfdClockId::Realtime)?);
        let mut timers = Self { boottime, realtime, deadline: None };
        timers.set(deadline)?;
        Ok(timers)
    }

    /// Armed for another deadline; for none, never.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn set(&mut self, deadline: Option<Deadline>) -> io::Result<()> {
        self.deadline = deadline;
        self.boottime.set(deadline.map(|deadline| deadline.boottime_ns))?;
        self.realtime.set(deadline.map(|deadline| u64::try_from(deadline.realtime_ns).unwrap_or(0)))
    }

    /// Whether it has fired since it was set.
    pub fn has_fired(&self) -> bool {
        [&self.boottime, &self.realtime].into_iter().any(Timer::has_fired)
    }

    /// Whether the moment has come, by the clocks: no limit of the command's (it may have no descriptor to poll) has a
    /// say in that.
    pub fn has_passed(&self) -> bool {
        self.deadline.is_some_and(is_past)
    }

    /// Never fires again.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn disarm(&self) -> io::Result<()> {
        self.boottime.set(None)?;
        self.realtime.set(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fires(timer: &Timer, milliseconds: i64) -> bool {
        let timeout = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
        poll(&mut [PollFd::new(timer, PollFlags::IN)], Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn whichever_clock_is_first_ends_it() {
        let far = 1_000_000_000_000;
        let by_boottime =
            DeadlineTimer::new(Some(Deadline { boottime_ns: 0, realtime_ns: i64::MAX })).unwrap();
        assert!(fires(&by_boottime.boottime, 100) && !fires(&by_boottime.realtime, 1));
        let soon = Deadline { boottime_ns: boottime() + far, realtime_ns: 5 };
        let by_realtime = DeadlineTimer::new(Some(soon)).unwrap();
        assert!(!fires(&by_realtime.boottime, 1) && fires(&by_realtime.realtime, 100));
        assert!(by_boottime.has_passed() && by_realtime.has_passed());
    }

    #[test]
    fn no_deadline_never_fires() {
        let never = DeadlineTimer::new(None).unwrap();
        assert!(!fires(&never.boottime, 1) && !fires(&never.realtime, 1) && !never.has_passed());
    }
}
