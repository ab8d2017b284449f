//! 100,000 rules cost as much as one: counted, not timed.

use std::fmt::Write as _;

use super::support::{Ask, account, policy};
use crate::Policy;
use crate::evaluate::Question;

const MANY: usize = 100_000;

/// That many rules: a fifth each for one command of all users, everything for all users, many commands of one
/// user, a deny for each user, and a group.
fn many() -> Policy {
    let mut text = String::new();
    for number in 0..MANY / 5 {
        let _ = writeln!(
            text,
            r##"
[[rule]]
id = "id-{number}"
users = ["u{number}", "#{number}"]
commands = ["/usr/bin/id"]
[[rule]]
id = "all-{number}"
users = ["v{number}"]
commands = ["ALL"]
[[rule]]
id = "many-{number}"
users = ["w"]
commands = ["/opt/a{number}/run", "/opt/b{number}/*"]
[[rule]]
id = "deny-{number}"
effect = "deny"
users = ["x{number}"]
commands = ["ALL"]
[[rule]]
id = "group-{number}"
users = ["%g{number}"]
commands = ["ALL"]"##
        );
    }
    policy(&text)
}

/// How many rules both halves of an evaluation look at.
fn examined(ask: &Ask, policy: &Policy) -> usize {
    ask.with(|request| {
        let question = Question::new(policy.core(), request, &ask.directory);
        let _ = question.denied_by();
        let _ = question.permitted_by();
        question.examined.get()
    })
}

// "a hash index on the exact path, then buckets": evaluating among 100,000 rules costs as much as among one
#[test]
fn among_100_000_rules_only_those_of_this_user_and_this_command_are_looked_at() {
    let policy = many();
    assert_eq!(policy.rules().count(), MANY);
    for (user, uid, command, expected) in [
        ("u77", 1_000_000, "/usr/bin/id", "permit id-77"),
        ("nobody", 77, "/usr/bin/id", "permit id-77"),
        ("v77", 1_000_000, "/usr/bin/id", "permit all-77"),
        ("w", 1_000_000, "/opt/a77/run", "permit many-77"),
        ("w", 1_000_000, "/opt/b77/run", "permit many-77"),
        ("x77", 1_000_000, "/usr/bin/id", "deny: by deny-77 (has none)"),
        ("g", 1_000_000, "/usr/bin/id", "permit group-77"),
        ("nobody", 1_000_000, "/usr/bin/id", "deny: no rule matches (has none)"),
    ] {
        let gid = if user == "g" { 4242 } else { 4243 };
        let mut ask = Ask { user: account(uid, gid, &[user], &[]), ..Ask::to_run(command) };
        ask.directory.gids.insert("g77".into(), 4242);
        assert_eq!(ask.decide(&policy), expected, "{user} {command}");
        assert!(examined(&ask, &policy) <= 1, "{user} {command}");
    }
}

#[test]
fn a_rule_with_many_users_and_commands_is_entered_by_user_alone() {
    let names =
        |prefix: &str| (0..1000).map(|one| format!("\"{prefix}{one}\"")).collect::<Vec<_>>().join(", ");
    let text = format!("[[rule]]\nid = \"r\"\nusers = [{}]\ncommands = [{}]", names("u"), names("/opt/c"));
    let policy = policy(&text);
    let ask = |user: &str, command: &str| Ask { user: account(1, 1, &[user], &[]), ..Ask::to_run(command) };
    assert_eq!(ask("u5", "/opt/c7").decide(&policy), "permit r");
    assert_eq!(ask("u5", "/opt/x").decide(&policy), "deny: no rule matches");
    assert_eq!(ask("v", "/opt/c7").decide(&policy), "deny: no rule matches (has none)");
}

// an elevation asks for its rule by id several times
#[test]
fn every_rule_is_found_by_its_id_and_no_other_is() {
    let policy = many();
    for rule in policy.rules() {
        assert!(policy.rule(&rule.id).is_some_and(|found| std::ptr::eq(found, rule)), "{}", rule.id);
    }
    for unknown in ["", "id", "id-20000", "zzz"] {
        assert!(policy.rule(unknown).is_none(), "{unknown}");
    }
}

/// Rules with a regex each. Regexes are compiled so slowly by a compiler of regexes that is not optimized itself that only
/// `cargo xtask nightly` has all of them.
const REGEXES: usize = if cfg!(debug_assertions) { 2_000 } else { 100_000 };

// "100,000 rules with one regex each": docs/performance.md has what it costs
#[test]
fn among_many_rules_with_a_regex_each_the_right_one_permits() {
    let mut text = String::new();
    for number in 0..REGEXES {
        let _ = writeln!(
            text,
            "[[rule]]\nid = \"r{number}\"\nusers = [\"u{number}\"]\ncommands = [{{ path = \"/b/x\", args = [{{ regex = 'a{number}[xy]+' }}] }}]"
        );
    }
    let policy = policy(&text);
    let ask = |user: &str, argument: &str| {
        let ask = Ask { user: account(1, 1, &[user], &[]), ..Ask::to_run(&format!("/b/x {argument}")) };
        assert!(examined(&ask, &policy) <= 1);
        ask.decide(&policy)
    };
    for number in [0, 1, 1_000, REGEXES - 1] {
        assert_eq!(ask(&format!("u{number}"), &format!("a{number}xyx")), format!("permit r{number}"));
        assert_eq!(ask(&format!("u{number}"), &format!("a{number}xyz")), "deny: no rule matches");
        assert_eq!(ask(&format!("u{number}"), "a2x"), "deny: no rule matches");
    }
}
