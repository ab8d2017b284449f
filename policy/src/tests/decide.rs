//! Who may run what: one sentence of the interface, one test.

use std::time::Duration;

use super::support::{Ask, account, allow, asked, deny, policy};
use crate::{AsWritten, Group, Policy};

// "Default: deny." "An empty policy.d is valid and denies all."
#[test]
fn without_a_rule_everything_is_denied() {
    let empty = Policy::load(&[], &AsWritten).unwrap();
    assert_eq!(Ask::default().decide(&empty), "deny: no rule matches (has none)");
    assert_eq!(Ask::default().decide(&policy("")), "deny: no rule matches (has none)");
}

// "a deny always wins"
#[test]
fn a_deny_wins_over_every_allow() {
    let policy = policy(
        r#"
[[rule]]
id = "b-deny"
effect = "deny"
users = ["ALL"]
commands = ["/usr/bin/id **"]
[[rule]]
id = "a-deny"
effect = "deny"
users = ["alice"]
commands = ["ALL"]
hosts = ["web-*"]
[[rule]]
id = "allow"
users = ["alice"]
commands = ["ALL"]
"#,
    );
    assert_eq!(Ask::default().decide(&policy), "deny: by a-deny");
    assert_eq!(asked(|ask| ask.host = "db".into()).decide(&policy), "deny: by b-deny");
    let ask = Ask { host: "db".into(), ..Ask::to_run("/usr/bin/ls") };
    assert_eq!(ask.decide(&policy), "permit allow");
    let stranger = asked(|ask| ask.user = account(7, 7, &["eve"], &[]));
    assert_eq!(stranger.decide(&policy), "deny: by b-deny (has none)");
}

// "Users match by uid, groups by gid with all the user's groups; unknown names match nobody"
#[test]
fn users_match_by_any_of_their_names_their_uid_and_all_their_groups() {
    let alias = account(1000, 1000, &["alice", "ali"], &[33]);
    for (users, matches) in [
        ("\"alice\"", true),
        ("\"ali\"", true),
        ("\"#1000\"", true),
        ("\"ALL\"", true),
        ("\"%web\"", true),
        ("\"%#33\"", true),
        ("\"%alice\"", true),
        ("\"%#1000\"", true),
        ("\"bob\", \"alice\"", true),
        ("\"Alice\"", false),
        ("\"bob\"", false),
        ("\"#1001\"", false),
        ("\"%docker\"", false),
        ("\"%#0\"", false),
        ("\"%nosuchgroup\"", false),
        ("\"web\"", false),
        ("", false),
    ] {
        let ask = asked(|ask| ask.user = alias.clone());
        let policy = allow(&format!("users = [{users}]"));
        assert_eq!(ask.is_permitted(&policy), matches, "{users}");
        let denied = deny(&format!("users = [{users}]"));
        assert_eq!(ask.is_permitted(&denied), !matches, "deny {users}");
        let excepted = allow(&format!("except_users = [{users}]"));
        assert_eq!(ask.is_permitted(&excepted), !matches, "except {users}");
        let set = format!(
            "[[rule]]\nid = \"r\"\nusers = [\"@s\"]\ncommands = [\"ALL\"]\n[sets.users]\ns = [{users}]"
        );
        assert_eq!(ask.is_permitted(&self::policy(&set)), matches, "set {users}");
    }
}

// "A user or group look-up that fails by error … refuses the request"; "deny … does hold"
#[test]
fn a_failed_look_up_in_a_deny_refuses_the_request() {
    let failed = "the look-up of group \"web\" failed: no answer";
    let broken = asked(|ask| _ = ask.directory.broken.insert("web".into()));
    assert_eq!(broken.decide(&deny("users = [\"%web\"]")), failed);
    assert_eq!(broken.decide(&deny("except_users = [\"%web\"]")), failed);
    assert_eq!(broken.decide(&deny("users = [\"%web\"]\ncommands = [\"/usr/bin/ls **\"]")), "permit all");
    assert_eq!(broken.decide(&allow("users = [\"%web\"]")), failed);
    assert_eq!(broken.decide(&allow("except_users = [\"%web\"]")), failed);
    assert_eq!(broken.decide(&allow("users = [\"alice\", \"%web\"]")), "permit r");
}

// "conditions that can't be determined do not hold in an allow": another rule may still permit
#[test]
fn a_failed_look_up_in_one_allow_leaves_the_others() {
    let policy = policy(
        "[[rule]]\nid = \"a\"\nusers = [\"%web\"]\ncommands = [\"ALL\"]\n[[rule]]\nid = \"b\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]",
    );
    let broken = asked(|ask| _ = ask.directory.broken.insert("web".into()));
    assert_eq!(broken.decide(&policy), "permit b");
}

