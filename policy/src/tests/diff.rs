//! Two policies: what differs, and that nothing that differs is left out.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::generated::{self, SETS, region, text, without_options};
use super::support::{Ask, load, policy};
use crate::{Change, Decision, Difference, Missing, Policy};

/// The first line of each difference.
fn lines(old: &str, new: &str) -> Vec<String> {
    let differences = policy(old).diff(&policy(new));
    differences.iter().map(|one| one.to_string().lines().next().unwrap().to_owned()).collect()
}

const RULE: &str = "[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"/b/x a\"]\n";

/// The rule with one key more, or another one.
fn with(keys: &str) -> String {
    let is_other = |line: &&str| !keys.lines().any(|key| key.split(" =").next() == line.split(" =").next());
    let kept: Vec<&str> = RULE.lines().filter(is_other).collect();
    format!("{}\n{keys}\n", kept.join("\n"))
}

// "re-ordering, renaming sets, splitting rules gives an empty diff"
#[test]
fn what_means_the_same_is_no_difference() {
    let deny = "[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"bob\"]\ncommands = [\"/b/y **\"]\n";
    let two =
        "users = [\"alice\", \"bob\"]\ncommands = [\"/b/x {a,b}\", \"/b/y\"]\nhosts = [\"h1\", \"h2\"]\n";
    let split = |id: &str, user: &str, command: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nusers = [{user}]\ncommands = [{command}]\nhosts = [\"h1\", \"h2\"]\n"
        )
    };
    for (old, new) in [
        (RULE.to_owned(), RULE.replace("\"r\"", "\"renamed\"")),
        (format!("{RULE}{deny}"), format!("{deny}{RULE}")),
        (with("description = \"x\""), RULE.to_owned()),
        (with("hosts = [\"ALL\"]"), RULE.to_owned()),
        (with("grant.duration = \"900s\""), RULE.to_owned()),
        (
            with("users = [\"@s\"]\n[sets.users]\ns = [\"alice\"]"),
            with("users = [\"@t\"]\n[sets.users]\nt = [\"alice\"]"),
        ),
        (
            with(two),
            split("a", "\"bob\"", "\"/b/x b\", \"/b/y\"")
                + &split("b", "\"bob\"", "\"/b/x a\"")
                + &split("c", "\"alice\"", "\"/b/y\", \"/b/x {b,a}\""),
        ),
        (
            with("when.time = [\"Mon..Tue 08:00..18:00\"]"),
            with("when.time = [\"Tue 08:00..18:00\", \"Mon 08:00..18:00\"]"),
        ),
        (RULE.to_owned(), format!("{RULE}{}", RULE.replace("\"r\"", "\"again\""))),
        (
            with("commands = [\"sudoedit /etc/a /etc/b\"]"),
            with("commands = [{ edit = [\"/etc/b\"] }, { edit = [\"/etc/a\"] }]"),
        ),
        (deny.to_owned(), String::new()),
    ] {
        assert_eq!(lines(&old, &new), Vec::<String>::new(), "{old}\n{new}");
    }
}

