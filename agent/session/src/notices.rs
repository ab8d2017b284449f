//! What the person is told of the end of a session before it comes: one line at a time, each at its moment.

use std::collections::VecDeque;
use std::io;

use jit_protocol::link::Notice;

use crate::timer::{DeadlineTimer, is_past};

/// The lines still to be told.
#[derive(Debug)]
pub struct Notices {
    left: VecDeque<Notice>,
    next: DeadlineTimer,
}

impl Notices {
    /// Of these, the earliest first.
    ///
    /// # Errors
    /// Those of `timerfd_create(2)`.
    pub fn new(notices: &[Notice]) -> io::Result<Self> {
        let left: VecDeque<Notice> = notices.iter().cloned().collect();
        let next = DeadlineTimer::new(left.front().map(|notice| notice.at))?;
        Ok(Self { left, next })
    }

    /// Readable once the next line is due, on either clock.
    pub fn timer(&self) -> &DeadlineTimer {
        &self.next
    }

    /// The line whose moment has come. Of several, after a host has slept or its clock was set, the last: what the others
    /// said is no longer so.
    pub fn due(&mut self) -> Option<String> {
        if self.next.has_fired() { self.at_once() } else { None }
    }

    /// The same, before anything is waited for: a command may be over before its timers are looked at.
    pub fn at_once(&mut self) -> Option<String> {
        let mut due = None;
        while let Some(notice) = self.left.pop_front_if(|notice| is_past(notice.at)) {
            due = Some(notice.text);
        }
        // Also if none is: a clock may have been set back in between.
        let _ = self.next.set(self.left.front().map(|notice| notice.at));
        due
    }
}

#[cfg(test)]
mod tests {
    use jit_protocol::link::Deadline;

    use super::*;
    use crate::timer::boottime;

    fn notice(boottime_ns: u64, realtime_ns: i64, text: &str) -> Notice {
        Notice { at: Deadline { boottime_ns, realtime_ns }, text: text.to_owned() }
    }

    #[test]
    fn of_several_lines_that_are_due_the_last_is_told() {
        let (far, never) = (boottime() + 1_000_000_000_000, i64::MAX);
        let lines = [notice(1, never, "five"), notice(far, 1, "one"), notice(far, never, "later")];
        let mut notices = Notices::new(&lines).unwrap();
        assert!(notices.timer().has_passed());
        assert_eq!(notices.due().as_deref(), Some("one"));
        assert!(!notices.timer().has_passed());
        assert_eq!(notices.due(), None, "its moment is to come");
        let mut notices = Notices::new(&[]).unwrap();
        assert_eq!((notices.due(), notices.at_once()), (None, None));
        let mut notices = Notices::new(&lines[..1]).unwrap();
        assert_eq!((notices.at_once().as_deref(), notices.due()), (Some("five"), None), "once");
    }
}
