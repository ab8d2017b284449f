//! Who gains and who loses what between two policies: computed from what they mean, not from their text.
//!
//! A rule is split into atoms: one user, host, target and command each. An atom that a rule of the other policy covers, on the same
//! terms, is no difference; [`Region::covers`](crate::meaning::Region::covers) says "yes" only where that is certain, so that nothing
//! that changed is left out. Whether an atom that is not covered makes a difference is then asked of both policies with a request
//! made for it; where the answers are the same the difference is one that *may* be.

mod atoms;
mod logins;
mod merge;
mod order;
mod probe;
mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use self::atoms::{Atom, atoms};
use self::probe::{Asked, Prober};
use crate::meaning::{HostMeaning, Meaning, Near, Region, Terms};
use crate::policy::Core;
use crate::rule::{Effect, Rule};

/// One difference between two policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What changes.
    pub change: Change,
    /// `false`: it may change; no request was found for which it does.
    pub sure: bool,
    /// Who.
    pub users: Vec<String>,
    /// On which hosts.
    pub hosts: Vec<String>,
    /// As whom.
    pub run_as: Vec<String>,
    /// Which commands; of a login the services.
    pub commands: Vec<String>,
    /// Keys that differ between the rule and the one of the other policy that comes nearest.
    pub keys: Vec<ChangedKey>,
    /// The rule by which it is so.
    pub rule: RuleRef,
    /// The nearest rule of the other policy, if any is near.
    pub other: Option<RuleRef>,
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Something is permitted that was not.
    Gains,
    /// Something is permitted no more.
    Loses,
    /// The same is permitted on other terms: duties, grant, restrictions.
    Terms,
    /// A login is added, or gone: see `rule` for which.
    Login,
}

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangedKey {
    /// Its name, with a dot for each table.
    pub key: &'static str,
    /// What it was.
    pub from: String,
    /// What it is.
    pub to: String,
}

/// A rule of one of the policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleRef {
    /// Whether it is one of the new policy.
    pub new: bool,
    /// Its id.
    pub id: String,
    /// `allow`, `deny`, or what a login says.
    pub effect: &'static str,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
}

impl RuleRef {
    fn of(rule: &Rule, new: bool) -> Self {
        let effect = if rule.effect == Effect::Allow { "allow" } else { "deny" };
        Self { new, id: rule.id.clone(), effect, file: rule.file.to_string(), line: rule.line }
    }
}

/// One policy, as the other sees it.
struct Side<'c, 'p> {
    new: bool,
    core: &'p Core,
    allows: &'c [Meaning<'p>],
    denies: &'c [Meaning<'p>],
    by_allows: Near<'c, 'p>,
    by_denies: Near<'c, 'p>,
}

