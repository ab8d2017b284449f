//! `[[test]]`: what each key is good for, and what is told when a policy says something else.

use super::support::{Ask, Walls, file, policy};
use crate::{AsWritten, Policy};

const RULES: &str = r##"
[[rule]]
id = "restart"
users = ["%web", "#1005"]
hosts = ["web-*.example.com", "tag:frontend"]
commands = ["/usr/bin/systemctl {start,restart} nginx.service"]
require.reason = true
when.time = ["Mon..Fri 08:00..18:00"]
[[rule]]
id = "dump"
users = ["alice"]
run_as = ["postgres", "self"]
run_as_groups = ["docker"]
commands = ["/usr/bin/pg_dump **"]
require.authentication = "none"
nested = false
[[rule]]
id = "no-mallory"
effect = "deny"
users = ["mallory"]
commands = ["ALL"]
[[rule]]
id = "wide"
users = ["alice"]
run_as = ["postgres"]
commands = ["ALL"]
[[rule]]
id = "under"
users = ["bob"]
commands = [{ path = "/usr/bin/deploy", args = [{ under = "/srv/releases" }] }]
not_after = 2026-06-01T00:00:00Z
"##;

/// `ok`, or what is not as expected.
fn outcome(test: &str) -> String {
    let policy = policy(&format!("{RULES}[[test]]\n{test}"));
    let now = "2026-05-01T00:00:00Z".parse().unwrap();
    policy.run(&policy.tests()[0], now, &Walls::default()).failure.unwrap_or_else(|| "ok".to_owned())
}

const RESTART: &str = "user = \"alice\"\ngroups = [\"web\"]\nhost = \"web-1.example.com\"\ncommand = [\"/usr/bin/systemctl\", \"restart\", \"nginx.service\"]\ntime = 2026-06-01T08:00:00+02:00\n";
const DUMP: &str = "user = \"alice\"\nrun_as = \"postgres\"\ncommand = [\"/usr/bin/pg_dump\", \"all\"]\n";

#[test]
fn a_test_makes_a_request_of_its_keys() {
    let restart = |from: &str, to: &str| RESTART.replace(from, to);
    for (test, expected) in [
        (RESTART.to_owned(), "allow"),
        (restart("groups = [\"web\"]\n", ""), "deny"),
        (restart("\"web\"", "\"#33\""), "deny"),
        (restart("\"alice\"", "\"#1005\"").replace("groups = [\"web\"]\n", ""), "allow"),
        (restart("web-1.example.com", "db-1.example.com"), "deny"),
        (restart("web-1.example.com", "db-1.example.com") + "tags = [\"frontend\"]\n", "allow"),
        (restart("nginx.service\"", "nginx.service\", \"ssh.service\""), "deny"),
        // The clock on the wall shows what is written; without a time, what depends on it can't be determined.
        (restart("08:00:00+02:00", "07:59:59+02:00"), "deny"),
        (restart("08:00:00+02:00", "08:00:00-11:00"), "allow"),
        (restart("2026-06-01T08:00:00+02:00", "\"2026-06-01T17:59:59Z\""), "allow"),
        (restart("2026-06-01", "2026-06-06"), "deny"),
        (restart("time = 2026-06-01T08:00:00+02:00", ""), "deny"),
        (RESTART.to_owned() + "run_as = \"daemon\"\n", "deny"),
        (restart("alice", "mallory"), "deny"),
        (DUMP.to_owned(), "allow"),
        (DUMP.replace("postgres", "alice"), "allow"),
        (DUMP.replace("postgres", "root"), "deny"),
        (DUMP.replace("run_as = \"postgres\"\n", ""), "deny"),
        (DUMP.to_owned() + "run_as_group = \"docker\"\n", "allow"),
        (DUMP.replace("run_as = \"postgres\"", "run_as_group = \"docker\""), "allow"),
        (DUMP.to_owned() + "run_as_group = \"wheel\"\n", "deny"),
        (DUMP.replace("postgres", "alice") + "nested = true\n", "deny"),
        ("user = \"bob\"\ncommand = [\"/usr/bin/deploy\", \"/srv/releases/1\"]\n".to_owned(), "allow"),
        ("user = \"bob\"\ncommand = [\"/usr/bin/deploy\", \"/srv/other\"]\n".to_owned(), "deny"),
        (
            "user = \"bob\"\ncommand = [\"/usr/bin/deploy\", \"/srv/releases/1\"]\ntime = 2026-06-01T00:00:00Z\n"
                .to_owned(),
            "deny",
        ),
    ] {
        let other = if expected == "allow" { "deny" } else { "allow" };
        assert_eq!(outcome(&format!("{test}expect = \"{expected}\"")), "ok", "{test}");
        assert_ne!(outcome(&format!("{test}expect = \"{other}\"")), "ok", "{test}");
    }
}

