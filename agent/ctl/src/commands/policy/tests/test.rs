//! `policy test`.

use super::{Host, rule, told};
use crate::commands::policy::test::Test;
use crate::failure::Failure;
use crate::output::tests::Captured;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const TESTS: &str = "[[test]]\nuser = \"root\"\ncommand = [\"/usr/bin/env\", \"<&>\"]\nexpect = \"allow\"\nrule = \"web\"\n[[test]]\ndescription = \"root is not \\\"eve\\\"\"\nuser = \"eve\"\ncommand = [\"/usr/bin/env\"]\nexpect = \"deny\"\n";

fn test(host: &Host, change: impl FnOnce(&mut Test)) -> (bool, String) {
    let captured = Captured::default();
    let mut test = Test { folder: None, junit: None, json: false };
    change(&mut test);
    match test.run(&host.installed(), &mut captured.output()) {
        Ok(()) => (true, captured.text()),
        Err(Failure::Told) => (false, captured.text()),
        Err(other) => (false, told(Err(other)).unwrap_err()),
    }
}

// interface.md: "[[test]] run by `jitctl policy test`, here or in files under policy.d/tests/"
#[test]
fn tests_are_run_from_policy_files_and_from_their_own() {
    let host = Host::new();
    assert_eq!(test(&host, |_| {}), (true, "0 tests, 0 failed\n".to_owned()));
    let file = host.write("etc/policy.d/web.toml", &rule("web", TESTS));
    let ok = format!(
        "ok    {0}:6: root runs /usr/bin/env <&>\nok    {0}:11: root is not \"eve\"\n",
        file.display()
    );
    assert_eq!(test(&host, |_| {}), (true, format!("{ok}2 tests, 0 failed\n")));
    fs::create_dir(host.root.path().join("etc/policy.d/tests")).unwrap();
    fs::set_permissions(host.root.path().join("etc/policy.d/tests"), PermissionsExt::from_mode(0o755))
        .unwrap();
    let more = host.write(
        "etc/policy.d/tests/web.toml",
        "schema = 1\n[[test]]\nuser = \"eve\"\ncommand = [\"/usr/bin/env\"]\nexpect = \"allow\"\n",
    );
    let (passed, text) = test(&host, |_| {});
    assert!(!passed && text.ends_with("3 tests, 1 failed\n"), "{text}");
    let failed = format!(
        "{ok}FAIL  {}:2: eve runs /usr/bin/env\n      expected allow: denied as no rule permits it\n      denied: no rule permits this\n      came near: web (allow, {}:2)\n",
        more.display(),
        file.display()
    );
    assert!(text.starts_with(&failed), "{text}");
    // They are not for the agent, and not in the way of a check.
    assert!(host.check(None, None, None).unwrap().contains("1 rule in 1 file"));
}

// What is skipped in silence never fails.
#[test]
fn a_folder_of_tests_that_is_none_is_told_of() {
    let host = Host::new();
    let folder = host.path("new");
    fs::create_dir(&folder).unwrap();
    let run = || test(&host, |test| test.folder = Some(folder.clone()));
    assert_eq!(run(), (true, "0 tests, 0 failed\n".to_owned()));
    std::os::unix::fs::symlink("gone", folder.join("tests")).unwrap();
    let (passed, text) = run();
    assert!(!passed && text.contains("tests cannot be read"), "{text}");
    fs::remove_file(folder.join("tests")).unwrap();
    fs::write(folder.join("tests"), "").unwrap();
    assert!(!run().0);
}

#[test]
fn a_broken_test_is_a_mistake_with_its_place() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", &TESTS.replace("expect", "expects")));
    let (passed, text) = test(&host, |_| {});
    assert!(!passed && text.contains("mistakes") && text.contains("^^^^^^^"), "{text}");
    assert!(host.check(None, None, None).is_err());
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    fs::create_dir_all(host.root.path().join("staging/tests")).unwrap();
    host.write("staging/tests/web.toml", &rule("web", ""));
    let (passed, text) = test(&host, |test| test.folder = Some(host.root.path().join("staging")));
    assert!(!passed && text.starts_with("the tests have 1 mistake\n"), "{text}");
}

#[test]
fn test_results_are_written_for_build_servers_and_programs() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", &TESTS.replace("\"deny\"", "\"allow\"")));
    let report = host.root.path().join("report.xml");
    let (passed, json) = test(&host, |test| (test.junit, test.json) = (Some(report.clone()), true));
    let results: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(!passed && results[0]["passed"] == true && results[0]["rule"] == "web", "{json}");
    assert_eq!(results[1]["failure"], "denied as no rule permits it");
    let xml = fs::read_to_string(&report).unwrap();
    assert!(xml.contains("<testsuites tests=\"2\" failures=\"1\">"), "{xml}");
    assert!(xml.contains("name=\"root runs /usr/bin/env &lt;&amp;&gt;\""), "{xml}");
    assert!(xml.contains("name=\"root is not &quot;eve&quot;\""), "{xml}");
    assert!(xml.contains("<failure message=\"denied as no rule permits it\">"), "{xml}");
    let opened = |tag: &str| xml.matches(&format!("<{tag} ")).count();
    assert_eq!(
        (opened("testcase"), xml.matches("</testcase>").count(), xml.matches("\"/>").count()),
        (2, 1, 1)
    );
}
