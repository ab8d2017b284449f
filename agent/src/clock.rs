//! Time, passed in: two clocks and the boot they belong to.

use std::sync::Mutex;

use jit_protocol::link::Deadline;
use rustix::time::{ClockId, clock_gettime};

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// `CLOCK_BOOTTIME` in nanoseconds: counts suspended time, cannot be set.
    pub boottime_ns: u64,
    /// `CLOCK_REALTIME` in nanoseconds since 1970: can be set, lasts over reboots.
    pub realtime_ns: i64,
}

impl Moment {
    /// The deadline this long after.
    pub fn after(self, nanoseconds: u64) -> Deadline {
        Deadline {
            boottime_ns: self.boottime_ns.saturating_add(nanoseconds),
            realtime_ns: self.realtime_ns.saturating_add(i64::try_from(nanoseconds).unwrap_or(i64::MAX)),
        }
    }

    /// Whether it is over: on either clock.
    pub fn is_past(self, deadline: Deadline) -> bool {
        self.boottime_ns >= deadline.boottime_ns || self.realtime_ns >= deadline.realtime_ns
    }

    /// Nanoseconds until it is over on the first of both clocks.
    pub fn until(self, deadline: Deadline) -> u64 {
        let wall = u64::try_from(deadline.realtime_ns.saturating_sub(self.realtime_ns)).unwrap_or(0);
        deadline.boottime_ns.saturating_sub(self.boottime_ns).min(wall)
    }

    /// RFC 3339, UTC, to the microsecond.
    pub fn rfc3339(self) -> String {
        rfc3339(self.realtime_ns)
    }

    /// For policy.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.realtime_ns)).unwrap_or_default()
    }
}

/// RFC 3339, UTC, to the microsecond.
pub fn rfc3339(realtime_ns: i64) -> String {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(realtime_ns)).unwrap_or_default();
    format!("{timestamp:.6}")
}

/// What is left of a deadline of an earlier boot, whose `CLOCK_BOOTTIME` says nothing now: the wall clock decides, but it
/// gets no more than the `left_ns` that it had left at `at_ns` (`CLOCK_REALTIME`), and nothing if that clock was set back.
pub fn over_reboot(expires: Deadline, left_ns: u64, at_ns: i64, now: Moment) -> Deadline {
    let passed = u64::try_from(now.realtime_ns.saturating_sub(at_ns)).unwrap_or(u64::MAX);
    let wall = Deadline { boottime_ns: u64::MAX, ..expires };
    earlier(wall, now.after(left_ns.saturating_sub(passed)))
}

/// The earlier of two deadlines, on each clock.
pub fn earlier(one: Deadline, other: Deadline) -> Deadline {
    Deadline {
        boottime_ns: one.boottime_ns.min(other.boottime_ns),
        realtime_ns: one.realtime_ns.min(other.realtime_ns),
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
    /// Which boot: `CLOCK_BOOTTIME` of another one says nothing.
    fn boot_id(&self) -> &str;
}

/// The kernel's clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    /// Reads the boot id.
    ///
    /// # Errors
    /// If `/proc` does not tell it.
    pub fn new() -> std::io::Result<Self> {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { boot_id })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let boottime = clock_gettime(ClockId::Boottime);
        let realtime = clock_gettime(ClockId::Realtime);
        let nanoseconds = |time: rustix::time::Timespec| {
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
        };
        Moment {
            boottime_ns: u64::try_from(nanoseconds(boottime)).unwrap_or(0),
            realtime_ns: nanoseconds(realtime),
        }
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

/// A clock that is set by hand, for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Moment>,
    boot_id: String,
}

impl ManualClock {
    /// A clock that stands at this moment of this boot.
    pub fn new(now: Moment, boot_id: &str) -> Self {
        Self { now: Mutex::new(now), boot_id: boot_id.to_owned() }
    }

    /// Time passes: on both clocks.
    pub fn pass(&self, nanoseconds: u64) {
        self.change(|now| {
            let then = now.after(nanoseconds);
            *now = Moment { boottime_ns: then.boottime_ns, realtime_ns: then.realtime_ns };
        });
    }

    /// The host is suspended for so long, and its wall clock stands meanwhile.
    pub fn suspend(&self, nanoseconds: u64) {
        self.change(|now| now.boottime_ns = now.boottime_ns.saturating_add(nanoseconds));
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&self, realtime_ns: i64) {
        self.change(|now| now.realtime_ns = realtime_ns);
    }

    fn change(&self, change: impl FnOnce(&mut Moment)) {
        change(&mut self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    // Rule 12: "Expiry counts suspended time *and* wall time; whichever ends first wins."
    #[test]
    fn whichever_clock_ends_first_wins() {
        let clock = ManualClock::new(Moment { boottime_ns: 100, realtime_ns: 1_000 }, "boot");
        let deadline = clock.now().after(10 * SECOND);
        clock.set_wall(-1_000_000);
        assert!(!clock.now().is_past(deadline), "a clock set back does not end it");
        clock.pass(10 * SECOND);
        assert!(clock.now().is_past(deadline), "nor does it prolong it");
        let deadline = clock.now().after(10 * SECOND);
        clock.set_wall(i64::MAX);
        assert!(clock.now().is_past(deadline), "a clock set forward ends it");
        assert_eq!(clock.now().until(deadline), 0);
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_790_000_000_123_456_789), "2026-09-21T14:13:20.123456Z");
    }

    #[test]
    fn the_kernels_clocks_are_read() {
        let clock = SystemClock::new().unwrap();
        assert_eq!(clock.boot_id().len(), 36);
        assert!(clock.now().boottime_ns > 0 && clock.now().realtime_ns > 1_700_000_000 * 1_000_000_000);
    }
}
