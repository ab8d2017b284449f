//! The policy as a whole: defaults, the choice among candidates, denies of a refused policy, the digest.

use std::time::Duration;

use super::support::{Ask, allow, file, policy};
use crate::{AsWritten, Decision, Policy, Reason, Umask};

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
    Ask::to_run("/b/x").with(|request| {
        let Ok(Decision::Deny(denial)) = merged.evaluate(request, &super::support::Groups::default()) else {
            panic!()
        };
        let crate::Why::DeniedBy(rule) = denial.why else { panic!() };
        assert_eq!(merged.text_of(rule).commands, ["/b/x **"]);
    });
}

#[test]
fn the_digest_changes_with_names_and_texts_and_not_with_their_order() {
    let digest = |sources: &[crate::Source]| Policy::load(sources, &AsWritten).unwrap().digest().to_owned();
    let (a, b) = (file("a.toml", ""), file("b.toml", "#"));
    assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
    assert_ne!(digest(&[a.clone(), b.clone()]), digest(std::slice::from_ref(&a)));
    assert_ne!(digest(&[a]), digest(&[b]));
    assert_eq!(digest(&[]).len(), 64);
}

fn long(rules: usize, each: impl Fn(usize) -> String) -> String {
    let rule = |number| format!("[[rule]]\nid = \"r{number}\"\nusers = [\"u{number}\"]\n{}\n", each(number));
    (0..rules).map(rule).collect()
}

// A long file is read in blocks: with the same meaning, and mistakes in the same places.
#[test]
fn a_long_file_reads_as_a_short_one_does() {
    let commands = |number: usize| {
        format!("commands = [\"/usr/bin/number-{number} **\"]\n[rule.grant]\nuses = 7\n# {}", "-".repeat(99))
    };
    let head = "[defaults]\nrequire.reason = true\n";
    let tail = "[sets.users]\ns = [\"x\"]\n";
    let text = format!(
        "{head}{}{tail}{}",
        long(1500, commands),
        "[[rule]]\nid = \"last\"\nusers = [\"@s\"]\ncommands = [\"ALL\"]\n"
    );
    assert!(text.len() > 300_000);
    let policy = policy(&text);
    assert_eq!(policy.rules().count(), 1501);
    let rule = policy.rule("r1499").unwrap();
    assert_eq!((rule.line, rule.grant.uses), (4 + 1499 * 7, Some(7)));
    assert!(matches!(rule.require.reason, Reason::Any));
    let last = policy.rule("last").unwrap();
    assert_eq!((last.line, last.grant.uses), (6 + 1500 * 7, None));

    let mistaken =
        long(
            1501,
            |number| {
                if number == 1400 { "commands = [\"ALL\"]\nuser = 1".into() } else { commands(number) }
            },
        );
    let twice = format!("{mistaken}[[rule]]\nid = \"r0\"\nusers = []\ncommands = []");
    assert_eq!(
        super::diagnostics::mistakes(&twice),
        [
            format!("{}:1 unknown key `user` in a rule (did you mean `users`?)", 2 + 1400 * 7 + 4),
            format!(
                "{}:6 the id `r0` is used twice (an id is unique over all files: audit and messages name the rule by it)",
                2 + 1500 * 7 + 5 + 1
            ),
        ]
    );

    // What can't be cut is read as a whole.
    let odd = format!("{}{tail}[rule.require]\nreason = 5\n", long(1500, commands));
    assert_eq!(super::diagnostics::mistakes(&odd).len(), 1);
    let broken = format!("{}x = = 1", long(1500, commands));
    assert_eq!(
        super::diagnostics::mistakes(&broken)[0],
        format!("{}:5 extra `=`, expected nothing", 2 + 1500 * 7)
    );
}

/// A policy of the package, or of the guide.
fn shipped(name: &str, text: &str) -> Policy {
    let source = crate::Source { name: name.into(), path: name.into(), text: text.into() };
    Policy::load(&[source], &AsWritten).unwrap_or_else(|found| panic!("{found}"))
}

// "The vendor's `10-root.toml` lets root run anything"; "the shipped root rule does not match" a nested request
#[test]
fn the_shipped_rule_for_root_lets_root_run_anything() {
    let policy = shipped("10-root.toml", include_str!("../../../packaging/policy.d/10-root.toml"));
    let root = super::support::account(0, 0, &["root"], &[0]);
    let mut ask = Ask { user: root, ..Ask::to_run("/home/x/untrusted any thing") };
    ask.target = super::support::account(1000, 1000, &["alice"], &[1000]);
    ask.group = Some(crate::Group { gid: 990, name: "docker".into() });
    (ask.trusted, ask.duration, ask.cwd) = (false, Some(Duration::from_hours(24)), Some(b"/tmp".to_vec()));
    assert_eq!(ask.decide(&policy), "permit root");
    ask.nested = true;
    assert_eq!(ask.decide(&policy), "deny: no rule matches");
    assert_eq!(Ask::default().decide(&policy), "deny: no rule matches (has none)");
    assert_eq!(policy.rule("root").unwrap().require.authentication, crate::Authentication::None);
}

// "`20-admins.toml` the members of the (empty) group `jit-admin`, with password, reason and 15 minutes"
#[test]
fn the_shipped_rule_for_administrators_is_for_their_group() {
    let policy = shipped("20-admins.toml", include_str!("../../../packaging/policy.d/20-admins.toml"));
    let mut ask = Ask { trusted: false, ..Ask::to_run("/any thing") };
    ask.directory.gids.insert("jit-admin".into(), 777);
    assert_eq!(ask.decide(&policy), "deny: no rule matches (has none)");
    ask.user.groups.push(777);
    assert_eq!(ask.decide(&policy), "permit admins");
    let rule = policy.rule("admins").unwrap();
    assert_eq!(rule.require.authentication, crate::Authentication::Password);
    assert!(matches!(rule.require.reason, Reason::Any));
    assert_eq!(rule.grant.max_duration, Duration::from_mins(15));
}

// Every policy of the guide is one.
#[test]
fn every_example_of_the_guide_loads() {
    let guide = include_str!("../../../docs/policy.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() > 3);
    for example in examples {
        let schema = if example.contains("schema = 1") { "" } else { "schema = 1\n" };
        shipped("guide.toml", &format!("{schema}{example}"));
    }
}

/// The guide is the manual page, too: no key is without its place in it.
#[test]
fn the_guide_has_every_key() {
    let guide = include_str!("../../../docs/policy.md");
    let mut keys = 0;
    for table in ["", "[defaults]\n", "[sets]\n", "[[rule]]\n", "[[login]]\n", "[login_defaults]\n"]
        .into_iter()
        .map(str::to_owned)
        .chain(["require", "grant", "restrict"].map(|table| format!("[[rule]]\n[rule.{table}]\n")))
    {
        let mistakes = super::diagnostics::mistakes(&format!("{table}zzzzzzzz = 1"));
        let known = mistakes.iter().find_map(|mistake| mistake.split(" may have: ").nth(1));
        let known = known.unwrap_or_else(|| panic!("{table}{mistakes:?}")).trim_end_matches(')');
        for key in known.split(", ") {
            let forms = [
                format!("`{key}`"),
                format!("\n{key} = "),
                format!("[{key}."),
                format!("[{key}]"),
                format!(".{key}]"),
            ];
            assert!(forms.iter().any(|form| guide.contains(form)), "{table}{key} is not in docs/policy.md");
            keys += 1;
        }
    }
    assert!(keys > 50, "{keys}");
}
