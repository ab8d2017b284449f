//! The decision: deny wins, then every rule that permits, then why none does.

mod conditions;
mod membership;

use std::cell::Cell;

use jiff::Timestamp;

pub(crate) use self::conditions::{Named, sides};
use crate::account::{Directory, LookupFailed};
use crate::decision::{Candidate, Decision, Denial, Why};
use crate::index::Half;
use crate::pattern::{Matched, Side};
use crate::policy::Core;
use crate::request::Request;
use crate::rule::Rule;
use crate::sha256::Sha256;
use crate::when::AskedOnce;

/// One question to one policy.
pub(crate) struct Question<'p, 'r> {
    pub(crate) core: &'p Core,
    pub(crate) request: &'r Request<'r>,
    pub(crate) directory: &'r dyn Directory,
    pub(crate) zones: AskedOnce<'r>,
    /// How many rules were looked at, for tests.
    pub(crate) examined: Cell<usize>,
    /// When the first deny begins that would match but for the time.
    denied_from: Cell<Option<Timestamp>>,
    /// The digest of the file, if what was asked since this was last taken depends on it.
    depends_on: Cell<Option<Sha256>>,
}

/// Whether an id is one that the kernel takes for "no change".
pub(crate) fn has_invalid_id(request: &Request<'_>) -> bool {
    let accounts = [request.user, request.target.account];
    let ids = accounts.iter().flat_map(|account| [account.uid, account.gid]);
    ids.chain(request.target.group.map(|group| group.gid)).any(|id| id == u32::MAX)
}

impl<'p, 'r> Question<'p, 'r> {
    pub(crate) fn new(core: &'p Core, request: &'r Request<'r>, directory: &'r dyn Directory) -> Self {
        let zones = AskedOnce::new(request.zones);
        Self {
            core,
            request,
            directory,
            zones,
            examined: Cell::new(0),
            denied_from: Cell::default(),
            depends_on: Cell::default(),
        }
    }

