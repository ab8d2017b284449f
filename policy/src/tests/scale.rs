//! 100,000 rules cost as much as one: counted, not timed.

use std::fmt::Write as _;

use super::support::{Ask, account, policy};
use crate::Policy;
use crate::evaluate::Question;

const MANY: usize = 100_000;

fn rules(each: impl Fn(usize) -> String) -> Policy {
    let mut text = String::new();
    for number in 0..MANY {
        let _ = writeln!(text, "[[rule]]\nid = \"r{number}\"\n{}", each(number));
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

// "evaluating among 100,000 rules costs as much as among one"
#[test]
fn only_the_rules_of_this_user_and_this_command_are_looked_at() {
    let everyone_the_same_command =
        rules(|number| format!("users = [\"u{number}\"]\ncommands = [\"/usr/bin/id\"]"));
    let everyone_everything = rules(|number| format!("users = [\"u{number}\"]\ncommands = [\"ALL\"]"));
    let one_user_many_commands = rules(|number| {
        format!("users = [\"u77\"]\ncommands = [\"/opt/a{number}/run\", \"/opt/b{number}/*\"]")
    });
    let denies = rules(|number| format!("effect = \"deny\"\nusers = [\"u{number}\"]\ncommands = [\"ALL\"]"));
    let by_uid = rules(|number| format!("users = [\"#{number}\"]\ncommands = [\"/usr/bin/id\"]"));
    for (policy, command) in [
        (&everyone_the_same_command, "/usr/bin/id"),
        (&everyone_everything, "/usr/bin/id"),
        (&one_user_many_commands, "/opt/a5/run"),
        (&one_user_many_commands, "/opt/b5/run"),
        (&denies, "/usr/bin/id"),
        (&by_uid, "/usr/bin/id"),
    ] {
        let ask = Ask { user: account(77, 77, &["u77"], &[77]), ..Ask::to_run(command) };
        assert_eq!(examined(&ask, policy), 1, "{command}");
    }
}

#[test]
fn of_rules_for_groups_only_those_of_the_users_groups_are_looked_at() {
    let policy = rules(|number| format!("users = [\"%g{number}\"]\ncommands = [\"ALL\"]"));
    let mut ask = Ask { user: account(77, 77, &["u77"], &[77]), ..Ask::default() };
    ask.directory.gids.insert("g5".into(), 77);
    assert_eq!(examined(&ask, &policy), 1);
    assert_eq!(ask.decide(&policy), "permit r5");
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
