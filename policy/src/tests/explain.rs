//! Why: for the user, and for an administrator.

use super::support::{Ask, account, policy};
use crate::Policy;

fn rules() -> Policy {
    policy(
        r#"
[[rule]]
id = "restart"
users = ["%web"]
commands = ["/usr/bin/systemctl {start,restart} nginx.service"]
require.reason = true
[[rule]]
id = "db"
users = ["%leads"]
commands = ["/usr/bin/systemctl **"]
[[rule]]
id = "no-stop"
effect = "deny"
users = ["ALL"]
commands = ["/usr/bin/systemctl stop **"]
[[rule]]
id = "far"
users = ["bob"]
commands = ["/usr/bin/other"]
"#,
    )
}

fn explained(ask: &Ask) -> crate::Explanation {
    ask.with(|request| rules().explain(request, &ask.directory)).unwrap()
}

// "which rule and line decides, which nearly did, and what failed"
#[test]
fn an_administrator_sees_each_rule_that_came_near() {
    let ask = Ask::to_run("/usr/bin/systemctl reload nginx.service");
    assert_eq!(
        explained(&ask).for_administrator(),
        "\
denied: no rule permits this
came near: db (allow, /etc/jit-sudo/policy.d/10-test.toml:8)
  users: does not name the invoking user
came near: no-stop (deny, /etc/jit-sudo/policy.d/10-test.toml:12)
  commands: names other arguments
came near: restart (allow, /etc/jit-sudo/policy.d/10-test.toml:3)
  commands: names other arguments
"
    );
}

#[test]
fn a_user_sees_their_own_rules_and_no_files() {
    let ask = Ask::to_run("/usr/bin/systemctl reload nginx.service");
    assert_eq!(
        explained(&ask).for_user(),
        "denied: no rule permits this\n  restart: names other arguments\n"
    );
    let ask = Ask::to_run("/usr/bin/systemctl restart nginx.service");
    assert_eq!(
        explained(&ask).for_user(),
        "permitted, once the duties of one of these rules are done\n  restart: duties: reason, authentication\n"
    );
}

// "A person without any rule learns nothing about files or rules."
#[test]
fn a_person_without_any_rule_learns_nothing() {
    for command in ["/usr/bin/systemctl stop x", "/usr/bin/other", "/no/such/file"] {
        let ask = Ask { user: account(7, 7, &["eve"], &[]), ..Ask::to_run(command) };
        assert_eq!(explained(&ask).for_user(), "you have no rule for this\n", "{command}");
    }
}

#[test]
fn the_deny_that_decides_is_named() {
    let mut ask = Ask::to_run("/usr/bin/systemctl stop nginx.service");
    ask.user.groups.push(2000);
    let explanation = explained(&ask);
    assert_eq!(explanation.summary, "denied by the rule `no-stop`");
    assert_eq!(explanation.denying[0].line, 12);
    assert_eq!(explanation.permitting[0].rule, "db");
}

#[test]
fn a_users_rules_are_listed_by_id() {
    let policy = rules();
    let mut ask = Ask::default();
    ask.user.groups.push(2000);
    ask.with(|request| {
        let rules = policy.eligible(request.user, request.host, request.now, &ask.directory).unwrap();
        assert_eq!(rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["db", "restart"]);
        assert_eq!(policy.text_of(rules[1]).commands, ["/usr/bin/systemctl {start,restart} nginx.service"]);
    });
}