#[test]
fn gains_and_losses_are_told_by_user_command_target_and_host() {
    let deny = "[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/b/x **\"]\n";
    for (old, new, expected) in [
        (String::new(), RULE.to_owned(), &["+ alice gains: /b/x a; as root"][..]),
        (RULE.to_owned(), String::new(), &["- alice loses: /b/x a; as root"]),
        (
            RULE.to_owned(),
            with("users = [\"alice\", \"bob\", \"%web\"]"),
            &["+ %web, bob gains: /b/x a; as root"],
        ),
        (RULE.to_owned(), with("commands = [\"/b/x **\"]"), &["+ alice gains: /b/x **; as root"]),
        (
            with("commands = [\"/b/x {a,b}\"]"),
            with("commands = [\"/b/x b\", \"/b/y\"]"),
            &["+ alice gains: /b/y; as root", "- alice loses: /b/x a; as root"],
        ),
        (
            with("hosts = [\"web-*\"]"),
            with("hosts = [\"tag:web\"]"),
            &["+ alice gains: /b/x a; as root; on tag:web", "- alice loses: /b/x a; as root; on web-*"],
        ),
        (
            RULE.to_owned(),
            with("run_as = [\"www\"]"),
            &["+ alice gains: /b/x a; as www", "- alice loses: /b/x a; as root"],
        ),
        (RULE.to_owned(), with("run_as_groups = [\"docker\"]"), &["+ alice gains: /b/x a; as root"]),
        (RULE.to_owned(), format!("{RULE}{deny}"), &["- ALL loses: /b/x **; as ALL"]),
        (format!("{RULE}{deny}"), RULE.to_owned(), &["+ ALL gains: /b/x **; as ALL"]),
        (RULE.to_owned(), with("not_after = 2030-01-01T00:00:00Z"), &["- alice may lose: /b/x a; as root"]),
        (with("nested = false"), RULE.to_owned(), &["+ alice gains: /b/x a; as root"]),
        (
            with("commands = [\"sudoedit /etc/a\"]"),
            with("commands = [\"sudoedit /etc/a /etc/b\"]"),
            &["+ alice gains: sudoedit /etc/a /etc/b; as root"],
        ),
        (with("trusted_path = false"), RULE.to_owned(), &["- alice loses: /b/x a; as root"]),
        (RULE.to_owned(), with("except_hosts = [\"db\"]"), &["- alice may lose: /b/x a; as root"]),
        (
            with("commands = [{ path = \"/b/x\", args = [{ regex = \"a|b\" }] }]"),
            with("commands = [{ path = \"/b/x\", args = [{ regex = \"b\" }] }]"),
            &[
                "+ alice may gain: /b/x { regex = 'b' }; as root",
                "- alice loses: /b/x { regex = 'a|b' }; as root",
            ],
        ),
    ] {
        let told = lines(&old, &new);
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_eq!(told, expected, "{old}\n{new}");
    }
}

// "Also changes of duties, durations, restrictions."
#[test]
fn other_terms_are_told_with_what_was_and_what_is() {
    for (keys, expected) in [
        ("grant.duration = \"1h\"", "grant.duration: 15m -> 1h"),
        ("grant.uses = 3", "grant.uses: no limit -> 3"),
        ("grant.on_expiry = \"finish\"", "grant.on_expiry: terminate -> finish"),
        ("require.reason = true", "require.reason: false -> true"),
        ("require.authentication = \"none\"", "require.authentication: password -> none"),
        ("restrict.env_keep = [\"X\"]", "restrict.env_keep: none -> X"),
        ("restrict.umask = \"0077\"", "restrict.umask: the caller's and 0022 -> 0077"),
        ("restrict.cwd = \"/srv\"", "restrict.cwd: caller -> /srv"),
        ("restrict.timeout = \"1m\"", "restrict.timeout: no limit -> 1m"),
        ("restrict.allow_cwd = [\"/srv/[a-z]\"]", "restrict.allow_cwd: none -> /srv/[a-z]"),
    ] {
        let differences = policy(RULE).diff(&policy(&with(keys)));
        let [one] = differences.as_slice() else { panic!("{keys}: {differences:?}") };
        assert!((one.change, one.sure) == (Change::Terms, true), "{keys}: {one}");
        assert!(one.to_string().contains(&format!("\n    {expected}")), "{keys}: {one}");
    }
}

// Terms are compared as text: no two that differ read alike.
#[test]
fn what_reads_almost_alike_differs() {
    for (one, other) in [("/srv/[a-z]", "/srv/[a\\\\-z]"), ("/srv/*", "/srv/\\\\*"), ("/srv/a", "/srv/'a'")] {
        let [one, other] = [one, other].map(|folder| with(&format!("restrict.allow_cwd = [\"{folder}\"]")));
        assert_eq!(lines(&one, &other).len(), 1, "{one} {other}");
    }
}

