//! Grants that were asked for ahead: durable and in the log like all, and good for nothing before their time.

use jit_protocol::binding::Binding;
use serde::{Deserialize, Serialize};

use super::{Grant, Purpose};
use crate::clock::{Moment, earlier};
use crate::scope::Scope;

/// When a grant begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// `CLOCK_REALTIME` in nanoseconds.
    pub begins_ns: i64,
    /// How long it lives from then on, in nanoseconds.
    pub lives_ns: u64,
    /// It has begun: a clock that is set back does not undo that.
    pub begun: bool,
}

impl Grant {
    /// Whether it is still to begin.
    pub fn is_ahead(&self, now: Moment) -> bool {
        self.ahead.is_some_and(|ahead| !ahead.begun && now.realtime_ns < ahead.begins_ns)
    }

    /// When policy has to permit it: now, or once it begins.
    pub fn counts_at(&self, now: Moment) -> Moment {
        match self.ahead.filter(|_| self.is_ahead(now)) {
            Some(ahead) => Moment { realtime_ns: ahead.begins_ns, ..now },
            None => now,
        }
    }

    /// Begins it, if its time has come: true once. The wall clock says when that is; how long it lives counts on both from
    /// here on, whatever that clock was set to before.
    pub(super) fn begin(&mut self, now: Moment) -> bool {
        let due = |ahead: &&mut Ahead| !ahead.begun && now.realtime_ns >= ahead.begins_ns;
        let Some(ahead) = self.ahead.as_mut().filter(due) else { return false };
        ahead.begun = true;
        self.expires = earlier(self.expires, now.after(ahead.lives_ns));
        true
    }

    /// How long until it ends or begins, in nanoseconds.
    pub(super) fn next_moment(&self, now: Moment) -> u64 {
        let begins = self.ahead.filter(|ahead| !ahead.begun).map(|ahead| ahead.begins_ns - now.realtime_ns);
        let begins = begins.map_or(u64::MAX, |begins| u64::try_from(begins).unwrap_or(0));
        now.until(self.expires).min(begins)
    }

    /// Whether it counts for this. One that was asked for ahead is the user's, wherever a rule would count others, unless
    /// that names a scope.
    pub(super) fn is_for_purpose(&self, purpose: &Purpose) -> bool {
        let of_user = || Purpose { scope: Scope::User, key: self.purpose.key.clone(), ..purpose.clone() };
        self.purpose == *purpose
            || self.ahead.is_some() && self.purpose.scope == Scope::User && self.purpose == of_user()
    }

    /// Whether what a yes was said to is what is asked for now. How long it may take was said ahead of time, and is not said
    /// again.
    pub(super) fn is_bound_to(&self, bound: &Binding, asked: &Binding) -> bool {
        bound == asked || self.ahead.is_some() && *bound == Binding { duration: None, ..asked.clone() }
    }
}