#[test]
fn what_is_not_as_expected_is_told() {
    for (test, told) in [
        (
            format!(
                "{RESTART}expect = \"allow\"\nrule = \"restart\"\nduties = [\"authentication\", \"reason\"]"
            ),
            "ok",
        ),
        (format!("{RESTART}expect = \"deny\""), "allowed by the rule `restart`"),
        (
            format!("{RESTART}expect = \"allow\"\nrule = \"wide\""),
            "decided by the rule `restart`, not by the rule `wide`",
        ),
        (
            format!("{RESTART}expect = \"allow\"\nduties = [\"reason\"]"),
            "the duties of the rule `restart` are: reason, authentication",
        ),
        // Of two rules that allow, the one with fewer duties decides, as it does for a person.
        (format!("{DUMP}expect = \"allow\"\nrule = \"dump\"\nduties = []"), "ok"),
        (
            format!("{DUMP}expect = \"allow\"\nduties = [\"reason\"]"),
            "the duties of the rule `dump` are: none",
        ),
        (format!("{}expect = \"allow\"", DUMP.replace("alice", "bob")), "denied as no rule permits it"),
        (
            format!("{}expect = \"allow\"", DUMP.replace("alice", "mallory")),
            "denied by the rule `no-mallory`",
        ),
        (format!("{}expect = \"deny\"\nrule = \"no-mallory\"", DUMP.replace("alice", "mallory")), "ok"),
        (
            format!("{}expect = \"deny\"\nrule = \"no-mallory\"", DUMP.replace("alice", "bob")),
            "decided as no rule permits it, not by the rule `no-mallory`",
        ),
    ] {
        assert_eq!(outcome(&test), told, "{test}");
    }
    let policy = policy(&format!("{RULES}[[test]]\n{RESTART}expect = \"allow\""));
    let test = &policy.tests()[0];
    assert_eq!((&*test.file, test.line), ("/etc/jit-sudo/policy.d/10-test.toml", 33));
    assert_eq!(test.title(), "alice runs /usr/bin/systemctl restart nginx.service on web-1.example.com");
}

// "Tests must not influence decisions"
#[test]
fn a_test_decides_nothing() {
    let with =
        policy(&format!("{RULES}[[test]]\nuser = \"eve\"\ncommand = [\"/usr/bin/id\"]\nexpect = \"allow\""));
    let without = policy(RULES);
    for ask in [Ask::default(), Ask::to_run("/usr/bin/systemctl restart nginx.service")] {
        assert_eq!(ask.decide(&with), ask.decide(&without));
    }
    assert_eq!(with.rules().count(), without.rules().count());
}

#[test]
fn a_file_of_tests_holds_tests_alone() {
    let load = |text: &str| Policy::load_tests(&[file("web.toml", text)], &AsWritten);
    let test = format!("[[test]]\n{DUMP}expect = \"allow\"\n");
    assert_eq!(load(&(test.clone() + &test)).unwrap().len(), 2);
    let mistakes =
        load(&format!("{test}[[rule]]\nid = \"a\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]")).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert_eq!((first.place.line, first.message.as_str()), (7, "unknown key `rule` in a file of tests"));
    assert!(load("[[test]\n").is_err());
}
