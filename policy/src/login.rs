//! Logins: what `pam_jit.so` asks, and who is named at all.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::pattern::{HostPattern, Hosts, Principal, Principals};
use crate::policy::Core;

/// One `[[login]]`.
#[derive(Debug)]
pub struct LoginRule {
    /// Unique over all files.
    pub id: String,
    /// What it is for, in the administrator's words.
    pub description: Option<String>,
    /// The path of the file it stands in.
    pub file: Arc<str>,
    /// The line its `[[login]]` stands on, from 1.
    pub line: usize,
    /// What it says.
    pub access: Access,
    /// For which PAM services.
    pub services: Vec<String>,
    pub(crate) users: Principals,
    pub(crate) hosts: Hosts,
}

/// What a `[[login]]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only with a grant: not built yet, so that it denies.
    Grant,
    /// The user may log in.
    Allow,
    /// The user may not, whatever else allows.
    Deny,
}

/// Whether a user may log in.
#[derive(Clone, Copy, Debug)]
pub enum LoginDecision<'a> {
    /// No `[[login]]` names this user for this service: the module does not touch the login.
    NotNamed,
    /// Allowed, by this one.
    Allowed(&'a LoginRule),
    /// Denied, by this one.
    Denied {
        /// By which.
        rule: &'a LoginRule,
        /// Why, for the audit log.
        why: &'static str,
    },
}

/// Who is named for which services: the `gated` file.
///
/// Its [`Display`](fmt::Display) is that file. The first line is `# jit-sudo gated 1`. Each further line is a
/// service, one blank, and to the end of the line one of: a user name, `#uid`, `%group`, `%#gid`, `ALL` (which
/// does not include uid 0). Lines are sorted, each stands once, and ends with a newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gated {
    /// Pairs of service and user, group or `ALL`.
    pub entries: BTreeSet<(String, String)>,
}

impl fmt::Display for Gated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("# jit-sudo gated 1\n")?;
        self.entries.iter().try_for_each(|(service, who)| writeln!(formatter, "{service} {who}"))
    }
}

impl Core {
    /// A deny wins, then an allow; a grant denies, as grants for logins are not built yet.
    pub(crate) fn login<'p>(
        &'p self,
        denies: &'p [Arc<Self>],
        user: &Account,
        service: &str,
        host: Host<'_>,
        directory: &dyn Directory,
    ) -> Result<LoginDecision<'p>, LookupFailed> {
        let mut found: Option<&LoginRule> = None;
        let mut failed = None;
        for core in [self].into_iter().chain(denies.iter().map(|core| &**core)) {
            for rule in core.logins.iter().filter(|rule| core.is_about(rule, service, host)) {
                match core.names_for_login(rule, user, directory) {
                    Ok(false) => {}
                    Ok(true) => {
                        if found.is_none_or(|other| (rank(rule), &rule.id) < (rank(other), &other.id)) {
                            found = Some(rule);
                        }
                    }
                    Err(failure) => failed = Some(failure),
                }
            }
        }
        match (found, failed) {
            (Some(rule), _) if rule.access == Access::Deny => {
                Ok(LoginDecision::Denied { rule, why: "the policy denies this login" })
            }
            (_, Some(failure)) => Err(failure),
            (Some(rule), None) if rule.access == Access::Allow => Ok(LoginDecision::Allowed(rule)),
            (Some(rule), None) => Ok(LoginDecision::Denied { rule, why: "needs a grant; not built yet" }),
            (None, None) => Ok(LoginDecision::NotNamed),
        }
    }

    /// Adds who is named on this host.
    pub(crate) fn gate(&self, host: Host<'_>, gated: &mut Gated) {
        for rule in &self.logins {
            for service in rule.services.iter().filter(|service| self.is_about(rule, service, host)) {
                for entry in self.members(&rule.users) {
                    gated.entries.insert((service.clone(), entry.text(&self.symbols, &self.user_sets)));
                }
            }
        }
    }

    fn is_about(&self, rule: &LoginRule, service: &str, host: Host<'_>) -> bool {
        // As the module does: PAM itself writes them in small letters, but for a host that sets its name later.
        rule.services.iter().any(|one| one.eq_ignore_ascii_case(service))
            && HostPattern::any(&rule.hosts, host, &self.symbols, &self.host_sets)
    }

    /// The entries, each set written out.
    fn members<'p>(&'p self, entries: &'p Principals) -> impl Iterator<Item = Principal> + 'p {
        let sets = entries.sets().filter_map(|set| self.user_sets.get(set as usize));
        let own = entries.iter().filter(|entry| !matches!(entry, Principal::Set(_)));
        own.chain(sets.flat_map(|set| set.members.iter()))
    }

    /// "`ALL` does not include uid 0 unless `root` is written"
    fn names_for_login(
        &self,
        rule: &LoginRule,
        user: &Account,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        if user.uid != 0 {
            return self.is_one_of(user, &rule.users, directory);
        }
        let entries = self.members(&rule.users).filter(|entry| *entry != Principal::All);
        self.is_one_of(user, &Principals::new(entries.collect()), directory)
    }
}

/// The smaller wins.
fn rank(rule: &LoginRule) -> u8 {
    match rule.access {
        Access::Deny => 0,
        Access::Allow => 1,
        Access::Grant => 2,
    }
}
