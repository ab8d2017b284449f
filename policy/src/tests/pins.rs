//! `sha256` in a command: a file runs for what is in it.

use super::support::{Ask, allow, asked, deny, load, policy};
use crate::{Candidate, Decision, Policy, Sha256};

fn digest(byte: u8) -> Sha256 {
    Sha256::new([byte; 32])
}

fn hex(byte: u8) -> String {
    digest(byte).to_string()
}

/// `/b/x` with any arguments, if it is one of these.
fn entry(pins: &[u8]) -> String {
    let pins: Vec<String> = pins.iter().map(|byte| hex(*byte)).collect();
    format!("{{ path = \"/b/x\", args = [\"**\"], sha256 = {pins:?} }}")
}

fn ask(byte: Option<u8>) -> Ask {
    Ask { sha256: byte.map(digest), ..Ask::to_run("/b/x") }
}

fn decides(policy: &Policy, byte: Option<u8>) -> String {
    ask(byte).decide(policy)
}

/// What the first candidate says must be run.
fn required(policy: &Policy, ask: &Ask) -> Option<Sha256> {
    ask.with(|request| match policy.evaluate(request, &ask.directory).unwrap() {
        Decision::Permit(candidates) => candidates.first().and_then(|one: &Candidate<'_>| one.sha256),
        Decision::Deny(denial) => panic!("{denial:?}"),
    })
}

#[test]
fn a_pinned_program_runs_with_its_digests_alone() {
    let policy = allow(&format!("commands = [{}]", entry(&[1, 2])));
    assert_eq!(decides(&policy, Some(1)), "permit r");
    assert_eq!(decides(&policy, Some(2)), "permit r");
    assert_eq!(decides(&policy, Some(3)), "deny: another file for r");
    assert_eq!(decides(&policy, None), "deny: unknown file for r");
    let one = allow(&format!(
        "commands = [{{ path = \"/b/x\", args = [], sha256 = \"{}\" }}]",
        hex(7).to_uppercase()
    ));
    assert_eq!(decides(&one, Some(7)), "permit r");
}

// "every component root-owned & not group/other writable (else only with sha256 pin)"
#[test]
fn a_pin_holds_on_a_path_that_others_can_write() {
    let untrusted = |byte| Ask { trusted: false, ..ask(Some(byte)) };
    let pinned = allow(&format!("commands = [{}]", entry(&[1])));
    assert_eq!(untrusted(1).decide(&pinned), "permit r");
    assert_eq!(untrusted(2).decide(&pinned), "deny: another file for r");
    let both = allow(&format!("commands = [\"/b/x **\", {}]", entry(&[1])));
    assert_eq!(untrusted(1).decide(&both), "permit r");
    assert_eq!(untrusted(2).decide(&both), "deny: another file for r");
    assert_eq!(required(&both, &untrusted(1)), Some(digest(1)), "nothing else may run there");
    assert_eq!(required(&both, &ask(Some(2))), None, "any file of root's may");
    assert_eq!(untrusted(1).decide(&allow("commands = [\"/b/x **\"]")), "deny: untrusted path for r");
}

// What cannot be determined does not hold in an allow, and does hold in a deny.
#[test]
fn a_deny_with_a_pin_holds_for_that_file_and_for_one_that_is_not_known() {
    let denies = deny(&format!("commands = [{}]", entry(&[1])));
    assert_eq!(decides(&denies, Some(1)), "deny: by d");
    assert_eq!(decides(&denies, None), "deny: by d");
    assert_eq!(decides(&denies, Some(2)), "permit all");
    assert_eq!(required(&denies, &ask(Some(2))), Some(digest(2)), "what runs must be what was not denied");
    let excepts = allow(&format!("commands = [\"ALL\"]\nexcept_commands = [{}]", entry(&[1])));
    assert_eq!(decides(&excepts, Some(1)), "deny: another file for r");
    assert_eq!(decides(&excepts, None), "deny: unknown file for r");
    assert_eq!(decides(&excepts, Some(2)), "permit r");
    assert_eq!(required(&excepts, &ask(Some(2))), Some(digest(2)));
}

#[test]
fn a_deny_excepts_a_pinned_program_wherever_it_is_and_no_other() {
    let denies = deny(&format!("except_commands = [{}]", entry(&[1])));
    for trusted in [true, false] {
        let run = |byte| Ask { trusted, ..ask(byte) };
        assert_eq!(run(Some(1)).decide(&denies), "permit all");
        assert_eq!(required(&denies, &run(Some(1))), Some(digest(1)));
        assert_eq!(run(Some(2)).decide(&denies), "deny: by d");
        assert_eq!(run(None).decide(&denies), "deny: by d");
    }
}

// Nobody makes the agent read a file that policy would not let them run.
#[test]
fn the_file_is_looked_at_only_when_all_else_holds() {
    let looks = |keys: &str, ask: Ask| {
        let _ = ask.decide(&allow(&format!("{keys}\ncommands = [{}]", entry(&[1]))));
        ask.hashed.get()
    };
    let run = || ask(Some(1));
    assert!(looks("", run()) > 0);
    for (keys, ask) in [
        ("users = [\"bob\"]", run()),
        ("except_users = [\"alice\"]", run()),
        ("hosts = [\"db\"]", run()),
        ("run_as = [\"postgres\"]", run()),
        ("except_run_as = [\"root\"]", run()),
        ("not_after = 2026-01-01T00:00:00Z", run()),
        ("when.time = [\"Sun 00:00..01:00\"]", run()),
        ("nested = false", Ask { nested: true, ..run() }),
        ("except_commands = [\"/b/x **\"]", run()),
        ("restrict.timeout = \"1h\"", Ask { timeout: Some(std::time::Duration::from_hours(9)), ..run() }),
        ("", Ask { path: b"/b/y".to_vec(), ..run() }),
    ] {
        assert_eq!(looks(keys, ask), 0, "{keys}");
    }
    let plain = allow(&format!("commands = [\"/b/x **\", {}]", entry(&[1])));
    let run = run();
    assert_eq!((run.decide(&plain).as_str(), run.hashed.get()), ("permit r", 0));
}

#[test]
fn explain_tells_an_administrator_the_digest_and_a_user_none() {
    let policy = allow(&format!("users = [\"alice\"]\ncommands = [{}]", entry(&[1])));
    let explain = |byte| {
        let ask = ask(byte);
        ask.with(|request| policy.explain(request, &ask.directory)).unwrap()
    };
    let explained = explain(Some(2));
    assert!(!explained.permitted);
    let text = explained.for_administrator();
    assert!(
        text.starts_with("denied: the file is not one that a rule pins\ncame near: r (allow, "),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("  sha256: its SHA-256 is {}, not one of the pinned\n", hex(2))),
        "{text}"
    );
    assert_eq!(
        explained.for_user(),
        "denied: the file is not one that a rule pins\n  r: the file is not one that is pinned\n"
    );
    assert!(explain(None).for_user().ends_with("  r: its SHA-256 can't be told: nobody knows it\n"));
    assert!(
        explain(None).for_administrator().ends_with("  sha256: its SHA-256 can't be told: nobody knows it\n")
    );
    assert!(explain(Some(1)).permitted);
    let bob = asked(|ask| (ask.path, ask.sha256) = (b"/b/x".to_vec(), Some(digest(2))));
    let others = allow(&format!("users = [\"bob\"]\ncommands = [{}]", entry(&[1])));
    let far = bob.with(|request| others.explain(request, &bob.directory)).unwrap();
    assert!(!far.for_administrator().contains("SHA-256") && bob.hashed.get() == 0);
}