impl<'c, 'p> Side<'c, 'p> {
    fn new(new: bool, core: &'p Core, allows: &'c [Meaning<'p>], denies: &'c [Meaning<'p>]) -> Self {
        let (by_allows, by_denies) = (Near::new(allows), Near::new(denies));
        Self { new, core, allows, denies, by_allows, by_denies }
    }
}

/// All differences, gains first.
pub(crate) fn differences(old: &Core, new: &Core) -> Vec<Difference> {
    let (old_allows, old_denies) = (old.meanings(Effect::Allow), old.meanings(Effect::Deny));
    let (new_allows, new_denies) = (new.meanings(Effect::Allow), new.meanings(Effect::Deny));
    let before = Side::new(false, old, &old_allows, &old_denies);
    let after = Side::new(true, new, &new_allows, &new_denies);
    let prober = Prober::new(&before, &after);
    let mut found = Vec::new();
    for (own, other) in [(&after, &before), (&before, &after)] {
        let told = compare_allows(own, other, &prober, &mut found);
        compare_denies(own, other, &prober, &mut found);
        order::compare(own, other, &told, &mut found);
    }
    let mut differences = merge::merged(found);
    differences.extend(logins::differences(old, new));
    differences
}

/// The rules of which every atom was told.
type Told = BTreeSet<String>;

/// What `own` permits and `other` does not, or not on the same terms.
#[allow(clippy::mutable_key_type, reason = "a regex is compared by its text")]
fn compare_allows(
    own: &Side<'_, '_>,
    other: &Side<'_, '_>,
    prober: &Prober<'_>,
    found: &mut Vec<Found>,
) -> Told {
    let same: BTreeSet<(&Region, &Terms)> =
        other.allows.iter().map(|meaning| (&meaning.region, &meaning.terms)).collect();
    let mut told = Told::new();
    for meaning in own.allows.iter().filter(|meaning| !same.contains(&(&meaning.region, &meaning.terms))) {
        let mut all = true;
        for atom in atoms(&meaning.region) {
            let near: Vec<&Meaning<'_>> = other.by_allows.covering(&atom.0);
            let covering = || near.iter().filter(|near| near.region.covers(&atom.0));
            if covering().any(|near| near.terms == meaning.terms) {
                all = false;
                continue;
            }
            let difference = if let Some(near) = covering().next() {
                let keys = changed(&near.terms, &meaning.terms, own.new);
                Found::new(Change::Terms, own, meaning.rule, atom, Some((other, near.rule)), keys)
            } else {
                let change = if own.new { Change::Gains } else { Change::Loses };
                let near = near.iter().find(|near| near.region.relaxed().covers(&atom.0.relaxed()));
                let keys = near.map(|near| conditions(&near.region, &atom.0, own.new)).unwrap_or_default();
                Found::new(change, own, meaning.rule, atom, near.map(|near| (other, near.rule)), keys)
            };
            let asked = if difference.change == Change::Terms { Asked::Terms } else { Asked::Permission };
            let sure = prober.differs(&difference.atom, asked, difference.change, None);
            found.push(Found { sure, ..difference });
        }
        if all {
            told.insert(meaning.rule.id.clone());
        }
    }
    told
}

/// What `own` denies and `other` does not: without anything that `other` permits, a deny takes nothing away.
fn compare_denies(own: &Side<'_, '_>, other: &Side<'_, '_>, prober: &Prober<'_>, found: &mut Vec<Found>) {
    if other.allows.is_empty() || own.allows.is_empty() {
        return;
    }
    for meaning in own.denies {
        for atom in atoms(&meaning.region) {
            let near: Vec<&Meaning<'_>> = other.by_denies.covering(&atom.0);
            if near.iter().any(|near| near.region.covers(&atom.0)) {
                continue;
            }
            let change = if own.new { Change::Loses } else { Change::Gains };
            let near = near.iter().find(|near| near.region.relaxed().covers(&atom.0.relaxed()));
            let keys = near.map(|near| conditions(&near.region, &atom.0, own.new)).unwrap_or_default();
            let near = near.map(|near| (other, near.rule));
            let difference = Found::new(change, own, meaning.rule, atom, near, keys);
            let sure = prober.differs(&difference.atom, Asked::Permission, change, Some(other.allows));
            found.push(Found { sure, ..difference });
        }
    }
}

/// One difference, of one atom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    change: Change,
    sure: bool,
    atom: Atom,
    keys: Vec<ChangedKey>,
    rule: RuleRef,
    other: Option<RuleRef>,
}

impl Found {
    fn new(
        change: Change,
        own: &Side<'_, '_>,
        rule: &Rule,
        atom: Atom,
        other: Option<(&Side<'_, '_>, &Rule)>,
        keys: Vec<ChangedKey>,
    ) -> Self {
        let other = other.map(|(side, rule)| RuleRef::of(rule, side.new));
        Self { change, sure: false, atom, keys, rule: RuleRef::of(rule, own.new), other }
    }
}

/// The terms that differ, from the old to the new; `own` is of the new policy if `own_is_new`.
fn changed(other: &Terms, own: &Terms, own_is_new: bool) -> Vec<ChangedKey> {
    let (from, to) = if own_is_new { (other, own) } else { (own, other) };
    let key = |(key, from, to): (_, &str, &str)| ChangedKey { key, from: from.to_owned(), to: to.to_owned() };
    from.differences(to).into_iter().map(key).collect()
}

/// The conditions that differ.
fn conditions(other: &Region, own: &Region, own_is_new: bool) -> Vec<ChangedKey> {
    let (from, to) = if own_is_new { (other, own) } else { (own, other) };
    let changed = from.conditions().into_iter().zip(to.conditions());
    changed
        .filter(|((_, from), (_, to))| from != to)
        .map(|((key, from), (_, to))| ChangedKey { key, from, to })
        .collect()
}

impl Region {
    /// Only who, where, as whom and what.
    fn relaxed(&self) -> Self {
        Self {
            except_users: Vec::new(),
            except_hosts: Vec::new(),
            except_run_as: Vec::new(),
            run_as_groups: None,
            except_commands: Vec::new(),
            when: None,
            from_login: None,
            nested: true,
            trusted_path: false,
            not_before: None,
            not_after: None,
            ..self.clone()
        }
    }

    /// All else, as text.
    fn conditions(&self) -> Vec<(&'static str, String)> {
        let time =
            |time: Option<jiff::Timestamp>| time.map_or_else(|| "none".to_owned(), |time| time.to_string());
        let hosts: Vec<String> = self.except_hosts.iter().map(HostMeaning::text).collect();
        let commands: Vec<String> =
            self.except_commands.iter().map(crate::meaning::CommandMeaning::text).collect();
        let groups = self.run_as_groups.as_ref().map_or_else(|| "any".to_owned(), |groups| groups.join(", "));
        vec![
            ("except_users", self.except_users.join(", ")),
            ("except_hosts", hosts.join(", ")),
            ("except_run_as", self.except_run_as.join(", ")),
            ("run_as_groups", groups),
            ("except_commands", commands.join(", ")),
            ("when", crate::meaning::windows_text(self.when.as_deref())),
            (
                "from",
                self.from_login.as_ref().map_or_else(|| "any".to_owned(), |from| from.texts().join(", ")),
            ),
            ("nested", self.nested.to_string()),
            ("trusted_path", self.trusted_path.to_string()),
            ("not_before", time(self.not_before)),
            ("not_after", time(self.not_after)),
        ]
    }
}
