//! Which rules a user has at all, and how a rule reads.

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::pattern::{Commands, Principal, Principals};
use crate::policy::Core;
use crate::rule::Rule;

/// The lists of a rule, as the policy writes them; for `-l` and messages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RuleText {
    /// `users`
    pub users: Vec<String>,
    /// `hosts`
    pub hosts: Vec<String>,
    /// `run_as`
    pub run_as: Vec<String>,
    /// `run_as_groups`; in a deny that names none, `ALL`
    pub run_as_groups: Vec<String>,
    /// `commands`, the sets among them written out
    pub commands: Vec<String>,
    /// `except_users`
    pub except_users: Vec<String>,
    /// `except_hosts`
    pub except_hosts: Vec<String>,
    /// `except_run_as`
    pub except_run_as: Vec<String>,
    /// `except_commands`, the sets among them written out
    pub except_commands: Vec<String>,
    /// `when.time`
    pub when: Vec<String>,
    /// From which login sessions it holds: a text for each condition; empty is from any.
    pub from: Vec<String>,
}

impl Core {
    /// The allow rules of a user on this host, at any time of the week, by ascending id.
    pub(crate) fn eligible(
        &self,
        user: &Account,
        host: Host<'_>,
        now: jiff::Timestamp,
        directory: &dyn Directory,
    ) -> Result<Vec<&Rule>, LookupFailed> {
        let mut rules = Vec::new();
        for rule in self.rules_of(user, directory)? {
            if self.is_eligible(rule, user, host, now, directory)? {
                rules.push(rule);
            }
        }
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(rules)
    }

    /// Whether [`Self::eligible`] finds any.
    pub(crate) fn has_any_rule(
        &self,
        user: &Account,
        host: Host<'_>,
        now: jiff::Timestamp,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        for rule in self.rules_of(user, directory)? {
            if self.is_eligible(rule, user, host, now, directory)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rules_of(&self, user: &Account, directory: &dyn Directory) -> Result<Vec<&Rule>, LookupFailed> {
        if user.uid == u32::MAX {
            return Ok(Vec::new());
        }
        let half = &self.index.allow;
        let mut whos = self.index.whos(user, &self.symbols);
        for group in half.all_groups() {
            if self.is_one_of_groups(user, *group, directory)? {
                whos.push(*group);
            }
        }
        Ok(half.rules_of(&whos).into_iter().filter_map(|rule| self.rules.get(rule as usize)).collect())
    }

    fn is_eligible(
        &self,
        rule: &Rule,
        user: &Account,
        host: Host<'_>,
        now: jiff::Timestamp,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        Ok(rule.holds_at(now)
            && self.host_holds(rule, host)
            && !self.is_one_of(user, &rule.except_users, directory)?)
    }

    /// How a rule reads.
    pub(crate) fn text_of(&self, rule: &Rule) -> RuleText {
        let hosts = |hosts: &[crate::pattern::HostPattern]| {
            hosts.iter().map(|host| host.text(&self.symbols, &self.host_sets)).collect()
        };
        let groups = rule.run_as_groups.as_ref().map_or_else(
            || vec!["ALL".to_owned()],
            |groups| groups.iter().map(|group| group.text(&self.symbols)).collect(),
        );
        RuleText {
            users: self.names(&rule.users),
            hosts: hosts(&rule.hosts),
            run_as: self.names(&rule.run_as),
            run_as_groups: groups,
            commands: self.commands(&rule.commands),
            except_users: self.names(&rule.except_users),
            except_hosts: hosts(&rule.except_hosts),
            except_run_as: self.names(&rule.except_run_as),
            except_commands: self.commands(&rule.except_commands),
            when: rule.when.as_ref().map(|when| when.texts()).unwrap_or_default(),
            from: rule.from_login.as_ref().map(|from| from.texts()).unwrap_or_default(),
        }
    }

    fn names(&self, entries: &Principals) -> Vec<String> {
        entries.iter().map(|entry: Principal| entry.text(&self.symbols, &self.user_sets)).collect()
    }

    fn commands(&self, commands: &Commands) -> Vec<String> {
        let sets =
            commands.sets.iter().filter_map(|set| Some(&self.command_sets.get(*set as usize)?.commands));
        let mut texts = Vec::new();
        for list in [commands].into_iter().chain(sets) {
            texts.extend(list.all.then(|| "ALL".to_owned()));
            texts.extend(list.patterns.iter().map(|pattern| pattern.text.to_string()));
        }
        texts
    }
}
