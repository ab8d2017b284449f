//! The text of a policy file: refused with its mistakes, or loaded, and then everything that is made of a policy is sound.

use jit_policy::{AsWritten, Policy, format};

use crate::world::{Names, file, load, now, permits};

/// Commands that policies are asked for: some of those in the corpus.
const COMMANDS: [&[&str]; 4] = [
    &["/usr/bin/id"],
    &["/usr/bin/systemctl", "restart", "nginx.service"],
    &["/usr/bin/less", "-R", "/var/log/syslog"],
    &["sudoedit", "/etc/motd"],
];

pub(crate) fn run(bytes: &[u8]) {
    // Files that are not UTF-8 are refused by whoever reads them.
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(policy) = load(text) else {
        // Denies of what is left apply, and it may be a file of tests.
        let denies = Policy::load_denies(&file(text), &AsWritten);
        assert!(!permits(&denies, b"/usr/bin/id", &[]), "denies permit nothing");
        let _ = Policy::load_tests(&file(text), &AsWritten);
        let _ = format(&file(text)[0]);
        return;
    };
    for words in COMMANDS {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        if let Some((path, args)) = words.split_first() {
            permits(&policy, path, args);
        }
    }
    for test in policy.tests() {
        let _ = policy.run(test, now(), &jit_policy::NoZones);
    }
    policy.lint(&file(text), None, now()).expect("no look-up fails");
    policy.lint(&file(text), Some(&Names), now()).expect("no look-up fails");
    assert_eq!(policy.diff(&policy), []);
    keeps_its_meaning(text, &policy);
}

/// "idempotent, meaning unchanged"
fn keeps_its_meaning(text: &str, policy: &Policy) {
    let once = format(&file(text)[0]).unwrap_or_else(|found| panic!("a policy can be formatted: {found}"));
    let twice = format(&file(&once)[0]).unwrap_or_else(|found| panic!("what is formatted can be: {found}"));
    assert_eq!(once, twice, "it settles at once");
    let after = load(&once).unwrap_or_else(|found| panic!("what is formatted loads: {found}"));
    assert_eq!(policy.diff(&after), []);
    let ids = |policy: &Policy| policy.rules().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(policy), ids(&after));
}