// "`-1`, 4294967295 … never uid 0"
#[test]
fn an_id_that_means_no_change_is_refused() {
    for ask in [
        asked(|ask| ask.user.uid = u32::MAX),
        asked(|ask| ask.user.gid = u32::MAX),
        asked(|ask| ask.target.uid = u32::MAX),
        asked(|ask| ask.target.gid = u32::MAX),
        asked(|ask| ask.group = Some(Group { gid: u32::MAX, name: String::new() })),
    ] {
        assert_eq!(ask.decide(&allow("run_as_groups = [\"ALL\"]")), "deny: invalid id (has none)");
    }
    let last = asked(|ask| ask.user = account(u32::MAX - 1, 5, &[], &[]));
    assert!(last.is_permitted(&allow("users = [\"#4294967294\"]")));
}

// "Hosts: the kernel's node name; a pattern without a dot also matches its first label"
#[test]
fn hosts_match_by_their_own_name_or_a_tag() {
    for (pattern, matches) in [
        ("web-1.example.com", true),
        ("WEB-1.Example.com", true),
        ("web-1", true),
        ("web-*", true),
        ("web-?", true),
        ("web-*.example.com", true),
        ("*.example.com", true),
        ("web-[0-9]", true),
        ("{web,db}-1", true),
        ("ALL", true),
        ("tag:frontend", true),
        ("*", true),
        ("web", false),
        ("web-1.example", false),
        ("web-1.*.org", false),
        ("example.com", false),
        ("tag:Frontend", false),
        ("tag:back", false),
        ("db-*", false),
    ] {
        let ask = Ask::default();
        assert_eq!(ask.is_permitted(&allow(&format!("hosts = [\"{pattern}\"]"))), matches, "{pattern}");
        assert_eq!(
            ask.is_permitted(&allow(&format!("except_hosts = [\"{pattern}\"]"))),
            !matches,
            "except {pattern}"
        );
        assert_eq!(ask.is_permitted(&deny(&format!("hosts = [\"{pattern}\"]"))), !matches, "deny {pattern}");
    }
    let upper = asked(|ask| ask.host = "WEB-1".into());
    assert!(upper.is_permitted(&allow("hosts = [\"web-1\"]")));
    assert!(!upper.is_permitted(&allow("hosts = [\"web-1.example.com\"]")));
}

// "No `-u` and no `-g`: root." "`-u` of oneself matches \"self\"."
#[test]
fn the_target_user_is_root_unless_the_rule_names_others() {
    let targets = |ask: &mut Ask, name: &str| match name {
        "alice" => ask.target = account(1000, 1000, &["alice"], &[1000]),
        "www" => ask.target = account(33, 33, &["www"], &[33]),
        "#77" => ask.target = account(77, 77, &[], &[77]),
        _ => {}
    };
    let default = policy("[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]");
    for (target, permitted) in [("root", true), ("alice", false), ("www", false), ("#77", false)] {
        assert_eq!(asked(|ask| targets(ask, target)).is_permitted(&default), permitted, "{target}");
    }
    for (run_as, target, permitted) in [
        ("\"self\"", "alice", true),
        ("\"self\"", "root", false),
        ("\"www\"", "www", true),
        ("\"www\"", "root", false),
        ("\"#33\"", "www", true),
        ("\"#77\"", "#77", true),
        ("\"ALL\"", "#77", true),
        ("", "root", false),
        ("\"@t\"", "www", true),
    ] {
        let ask = asked(|ask| targets(ask, target));
        let set = "\n[sets.users]\nt = [\"www\"]";
        assert_eq!(
            ask.is_permitted(&allow(&format!("run_as = [{run_as}]{set}"))),
            permitted,
            "{run_as} {target}"
        );
        assert_eq!(
            ask.is_permitted(&allow(&format!("except_run_as = [{run_as}]{set}"))),
            !permitted,
            "except {run_as} {target}"
        );
        assert_eq!(
            ask.is_permitted(&deny(&format!("run_as = [{run_as}]{set}"))),
            !permitted,
            "deny {run_as} {target}"
        );
    }
}

