//! Why: for the user, and for an administrator.

use super::support::{Ask, account, allow, asked, policy};
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
  users: alice is not %leads
came near: no-stop (deny, /etc/jit-sudo/policy.d/10-test.toml:12)
  commands: argument 1 `reload` is not `stop`
came near: restart (allow, /etc/jit-sudo/policy.d/10-test.toml:3)
  commands: argument 1 `reload` is not `{start,restart}`
"
    );
}

#[test]
fn ones_own_rule_is_not_crowded_out_by_those_of_others() {
    let others = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
        .map(|id| format!("[[rule]]\nid = \"{id}\"\nusers = [\"bob\"]\ncommands = [\"/usr/bin/id **\"]\n"))
        .concat();
    let own = "[[rule]]\nid = \"own\"\nusers = [\"alice\"]\ncommands = [\"/usr/bin/id -u\"]\n";
    let policy = policy(&format!("{others}{own}"));
    let ask = Ask::to_run("/usr/bin/id -g");
    let explained = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
    assert_eq!(explained.for_user(), "denied: no rule permits this\n  own: argument 1 `-g` is not `-u`\n");
    assert_eq!(explained.for_administrator().matches("came near: ").count(), 10);
}

#[test]
fn a_user_sees_their_own_rules_and_no_files() {
    let ask = Ask::to_run("/usr/bin/systemctl reload nginx.service");
    assert_eq!(
        explained(&ask).for_user(),
        "denied: no rule permits this\n  restart: argument 1 `reload` is not `{start,restart}`\n"
    );
    let ask = Ask::to_run("/usr/bin/systemctl restart nginx.service");
    assert_eq!(
        explained(&ask).for_user(),
        "permitted by the rule `restart`, once its duties are done\n  restart: duties: reason, authentication\n"
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

// "exactly what failed in each (\"argument 2 `nginx` is not `nginx.service`\", \"outside Mon..Fri 08:00..18:00\", \"host is not
// @web\")"
#[test]
fn what_failed_is_told_exactly() {
    let cases: Vec<(&str, Ask, &str)> = vec![
        ("users = [\"bob\", \"%leads\"]", Ask::default(), "users: alice is not bob, %leads"),
        ("users = [\"a\", \"b\", \"c\", \"d\", \"e\"]", Ask::default(), "users: alice is not a, b, c, d, …"),
        ("except_users = [\"%web\"]", Ask::default(), "except_users: excepts alice"),
        (
            "hosts = [\"@db\"]\n[sets.hosts]\ndb = [\"db-*\"]",
            Ask::default(),
            "hosts: host web-1.example.com is not @db",
        ),
        ("except_hosts = [\"tag:frontend\"]", Ask::default(), "except_hosts: excepts host web-1.example.com"),
        (
            "nested = false",
            asked(|ask| ask.nested = true),
            "nested: does not hold inside another elevated session",
        ),
        (
            "not_before = 2027-01-01T00:00:00Z",
            Ask::default(),
            "not_before: holds only from 2027-01-01T00:00:00Z on",
        ),
        ("not_after = 2026-01-01T00:00:00+01:00", Ask::default(), "not_after: ended at 2025-12-31T23:00:00Z"),
        (
            "when.time = [\"Tue\", \"Sat 08:00..18:00 UTC\"]",
            Ask::default(),
            "when: outside Tue, Sat 08:00..18:00 UTC",
        ),
        (
            "when.time = [\"Mon Mars/Olympus\"]",
            Ask::default(),
            "when: the time zone Mars/Olympus is not known here",
        ),
        ("run_as = [\"postgres\"]", Ask::default(), "run_as: target root is not postgres"),
        ("except_run_as = [\"root\"]", Ask::default(), "except_run_as: excepts target root"),
        (
            "run_as_groups = [\"web\"]",
            asked(|ask| ask.group = Some(crate::Group { gid: 990, name: "docker".into() })),
            "run_as_groups: group docker is not named: web",
        ),
        (
            "",
            asked(|ask| ask.group = Some(crate::Group { gid: 990, name: String::new() })),
            "run_as_groups: group #990 is not named: there are none",
        ),
        ("commands = [\"/usr/bin/other\"]", Ask::default(), "commands: names other programs"),
        (
            "commands = [\"/b/systemctl restart nginx.service\"]",
            Ask::to_run("/b/systemctl restart nginx"),
            "commands: argument 2 `nginx` is not `nginx.service`",
        ),
        // Of several entries the one that holds longest.
        (
            "commands = [\"/b/x a\", \"/b/x b c {d,e}*\", \"/b/x b d\"]",
            Ask::to_run("/b/x b c f"),
            "commands: argument 3 `f` is not `{d*,e*}`",
        ),
        ("commands = [\"/b/x a b\"]", Ask::to_run("/b/x a"), "commands: argument 2 is missing: `b`"),
        ("commands = [\"/b/x a\"]", Ask::to_run("/b/x a b"), "commands: argument 2 `b` is one too many"),
        (
            "commands = [\"/b/x\"]",
            Ask::to_run("/b/x a\u{1b}[2J"),
            "commands: argument 1 `a\\u{1b}[2J` is one too many",
        ),
        (
            "commands = [{ path = \"/b/x\", args = [{ regex = \"prod|stage\" }] }]",
            Ask::to_run("/b/x test"),
            "commands: argument 1 `test` does not match `prod|stage`",
        ),
        (
            "commands = [{ path = \"/b/x\", args = [{ under = \"/srv/r\" }] }]",
            Ask::to_run("/b/x /etc/shadow"),
            "commands: argument 1 `/etc/shadow` does not lead to something below /srv/r on a path that is safe",
        ),
        (
            "commands = [\"sudoedit /etc/motd\", \"sudoedit /etc/issue\"]",
            Ask::to_run("sudoedit /etc/issue /etc/shadow"),
            "commands: file 2 is not among the files to edit",
        ),
        ("except_commands = [\"/usr/bin/id **\"]", Ask::default(), "except_commands: excepts this command"),
        (
            "commands = [\"/usr/bin/id\"]",
            asked(|ask| ask.trusted = false),
            "trusted_path: others than root can write to the path of this command",
        ),
        ("", asked(|ask| ask.rule = Some("other".into())), "id: is not the rule that was asked for"),
        (
            "restrict.timeout = \"1h\"",
            asked(|ask| ask.timeout = Some(std::time::Duration::from_hours(2))),
            "options: -T: longer than `timeout`",
        ),
    ];
    for (keys, ask, told) in cases {
        let policy = allow(keys);
        let explanation = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
        let failed: Vec<String> = explanation
            .near
            .iter()
            .flat_map(|rule| &rule.failed)
            .map(|one| format!("{}: {}", one.key, one.why))
            .collect();
        assert_eq!(failed, [told], "{keys}");
    }
}

// "the rule, its file and line, duties, restrictions, the other candidates"
#[test]
fn an_allow_is_explained_with_its_terms_and_the_other_candidates() {
    let policy = policy(
        "[[rule]]\nid = \"b\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\nrequire.authentication = \"none\"\nrequire.reason = true\ngrant = { duration = \"1h\", uses = 3 }\nrestrict = { cwd = \"/srv\", allow_cwd = [\"/srv/*\"], env_set = { A = \"b\" } }\nwhen.time = [\"Mon\"]\n[[rule]]\nid = \"a\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n",
    );
    let ask = Ask::default();
    let explanation = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
    assert_eq!(
        explanation.for_administrator(),
        "\
permitted by the rule `b`, once its duties are done
permits: b (allow, /etc/jit-sudo/policy.d/10-test.toml:2)
  duties: reason
  only Mon
  grant.duration: 1h
  grant.max_duration: 1h
  grant.uses: 3
  restrict.allow_cwd: /srv/*
  restrict.cwd: /srv
  restrict.env_set: {\"A\": \"b\"}
permits, too: a (allow, /etc/jit-sudo/policy.d/10-test.toml:11)
  duties: authentication
"
    );
}

// "`jit-sudo --explain` tells a person only about rules that name them."
#[test]
fn a_person_is_told_of_rules_that_name_them_alone() {
    let policy = policy(
        "[[rule]]\nid = \"mine\"\nusers = [\"alice\"]\ncommands = [\"/b/x a\"]\n[[rule]]\nid = \"others\"\nusers = [\"bob\"]\ncommands = [\"/b/x b\"]\n[[rule]]\nid = \"excepted\"\nusers = [\"%web\"]\nexcept_users = [\"alice\"]\ncommands = [\"/b/x b\"]\n[[rule]]\nid = \"deny\"\neffect = \"deny\"\nusers = [\"bob\"]\ncommands = [\"/b/x b **\"]\n",
    );
    let ask = Ask::to_run("/b/x b");
    let told = ask.with(|request| policy.explain(request, &ask.directory)).unwrap().for_user();
    assert_eq!(told, "denied: no rule permits this\n  mine: argument 1 `b` is not `a`\n");
}
