//! Rules of ours: commands of one line that have all else in common stand in one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ast::{At, UserSpec};
use super::command::{Command, Program};
use super::items::Item;
use super::region::Region;
use super::settings::Settings;
use super::subtract::Outcome;

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    /// The number of the line's spec.
    pub(super) spec: usize,
    pub(super) at: At,
    /// `None` in a deny.
    pub(super) settings: Option<Settings>,
    /// Of its first command.
    pub(super) region: Region,
    pub(super) commands: Vec<Command>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
}

/// Rules in the order of the lines they come from.
pub(super) fn rules(items: &[Item], outcome: &Outcome, specs: &[UserSpec], prefix: &str) -> Vec<Rule> {
    let permits = outcome.permits.iter().map(|permit| (permit.item, &permit.region, Some(&permit.settings)));
    let denies = outcome.denies.iter().flat_map(|number| {
        let parts = items.get(*number).map(|item| item.possibly.as_slice()).unwrap_or_default();
        parts.iter().map(|part| (*number, &part.region, None))
    });
    let mut all: Vec<(usize, &Region, Option<&Settings>)> = permits.chain(denies).collect();
    all.sort_by_key(|(item, ..)| *item);
    let mut rules: Vec<Rule> = Vec::new();
    for (number, region, settings) in all {
        let Some(item) = items.get(number) else { continue };
        let rule = Rule {
            id: String::new(),
            spec: item.spec,
            at: item.at.clone(),
            settings: settings.cloned(),
            region: region.clone(),
            commands: vec![region.command.clone()],
            not_before: item.not_before,
            not_after: item.not_after,
        };
        let known = rules
            .iter_mut()
            .rev()
            .take_while(|known| known.spec == item.spec)
            .find(|known| known.takes(&rule));
        match known {
            Some(known) => known.add(rule),
            None => rules.push(rule),
        }
    }
    name(&mut rules, specs, prefix);
    rules
}

impl Rule {
    /// Whether the commands of the other can stand here, too.
    fn takes(&self, other: &Self) -> bool {
        let (own, theirs) = (&self.region, &other.region);
        let harmless = |excepts: &[Command], others: &[Command], commands: &[Command]| {
            excepts
                .iter()
                .filter(|except| !others.contains(except))
                .all(|except| commands.iter().all(|command| !except.overlaps(command)))
        };
        self.spec == other.spec
            && self.settings == other.settings
            && (self.not_before, self.not_after) == (other.not_before, other.not_after)
            && (&own.users, &own.hosts, &own.run_as, &own.groups)
                == (&theirs.users, &theirs.hosts, &theirs.run_as, &theirs.groups)
            && harmless(&own.except, &theirs.except, &other.commands)
            && harmless(&theirs.except, &own.except, &self.commands)
    }

    fn add(&mut self, other: Self) {
        let excepts: Vec<&Command> = self.region.except.iter().chain(&other.region.except).collect();
        for command in other.commands {
            let excepted = excepts.iter().any(|except| except.overlaps(&command));
            if !self.commands.iter().any(|known| *known == command || (known.covers(&command) && !excepted)) {
                self.commands.push(command);
            }
        }
        for except in other.region.except {
            if !self.region.except.contains(&except) {
                self.region.except.push(except);
            }
        }
    }

    /// Who may what, in two words or three.
    fn title(&self, specs: &[UserSpec]) -> String {
        let users = specs.get(self.spec).map(|spec| spec.users.as_slice()).unwrap_or_default();
        let who = match users {
            [one] if !one.negated => match &one.what {
                super::ast::Who::Name(name) | super::ast::Who::Alias(name) => name.clone(),
                _ => self.region.users.yes.first().cloned().unwrap_or_default(),
            },
            _ => self.region.users.yes.first().cloned().unwrap_or_default(),
        };
        let what = match self.commands.first().map(|command| &command.program) {
            None | Some(Program::All | Program::Unknown) => "all".to_owned(),
            Some(Program::Sudoedit) => "sudoedit".to_owned(),
            Some(Program::Path(path) | Program::Folder(path)) => {
                path.rsplit('/').next().unwrap_or_default().to_owned()
            }
            Some(Program::Glob(components)) => {
                let name = components.last().map(|last| super::glob::prefix(last)).unwrap_or_default();
                if name.is_empty() { "some".to_owned() } else { name }
            }
        };
        let end = if self.settings.is_none() { "-deny" } else { "" };
        let plain = |text: &str| -> String {
            let plain: String = text
                .chars()
                .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' })
                .collect();
            plain
                .split('-')
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("-")
                .chars()
                .take(40)
                .collect()
        };
        format!("{}-{}{end}", plain(&who), plain(&what))
    }
}

/// Ids that say what a rule is about; a number where that is not enough.
fn name(rules: &mut [Rule], specs: &[UserSpec], prefix: &str) {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for rule in rules {
        let title = format!("{prefix}-{}", rule.title(specs));
        let count = used.entry(title.clone()).or_default();
        *count += 1;
        rule.id = if *count == 1 { title } else { format!("{title}.{count}") };
    }
}