// "`-g` alone: the invoking user with that group." "A group the target has anyway needs no run_as_groups."
#[test]
fn a_group_that_the_target_has_not_must_be_named() {
    let docker = Group { gid: 990, name: "docker".into() };
    let ask = asked(|ask| ask.group = Some(docker.clone()));
    for (groups, permitted) in [
        ("", false),
        ("\"docker\"", true),
        ("\"#990\"", true),
        ("\"ALL\"", true),
        ("\"web\"", false),
        ("\"nosuchgroup\"", false),
        ("\"#991\"", false),
    ] {
        assert_eq!(ask.is_permitted(&allow(&format!("run_as_groups = [{groups}]"))), permitted, "{groups}");
    }
    let has = asked(|ask| {
        ask.group = Some(docker.clone());
        ask.target.groups.push(990);
    });
    assert!(has.is_permitted(&allow("")));
    let alone = asked(|ask| {
        ask.group = Some(docker.clone());
        ask.target = ask.user.clone();
    });
    assert!(alone.is_permitted(&allow("run_as = [\"self\"]\nrun_as_groups = [\"docker\"]")));
    assert!(!alone.is_permitted(&allow("run_as = [\"root\"]\nrun_as_groups = [\"docker\"]")));
}

// "run_as … `[\"ALL\"]` with every group in a deny"
#[test]
fn a_deny_holds_for_every_target_and_group_unless_it_names_them() {
    let group = asked(|ask| ask.group = Some(Group { gid: 990, name: "docker".into() }));
    assert!(!group.is_permitted(&deny("")));
    assert!(!Ask::default().is_permitted(&deny("")));
    assert!(!group.is_permitted(&deny("run_as_groups = [\"docker\"]")));
    assert!(group.is_permitted(&deny("run_as_groups = [\"web\"]")));
    assert!(Ask::default().is_permitted(&deny("run_as_groups = [\"docker\"]")));
}

// "the rule itself begins and ends"
#[test]
fn a_rule_holds_from_its_beginning_until_its_end() {
    let policy = allow("not_before = 2026-01-01T00:00:00Z\nnot_after = 2027-01-31T18:00:00+01:00");
    for (now, permitted) in [
        ("2025-12-31T23:59:59.999999999Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2027-01-31T16:59:59Z", true),
        ("2027-01-31T17:00:00Z", false),
        ("2028-01-01T00:00:00Z", false),
    ] {
        assert_eq!(asked(|ask| ask.now = now.parse().unwrap()).is_permitted(&policy), permitted, "{now}");
    }
}

#[test]
fn a_rule_that_is_not_for_nested_requests_does_not_match_them() {
    let nested = asked(|ask| ask.nested = true);
    assert!(nested.is_permitted(&allow("")));
    assert!(!nested.is_permitted(&allow("nested = false")));
    assert!(Ask::default().is_permitted(&allow("nested = false")));
    assert!(nested.is_permitted(&deny("nested = false")));
    assert!(!Ask::default().is_permitted(&deny("nested = false")));
}

// "trusted_path … false: run a named command even where others can write its path"; "A rule for `ALL` needs neither"
#[test]
fn a_named_command_needs_a_path_that_nobody_else_can_write() {
    let untrusted = asked(|ask| ask.trusted = false);
    assert_eq!(untrusted.decide(&allow("commands = [\"/usr/bin/id\"]")), "deny: untrusted path for r");
    assert_eq!(untrusted.decide(&allow("commands = [\"/usr/bin/*\"]")), "deny: untrusted path for r");
    assert!(untrusted.is_permitted(&allow("commands = [\"/usr/bin/id\"]\ntrusted_path = false")));
    assert!(untrusted.is_permitted(&allow("commands = [\"ALL\"]")));
    assert!(!untrusted.is_permitted(&deny("commands = [\"/usr/bin/id **\"]")));
    assert!(!untrusted.is_permitted(&deny("except_commands = [\"/usr/bin/id **\"]")));
    assert!(Ask::default().is_permitted(&deny("except_commands = [\"/usr/bin/id **\"]")));
}

