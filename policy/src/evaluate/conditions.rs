//! Whether a part of a rule holds for a request: one function a key.

use super::Question;
use crate::account::LookupFailed;
use crate::pattern::{Commands, GroupName, Matched, Principal, Principals, Side};
use crate::policy::Core;
use crate::rule::{Cwd, Effect, Rule};
use crate::sha256::Sha256;
use crate::variables::is_dangerous_variable;
use crate::when::Holds;

/// How a command matches the entries of a rule, as far as that can be said without a look at the file.
pub(crate) struct Named {
    /// By an entry that takes any file.
    pub(crate) plain: Option<Matched>,
    /// By one that takes only files with certain digests.
    pub(crate) pinned: bool,
}

/// For `commands` and for `except_commands`: which way a doubt falls.
pub(crate) fn sides(rule: &Rule) -> (Side, Side) {
    match rule.effect {
        Effect::Allow => (Side::Permits, Side::Denies),
        Effect::Deny => (Side::Denies, Side::Permits),
    }
}

impl Question<'_, '_> {
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

    /// `when.origin`, `when.remote`, `when.session`: as with time, what can't be determined.
    pub(crate) fn login_holds(&self, rule: &Rule) -> bool {
        let holds = rule.from_login.as_ref().map_or(Holds::Yes, |from| from.holds(self.request.login));
        match rule.effect {
            Effect::Allow => holds == Holds::Yes,
            Effect::Deny => holds != Holds::No,
        }
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