#[test]
fn another_id_that_puts_other_terms_first_is_told() {
    let rule = |id: &str, keys: &str| {
        format!("[[rule]]\nid = \"{id}\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n{keys}\n")
    };
    let old = rule("a", "") + &rule("b", "grant.duration = \"1h\"");
    let new = rule("c", "") + &rule("b", "grant.duration = \"1h\"");
    assert!(lines(&old, &new).iter().any(|line| line.starts_with("~ ALL may have on other terms: ALL")));
    let same_order = rule("a2", "") + &rule("b", "grant.duration = \"1h\"");
    assert_eq!(lines(&old, &same_order), Vec::<String>::new());
}

// What runs by the rule that is taken ends with its window, though another one permits it on the same terms at any time.
#[test]
fn another_end_is_told_though_the_same_is_permitted() {
    let rule = |id: &str, keys: &str| {
        format!("[[rule]]\nid = \"{id}\"\nusers = [\"a\"]\ncommands = [\"/b/x\"]\n{keys}\n")
    };
    let always = rule("b", "");
    for ends in ["not_after = 2030-01-01T00:00:00Z", "when.time = [\"Mon 08:00..18:00\"]"] {
        let with_end = always.clone() + &rule("a", ends);
        let key = ends.split([' ', '.']).next().unwrap();
        for (old, new) in [(&always, &with_end), (&with_end, &always)] {
            let differences = policy(old).diff(&policy(new));
            let [one] = differences.as_slice() else { panic!("{ends}: {differences:?}") };
            assert!(one.to_string().starts_with("~ a may have on other terms: /b/x"), "{one}");
            assert!(one.keys.iter().map(|changed| changed.key).eq([key]), "{one}");
        }
    }
}

#[test]
fn logins_that_are_said_or_said_no_more_are_told() {
    let login = |user: &str, access: &str| {
        format!("[[login]]\nid = \"l\"\nusers = [{user}]\naccess = \"{access}\"\nservices = [\"sshd\"]\n")
    };
    assert_eq!(
        lines(&login("\"a\"", "deny"), &login("\"a\"", "deny").replace("\"l\"", "\"m\"")),
        Vec::<String>::new()
    );
    assert_eq!(
        lines(&login("\"a\"", "deny"), &login("\"a\", \"b\"", "deny")),
        ["+ b is named for logins through: sshd"]
    );
    assert_eq!(lines(&login("\"a\"", "deny"), &login("\"a\"", "allow")).len(), 2);
}

/// What is decided, on which terms and until when, while no duty is done.
fn decided(ask: &Ask, policy: &Policy) -> Option<(String, Option<jiff::Timestamp>)> {
    ask.with(|request| {
        let Ok(Decision::Permit(candidates)) = policy.evaluate(request, &ask.directory) else { return None };
        let missing = |candidate: &crate::Candidate<'_>| Missing {
            reason: !matches!(candidate.rule.require.reason, crate::Reason::No),
            ..Missing::default()
        };
        let chosen = crate::choose(&candidates, missing).unwrap().0;
        let (rule, until) = (chosen.rule, chosen.until);
        Some((format!("{:?} {:?} {:?}", rule.require, rule.grant, rule.restrict), until))
    })
}

/// Whether a difference is by a rule that matches this request.
fn covers(difference: &Difference, ask: &Ask, old: &Policy, new: &Policy) -> bool {
    let of = if difference.rule.new { new } else { old };
    let explained = ask.with(|request| of.explain(request, &ask.directory)).unwrap();
    explained.permitting.iter().chain(&explained.denying).any(|rule| rule.rule == difference.rule.id)
}

/// A rule on other terms, or not.
fn terms() -> impl Strategy<Value = String> {
    select(vec!["", "", "grant.duration = \"1h\"\n", "require.reason = true\n", "restrict.cwd = \"/srv\"\n"])
        .prop_map(str::to_owned)
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let rule = (region(), terms()).prop_map(
        |(rule, terms)| {
            if rule.contains("\"deny\"") { rule } else { rule + &terms }
        },
    );
    proptest::collection::vec(rule, 0..5)
}

