//! What must hold for any policy and any request.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::support::{Ask, file, load, policy};
use crate::{AsWritten, Policy};

/// A rule out of a small world, so that rules and requests often meet.
pub(super) fn rule(effect: &'static str) -> impl Strategy<Value = String> {
    let users = subsequence(vec!["alice", "bob", "#1000", "%web", "%docker", "ALL", "@crew"], 1..3);
    let except = subsequence(vec!["alice", "%web", "bob"], 0..2);
    let hosts = subsequence(vec!["web-*", "db", "tag:frontend", "ALL"], 1..2);
    let run_as = subsequence(vec!["root", "self", "ALL", "#33"], 1..2);
    let commands = subsequence(
        vec![
            "ALL",
            "/b/x **",
            "/b/x a **",
            "/b/{x,y} * **",
            "/b/* **",
            "/b/x [ab] '*' **",
            "/b/y '' **",
            "@tools",
        ],
        1..3,
    );
    let excepted = subsequence(vec!["/b/x a **", "/b/y **"], 0..2);
    (users, except, hosts, run_as, commands, excepted).prop_map(move |(users, except, hosts, run_as, commands, excepted)| {
        format!(
            "effect = \"{effect}\"\nusers = {users:?}\nexcept_users = {except:?}\nhosts = {hosts:?}\nrun_as = {run_as:?}\ncommands = {commands:?}\nexcept_commands = {excepted:?}\n"
        )
    })
}

pub(super) fn any_rule() -> impl Strategy<Value = String> {
    prop_oneof![3 => rule("allow"), 1 => rule("deny")]
}

pub(super) const SETS: &str =
    "[sets.users]\ncrew = [\"%web\", \"carol\"]\n[sets.commands]\ntools = [\"/b/x a **\", \"/c **\"]\n";

pub(super) fn text(rules: &[String]) -> String {
    let rules =
        rules.iter().enumerate().map(|(number, rule)| format!("[[rule]]\nid = \"r{number}\"\n{rule}"));
    rules.collect::<String>()
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let path = prop_oneof![Just("/b/x"), Just("/b/y"), Just("/b/z"), Just("/c"), Just("/c/d")];
    let leads_to = proptest::option::of(prop_oneof![Just("/b/x"), Just("/b/y")]);
    let args = proptest::collection::vec(
        prop_oneof![Just("a"), Just("b"), Just(""), Just("*"), Just("a b"), Just("a/b")],
        0..4,
    );
    (path, leads_to, args, any::<bool>(), any::<bool>()).prop_map(|(path, leads_to, args, itself, web)| {
        let mut ask = Ask { path: path.into(), leads_to: leads_to.map(Into::into), ..Ask::default() };
        ask.args = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        if itself {
            ask.target = ask.user.clone();
        }
        if !web {
            ask.user.groups.clear();
        }
        ask
    })
}

proptest! {
    #[test]
    fn adding_a_deny_never_permits_more(rules in proptest::collection::vec(any_rule(), 0..6), deny in rule("deny"), ask in ask()) {
        let before = policy(&(text(&rules) + SETS));
        let mut more = rules.clone();
        more.push(deny);
        let after = policy(&(text(&more) + SETS));
        prop_assert!(ask.is_permitted(&before) || !ask.is_permitted(&after));
    }

    #[test]
    fn adding_an_allow_never_permits_less(rules in proptest::collection::vec(any_rule(), 0..6), allow in rule("allow"), ask in ask()) {
        let before = policy(&(text(&rules) + SETS));
        let mut more = rules.clone();
        more.push(allow);
        prop_assert!(!ask.is_permitted(&before) || ask.is_permitted(&policy(&(text(&more) + SETS))));
    }

    // "the order of rules and files never matters"
    #[test]
    fn the_order_of_rules_and_files_changes_nothing(
        rules in proptest::collection::vec(any_rule(), 1..6), cut in any::<Index>(), ask in ask(),
    ) {
        let named: Vec<String> = rules.iter().enumerate().map(|(number, rule)| format!("[[rule]]\nid = \"r{number}\"\n{rule}")).collect();
        let one = policy(&(named.concat() + SETS));
        let (left, right) = named.split_at(cut.index(named.len()));
        let reversed = |rules: &[String]| rules.iter().rev().cloned().collect::<String>();
        let two = [file("z.toml", &(reversed(left) + SETS)), file("a.toml", &reversed(right))];
        let two = Policy::load(&two, &AsWritten).unwrap();
        prop_assert_eq!(ask.decide(&one), ask.decide(&two));
    }

    // The index leaves nothing out: `explain` looks at every rule.
    #[test]
    fn the_index_finds_what_a_look_at_every_rule_finds(rules in proptest::collection::vec(any_rule(), 0..8), ask in ask()) {
        let policy = policy(&(text(&rules) + SETS));
        let explained = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
        let ids = |rules: &[crate::Considered]| rules.iter().map(|rule| rule.rule.clone()).collect::<Vec<_>>();
        let expected = match (ids(&explained.denying).first(), ids(&explained.permitting)) {
            (Some(deny), _) => format!("deny: by {deny}"),
            (None, permitting) if permitting.is_empty() => "deny: no rule matches".to_owned(),
            (None, permitting) => format!("permit {}", permitting.join(", ")),
        };
        let decided = ask.decide(&policy);
        prop_assert_eq!(decided.trim_end_matches(" (has none)"), expected);
    }

    // "matching never depends on joining": where words are cut matters, and nothing else can stand for a cut.
    #[test]
    fn matching_never_depends_on_joining(words in proptest::collection::vec("[a-z ]{0,4}", 1..5)) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let policy = policy(&format!("[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"/b/x {}\"]", quoted.join(" ")));
        let run = |args: Vec<Vec<u8>>| Ask { args, ..Ask::to_run("/b/x") }.is_permitted(&policy);
        let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        prop_assert!(run(args.clone()));
        for at in 1..args.len() {
            let mut joined = args.clone();
            let right = joined.remove(at);
            joined[at - 1].push(b' ');
            joined[at - 1].extend(right);
            prop_assert!(!run(joined));
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC*") {
        if let Err(found) = load(&text) {
            prop_assert!(!found.render().is_empty());
        }
    }

    #[test]
    fn no_broken_policy_makes_the_loader_panic(rules in proptest::collection::vec(any_rule(), 1..3), at in any::<Index>(), junk in "[\\[\\]{}\"'=.,#\\\\@%*\n a1ä]{0,4}") {
        let mut text = text(&rules) + SETS;
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, &junk);
        if let Err(found) = load(&text) {
            prop_assert!(!found.render().is_empty());
        }
    }
}
