//! Logins: each user, host and service, with what is said of them.

use std::collections::BTreeMap;

use super::{Change, Difference, RuleRef};
use crate::login::{Access, LoginRule};
use crate::meaning::HostMeaning;
use crate::policy::Core;

/// User, service, host, and what is said.
type Entry = (String, String, HostMeaning, &'static str);

/// What is said of logins in one policy and not in the other.
pub(super) fn differences(old: &Core, new: &Core) -> Vec<Difference> {
    let (before, after) = (entries(old), entries(new));
    let mut found: BTreeMap<(RuleRef, HostMeaning, Vec<String>), Vec<String>> = BTreeMap::new();
    for (own, other, is_new) in [(&after, &before, true), (&before, &after, false)] {
        let mut by_place: BTreeMap<(RuleRef, HostMeaning, String), Vec<String>> = BTreeMap::new();
        for ((user, service, host, access), login) in
            own.iter().filter(|(entry, _)| !other.contains_key(*entry))
        {
            let rule = RuleRef {
                new: is_new,
                id: login.id.clone(),
                effect: access,
                file: login.file.to_string(),
                line: login.line,
            };
            by_place.entry((rule, host.clone(), user.clone())).or_default().push(service.clone());
        }
        for ((rule, host, user), services) in by_place {
            found.entry((rule, host, services)).or_default().push(user);
        }
    }
    let told =
        |((rule, host, services), users): ((RuleRef, HostMeaning, Vec<String>), Vec<String>)| Difference {
            change: Change::Login,
            sure: false,
            users,
            hosts: vec![host.text()],
            run_as: Vec::new(),
            commands: services,
            keys: Vec::new(),
            rule,
            other: None,
        };
    found.into_iter().map(told).collect()
}

/// Each part of a login is named here, so that a new one can't be forgotten.
fn entries(core: &Core) -> BTreeMap<Entry, &LoginRule> {
    let mut entries = BTreeMap::new();
    for login in &core.logins {
        let LoginRule { id: _, description: _, file: _, line: _, access, services, users, hosts } = login;
        let access = match access {
            Access::Grant => "grant",
            Access::Allow => "allow",
            Access::Deny => "deny",
        };
        for user in core.names_of(users) {
            for host in core.hosts_of(hosts) {
                for service in services {
                    let service = service.to_ascii_lowercase();
                    entries.entry((user.clone(), service, host.clone(), access)).or_insert(login);
                }
            }
        }
    }
    entries
}
