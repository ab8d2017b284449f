//! `[sets.users]`, `[sets.commands]`, `[sets.hosts]`: named over all files, used before or after they are defined.

use std::collections::HashMap;
use std::ops::Range;

use toml::de::DeTable;

use super::Loader;
use super::commands::Bare;
use super::names::Among;
use super::reader::{Reader, did_you_mean};
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::pattern::{CommandSet, Commands, HostSet, Hosts, Principal, Principals, UserSet};

/// What a set holds. The same name may stand for one set of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Users,
    Commands,
    Hosts,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Commands => "commands",
            Self::Hosts => "hosts",
        }
    }
}

/// The sets of one kind.
pub(super) struct Sets<M> {
    kind: Kind,
    numbers: HashMap<String, u32>,
    slots: Vec<Slot<M>>,
}

struct Slot<M> {
    name: Box<str>,
    members: M,
    defined: Option<Place>,
    used: Option<Place>,
    /// Used where not every set will do: users in `run_as`, commands in a deny.
    used_strictly: Option<Place>,
    /// Why it won't do there.
    flaw: Option<Place>,
}

/// How a set is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Plain,
    /// See [`Slot::used_strictly`].
    Strict,
    /// In a set, where none may stand.
    InSet,
}

impl<M: Default> Sets<M> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, numbers: HashMap::new(), slots: Vec::new() }
    }

    /// The number of a set, whether it is defined yet or not.
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.slots.push(Slot {
            name: name.into(),
            members: M::default(),
            defined: None,
            used: None,
            used_strictly: None,
            flaw: None,
        });
        number
    }

    fn slot(&mut self, name: &str) -> Option<&mut Slot<M>> {
        let number = self.number(name);
        self.slots.get_mut(number as usize)
    }

    fn define(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        span: Range<usize>,
        members: M,
        flaw: Option<Place>,
    ) {
        let kind = self.kind.name();
        let Some(slot) = self.slot(name) else { return };
        if let Some(first) = &slot.defined {
            let message = format!("the set of {kind} `{name}` is defined twice");
            reader.clash(
                span,
                message,
                "names of sets are unique over all files",
                first.clone(),
                "first here",
            );
            return;
        }
        slot.defined = Some(reader.place(span));
        slot.members = members;
        slot.flaw = flaw;
    }

    /// Each set that is used where it won't do.
    fn misused(&self, found: &mut Diagnostics, why: &str, hint: &str) {
        for slot in &self.slots {
            if let (Some(flaw), Some(place)) = (&slot.flaw, &slot.used_strictly) {
                let (message, hint) = (format!("the set `{}` {why}", slot.name), Some(hint.to_owned()));
                let other = Some((flaw.clone(), "in the set".to_owned()));
                found.push(Diagnostic { place: place.clone(), message, hint, other });
            }
        }
    }

    /// Each set that is used and not defined.
    fn undefined(&self, found: &mut Diagnostics) {
        for slot in &self.slots {
            if let (None, Some(place)) = (&slot.defined, &slot.used) {
                let names = self.slots.iter().filter(|slot| slot.defined.is_some()).map(|slot| &*slot.name);
                let hint = did_you_mean(&slot.name, names)
                    .unwrap_or_else(|| format!("define it in `[sets.{}]` of any file", self.kind.name()));
                let message = format!("there is no set of {} `{}`", self.kind.name(), slot.name);
                found.push(Diagnostic { place: place.clone(), message, hint: Some(hint), other: None });
            }
        }
    }
}

/// What to do about a command without arguments in a deny.
pub(super) const BARE: &str =
    "write `**` after it for any arguments, or `{ path = \"…\", args = [] }` for none";

/// The sets of all kinds.
pub(super) struct AllSets {
    users: Sets<Principals>,
    commands: Sets<Commands>,
    hosts: Sets<Hosts>,
}

impl AllSets {
    pub(super) fn new() -> Self {
        Self {
            users: Sets::new(Kind::Users),
            commands: Sets::new(Kind::Commands),
            hosts: Sets::new(Kind::Hosts),
        }
    }