// "Rules that can't serve the request's options … drop out"
#[test]
fn a_rule_that_cannot_serve_an_option_drops_out() {
    let keys = r#"
grant.duration = "15m"
grant.max_duration = "1h"
restrict.timeout = "2h"
restrict.env_keep = ["LANG", "LC_*"]
restrict.allow_cwd = ["/srv", "/home/*"]
"#;
    let policy = allow(keys);
    let second = Duration::from_secs(1);
    let hour = Duration::from_hours(1);
    let served = |change: fn(&mut Ask, Duration), by: Duration| {
        asked(|ask| change(ask, by)).decide(&policy) == "permit r"
    };
    assert!(served(|ask, by| ask.duration = Some(by), hour));
    assert!(!served(|ask, by| ask.duration = Some(by), hour + second));
    assert!(!served(|ask, by| ask.duration = Some(by), Duration::ZERO));
    assert!(served(|ask, by| ask.timeout = Some(by), 2 * hour));
    assert!(!served(|ask, by| ask.timeout = Some(by), 2 * hour + second));
    for (folder, allowed) in [
        ("/srv", true),
        ("/srv/x", false),
        ("/home/alice", true),
        ("/home/a/b", false),
        ("/home/..", false),
        ("srv", false),
    ] {
        assert_eq!(asked(|ask| ask.cwd = Some(folder.into())).is_permitted(&policy), allowed, "{folder}");
    }
    // Any command is permitted, `env VAR=value command` too; but what loads code an administrator names.
    for (names, allowed, with_all) in [
        (vec!["LANG"], true, true),
        (vec!["LC_ALL", "LANG"], true, true),
        (vec!["LANG", "MY_OWN"], false, true),
        (vec!["LC"], false, true),
        (vec!["LD_PRELOAD"], false, false),
        (vec!["MY_OWN", "LD_PRELOAD"], false, false),
    ] {
        let ask = asked(|ask| ask.assignments = names.iter().map(|name| name.as_bytes().to_vec()).collect());
        assert_eq!(ask.is_permitted(&policy), with_all, "{names:?}");
        let named = allow(&format!("commands = [\"/usr/bin/id\"]\n{keys}"));
        assert_eq!(ask.is_permitted(&named), allowed, "{names:?}");
    }
    let preload = asked(|ask| ask.assignments = vec![b"LD_PRELOAD".to_vec()]);
    assert!(preload.is_permitted(&allow("restrict.env_keep = [\"LD_PRELOAD\"]")));
    let any = allow("restrict.allow_cwd = [\"ALL\"]");
    assert!(asked(|ask| ask.cwd = Some(b"/anywhere".to_vec())).is_permitted(&any));
    assert_eq!(asked(|ask| ask.timeout = Some(hour)).decide(&any), "permit r");
    assert_eq!(asked(|ask| ask.cwd = Some(b"/x".to_vec())).decide(&allow("")), "deny: options for r");
}

// "`cwd = "caller"`, or a path; `allow_cwd = […]` for -D": where the rule has it run anyway may be asked for.
#[test]
fn the_folder_that_it_runs_in_anyway_may_be_asked_for() {
    let here = |folder: &str, is_callers| {
        asked(|ask| (ask.cwd, ask.cwd_is_callers) = (Some(folder.into()), is_callers))
    };
    let callers = allow("");
    assert!(here("/home/alice", true).is_permitted(&callers));
    assert!(!here("/home/alice", false).is_permitted(&callers));
    let named = allow("restrict.cwd = \"/srv\"");
    assert!(here("/srv", false).is_permitted(&named));
    assert!(!here("/home/alice", true).is_permitted(&named), "the rule says where");
    let more = allow("restrict.cwd = \"/srv\"\nrestrict.allow_cwd = [\"/home/*\"]");
    assert!(here("/home/alice", true).is_permitted(&more));
}

// -P brings the invoking user's groups along (1000 and web, in tests): as if each were asked for with -g.
#[test]
fn groups_that_are_brought_along_must_each_be_permitted() {
    for (groups, permitted) in [
        ("", false),
        ("run_as_groups = [\"web\"]", false),
        ("run_as_groups = [\"web\", \"#1000\"]", true),
        ("run_as_groups = [\"ALL\"]", true),
    ] {
        let ask = asked(|ask| ask.preserve_groups = true);
        assert_eq!(ask.is_permitted(&allow(groups)), permitted, "{groups}");
        let members = asked(|ask| {
            ask.preserve_groups = true;
            ask.target = account(1001, 1001, &["bob"], &[33, 1000, 1001]);
        });
        assert!(members.is_permitted(&allow(groups)), "the target has them anyway");
    }
    let denied = |groups: &str| {
        let policy = deny(&format!("run_as_groups = [{groups}]"));
        asked(|ask| ask.preserve_groups = true).decide(&policy)
    };
    assert_eq!(denied("\"web\""), "deny: by d");
    assert_eq!(denied("\"docker\""), "permit all");
    let broken = asked(|ask| {
        ask.preserve_groups = true;
        ask.directory.broken.insert("web".into());
    });
    assert!(!broken.is_permitted(&deny("run_as_groups = [\"web\"]")), "a deny must not be missed");
    assert!(!broken.is_permitted(&allow("run_as_groups = [\"web\"]")));
}

// "`--rule ID` picks one"
#[test]
fn a_rule_that_is_asked_for_is_the_only_candidate() {
    let rule = |id: &str| format!("[[rule]]\nid = \"{id}\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n");
    let policy = policy(&(rule("b") + &rule("a")));
    assert_eq!(Ask::default().decide(&policy), "permit a, b");
    assert_eq!(asked(|ask| ask.rule = Some("b".into())).decide(&policy), "permit b");
    assert_eq!(asked(|ask| ask.rule = Some("c".into())).decide(&policy), "deny: not that rule");
}
