//! What rules mean, apart from how they are written: sets and choices written out, names as text.
//!
//! So two policies can be compared, which share no symbols and no numbers of sets. [`cover`] says when everything that one
//! rule matches is matched by another.

mod command;
mod cover;
mod near;
mod terms;

pub(crate) use self::command::{Argument, CommandMeaning, ProgramMeaning, regex_text, word_text};
pub(crate) use self::cover::{commands_cover, hosts_cover, names_cover};
pub(crate) use self::near::Near;
pub(crate) use self::terms::Terms;
use jiff::civil::Weekday;

use crate::login_session::FromLogin;
use crate::pattern::{HostPattern, Principal, Principals};
use crate::policy::Core;
use crate::rule::{Effect, Rule};
use crate::when::{When, Window};

/// Everything that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Region {
    /// As the policy writes them; the sets written out, sorted, each once. So are all lists.
    pub(crate) users: Vec<String>,
    pub(crate) except_users: Vec<String>,
    pub(crate) hosts: Vec<HostMeaning>,
    pub(crate) except_hosts: Vec<HostMeaning>,
    pub(crate) run_as: Vec<String>,
    pub(crate) except_run_as: Vec<String>,
    /// In a deny `None` is every group and no group.
    pub(crate) run_as_groups: Option<Vec<String>>,
    pub(crate) commands: Vec<CommandMeaning>,
    pub(crate) except_commands: Vec<CommandMeaning>,
    /// Each window for each of its days; `None` is always.
    pub(crate) when: Option<Vec<WindowMeaning>>,
    /// From which login sessions; `None` is from any.
    pub(crate) from_login: Option<FromLogin>,
    pub(crate) nested: bool,
    pub(crate) trusted_path: bool,
    pub(crate) not_before: Option<jiff::Timestamp>,
    pub(crate) not_after: Option<jiff::Timestamp>,
}

/// One window on one day: the day, from and to in minutes, the zone.
pub(crate) type WindowMeaning = (i8, u16, u16, Option<Box<str>>);

/// One host entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostMeaning {
    /// "ALL"
    All,
    /// "web-1.example.com", in lower case.
    Name(String),
    /// "web-*", in lower case and the glob engine's syntax.
    Glob(String),
    /// "tag:frontend"
    Tag(String),
}

impl HostMeaning {
    /// As the policy writes it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::Name(name) => name.clone(),
            Self::Glob(glob) => glob.replace('\\', ""),
            Self::Tag(tag) => format!("tag:{tag}"),
        }
    }
}

/// What a rule matches, and on which terms.
#[derive(Debug)]
pub(crate) struct Meaning<'p> {
    pub(crate) rule: &'p Rule,
    pub(crate) region: Region,
    /// Of an allow.
    pub(crate) terms: Terms,
}

impl Core {
    /// What all rules with this effect mean.
    pub(crate) fn meanings(&self, effect: Effect) -> Vec<Meaning<'_>> {
        self.rules
            .iter()
            .filter(|rule| rule.effect == effect)
            .map(|rule| Meaning { rule, region: self.region(rule), terms: Terms::of(rule, self) })
            .collect()
    }

    /// Each part of a rule is named here, so that a new one can't be forgotten.
    fn region(&self, rule: &Rule) -> Region {
        let Rule {
            id: _,
            description: _,
            effect: _,
            file: _,
            line: _,
            trusted_path,
            nested,
            not_before,
            not_after,
            require: _,
            grant: _,
            restrict: _,
            when,
            from_login,
            users,
            except_users,
            hosts,
            except_hosts,
            run_as,
            except_run_as,
            run_as_groups,
            commands,
            except_commands,
        } = rule;
        let groups = |groups: &crate::pattern::Groups| {
            sorted(groups.iter().map(|group| group.text(&self.symbols)).collect())
        };
        Region {
            users: self.names_of(users),
            except_users: self.names_of(except_users),
            hosts: self.hosts_of(hosts),
            except_hosts: self.hosts_of(except_hosts),
            run_as: self.names_of(run_as),
            except_run_as: self.names_of(except_run_as),
            run_as_groups: run_as_groups.as_ref().map(groups),
            commands: self.commands_of(commands),
            except_commands: self.commands_of(except_commands),
            when: when.as_ref().map(|when| windows(when)),
            from_login: from_login.as_deref().cloned(),
            nested: *nested,
            // A deny is about any path.
            trusted_path: *trusted_path && rule.effect == Effect::Allow,
            not_before: *not_before,
            not_after: *not_after,
        }
    }

    /// The entries as the policy writes them, the sets written out.
    pub(crate) fn names_of(&self, entries: &Principals) -> Vec<String> {
        let sets = entries.sets().filter_map(|set| self.user_sets.get(set as usize));
        let own = entries.iter().filter(|entry| !matches!(entry, Principal::Set(_)));
        let all = own.chain(sets.flat_map(|set| set.members.iter()));
        sorted(all.map(|entry| entry.text(&self.symbols, &self.user_sets)).collect())
    }

    pub(crate) fn hosts_of(&self, entries: &[HostPattern]) -> Vec<HostMeaning> {
        let mut hosts = Vec::new();
        for entry in entries {
            match entry {
                HostPattern::All => hosts.push(HostMeaning::All),
                HostPattern::Name(name) => hosts.push(HostMeaning::Name(self.symbols.text(*name).to_owned())),
                HostPattern::Glob(glob) => hosts.push(HostMeaning::Glob(self.symbols.text(*glob).to_owned())),
                HostPattern::Tag(tag) => hosts.push(HostMeaning::Tag(self.symbols.text(*tag).to_owned())),
                HostPattern::Set(set) => {
                    let members = self.host_sets.get(*set as usize).map(|set| &*set.members);
                    hosts.extend(self.hosts_of(members.unwrap_or_default()));
                }
            }
        }
        sorted(hosts)
    }
}

fn windows(when: &When) -> Vec<WindowMeaning> {
    let days = |window: &Window| {
        let all = Weekday::Monday.cycle_forward().take(7);
        let open: Vec<Weekday> = all.filter(|day| window.days.has(*day)).collect();
        open.into_iter().map(Weekday::to_monday_zero_offset)
    };
    let each = |window: &Window| {
        let (from, to, zone) = (window.from, window.to, window.zone.clone());
        days(window).map(|day| (day, from, to, zone.clone())).collect::<Vec<_>>()
    };
    sorted(when.windows.iter().flat_map(each).collect())
}

/// In words.
pub(crate) fn windows_text(windows: Option<&[WindowMeaning]>) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let text = |(day, from, to, zone): &WindowMeaning| {
        let day = usize::try_from(*day).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default();
        let zone = zone.as_ref().map(|zone| format!(" {zone}")).unwrap_or_default();
        format!("{day} {}..{}{zone}", clock(*from), clock(*to))
    };
    windows.map_or_else(
        || "always".to_owned(),
        |windows| windows.iter().map(text).collect::<Vec<_>>().join(", "),
    )
}

pub(crate) fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
