//! The decision: deny wins, then every rule that permits, then why none does.

use std::cell::Cell;

use jiff::Timestamp;

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::decision::{Candidate, Decision, Denial, Why};
use crate::index::Half;
use crate::pattern::{Commands, GroupName, HostPattern, Matched, Principal, Principals, Side, Symbol};
use crate::policy::Core;
use crate::request::Request;
use crate::rule::{Cwd, Effect, Rule};
use crate::sha256::Sha256;
use crate::variables::is_dangerous_variable;
use crate::when::{AskedOnce, Holds};

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

/// How a command matches the entries of a rule, as far as that can be said without a look at the file.
pub(crate) struct Named {
    /// By an entry that takes any file.
    pub(crate) plain: Option<Matched>,
    /// By one that takes only files with certain digests.
    pub(crate) pinned: bool,
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
            if self.takes_file(rule, named.plain).is_none() {
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
        let (mut candidates, mut other_file, mut untrusted, mut options, mut closed) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
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

    /// Whether everything holds but `users`, which the index has found to hold, `when`, and digests; and how the command
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

    pub(crate) fn nesting_holds(&self, rule: &Rule) -> bool {
        rule.nested || !self.request.nested
    }

    /// `not_before` and `not_after`
    pub(crate) fn time_holds(&self, rule: &Rule) -> bool {
        rule.holds_at(self.request.now)
    }

    /// `when`: what can't be determined does not hold in an allow, and holds in a deny.
    pub(crate) fn when_holds(&self, rule: &Rule) -> bool {
        let holds = rule.when.as_ref().map_or(Holds::Yes, |when| when.holds(self.request.now, &self.zones));
        match rule.effect {
            Effect::Allow => holds == Holds::Yes,
            Effect::Deny => holds != Holds::No,
        }
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

    /// `hosts` and `except_hosts`
    pub(crate) fn host_holds(&self, rule: &Rule) -> bool {
        self.core.host_holds(rule, self.request.host)
    }

    /// `commands`
    pub(crate) fn named(&self, rule: &Rule, side: Side) -> Named {
        let Core { symbols, command_sets, .. } = self.core;
        let command = &self.request.command;
        let plain = rule.commands.matches(command, side, symbols, command_sets);
        let pinned = rule.commands.pinned(command, side, symbols, command_sets).next().is_some();
        Named { plain, pinned }
    }

    /// How a rule matches the very file; `plain` is how it does without a look at that, if it does. The file is looked at
    /// only here, when all else has matched: nobody makes the agent read one that policy would not let them run.
    pub(crate) fn takes_file(&self, rule: &Rule, plain: Option<Matched>) -> Option<Matched> {
        let (ours, theirs) = sides(rule);
        let matched = plain.or_else(|| self.pinned_by(&rule.commands, ours))?;
        self.pinned_by(&rule.except_commands, theirs).is_none().then_some(matched)
    }

    /// How the command matches entries with digests, of which its file has one.
    pub(crate) fn pinned_by(&self, list: &Commands, side: Side) -> Option<Matched> {
        let Core { symbols, command_sets, .. } = self.core;
        let mut entries = list.pinned(&self.request.command, side, symbols, command_sets).peekable();
        entries.peek()?;
        let digest = (self.request.command.sha256)();
        if let Ok(digest) = &digest {
            self.depends_on.set(Some(*digest));
        }
        let is_its = |pins: &[Sha256]| match &digest {
            Ok(digest) => pins.binary_search(digest).is_ok(),
            Err(_) => side == Side::Denies,
        };
        entries.filter(|(pins, _)| is_its(pins)).map(|(_, matched)| matched).min()
    }

    /// `except_commands`, but for entries with digests. In a deny it helps to permit: then the path must be trusted too.
    pub(crate) fn is_excepted_command(&self, rule: &Rule, side: Side) -> bool {
        let command = &self.request.command;
        match rule.except_commands.matches(command, side, &self.core.symbols, &self.core.command_sets) {
            Some(Matched::Named(_)) => side == Side::Denies || command.trusted,
            Some(Matched::All) => true,
            None => false,
        }
    }

    /// `run_as`
    pub(crate) fn target_holds(&self, rule: &Rule) -> Result<bool, LookupFailed> {
        self.is_target(&rule.run_as)
    }

    /// `except_run_as`
    pub(crate) fn is_excepted_target(&self, rule: &Rule) -> Result<bool, LookupFailed> {
        self.is_target(&rule.except_run_as)
    }

    fn is_target(&self, entries: &Principals) -> Result<bool, LookupFailed> {
        let target = self.request.target.account;
        let is_self = target.uid == self.request.user.uid;
        if is_self && entries.contains(Principal::Myself) {
            return Ok(true);
        }
        self.core.is_one_of(target, entries, self.directory)
    }

    /// `except_users`
    pub(crate) fn is_excepted_user(&self, rule: &Rule) -> Result<bool, LookupFailed> {
        self.core.is_one_of(self.request.user, &rule.except_users, self.directory)
    }

    /// `run_as_groups`, for `-g` and for the groups that `-P` brings along.
    pub(crate) fn group_holds(&self, rule: &Rule) -> Result<bool, LookupFailed> {
        let target = self.request.target;
        if let Some(named) = rule.run_as_groups.as_ref().filter(|_| self.request.asked.preserve_groups) {
            // An allow must name each that the target has not, a deny any.
            let denies = rule.effect == Effect::Deny;
            for gid in &self.request.user.groups {
                if (denies || !target.account.is_in(*gid)) && self.is_named(named, *gid)? == denies {
                    return Ok(denies);
                }
            }
        }
        match (rule.effect, &rule.run_as_groups, target.group) {
            (_, None, _) | (Effect::Allow, Some(_), None) => Ok(true),
            // A deny that names groups is about requests that ask for one.
            (Effect::Deny, Some(_), None) => Ok(false),
            (Effect::Allow, Some(_), Some(group)) if target.account.is_in(group.gid) => Ok(true),
            (_, Some(groups), Some(group)) => self.is_named(groups, group.gid),
        }
    }

    fn is_named(&self, groups: &[GroupName], asked: u32) -> Result<bool, LookupFailed> {
        let mut failed = Ok(false);
        for entry in groups {
            let same = match entry {
                GroupName::All => true,
                GroupName::Gid(gid) => *gid == asked,
                GroupName::Name(name) => match self.core.gid_of(*name, self.directory) {
                    Ok(gid) => gid == Some(asked),
                    Err(failure) => {
                        failed = Err(failure);
                        false
                    }
                },
            };
            if same {
                return Ok(true);
            }
        }
        failed
    }

    /// Whether `trusted_path` does not hold.
    pub(crate) fn is_untrusted(&self, rule: &Rule, matched: &Matched) -> bool {
        *matched != Matched::All && rule.trusted_path && !self.request.command.trusted
    }

    /// The first option of the request that an allow rule can't serve. One that permits any command permits
    /// `env VAR=value command` too, so that it serves any variable, but for those that an administrator must name.
    pub(crate) fn unserved(&self, rule: &Rule, any_command: bool) -> Option<&'static str> {
        let asked = &self.request.asked;
        let Rule { restrict, grant, .. } = rule;
        let serves = |folder: &[u8]| match &restrict.cwd {
            Cwd::Caller => asked.cwd_is_callers,
            Cwd::Folder(named) => named.as_bytes() == folder,
        };
        if asked.cwd.is_some_and(|folder| !serves(folder) && !restrict.allow_cwd.allows(folder)) {
            return Some("-D: the folder is not in `allow_cwd`");
        }
        if asked
            .timeout
            .is_some_and(|asked| asked.is_zero() || restrict.timeout.is_some_and(|most| asked > most))
        {
            return Some("-T: longer than `timeout`");
        }
        if asked.duration.is_some_and(|asked| asked.is_zero() || asked > grant.max_duration) {
            return Some("--for: longer than `max_duration`");
        }
        let sets = |name: &Vec<u8>| restrict.keeps(name) || (any_command && !is_dangerous_variable(name));
        if !asked.assignments.iter().all(sets) {
            return Some("VAR=value: the variable is not in `env_keep`");
        }
        None
    }
}

/// For `commands` and for `except_commands`: which way a doubt falls.
pub(crate) fn sides(rule: &Rule) -> (Side, Side) {
    match rule.effect {
        Effect::Allow => (Side::Permits, Side::Denies),
        Effect::Deny => (Side::Denies, Side::Permits),
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

    /// The gid of a group that a rule names.
    pub(crate) fn gid_of(
        &self,
        group: Symbol,
        directory: &dyn Directory,
    ) -> Result<Option<u32>, LookupFailed> {
        Ok(directory.gid_of(self.symbols.text(group))?.filter(|gid| *gid != u32::MAX))
    }

    /// Whether a user is in this group, or in any group of this set: those that only a directory knows.
    pub(crate) fn is_one_of_groups(
        &self,
        user: &Account,
        who: Principal,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        let is_in = |group| Ok(self.gid_of(group, directory)?.is_some_and(|gid| user.is_in(gid)));
        match who {
            Principal::Group(group) => is_in(group),
            Principal::Set(set) => {
                let members = self.user_sets.get(set as usize).map(|set| &set.members);
                any(members.into_iter().flat_map(Principals::group_names), is_in)
            }
            _ => Ok(false),
        }
    }

    /// Whether a user is any of the entries.
    pub(crate) fn is_one_of(
        &self,
        user: &Account,
        entries: &Principals,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        if entries.is_empty() {
            return Ok(false);
        }
        if self.index.whos(user, &self.symbols).into_iter().any(|who| entries.contains(who)) {
            return Ok(true);
        }
        let groups = entries.group_names().map(Principal::Group).chain(entries.sets().map(Principal::Set));
        any(groups, |who| self.is_one_of_groups(user, who, directory))
    }

    /// `hosts` and `except_hosts`
    pub(crate) fn host_holds(&self, rule: &Rule, host: Host<'_>) -> bool {
        HostPattern::any(&rule.hosts, host, &self.symbols, &self.host_sets)
            && !HostPattern::any(&rule.except_hosts, host, &self.symbols, &self.host_sets)
    }
}

/// Whether it holds for any; a failure counts only if it holds for none.
fn any<T>(
    all: impl Iterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, LookupFailed>,
) -> Result<bool, LookupFailed> {
    let mut answer = Ok(false);
    for one in all {
        match holds(one) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(failure) => answer = Err(failure),
        }
    }
    answer
}
