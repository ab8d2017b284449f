//! The evaluator and a naive one say the same.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::generated::{SETS, allow, ask, deny, rules, text};
use super::naive::Naive;
use super::support::file;
use crate::{AsWritten, Policy, Source};

/// Requests to each policy.
const REQUESTS: u32 = 10;
/// Pairs of policy and request, unless `PROPTEST_CASES` says more.
const PAIRS: u32 = 20_000;

fn load(sources: &[Source]) -> Policy {
    Policy::load(sources, &AsWritten).unwrap_or_else(|found| panic!("{found}"))
}

// The rules and the sets in two files, the second with defaults.
#[test]
fn the_evaluator_says_what_a_naive_one_says() {
    const DEFAULTS: &str = "[defaults]\nhosts = [\"web-*\"]\nnested = false\nrestrict.env_keep = [\"PATH\"]\ngrant.duration = \"30m\"\ngrant.max_duration = \"40m\"\n";
    let (asked, permitted, denied) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let pairs = (rules(6), rules(3), any::<bool>(), prop::collection::vec(ask(), REQUESTS as usize));
    let default = ProptestConfig::default();
    let cases = default.cases.max(PAIRS) / REQUESTS;
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    TestRunner::new(config)
        .run(&pairs, |(one, other, has_defaults, asks)| {
            let defaults = if has_defaults { DEFAULTS } else { "" };
            let sources = [
                file("a.toml", &(text(&one, 0) + SETS)),
                file("b.toml", &(defaults.to_owned() + &text(&other, one.len()))),
            ];
            let naive = Naive::load(&sources.each_ref().map(|source| source.text.clone()));
            let policy = load(&sources);
            for ask in asks {
                let decided = ask.decide(&policy);
                asked.set(asked.get() + 1);
                permitted.set(permitted.get() + u32::from(decided.starts_with("permit")));
                denied.set(denied.get() + u32::from(decided.starts_with("deny: by")));
                prop_assert_eq!(decided, naive.decide(&ask), "{:#?}", ask);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let share = |count: &Cell<u32>| u64::from(count.get()) * 100 / u64::from(asked.get());
    assert!(asked.get() >= PAIRS);
    assert!(
        share(&permitted) >= 10 && share(&denied) >= 5,
        "{permitted:?} and {denied:?} of {asked:?}: too few meet"
    );
}

proptest! {
    #[test]
    fn adding_a_deny_never_permits_more(rules in rules(6), deny in deny(), ask in ask()) {
        let before = load(&[file("a.toml", &(text(&rules, 0) + SETS))]);
        let after = load(&[file("a.toml", &(text(&[rules, vec![deny]].concat(), 0) + SETS))]);
        prop_assert!(ask.is_permitted(&before) || !ask.is_permitted(&after));
    }

    #[test]
    fn adding_an_allow_never_permits_less(rules in rules(6), allow in allow(), ask in ask()) {
        let before = load(&[file("a.toml", &(text(&rules, 0) + SETS))]);
        let after = load(&[file("a.toml", &(text(&[rules, vec![allow]].concat(), 0) + SETS))]);
        prop_assert!(!ask.is_permitted(&before) || ask.is_permitted(&after));
    }

    // "the order of rules and files never matters"
    #[test]
    fn the_order_of_rules_and_files_changes_nothing(rules in rules(6), cut in any::<Index>(), ask in ask()) {
        let named: Vec<String> = (0..).zip(&rules).map(|(number, rule)| text(std::slice::from_ref(rule), number)).collect();
        let one = load(&[file("a.toml", &(named.concat() + SETS))]);
        let (left, right) = named.split_at(cut.index(named.len() + 1));
        let reversed = |rules: &[String]| rules.iter().rev().cloned().collect::<String>();
        let two = load(&[file("z.toml", &(reversed(left) + SETS)), file("a.toml", &reversed(right))]);
        prop_assert_eq!(ask.decide(&one), ask.decide(&two));
    }

    // A look-up that fails may refuse, and never permits what neither answer would.
    #[test]
    fn a_failed_look_up_never_permits_more(rules in rules(6), ask in ask()) {
        let policy = load(&[file("a.toml", &(text(&rules, 0) + SETS))]);
        let mut ask = ask;
        ask.directory.broken.insert("web".to_owned());
        if ask.is_permitted(&policy) {
            ask.directory.broken.clear();
            prop_assert!(ask.is_permitted(&policy), "web is 33");
            ask.directory.gids.remove("web");
            prop_assert!(ask.is_permitted(&policy), "there is no web");
        }
    }

    // Explanations are made by looking at every rule, too.
    #[test]
    fn an_explanation_says_what_is_decided(rules in rules(8), ask in ask()) {
        let policy = load(&[file("a.toml", &(text(&rules, 0) + SETS))]);
        let explained = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
        let decided = ask.decide(&policy);
        prop_assert_eq!(explained.permitted, decided.starts_with("permit"));
        prop_assert_eq!(explained.has_rules, explained.permitted || !decided.ends_with(" (has none)"));
        prop_assert_eq!(explained.denying.is_empty(), !decided.starts_with("deny: by"));
        prop_assert!(explained.permitted || !explained.denying.is_empty() || explained.permitting.is_empty());
    }
}
