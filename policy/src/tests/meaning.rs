//! What one rule covers of another is what the evaluator says of both.

use proptest::prelude::*;

use super::generated::{SETS, region, text, without_options};
use super::support::policy;
use crate::Policy;
use crate::meaning::{Meaning, Near};
use crate::rule::Effect;

/// Whether a rule with the first keys covers one with the second; both are allows for everybody.
fn covers(one: &str, other: &str) -> bool {
    let rule = |id: &str, keys: &str| {
        let missing = [("users", "[\"ALL\"]"), ("commands", "[\"ALL\"]")];
        let missing = missing.iter().filter(|(key, _)| !keys.lines().any(|line| line.starts_with(key)));
        let missing = missing.map(|(key, value)| format!("{key} = {value}\n"));
        format!("[[rule]]\nid = \"{id}\"\n{keys}\n{}", missing.collect::<String>())
    };
    let policy = policy(&(rule("one", one) + &rule("other", other)));
    let meanings = policy.core().meanings(Effect::Allow);
    meanings[0].region.covers(&meanings[1].region)
}

#[test]
fn a_rule_covers_what_it_certainly_matches_too() {
    for (one, other, expected) in [
        ("", "", true),
        ("", "users = [\"alice\"]", true),
        ("users = [\"alice\"]", "", false),
        ("users = [\"alice\", \"%web\"]", "users = [\"%web\"]", true),
        ("hosts = [\"web-*\"]", "hosts = [\"web-1\"]", true),
        ("hosts = [\"web-*.example.com\"]", "hosts = [\"web-1\"]", false),
        ("run_as = [\"ALL\"]", "run_as = [\"self\"]", true),
        ("run_as_groups = [\"web\"]", "", true),
        ("", "run_as_groups = [\"web\"]", false),
        ("except_users = [\"bob\"]", "", false),
        ("except_users = [\"bob\"]", "except_users = [\"bob\", \"eve\"]", true),
        ("nested = false", "", false),
        ("", "nested = false", true),
        ("trusted_path = false", "", true),
        ("", "trusted_path = false", false),
        ("not_after = 2027-01-01T00:00:00Z", "", false),
        ("not_after = 2027-01-01T00:00:00Z", "not_after = 2026-01-01T00:00:00Z", true),
        ("not_before = 2027-01-01T00:00:00Z", "not_before = 2026-01-01T00:00:00Z", false),
        ("", "when.time = [\"Mon 08:00..18:00\"]", true),
        ("when.time = [\"Mon 08:00..18:00\"]", "", false),
        ("when.time = [\"Mon..Fri 08:00..18:00\"]", "when.time = [\"Tue 08:00..18:00\"]", true),
        ("when.time = [\"Mon..Fri 08:00..18:00\"]", "when.time = [\"Tue 08:00..18:00 UTC\"]", false),
        ("commands = [\"/b/x **\"]", "commands = [\"/b/x a b\"]", true),
        ("commands = [\"/b/x a **\"]", "commands = [\"/b/x **\"]", false),
        ("commands = [\"/b/x\"]", "commands = [\"/b/x **\"]", false),
        ("commands = [\"/b/x *\"]", "commands = [\"/b/x a*b\"]", true),
        ("commands = [\"/b/x *\"]", "commands = [\"/b/x a/b*\"]", false),
        ("commands = [\"/b/x /a/*\"]", "commands = [\"/b/x /a/b*\"]", true),
        ("commands = [\"/b/x '*'*\"]", "commands = [\"/b/x a*\"]", false),
        ("commands = [\"/b/x {a,b}\"]", "commands = [\"/b/x a\"]", true),
        ("commands = [\"/b/x a\"]", "commands = [\"/b/x {a,b}\"]", false),
        ("commands = [\"/b/* **\"]", "commands = [\"/b/x a\"]", true),
        ("commands = [\"/b/x a\", \"/b/x b\"]", "commands = [\"/b/x a\"]", true),
        ("commands = [{ path = \"/b/x\", args = [{ regex = \"a.*\" }] }]", "commands = [\"/b/x ab\"]", true),
        (
            "commands = [{ path = \"/b/x\", args = [{ under = \"/srv\" }] }]",
            "commands = [{ path = \"/b/x\", args = [{ under = \"/srv/www\" }] }]",
            true,
        ),
        (
            "commands = [{ path = \"/b/x\", args = [{ under = \"/srv\" }] }]",
            "commands = [\"/b/x /srv/a\"]",
            false,
        ),
    ] {
        assert_eq!(covers(one, other), expected, "{one} covers {other}");
    }
}

