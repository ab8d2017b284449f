//! Names that nobody has, and rules without end for service accounts.

use std::collections::BTreeSet;

use super::code::Code;
use super::places::Subject;
use super::{Findings, LintHost};
use crate::account::LookupFailed;
use crate::pattern::{Principal, Principals};
use crate::policy::Core;
use crate::rule::{Effect, Rule};

/// Where accounts of people begin.
const FIRST_PERSON: u32 = 1000;

impl Core {
    /// Users and groups that the host does not know: they match nobody. Asks once for each name.
    pub(super) fn check_names<'p>(
        &'p self,
        host: &dyn LintHost,
        found: &mut Findings<'p>,
    ) -> Result<(), LookupFailed> {
        let mut known = BTreeSet::new();
        for rule in &self.rules {
            let lists = [
                ("users", &rule.users),
                ("except_users", &rule.except_users),
                ("run_as", &rule.run_as),
                ("except_run_as", &rule.except_run_as),
            ];
            for (key, list) in lists {
                for (at, entry) in self.named(
                    list,
                    |text| Subject::item(rule, key, text),
                    |set, text| Subject::of_set(rule, "users", set, text),
                ) {
                    self.check_name(entry, at, host, &mut known, found)?;
                }
            }
            if let Some(approval) = &rule.require.approval {
                let named = self.named(
                    &approval.approvers,
                    |text| Subject::item(rule, "require.approval.approvers", text),
                    |set, text| Subject::of_set(rule, "users", set, text),
                );
                for (at, entry) in named {
                    self.check_name(entry, at, host, &mut known, found)?;
                }
            }
            for group in rule.run_as_groups.iter().flatten() {
                if let crate::pattern::GroupName::Name(name) = group {
                    let text = self.symbols.text(*name);
                    let at = Subject::item(rule, "run_as_groups", text);
                    self.check_name(Principal::Group(*name), at, host, &mut known, found)?;
                }
            }
        }
        for login in &self.logins {
            for (at, entry) in self.named(
                &login.users,
                |text| Subject::of_login(login, "users", text),
                |set, text| Subject::in_set("users", set, text),
            ) {
                self.check_name(entry, at, host, &mut known, found)?;
            }
        }
        Ok(())
    }

    /// Each name of a list and of its sets, with where it stands.
    fn named<'p>(
        &'p self,
        list: &'p Principals,
        own: impl Fn(String) -> Subject<'p>,
        of_set: impl Fn(&'p str, String) -> Subject<'p>,
    ) -> Vec<(Subject<'p>, Principal)> {
        let mut names = Vec::new();
        for entry in list.iter() {
            if let Principal::Set(set) = entry
                && let Some(set) = self.user_sets.get(set as usize)
            {
                let text = |member: Principal| member.text(&self.symbols, &self.user_sets);
                names.extend(set.members.iter().map(|member| (of_set(&set.name, text(member)), member)));
            } else {
                names.push((own(entry.text(&self.symbols, &self.user_sets)), entry));
            }
        }
        names
    }

    fn check_name<'p>(
        &'p self,
        entry: Principal,
        at: Subject<'p>,
        host: &dyn LintHost,
        known: &mut BTreeSet<Principal>,
        found: &mut Findings<'p>,
    ) -> Result<(), LookupFailed> {
        let (what, name, exists) = match entry {
            _ if known.contains(&entry) => return Ok(()),
            Principal::User(name) => {
                let name = self.symbols.text(name);
                ("user", name, host.uid_of(name)?.is_some())
            }
            Principal::Group(name) => {
                let name = self.symbols.text(name);
                ("group", name, host.gid_of(name)?.is_some())
            }
            _ => return Ok(()),
        };
        if exists {
            known.insert(entry);
        } else {
            let hint = "it matches nobody here: is it a typing error, or of other hosts?";
            found.add(Code::UnknownName, at, format!("this host has no {what} `{name}`"), hint);
        }
        Ok(())
    }

    /// "rules without end for service accounts"
    pub(super) fn check_service_accounts<'p>(
        &'p self,
        host: &dyn LintHost,
        found: &mut Findings<'p>,
    ) -> Result<(), LookupFailed> {
        let endless = |rule: &&Rule| rule.effect == Effect::Allow && rule.not_after.is_none();
        for rule in self.rules.iter().filter(endless) {
            let names = self.named(
                &rule.users,
                |text| Subject::item(rule, "users", text),
                |set, text| Subject::of_set(rule, "users", set, text),
            );
            for (at, entry) in names {
                let name = match entry {
                    Principal::User(_) | Principal::Uid(_) => entry.text(&self.symbols, &self.user_sets),
                    _ => continue,
                };
                let Some(account) = host.account(&name)? else { continue };
                let no_login = ["/nologin", "/false"].iter().any(|end| account.shell.ends_with(end));
                if account.uid != 0 && (account.uid < FIRST_PERSON || no_login) {
                    let message =
                        format!("`{name}` is a service account, and the rule `{}` has no end", rule.id);
                    let hint = "add `not_after`: nobody notices when a service needs a right no more";
                    found.add(Code::EndlessServiceAccount, at, message, hint);
                }
            }
        }
        Ok(())
    }
}