    /// Notes sets that are used wrongly; those that are not defined only if every file could be read.
    pub(super) fn check(&self, complete: bool, found: &mut Diagnostics) {
        if complete {
            self.users.undefined(found);
            self.commands.undefined(found);
            self.hosts.undefined(found);
        }
        self.users.misused(
            found,
            "holds groups, and `run_as` names users",
            "the groups that -g may name stand in `run_as_groups`",
        );
        self.commands.misused(
            found,
            "holds a command without arguments, and a deny must say which it means",
            BARE,
        );
    }

    pub(super) fn finish(self) -> (Vec<UserSet>, Vec<CommandSet>, Vec<HostSet>) {
        let users =
            self.users.slots.into_iter().map(|slot| UserSet { name: slot.name, members: slot.members });
        let commands = self
            .commands
            .slots
            .into_iter()
            .map(|slot| CommandSet { name: slot.name, commands: slot.members });
        let hosts =
            self.hosts.slots.into_iter().map(|slot| HostSet { name: slot.name, members: slot.members });
        (users.collect(), commands.collect(), hosts.collect())
    }
}

impl Loader<'_> {
    /// The number of a set that is used.
    pub(super) fn set(
        &mut self,
        reader: &mut Reader<'_>,
        kind: Kind,
        name: &str,
        span: Range<usize>,
        how: Use,
    ) -> Option<u32> {
        if how == Use::InSet {
            reader.mistake(span, "a set can't hold a set", "list its members here");
            return None;
        }
        if !is_name(name) {
            reader.mistake(span, format!("`{name}` is not the name of a set"), NAME);
            return None;
        }
        match kind {
            Kind::Users => self.sets.users.used(reader, name, span, how),
            Kind::Commands => self.sets.commands.used(reader, name, span, how),
            Kind::Hosts => self.sets.hosts.used(reader, name, span, how),
        }
    }

    /// `[sets]` of one file.
    pub(super) fn define_sets(&mut self, reader: &mut Reader<'_>, tables: &DeTable<'_>) {
        reader.only(tables, "`[sets]`", &["users", "commands", "hosts"], &[]);
        for (kind, sets) in tables {
            let Some(sets) = reader.table(sets, "sets") else { continue };
            for (key, value) in sets {
                let (name, span): (&str, _) = (key.get_ref(), key.span());
                if !is_name(name) {
                    reader.mistake(span, format!("`{name}` is not a name for a set"), NAME);
                    continue;
                }
                match &**kind.get_ref() {
                    "users" => {
                        let members = self.principals(reader, value, name, Among::Set).unwrap_or_default();
                        let groups =
                            members.iter().any(|one| matches!(one, Principal::Group(_) | Principal::Gid(_)));
                        let flaw = groups.then(|| reader.place(span.clone()));
                        self.sets.users.define(reader, name, span, members, flaw);
                    }
                    "commands" => {
                        let members = self.commands(reader, value, name, Bare::InSet).unwrap_or_default();
                        let flaw = self.bare.take();
                        self.sets.commands.define(reader, name, span, members, flaw);
                    }
                    "hosts" => {
                        let members = self.hosts(reader, value, name, Use::InSet).unwrap_or_default();
                        self.sets.hosts.define(reader, name, span, members, None);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl<M: Default> Sets<M> {
    fn used(&mut self, reader: &Reader<'_>, name: &str, span: Range<usize>, how: Use) -> Option<u32> {
        let number = self.number(name);
        let slot = self.slots.get_mut(number as usize)?;
        if slot.used.is_none() {
            slot.used = Some(reader.place(span.clone()));
        }
        if how == Use::Strict && slot.used_strictly.is_none() {
            slot.used_strictly = Some(reader.place(span));
        }
        Some(number)
    }
}

const NAME: &str = "a name has letters, digits, `-` and `_`";

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.'))
}
