//! Who may run what: one sentence of the interface, one test.

use std::time::Duration;

use super::support::{Ask, account, file, policy};
use crate::{AsWritten, Decision, FolderResolver, Group, Policy, Reason, Resolved, Umask};

/// A rule for everyone, on everything, with these keys instead or added.
fn allow(keys: &str) -> Policy {
    let mut text = "[[rule]]\nid = \"r\"\n".to_owned();
    for (key, value) in [("users", "[\"ALL\"]"), ("commands", "[\"ALL\"]"), ("run_as", "[\"ALL\"]")] {
        if !keys.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    policy(&(text + keys))
}

/// Everything is allowed; a deny with these keys, for everyone, on everything else.
fn deny(keys: &str) -> Policy {
    let mut text = "[[rule]]\nid = \"all\"\nusers = [\"ALL\"]\nrun_as = [\"ALL\"]\nrun_as_groups = [\"ALL\"]\ncommands = [\"ALL\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\n".to_owned();
    for (key, value) in [("users", "[\"ALL\"]"), ("commands", "[\"ALL\"]")] {
        if !keys.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    policy(&(text + keys))
}

fn asked(change: impl FnOnce(&mut Ask)) -> Ask {
    let mut ask = Ask::default();
    change(&mut ask);
    ask
}

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
    let hour = Duration::from_secs(3600);
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
    for (names, allowed) in [
        (vec!["LANG"], true),
        (vec!["LC_ALL", "LANG"], true),
        (vec!["LD_PRELOAD"], false),
        (vec!["LANG", "PATH"], false),
        (vec!["LC"], false),
    ] {
        let ask = asked(|ask| ask.assignments = names.iter().map(|name| name.as_bytes().to_vec()).collect());
        assert_eq!(ask.is_permitted(&policy), allowed, "{names:?}");
    }
    let any = allow("restrict.allow_cwd = [\"ALL\"]");
    assert!(asked(|ask| ask.cwd = Some(b"/anywhere".to_vec())).is_permitted(&any));
    assert_eq!(asked(|ask| ask.timeout = Some(hour)).decide(&any), "permit r");
    assert_eq!(asked(|ask| ask.cwd = Some(b"/x".to_vec())).decide(&allow("")), "deny: options for r");
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

// "`\"/usr/bin/less\"` means *no* arguments"; "a final `**` is zero or more further arguments"; "`\"\"` is one empty argument"
#[test]
fn arguments_match_one_by_one() {
    for (commands, request, permitted) in [
        (r#""/usr/bin/less""#, "/usr/bin/less", true),
        (r#""/usr/bin/less""#, "/usr/bin/less x", false),
        (r#""/usr/bin/less""#, "/usr/bin/less ", false),
        (r#""/usr/bin/less ''""#, "/usr/bin/less ", true),
        (r#""/usr/bin/less ''""#, "/usr/bin/less", false),
        (r#""/usr/bin/less **""#, "/usr/bin/less", true),
        (r#""/usr/bin/less **""#, "/usr/bin/less a b", true),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less", false),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less -R", true),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less x -R", false),
        (r#""/usr/bin/less '**'""#, "/usr/bin/less a b", false),
        (r#""/usr/bin/less *""#, "/usr/bin/less a", true),
        (r#""/usr/bin/less *""#, "/usr/bin/less a b", false),
        (r#""/usr/bin/less *""#, "/usr/bin/less a/b", false),
        (r#""/b/sys {start,stop} nginx""#, "/b/sys stop nginx", true),
        (r#""/b/sys {start,stop} nginx""#, "/b/sys kill nginx", false),
        (r#""/b/{x,y} a""#, "/b/y a", true),
        (r#""/b/{x,y} a""#, "/b/z a", false),
        (r#""/opt/tools/*""#, "/opt/tools/x", true),
        (r#""/opt/tools/*""#, "/opt/tools/x/y", false),
        (r#""/opt/*/bin/run **""#, "/opt/a/bin/run 1", true),
        (r#""/opt/*/bin/run **""#, "/opt/a/b/bin/run", false),
        (r#""/*""#, "/x", true),
        (r#"{ path = "/b/x" }"#, "/b/x", true),
        (r#"{ path = "/b/x" }"#, "/b/x a", false),
        (r#"{ path = "/b/x", args = [] }"#, "/b/x", true),
        (r#"{ path = "/b/x", args = ["a", "**"] }"#, "/b/x a b", true),
        (r#"{ path = "/b/x", args = ["a", { regex = "p|s/t" }] }"#, "/b/x a s/t", true),
        (r#"{ path = "/b/x", args = [{ regex = "p|st" }] }"#, "/b/x pst", false),
        (r#"{ path = "/b/x", args = [{ regex = "p" }] }"#, "/b/x xp", false),
        (r#""/b/x", "ALL""#, "/anything at all", true),
        (r#""@none", "@some""#, "/b/some", true),
        (r#""@none""#, "/b/some", false),
    ] {
        let text = format!(
            "commands = [{commands}]\n[sets.commands]\nnone = []\nsome = [\"/b/some\", \"/b/other\"]"
        );
        assert_eq!(Ask::to_run(request).is_permitted(&allow(&text)), permitted, "{commands}: {request}");
    }
}

// "Word for argument, argument for word, on the argument vector": CVE-like joins do not fool it
#[test]
fn an_argument_with_blanks_is_one_argument() {
    let policy = allow("commands = [\"/bin/cat /var/log/* x\"]");
    let ask = |args: &[&str]| Ask {
        args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        ..Ask::to_run("/bin/cat")
    };
    assert!(ask(&["/var/log/syslog", "x"]).is_permitted(&policy));
    assert!(ask(&["/var/log/a b", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/syslog x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/", "/etc/shadow", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/../../etc/shadow", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/a", "x", ""]).is_permitted(&policy));
}

// "`{ under }` matches an absolute path below that folder once `.`, `..` and links are resolved, only if no
// component can be written by the invoking user; the resolved path replaces the argument."
#[test]
fn an_argument_under_a_folder_is_resolved_and_replaced() {
    let rule = r#"commands = [{ path = "/b/x", args = ["-v", { under = "/srv/releases" }, "**"] }]"#;
    let to = |path: &str, writable| Resolved { path: path.into(), writable };
    let ask = |argument: &str| {
        let mut ask = Ask::to_run(&format!("/b/x -v {argument} z"));
        for (from, resolved) in [
            ("/srv/releases/1", to("/srv/releases/1", false)),
            ("/srv/link", to("/srv/releases/2", false)),
            ("/srv/releases/out", to("/etc/shadow", false)),
            ("/srv/releases/mine", to("/srv/releases/mine", true)),
            ("/srv/releases", to("/srv/releases", false)),
            ("rel", to("/srv/releases/1", false)),
            ("/srv/releases/odd", to("/srv/releases/../x", false)),
        ] {
            ask.resolved.insert(from.into(), resolved);
        }
        ask
    };
    let policy = allow(rule);
    for (argument, permitted) in [
        ("/srv/releases/1", true),
        ("/srv/link", true),
        ("/srv/releases/out", false),
        ("/srv/releases/mine", false),
        ("/srv/releases", false),
        ("rel", false),
        ("/srv/releases/unknown", false),
        ("/srv/releases/odd", false),
    ] {
        assert_eq!(ask(argument).is_permitted(&policy), permitted, "{argument}");
    }
    let link = ask("/srv/link");
    link.with(|request| {
        let Ok(Decision::Permit(candidates)) = policy.evaluate(request, &link.directory) else { panic!() };
        let replaced: Vec<Vec<u8>> = [&b"-v"[..], b"/srv/releases/2", b"z"].map(<[u8]>::to_vec).into();
        assert_eq!(candidates[0].arguments, Some(replaced));
    });
    // In a deny what is not known to lead elsewhere is denied.
    let denied = deny(rule);
    for (argument, permitted) in [
        ("/srv/releases/1", false),
        ("/srv/link", false),
        ("/srv/releases/mine", false),
        ("rel", false),
        ("/srv/releases/unknown", false),
        ("/srv/releases/out", true),
    ] {
        assert_eq!(ask(argument).is_permitted(&denied), permitted, "deny {argument}");
    }
}

struct Usr;

impl FolderResolver for Usr {
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        folder.strip_prefix("/bin").map(|rest| format!("/usr/bin{rest}"))
    }
}

// "its folder resolved (so `/bin/sh` is `/usr/bin/sh`), its last component **not** …; the pattern's path is
// treated the same way. A deny matches if the name *or* the file it leads to does."
#[test]
fn a_program_is_the_name_that_was_asked_for_and_in_a_deny_also_the_file() {
    let load = |text: &str| Policy::load(&[file("a.toml", text)], &Usr).unwrap();
    let rule = |effect: &str, command: &str| {
        load(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"{effect}\"\nusers = [\"ALL\"]\ncommands = [\"{command} **\"]\n[[rule]]\nid = \"z\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/vi\"]"
        ))
    };
    let vi = Ask { leads_to: Some(b"/usr/bin/vim.basic".to_vec()), ..Ask::to_run("/usr/bin/vi") };
    assert_eq!(vi.decide(&rule("allow", "/bin/vi")), "permit r, z");
    assert_eq!(vi.decide(&rule("allow", "/bin/v*")), "permit r, z");
    assert_eq!(vi.decide(&rule("allow", "/bin/vim.basic")), "permit z");
    for command in ["/bin/vi", "/usr/bin/vim.basic", "/bin/vim.basic", "/bin/*.basic", "/bin/{vi,ls}"] {
        assert_eq!(vi.decide(&rule("deny", command)), "deny: by r", "{command}");
    }
    let except = |command: &str| {
        load(&format!(
            "[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\nexcept_commands = [\"{command} **\"]"
        ))
    };
    assert!(!vi.is_permitted(&except("/bin/vim.basic")));
    assert!(!vi.is_permitted(&except("/bin/vi")));
    assert!(vi.is_permitted(&except("/bin/view")));
}

// "[defaults] fills missing keys of the allow rules in this file; arrays replace, they don't add"
#[test]
fn defaults_fill_missing_keys_of_the_allow_rules_of_their_file() {
    let first = file(
        "a.toml",
        r#"
[defaults]
hosts = ["db"]
require = { authentication = "none", reason = true }
restrict = { env_keep = ["A"], umask = "0077" }
[[rule]]
id = "a"
users = ["ALL"]
commands = ["ALL"]
require.reason = "T-[0-9]+"
restrict.env_keep = ["B"]
[[rule]]
id = "d"
effect = "deny"
users = ["ALL"]
commands = ["ALL"]
except_hosts = ["db"]
"#,
    );
    let second = file("b.toml", "[[rule]]\nid = \"b\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n");
    let policy = Policy::load(&[first, second], &AsWritten).unwrap();
    let (a, b) = (policy.rule("a").unwrap(), policy.rule("b").unwrap());
    assert_eq!(policy.text_of(a).hosts, ["db"]);
    assert_eq!(policy.text_of(policy.rule("d").unwrap()).hosts, ["ALL"]);
    assert_eq!(policy.text_of(b).hosts, ["ALL"]);
    assert_eq!(a.require.authentication, crate::Authentication::None);
    assert_eq!(b.require.authentication, crate::Authentication::Password);
    assert!(a.require.reason.accepts(Some("T-12")));
    assert!(!a.require.reason.accepts(Some("see T-12")));
    assert!(matches!(b.require.reason, Reason::No));
    assert_eq!((a.restrict.umask, b.restrict.umask), (Umask::Exactly(0o077), Umask::UnionWith(0o022)));
    assert!(a.restrict.keeps(b"B") && !a.restrict.keeps(b"A"));
}

// The paragraph "Defaults".
#[test]
fn the_defaults_of_all_rules_are_as_written() {
    let policy = policy("[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]");
    let rule = policy.rule("r").unwrap();
    let seconds = Duration::from_secs;
    assert!(rule.trusted_path && rule.nested);
    assert_eq!(policy.text_of(rule).run_as, ["root"]);
    assert_eq!(policy.text_of(rule).run_as_groups, Vec::<String>::new());
    assert_eq!(rule.require.authenticate_as, crate::AuthenticateAs::Invoking);
    assert_eq!(rule.require.authentication_timeout, seconds(300));
    let grant = &rule.grant;
    assert_eq!(
        (grant.duration, grant.max_duration, grant.uses, grant.grace),
        (seconds(900), seconds(900), None, seconds(10))
    );
    assert_eq!(
        (grant.scope, grant.on_expiry, grant.leftover),
        (None, crate::OnExpiry::Terminate, crate::Leftover::Keep)
    );
    assert_eq!(rule.restrict.secure_path, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!((&rule.restrict.cwd, rule.restrict.timeout), (&crate::Cwd::Caller, None));
}

// "the one with the fewest duties *missing* (approvals, then authentication, then reason), then the smallest id"
#[test]
fn of_the_candidates_the_one_with_the_fewest_missing_duties_is_chosen() {
    let rule = |id: &str| format!("[[rule]]\nid = \"{id}\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n");
    let policy = policy(&(rule("c") + &rule("a") + &rule("b")));
    let chosen = |missing: fn(&str) -> (u32, bool, bool)| {
        Ask::default().with(|request| {
            let Ok(Decision::Permit(candidates)) =
                policy.evaluate(request, &super::support::Groups::default())
            else {
                panic!()
            };
            let missing = |candidate: &crate::Candidate<'_>| {
                let (approvals, authentication, reason) = missing(&candidate.rule.id);
                crate::Missing { approvals, authentication, reason }
            };
            crate::choose(&candidates, missing).map(|(candidate, _)| candidate.rule.id.clone()).unwrap()
        })
    };
    assert_eq!(chosen(|_| (0, true, true)), "a");
    assert_eq!(chosen(|id| (0, id != "c", true)), "c");
    assert_eq!(chosen(|id| (u32::from(id != "b"), id == "b", id == "b")), "b");
    assert_eq!(chosen(|id| (0, false, id == "a")), "b");
    assert!(crate::choose(&[], |_| crate::Missing::default()).is_none());
}

// "deny rules of the new files that do parse apply at once"
#[test]
fn the_denies_of_a_refused_policy_apply_to_the_old_one() {
    let old = allow("");
    let deny = |command: &str| {
        format!(
            "[[rule]]\nid = \"{command}\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/b/{command} **\"]\n"
        )
    };
    let sound =
        file("a.toml", &(deny("x") + "[[rule]]\nid = \"p\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n"));
    let broken = file("b.toml", &(deny("y") + "oops = 1\n[sets.users]\ns = []"));
    let needs_broken = file("c.toml", &(deny("z") + "except_users = [\"@s\"]"));
    let sources = [sound, broken, needs_broken];
    assert!(Policy::load(&sources, &AsWritten).is_err());
    let merged = old.merge_denies(&Policy::load_denies(&sources, &AsWritten));
    assert_eq!(Ask::to_run("/b/x").decide(&merged), "deny: by x");
    assert_eq!(Ask::to_run("/b/y").decide(&merged), "permit r");
    assert_eq!(Ask::to_run("/b/z").decide(&merged), "permit r");
    assert_eq!(merged.digest(), old.digest());
}

#[test]
fn the_digest_changes_with_names_and_texts_and_not_with_their_order() {
    let digest = |sources: &[crate::Source]| Policy::load(sources, &AsWritten).unwrap().digest().to_owned();
    let (a, b) = (file("a.toml", ""), file("b.toml", "#"));
    assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
    assert_ne!(digest(&[a.clone(), b.clone()]), digest(&[a.clone()]));
    assert_ne!(digest(&[a]), digest(&[b]));
    assert_eq!(digest(&[]).len(), 64);
}
