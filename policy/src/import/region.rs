//! A region: all requests of some people, on some hosts, as some targets, for a command.

use super::command::Command;
use super::dimension::{Dimension, Kind};

/// One command of sudoers, for whom, where and as whom; without some commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) users: Dimension,
    pub(super) hosts: Dimension,
    pub(super) run_as: Dimension,
    /// What `-g` may name.
    pub(super) groups: Vec<String>,
    pub(super) command: Command,
    pub(super) except: Vec<Command>,
}

impl Region {
    /// Everything.
    pub(super) fn all() -> Self {
        Self {
            users: Dimension::all(Kind::People),
            hosts: Dimension::all(Kind::Hosts),
            run_as: Dimension::all(Kind::People),
            groups: Vec::new(),
            command: Command::ALL,
            except: Vec::new(),
        }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.users.overlaps(&other.users)
            && self.hosts.overlaps(&other.hosts)
            && self.run_as.overlaps(&other.run_as)
            && self.command.overlaps(&other.command)
            && !self.except.iter().any(|except| except.covers(&other.command))
            && !other.except.iter().any(|except| except.covers(&self.command))
    }

    /// Whether these people, hosts and targets are all among this region's.
    pub(super) fn covers_all_but_command(&self, other: &Self) -> bool {
        self.users.covers(&other.users)
            && self.hosts.covers(&other.hosts)
            && self.run_as.covers(&other.run_as)
    }

    /// Whether everything in the other is certainly in this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let excepted = |except: &Command| other.except.contains(except) || !except.overlaps(&other.command);
        self.covers_all_but_command(other)
            && self.command.covers(&other.command)
            && self.except.iter().all(excepted)
            && (self.groups == other.groups || self.groups.iter().any(|group| group == "ALL"))
    }

    /// What is in this and not in the other: other people, other hosts, other targets, other commands. The parts overlap.
    /// `None` if that can't be said.
    pub(super) fn outside(&self, other: &Self) -> Option<Vec<Self>> {
        if !other.except.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        if !other.users.covers(&self.users) {
            parts.push(Self { users: self.users.minus(&other.users)?, ..self.clone() });
        }
        if !other.hosts.covers(&self.hosts) {
            parts.push(Self { hosts: self.hosts.minus(&other.hosts)?, ..self.clone() });
        }
        if !other.run_as.covers(&self.run_as) {
            parts.push(Self { run_as: self.run_as.minus(&other.run_as)?, ..self.clone() });
        }
        if !other.command.covers(&self.command) {
            let mut rest = self.clone();
            rest.except.push(other.command.clone());
            parts.push(rest);
        }
        parts.retain(|part| !part.is_empty());
        Some(parts)
    }

    /// What is in both; `None` if that can't be said.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let command = if other.command.covers(&self.command) {
            &self.command
        } else if self.command.covers(&other.command) {
            &other.command
        } else {
            return None;
        };
        let except = self.except.iter().chain(&other.except).filter(|except| except.overlaps(command));
        Some(Self {
            users: self.users.meet(&other.users)?,
            hosts: self.hosts.meet(&other.hosts)?,
            run_as: self.run_as.meet(&other.run_as)?,
            groups: self.groups.clone(),
            command: command.clone(),
            except: except.cloned().collect(),
        })
    }

    /// This without the people of the other, or without its command, in one part: what is taken away is too much. What
    /// leaves something is preferred; then people, unless commands were taken away before.
    pub(super) fn without_more(&self, other: &Self) -> Self {
        let users = Self { users: self.users.without(&other.users.yes), ..self.clone() };
        let hosts = Self { hosts: self.hosts.without(&other.hosts.yes), ..self.clone() };
        let run_as = Self { run_as: self.run_as.without(&other.run_as.yes), ..self.clone() };
        let mut command = self.clone();
        command.except.push(other.command.clone());
        let mut candidates = [users, command, hosts, run_as];
        if !self.except.is_empty() {
            candidates.swap(0, 1);
        }
        let first = candidates.iter().find(|candidate| !candidate.is_empty()).or(candidates.first());
        first.unwrap_or(self).clone()
    }

    /// How much there is to compare.
    pub(super) fn size(&self) -> usize {
        let lists = [&self.users, &self.hosts, &self.run_as];
        1 + self.except.len() + lists.iter().map(|list| list.yes.len() + list.no.len()).sum::<usize>()
    }

    /// Whether all users are root.
    pub(super) fn is_for_root(&self) -> bool {
        self.users.yes.iter().all(|name| name == "root" || name == "#0")
    }

    /// Whether nobody and nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        [&self.users, &self.hosts, &self.run_as].iter().any(|dimension| dimension.yes.is_empty())
            || self.except.iter().any(|except| except.covers(&self.command))
    }
}
