//! Authentication records: proofs of a recent password, per terminal and for whose it was. In memory only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// All records.
#[derive(Debug, Default)]
pub struct Records {
    /// When each was made, `CLOCK_BOOTTIME` in nanoseconds: a wall clock that is set changes nothing.
    made: Mutex<HashMap<Key, u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    uid: u32,
    terminal: String,
    /// Whose password it was (GHSA-c978-wq47-pvvw: a record did not say).
    whose: u32,
}

/// More than any rule's timeout: older ones are forgotten.
const OLDEST: Duration = Duration::from_hours(24);
/// Beyond this many the old ones are looked for.
const MANY: usize = 4096;

impl Records {
    /// Takes note of a right password.
    pub fn add(&self, uid: u32, terminal: &str, whose: u32, now: Moment) {
        let mut made = self.lock();
        if made.len() >= MANY {
            made.retain(|_, at| is_younger(*at, OLDEST, now));
        }
        made.insert(Key { uid, terminal: terminal.to_owned(), whose }, now.boottime_ns);
    }

    /// Whether there is one, not older than `timeout`, however often it was used; zero: never.
    pub fn is_live(&self, uid: u32, terminal: &str, whose: u32, timeout: Duration, now: Moment) -> bool {
        let key = Key { uid, terminal: terminal.to_owned(), whose };
        self.lock().get(&key).is_some_and(|at| is_younger(*at, timeout.min(OLDEST), now))
    }

    /// `-k`: this terminal's.
    pub fn forget_terminal(&self, uid: u32, terminal: &str) {
        self.lock().retain(|key, _| key.uid != uid || key.terminal != terminal);
    }

    /// `-K`: all of the user's.
    pub fn forget_user(&self, uid: u32) {
        self.lock().retain(|key, _| key.uid != uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_younger(made: u64, timeout: Duration, now: Moment) -> bool {
    let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    now.boottime_ns.checked_sub(made).is_some_and(|age| age < timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Duration = Duration::from_mins(5);

    fn at(seconds: u64) -> Moment {
        Moment { boottime_ns: seconds * 1_000_000_000, realtime_ns: 0 }
    }

    #[test]
    fn a_record_is_live_until_its_absolute_timeout() {
        let records = Records::default();
        records.add(1000, "tty", 1000, at(10));
        assert!(records.is_live(1000, "tty", 1000, FIVE, at(10)));
        assert!(records.is_live(1000, "tty", 1000, FIVE, at(309)), "used before, not prolonged by it");
        assert!(!records.is_live(1000, "tty", 1000, FIVE, at(310)));
        assert!(!records.is_live(1000, "tty", 1000, Duration::ZERO, at(10)), "\"0\" = every time");
        assert!(!records.is_live(1000, "tty", 1000, FIVE, at(9)), "from the future");
    }

    // CVE-2013-1775: `-k` and a clock set to 1970 made a record live again.
    #[test]
    fn a_wall_clock_that_is_set_changes_nothing() {
        let records = Records::default();
        records.add(1000, "tty", 1000, at(10));
        let set = Moment { realtime_ns: i64::MIN, ..at(400) };
        assert!(!records.is_live(1000, "tty", 1000, FIVE, set));
    }

    #[test]
    fn a_record_counts_for_one_user_terminal_and_password_only() {
        let records = Records::default();
        records.add(1000, "tty", 1000, at(0));
        assert!(!records.is_live(1001, "tty", 1000, FIVE, at(1)));
        assert!(!records.is_live(1000, "other", 1000, FIVE, at(1)));
        assert!(!records.is_live(1000, "tty", 0, FIVE, at(1)));
    }

    #[test]
    fn small_k_forgets_this_terminal_and_capital_k_all() {
        let records = Records::default();
        let add = || ["one", "two"].map(|tty| records.add(1000, tty, 1000, at(0)));
        records.add(1001, "one", 1001, at(0));
        add();
        records.forget_terminal(1000, "one");
        assert!(!records.is_live(1000, "one", 1000, FIVE, at(1)));
        assert!(records.is_live(1000, "two", 1000, FIVE, at(1)));
        add();
        records.forget_user(1000);
        assert!(!["one", "two"].into_iter().any(|tty| records.is_live(1000, tty, 1000, FIVE, at(1))));
        assert!(records.is_live(1001, "one", 1001, FIVE, at(1)));
    }
}
