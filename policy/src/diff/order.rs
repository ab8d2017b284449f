//! Of two rules that permit with the same duties missing, the one with the smaller id is taken. So another id can change on
//! which terms something runs, or when that ends, though every rule means what it did.

use super::atoms::Atom;
use super::{Change, Found, RuleRef, Side, Told, changed, conditions};
use crate::meaning::{CommandMeaning, Meaning};

/// Pairs of rules, on different terms, for something in common, of which the other policy may take the other one.
pub(super) fn compare(own: &Side<'_, '_>, other: &Side<'_, '_>, told: &Told, found: &mut Vec<Found>) {
    let counterpart = |meaning: &Meaning<'_>| {
        let same = other.by_allows.covering(&meaning.region);
        same.into_iter()
            .filter(|near| near.region == meaning.region && near.terms == meaning.terms)
            .map(|near| &near.rule.id)
            .min()
    };
    let counterparts: Vec<Option<&String>> = own.allows.iter().map(counterpart).collect();
    let all = || own.allows.iter().zip(&counterparts);
    for (one, counterpart) in all() {
        let unchanged = *counterpart == Some(&one.rule.id);
        if unchanged || told.contains(&one.rule.id) {
            continue;
        }
        for (second, theirs) in all() {
            if runs_alike(one, second) || told.contains(&second.rule.id) || !may_meet(one, second) {
                continue;
            }
            let same_order = counterpart.zip(*theirs).is_some_and(|(counterpart, theirs)| {
                (counterpart < theirs) == (one.rule.id < second.rule.id)
            });
            if !same_order {
                let ends = conditions(&second.region, &one.region, own.new)
                    .into_iter()
                    .filter(|changed| ["when", "from", "not_after"].contains(&changed.key));
                found.push(Found {
                    change: Change::Terms,
                    sure: false,
                    atom: Atom(one.region.clone()),
                    keys: changed(&second.terms, &one.terms, own.new).into_iter().chain(ends).collect(),
                    rule: RuleRef::of(one.rule, own.new),
                    other: Some(RuleRef::of(second.rule, own.new)),
                });
            }
        }
    }
}

/// Whether it makes no difference which of them is taken: with a window, or the rule, a grant ends and what runs on it.
fn runs_alike(one: &Meaning<'_>, other: &Meaning<'_>) -> bool {
    one.terms == other.terms
        && one.region.when == other.region.when
        && one.region.from_login == other.region.from_login
        && one.region.not_after == other.region.not_after
}

/// Whether one command may be matched by both.
fn may_meet(one: &Meaning<'_>, other: &Meaning<'_>) -> bool {
    let meets =
        |command: &CommandMeaning| other.region.commands.iter().any(|theirs| !command.is_apart_from(theirs));
    one.region.commands.iter().any(meets)
}
