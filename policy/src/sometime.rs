//! Whether a request is permitted at any time of the week, with nobody else's approval.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::account::{Directory, LookupFailed};
use crate::evaluate::{Question, has_invalid_id};
use crate::pattern::{Matched, Side};
use crate::policy::Core;
use crate::request::Request;
use crate::rule::Rule;
use crate::when::{AskedOnce, Holds};

/// A week, and another one for a time that a change of the clock leaves out.
const LONG_ENOUGH: SignedDuration = SignedDuration::from_hours(2 * 7 * 24);

impl Core {
    /// For this policy and the denies of another.
    pub(crate) fn permits_sometime(
        &self,
        denies: &[Arc<Self>],
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        if has_invalid_id(request) || !request.command.is_resolved() {
            return Ok(false);
        }
        let (allows, failed) = Question::new(self, request, directory).allows();
        let mut against = Vec::new();
        for core in [self].into_iter().chain(denies.iter().map(|core| &**core)) {
            against.extend(Question::new(core, request, directory).denies()?);
        }
        let zones = AskedOnce::new(request.zones);
        let limit = request.now.checked_add(LONG_ENOUGH).unwrap_or(Timestamp::MAX);
        let mut instants = BTreeSet::from([request.now]);
        for when in allows.iter().chain(&against).filter_map(|rule| rule.when.as_ref()) {
            instants.extend(when.changes(request.now, limit, &zones));
        }
        let holds = |rule: &Rule, at| rule.when.as_ref().map_or(Holds::Yes, |when| when.holds(at, &zones));
        let permits = |at: &Timestamp| {
            let alone = |rule: &&&Rule| rule.require.approval.is_none();
            allows.iter().filter(alone).any(|rule| rule.holds_at(*at) && holds(rule, *at) == Holds::Yes)
                && !against.iter().any(|rule| holds(rule, *at) != Holds::No)
        };
        match failed {
            _ if instants.iter().any(permits) => Ok(true),
            Some(failure) => Err(failure),
            None => Ok(false),
        }
    }
}

impl<'p> Question<'p, '_> {
    /// The denies that match, at whatever time of the week.
    fn denies(&self) -> Result<Vec<&'p Rule>, LookupFailed> {
        let (rules, failed) = self.near(&self.core.index.deny, Side::Denies);
        failed.map_or(Ok(()), Err)?;
        let mut found = Vec::new();
        for rule in rules {
            let named = self.matches(rule)?.filter(|_| self.login_holds(rule));
            let matched = named.and_then(|named| self.takes_file(rule, named.plain));
            found.extend(matched.map(|_| rule));
        }
        Ok(found)
    }

    /// The allows that permit, at whatever time of the week, and the first look-up that failed.
    fn allows(&self) -> (Vec<&'p Rule>, Option<LookupFailed>) {
        let (rules, mut failed) = self.near(&self.core.index.allow, Side::Permits);
        let mut found = Vec::new();
        for rule in rules {
            match self.matches(rule) {
                Ok(Some(named)) if self.login_holds(rule) => {
                    let plain = named.plain.filter(|matched| !self.is_untrusted(rule, matched));
                    let serves = self.unserved(rule, plain == Some(Matched::All)).is_none();
                    found.extend((serves && self.takes_file(rule, plain).is_some()).then_some(rule));
                }
                Ok(_) => {}
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        (found, failed)
    }
}