    /// The deny rule that matches; of several the one with the smallest id.
    ///
    /// A look-up that fails is an error here: a deny must not be missed.
    pub(crate) fn denied_by(&self) -> Result<Option<&'p Rule>, LookupFailed> {
        let mut found: Option<&Rule> = None;
        if self.core.index.deny.is_empty() {
            return Ok(None);
        }
        let (rules, failed) = self.near(&self.core.index.deny, Side::Denies);
        failed.map_or(Ok(()), Err)?;
        for rule in rules {
            let Some(named) = self.matches(rule)? else { continue };
            if !self.login_holds(rule) || self.takes_file(rule, named.plain).is_none() {
                continue;
            }
            if !self.when_holds(rule) {
                let opens = rule.when.as_ref().and_then(|when| when.opens(self.request.now, &self.zones));
                self.denied_from.set(earliest([self.denied_from.get(), opens]));
            } else if found.is_none_or(|other| rule.id < other.id) {
                found = Some(rule);
            }
        }
        Ok(found)
    }

    /// Each rule that permits; else why none does.
    ///
    /// A rule that needs a failed look-up does not permit. Only if no other one does is the failure the answer.
    pub(crate) fn permitted_by(&self) -> Result<Result<Vec<Candidate<'p>>, Why<'p>>, LookupFailed> {
        let (rules, mut failed) = self.near(&self.core.index.allow, Side::Permits);
        let (mut candidates, mut other_file, mut untrusted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut options, mut closed, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            let Named { plain, pinned } = match self.matches(rule) {
                Ok(Some(named)) => named,
                Ok(None) => continue,
                Err(failure) => {
                    failed.get_or_insert(failure);
                    continue;
                }
            };
            let plain = plain.filter(|matched| !self.is_untrusted(rule, matched));
            if plain.is_none() && !pinned {
                untrusted.push(rule);
            } else if self.unserved(rule, plain == Some(Matched::All)).is_some() {
                options.push(rule);
            } else if !self.when_holds(rule) {
                closed.push(rule);
            } else if !self.login_holds(rule) {
                elsewhere.push(rule);
            } else {
                self.depends_on.take();
                match self.takes_file(rule, plain) {
                    Some(matched) => candidates.push(self.candidate(rule, matched)),
                    None => other_file.push(rule),
                }
            }
        }
        candidates.sort_by(|a, b| a.rule.id.cmp(&b.rule.id));
        let asked = self.request.asked.rule;
        if let Some(id) = asked {
            candidates.retain(|candidate| candidate.rule.id == id);
        }
        match failed {
            _ if !candidates.is_empty() => Ok(Ok(candidates)),
            Some(failure) => Err(failure),
            None if asked.is_some() => Ok(Err(Why::RuleDoesNotPermit)),
            None if !other_file.is_empty() => {
                Ok(Err(Why::OtherFile(by_id(other_file), (self.request.command.sha256)())))
            }
            None if !untrusted.is_empty() => Ok(Err(Why::UntrustedPath(by_id(untrusted)))),
            None if !closed.is_empty() => Ok(Err(Why::Time(by_id(closed)))),
            None if !elsewhere.is_empty() => Ok(Err(Why::Login(by_id(elsewhere)))),
            None if !options.is_empty() => Ok(Err(Why::Options(by_id(options)))),
            None => Ok(Err(Why::NoRuleMatches)),
        }
    }

    /// The rules that the index finds, and the first look-up that failed.
    pub(crate) fn near(&self, half: &Half, side: Side) -> (Vec<&'p Rule>, Option<LookupFailed>) {
        let Core { index, symbols, .. } = self.core;
        let whats = index.whats(&self.request.command, side, symbols);
        let mut whos = index.whos(self.request.user, symbols);
        let mut failed = None;
        for group in half.groups(&whats) {
            match self.core.is_one_of_groups(self.request.user, group, self.directory) {
                Ok(true) => whos.push(group),
                Ok(false) => {}
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        let rules = half.rules(&whos, &whats);
        (rules.into_iter().filter_map(|rule| self.core.rules.get(rule as usize)).collect(), failed)
    }

    /// Whether everything holds but `users`, which the index has found to hold, `when` and all in it, and digests; and how the command
    /// matched.
    pub(crate) fn matches(&self, rule: &'p Rule) -> Result<Option<Named>, LookupFailed> {
        self.examined.set(self.examined.get() + 1);
        let (ours, theirs) = sides(rule);
        if !self.nesting_holds(rule) || !self.time_holds(rule) || !self.host_holds(rule) {
            return Ok(None);
        }
        let named = self.named(rule, ours);
        if named.plain.is_none() && !named.pinned {
            return Ok(None);
        }
        let holds = self.target_holds(rule)?
            && !self.is_excepted_command(rule, theirs)
            && !self.is_excepted_target(rule)?
            && self.group_holds(rule)?
            && !self.is_excepted_user(rule)?;
        Ok(holds.then_some(named))
    }

    fn candidate(&self, rule: &'p Rule, matched: Matched) -> Candidate<'p> {
        let now = self.request.now;
        let closes =
            rule.when.as_ref().and_then(|when| when.closes(now, rule.grant.max_duration, &self.zones));
        let until = earliest([rule.not_after, closes]);
        let (arguments, command_is_all) = match matched {
            Matched::All => (None, true),
            Matched::Named(arguments) => (arguments, false),
        };
        Candidate { rule, arguments, command_is_all, sha256: self.depends_on.take(), until }
    }
}

fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}

fn by_id(mut rules: Vec<&Rule>) -> Vec<&Rule> {
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    rules
}

impl Core {
    /// Decides, for this policy and the denies of another.
    pub(crate) fn evaluate<'p>(
        &'p self,
        denies: &'p [std::sync::Arc<Self>],
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<Decision<'p>, LookupFailed> {
        if has_invalid_id(request) {
            return Ok(Decision::Deny(Denial { has_rules: false, why: Why::InvalidId }));
        }
        if !request.command.is_resolved() {
            let has_rules = self.has_any_rule(request.user, request.host, request.now, directory)?;
            return Ok(Decision::Deny(Denial { has_rules, why: Why::NoRuleMatches }));
        }
        let (mut why, mut denied_from, mut depends_on) = (None, None, None);
        for core in [self].into_iter().chain(denies.iter().map(|core| &**core)) {
            let question = Question::new(core, request, directory);
            if let Some(rule) = question.denied_by()?
                && why.is_none_or(|other: &Rule| rule.id < other.id)
            {
                why = Some(rule);
            }
            denied_from = earliest([denied_from, question.denied_from.get()]);
            depends_on = depends_on.or(question.depends_on.get());
        }
        let has_rules = || self.has_any_rule(request.user, request.host, request.now, directory);
        if let Some(rule) = why {
            let has_rules = has_rules().unwrap_or(false);
            return Ok(Decision::Deny(Denial { has_rules, why: Why::DeniedBy(rule) }));
        }
        match Question::new(self, request, directory).permitted_by()? {
            Ok(mut candidates) => {
                for candidate in &mut candidates {
                    candidate.until = earliest([candidate.until, denied_from]);
                    // That no deny matches may be so for this file alone.
                    candidate.sha256 = candidate.sha256.or(depends_on);
                }
                Ok(Decision::Permit(candidates))
            }
            Err(why) => Ok(Decision::Deny(Denial { has_rules: has_rules()?, why })),
        }
    }
}