proptest! {
    // "Yes" is certain: whatever the covered rule permits or denies, the other does.
    #[test]
    fn a_rule_that_covers_another_matches_all_that_it_matches(
        rules in proptest::collection::vec(region(), 2..8), asks in proptest::collection::vec(without_options(), 8),
    ) {
        let everything = "[[rule]]\nid = \"z\"\nusers = [\"ALL\"]\nrun_as = [\"ALL\"]\ncommands = [\"ALL\"]\n";
        let all = policy(&(text(&rules, 0) + SETS));
        for effect in [Effect::Allow, Effect::Deny] {
            let meanings = all.core().meanings(effect);
            let alone = |meaning: &Meaning<'_>| {
                let number: usize = meaning.rule.id[1..].parse().unwrap();
                let rest = if effect == Effect::Deny { everything } else { "" };
                policy(&format!("[[rule]]\nid = \"r\"\n{}{rest}{SETS}", rules[number]))
            };
            for (one, other) in meanings.iter().flat_map(|one| meanings.iter().map(move |other| (one, other))) {
                if std::ptr::eq(one, other) || !one.region.covers(&other.region) {
                    continue;
                }
                let found = Near::new(&meanings).covering(&other.region);
                prop_assert!(found.iter().any(|found| found.rule.id == one.rule.id));
                let (covering, covered) = (alone(one), alone(other));
                for ask in &asks {
                    let matches = |policy: &Policy| ask.is_permitted(policy) == (effect == Effect::Allow);
                    prop_assert!(matches(&covering) || !matches(&covered));
                }
            }
        }
    }
}

#[test]
fn a_rule_that_is_written_otherwise_means_the_same() {
    let texts = [
        "users = [\"@s\"]\ncommands = [\"@c\"]\n[sets.users]\ns = [\"b\", \"a\"]\n[sets.commands]\nc = [\"/b/{x,y} {a,b}\"]\n",
        "users = [\"a\", \"b\", \"a\"]\ncommands = [\"/b/y {b,a}\", \"/b/x {b,a}\"]\nhosts = [\"ALL\"]\n",
    ];
    let [one, other] = texts.map(|keys| policy(&format!("[[rule]]\nid = \"r\"\n{keys}")));
    let region = |policy: &Policy| policy.core().meanings(Effect::Allow)[0].region.clone();
    assert_eq!(region(&one), region(&other));
}

// As among 100,000 rules an evaluation looks at few, so does a comparison: counted, not timed.
#[test]
fn among_many_rules_only_those_of_this_user_and_this_program_are_compared() {
    let rule = |number: usize, users: &str, command: &str| {
        let id = format!("x{command}-{number}").replace('*', "glob");
        format!("[[rule]]\nid = \"{id}\"\nusers = [{users}]\ncommands = [\"{command} **\"]\n")
    };
    let rules = (0..1000).map(|number| {
        rule(number, "\"w\"", &format!("/opt/a{number}/run"))
            + &rule(number, "\"w\"", &format!("/opt/b{number}/*"))
            + &rule(number, &format!("\"u{number}\""), "/usr/bin/id")
    });
    let groups = rule(5000, "\"%web\"", "/usr/bin/id") + &rule(1, "\"ALL\"", "/usr/bin/*");
    let policy = policy(&(rules.collect::<Vec<_>>().concat() + &groups));
    let meanings = policy.core().meanings(Effect::Allow);
    let near = Near::new(&meanings);
    let of = |id: &str| &meanings.iter().find(|meaning| meaning.rule.id == id).unwrap().region;
    let ids = |found: Vec<&Meaning<'_>>| found.iter().map(|one| one.rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(near.covering(of("x/opt/a7/run-7"))), ["x/opt/a7/run-7"]);
    assert_eq!(ids(near.covering(of("x/opt/b7/glob-7"))), ["x/opt/b7/glob-7"]);
    assert_eq!(ids(near.covering(of("x/usr/bin/id-7"))), ["x/usr/bin/id-7", "x/usr/bin/glob-1"]);
    let id = of("x/usr/bin/id-7");
    assert_eq!(
        ids(near.meeting(id, &id.commands[0])),
        ["x/usr/bin/id-7", "x/usr/bin/id-5000", "x/usr/bin/glob-1"]
    );
}