/// Another policy that is mostly the same: rules left out, added, exchanged, with other ids.
fn changed() -> impl Strategy<Value = (String, String)> {
    (rules(), rules(), any::<Index>(), any::<Index>(), any::<bool>()).prop_map(
        |(old, more, at, other, swap)| {
            let mut new = old.clone();
            if !new.is_empty() {
                new.remove(at.index(new.len()));
            }
            new.extend(more.into_iter().take(1));
            if swap && new.len() > 1 {
                let (one, other) = (at.index(new.len()), other.index(new.len()));
                new.swap(one, other);
            }
            (text(&old, 0) + SETS, text(&new, 0) + SETS)
        },
    )
}

proptest! {
    // "must never say "no change" when something changed"
    #[test]
    fn whatever_is_decided_otherwise_is_told((old, new) in changed(), asks in proptest::collection::vec(without_options(), 12)) {
        let (old, new) = (policy(&old), policy(&new));
        let differences = old.diff(&new);
        for ask in asks {
            let (before, after) = (decided(&ask, &old), decided(&ask, &new));
            if before != after {
                let wanted: &[Change] = match (&before, &after) {
                    (None, Some(_)) => &[Change::Gains],
                    (Some(_), None) => &[Change::Loses],
                    _ => &[Change::Terms, Change::Gains, Change::Loses],
                };
                // A rule that does not match at this time may be why it ends sooner.
                let ends = |decided: &Option<(String, _)>| decided.clone().map(|(terms, _)| terms);
                let told = if ends(&before) == ends(&after) {
                    !differences.is_empty()
                } else {
                    differences.iter().any(|one| wanted.contains(&one.change) && covers(one, &ask, &old, &new))
                };
                prop_assert!(told, "{before:?}\n{after:?}\n{ask:?}\n{differences:#?}");
            }
        }
    }

    #[test]
    fn a_policy_does_not_differ_from_itself(rules in rules()) {
        let policy = policy(&(text(&rules, 0) + SETS));
        prop_assert_eq!(policy.diff(&policy), Vec::new());
    }

    // Where it is said to be sure, the other direction says the opposite.
    #[test]
    fn what_is_gained_one_way_is_lost_the_other_way((old, new) in changed()) {
        let (old, new) = (policy(&old), policy(&new));
        let sure = |differences: Vec<Difference>, change: Change| {
            let mut told: Vec<_> = differences.into_iter().filter(|one| one.sure && one.change == change).map(|one| (one.users, one.commands, one.run_as, one.hosts, one.rule.id)).collect();
            told.sort();
            told
        };
        prop_assert_eq!(sure(old.diff(&new), Change::Gains), sure(new.diff(&old), Change::Loses));
    }

    // One line less: whatever it said, a request with any options that is decided otherwise is a difference.
    #[test]
    fn a_line_less_is_a_difference_if_anything_is_decided_otherwise(
        rules in generated::rules(5), rule in any::<Index>(), line in any::<Index>(),
        asks in proptest::collection::vec(generated::ask(), 12),
    ) {
        prop_assume!(!rules.is_empty());
        let mut fewer = rules.clone();
        let at = rule.index(rules.len());
        let lines: Vec<&str> = rules[at].lines().collect();
        let left_out = line.index(lines.len());
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != left_out);
        fewer[at] = kept.map(|(_, line)| format!("{line}\n")).collect::<Vec<_>>().concat();
        let old = policy(&(text(&rules, 0) + SETS));
        let Ok(new) = load(&(text(&fewer, 0) + SETS)) else { return Ok(()) };
        if old.diff(&new).is_empty() {
            for ask in asks {
                prop_assert_eq!(decided(&ask, &old), decided(&ask, &new));
            }
        }
    }
}
