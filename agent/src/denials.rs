//! Denials under a flood: the first few of a user are recorded each, the rest counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Moment;

/// How many of one user are recorded within a window.
const RECORDED: u64 = 20;
/// Length of a window in nanoseconds.
const WINDOW: u64 = 10_000_000_000;

/// Counts of each user.
#[derive(Debug, Default)]
pub struct Denials {
    windows: Mutex<HashMap<u32, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began_ns: u64,
    count: u64,
}

impl Denials {
    /// Counts one; true if it is to be recorded itself.
    pub fn count(&self, uid: u32, now: Moment) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(uid).or_insert(Window { began_ns: now.boottime_ns, count: 0 });
        window.count += 1;
        window.count <= RECORDED
    }

    /// Whether the next one of this user would only be counted.
    pub fn is_flood(&self, uid: u32) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(&uid).is_some_and(|window| window.count >= RECORDED)
    }

    /// Windows that are over: user, and how many were only counted.
    pub fn take(&self, now: Moment) -> Vec<(u32, u64)> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted = Vec::new();
        windows.retain(|uid, window| {
            let over = now.boottime_ns.saturating_sub(window.began_ns) >= WINDOW;
            if over && window.count > RECORDED {
                counted.push((*uid, window.count - RECORDED));
            }
            !over
        });
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_another_users_denial_recorded() {
        let denials = Denials::default();
        let at = |seconds: u64| Moment { boottime_ns: seconds * 1_000_000_000, realtime_ns: 0 };
        let recorded = (0..1000).filter(|_| denials.count(1000, at(1))).count();
        assert_eq!(recorded, 20);
        assert!(denials.is_flood(1000) && !denials.is_flood(1001));
        assert!(denials.count(1001, at(1)));
        assert!(denials.take(at(5)).is_empty());
        assert_eq!(denials.take(at(11)), [(1000, 980)]);
        assert!(denials.count(1000, at(12)), "a new window");
    }
}