#[test]
fn diff_tells_each_digest_that_comes_or_goes() {
    let rule =
        |commands: &str| format!("[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [{commands}]\n");
    let lines = |old: &str, new: &str| -> Vec<String> {
        let differences = policy(&rule(old)).diff(&policy(&rule(new)));
        differences.iter().map(|one| one.to_string().lines().next().unwrap().to_owned()).collect()
    };
    assert_eq!(lines(&entry(&[1, 2]), &entry(&[2, 1])), [""; 0]);
    assert_eq!(
        lines(&entry(&[1, 2]), &entry(&[2, 3])),
        [
            format!("+ alice gains: /b/x ** (sha256 {}); as root", hex(3)),
            format!("- alice loses: /b/x ** (sha256 {}); as root", hex(1)),
        ]
    );
    // It may stand anywhere now, and be nothing else.
    assert_eq!(
        lines("\"/b/x **\"", &entry(&[1])),
        [
            format!("+ alice gains: /b/x ** (sha256 {}); as root", hex(1)),
            "- alice loses: /b/x **; as root".to_owned(),
        ]
    );
}

#[test]
fn a_pin_is_for_a_program_and_not_for_files_to_edit() {
    let found = load(&format!(
        "[[rule]]\nid = \"a\"\nusers = [\"u\"]\ncommands = [{{ edit = [\"/etc/motd\"], sha256 = \"{}\" }}]",
        hex(1)
    ));
    assert!(found.unwrap_err().to_string().contains("`edit` stands alone"));
}

#[test]
fn a_test_says_what_is_in_the_file() {
    let results = |pin: &str| {
        let policy = policy(&format!(
            "[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [{}]\n[[test]]\nuser = \"alice\"\ncommand = [\"/b/x\"]\nexpect = \"allow\"\n{pin}",
            entry(&[1])
        ));
        let test = policy.tests().first().unwrap();
        policy.run(test, "2026-06-01T12:00:00Z".parse().unwrap(), &crate::NoZones).failure
    };
    assert_eq!(results(&format!("sha256 = \"{}\"", hex(1))), None);
    assert!(results(&format!("sha256 = \"{}\"", hex(2))).is_some());
    assert!(results("").is_some(), "without one it is not known");
}
