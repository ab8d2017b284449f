//! Check and explain over folders that the test fills, with accounts that every host has.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::check::Check;
use super::diff::Diff;
use super::explain::Explain;
use super::format::Format as Formatted;
use super::lint::{Format, Lint};
use super::test::Test;
use super::which::Which;
use crate::failure::Failure;
use crate::output::tests::Captured;
use crate::policy_source::Installed;

/// A host's policy folders.
pub(super) struct Host {
    root: TempDir,
}

impl Host {
    pub(super) fn new() -> Self {
        let host = Self { root: tempfile::tempdir().unwrap() };
        for folder in ["", "etc", "etc/policy.d", "usr", "usr/policy.d"] {
            let path = host.root.path().join(folder);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        host
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        path
    }

    pub(super) fn installed(&self) -> Installed {
        Installed {
            etc: self.root.path().join("etc/policy.d"),
            vendor: self.root.path().join("usr/policy.d"),
            settings: self.root.path().join("etc/agent.toml"),
            owner: rustix::process::geteuid().as_raw(),
        }
    }

    /// What is printed; an error with what is told.
    pub(super) fn check(
        &self,
        file: Option<PathBuf>,
        name: Option<&str>,
        folder: Option<PathBuf>,
    ) -> Result<String, String> {
        let captured = Captured::default();
        let check = Check { which: Which { file, name: name.map(str::to_owned), folder } };
        told(check.run(&self.installed(), &mut captured.output())).map(|()| captured.text())
    }

    fn explain(&self, user: &str, command: &[&str], change: impl FnOnce(&mut Explain)) -> (bool, String) {
        let captured = Captured::default();
        let mut explain = Explain {
            user: user.to_owned(),
            host: None,
            target: None,
            group: None,
            json: false,
            command: command.iter().map(OsString::from).collect(),
        };
        change(&mut explain);
        match explain.run(&self.installed(), &mut captured.output()) {
            Ok(()) => (true, captured.text()),
            Err(Failure::Told) => (false, captured.text()),
            Err(other) => (false, told(Err(other)).unwrap_err()),
        }
    }
}

/// Lints a folder of its own: what is printed, and whether it passed.
fn lint(text: &str, deny_warnings: bool, format: Format) -> (bool, String) {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", text);
    let captured = Captured::default();
    let lint = Lint { which: Which::default(), deny_warnings, format, without_host: false };
    match lint.run(&host.installed(), &mut captured.output()) {
        Ok(()) => (true, captured.text()),
        Err(Failure::Told) => (false, captured.text()),
        Err(other) => (false, told(Err(other)).unwrap_err()),
    }
}

pub(super) fn told(result: Result<(), Failure>) -> Result<(), String> {
    result.map_err(|failure| match failure {
        Failure::Refused { what, hint } => format!("{what}\nhint: {hint}"),
        other => format!("{other:?}"),
    })
}

pub(super) fn rule(id: &str, more: &str) -> String {
    format!(
        "schema = 1\n[[rule]]\nid = \"{id}\"\nusers = [\"root\"]\ncommands = [\"/usr/bin/env **\"]\n{more}\n"
    )
}

#[test]
fn what_is_installed_is_checked_as_the_agent_would_find_it() {
    let host = Host::new();
    assert!(
        host.check(None, None, None).unwrap().starts_with("the policy is valid: 0 rules in 0 files, digest ")
    );
    host.write("usr/policy.d/10-root.toml", &rule("root", ""));
    host.write("usr/policy.d/20-admins.toml", "nonsense");
    symlink("/dev/null", host.root.path().join("etc/policy.d/20-admins.toml")).unwrap();
    host.write("etc/policy.d/30-web.toml", &rule("web", ""));
    host.write("etc/policy.d/30-web.toml.dpkg-old", "nonsense");
    assert!(host.check(None, None, None).unwrap().starts_with("the policy is valid: 2 rules in 2 files"));
}

#[test]
fn a_mistake_is_shown_with_file_line_and_caret() {
    let host = Host::new();
    let file = host.write("etc/policy.d/web.toml", &rule("web", "usres = []"));
    let mistake = host.check(None, None, None).unwrap_err();
    assert!(mistake.starts_with("the policy has 1 mistake\n"), "{mistake}");
    assert!(mistake.contains(&format!("{}:6", file.display())) && mistake.contains('^'), "{mistake}");
}

// Where the host has zones at all, a name that none has is a typing error.
#[test]
fn a_time_zone_that_the_host_does_not_know_is_a_mistake() {
    let host = Host::new();
    host.write(
        "etc/policy.d/web.toml",
        &rule("web", "when.time = [\"Mon 08:00..18:00 Europe/Berlin\", \"Sat UTC\"]"),
    );
    assert!(host.check(None, None, None).is_ok());
    host.write("etc/policy.d/web.toml", &rule("web", "when.time = [\"Mon 08:00..18:00 Europe/Berln\"]"));
    let mistake = host.check(None, None, None).unwrap_err();
    assert!(
        mistake.contains("this host knows no time zone `Europe/Berln`") && mistake.contains("^^^^^^^^^^^^"),
        "{mistake}"
    );
}

#[test]
fn an_installed_file_that_the_agent_would_not_believe_is_a_mistake() {
    let host = Host::new();
    let file = host.write("etc/policy.d/web.toml", &rule("web", ""));
    fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let refused = host.check(None, None, None).unwrap_err();
    assert!(
        refused.contains("can be written by others") && refused.ends_with("hint: chmod go-w"),
        "{refused}"
    );
}

// interface.md: "F may have any name; it is checked as if it stood under `--name` in the folder"
#[test]
fn a_file_takes_the_place_of_the_one_that_it_is_named_after() {
    let host = Host::new();
    host.write("usr/policy.d/10-root.toml", &rule("root", ""));
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    let new = host.write("ansible-tmp-1234", &rule("other", ""));
    fs::set_permissions(&new, PermissionsExt::from_mode(0o666)).unwrap();
    for (name, rules) in [("web.toml", 2), ("10-root.toml", 2), ("new.toml", 3)] {
        let valid = host.check(Some(new.clone()), Some(name), None).unwrap();
        assert!(valid.starts_with(&format!("the policy is valid: {rules} rules")), "{name}: {valid}");
    }
    for name in ["web.toml~", ".web.toml", "web", "../web.toml", "web.toml.dpkg-new"] {
        let refused = host.check(Some(new.clone()), Some(name), None).unwrap_err();
        assert!(refused.contains("is no policy file"), "{name}: {refused}");
    }
}

// interface.md: "without, ids of one installed file that F repeats are taken as replaced"
#[test]
fn without_a_name_a_file_replaces_the_one_whose_names_it_repeats() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    host.write("etc/policy.d/db.toml", "schema = 1\n[sets.users]\ndba = [\"root\"]\n");
    let again = host.write("tmp1", &rule("web", "description = \"new\""));
    assert!(
        host.check(Some(again), None, None).unwrap().starts_with("the policy is valid: 1 rules in 2 files")
    );
    let set = host.write("tmp2", "schema = 1\n[sets.users]\ndba = [\"#0\"]\n");
    assert!(host.check(Some(set), None, None).is_ok());
    let other = host.write("tmp3", &rule("other", ""));
    assert!(
        host.check(Some(other), None, None).unwrap().starts_with("the policy is valid: 2 rules in 3 files")
    );
    let both = host.write("tmp4", &format!("{}\n[sets.users]\ndba = [\"#0\"]\n", rule("web", "")));
    let refused = host.check(Some(both), None, None).unwrap_err();
    assert!(refused.contains("mistakes"), "names of two files: {refused}");
}

#[test]
fn a_folder_is_checked_in_the_place_of_the_administrators() {
    let host = Host::new();
    host.write("usr/policy.d/10-root.toml", &rule("root", ""));
    host.write("etc/policy.d/web.toml", "nonsense");
    let staging = host.root.path().join("staging");
    fs::create_dir(&staging).unwrap();
    host.write("staging/web.toml", &rule("web", ""));
    assert!(host.check(None, None, Some(staging.clone())).unwrap().contains("2 rules in 2 files"));
    symlink("/dev/null", staging.join("10-root.toml")).unwrap();
    assert!(host.check(None, None, Some(staging)).unwrap().contains("1 rules in 1 files"));
    let missing = host.check(None, None, Some("/nonexistent".into())).unwrap_err();
    assert!(missing.contains("is not a folder"), "{missing}");
}

#[test]
fn a_file_that_is_no_text_is_refused_for_what_it_is() {
    let host = Host::new();
    let latin = host.root.path().join("latin");
    fs::write(&latin, b"schema = 1 # caf\xe9\n").unwrap();
    assert!(host.check(Some(latin), None, None).unwrap_err().contains("is not UTF-8 (byte 16)"));
    assert!(host.check(Some("/nonexistent".into()), None, None).unwrap_err().contains("cannot be read"));
}

// interface.md: "which rule and line decides, which nearly did, and what failed; exit 0 allowed, 1 denied"
#[test]
fn an_explanation_names_rule_file_and_line() {
    let host = Host::new();
    let file = host.write("etc/policy.d/web.toml", &rule("web", ""));
    let (permitted, text) = host.explain("root", &["env", "-i"], |_| {});
    assert!(permitted, "{text}");
    assert!(text.starts_with("/usr/bin/env"), "{text}");
    assert!(text.contains(&format!("permits: web (allow, {}:2)", file.display())), "{text}");
    let (permitted, text) = host.explain("nobody", &["/usr/bin/env"], |_| {});
    assert!(!permitted && text.contains("users: nobody is not root"), "{text}");
    let (permitted, text) = host.explain("#0", &["/usr/bin/id"], |_| {});
    assert!(!permitted && text.contains("denied: no rule permits this"), "{text}");
}

#[test]
fn target_group_host_and_tags_are_considered() {
    let host = Host::new();
    host.write("etc/policy.d/a.toml", &rule("a", "hosts = [\"web-*\", \"tag:edge\"]\nrun_as = [\"nobody\"]"));
    let as_nobody = |explain: &mut Explain| explain.target = Some("nobody".to_owned());
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], as_nobody);
    assert!(!permitted && text.contains("hosts: "), "{text}");
    let on_web = |explain: &mut Explain| {
        as_nobody(explain);
        explain.host = Some("web-1.example.com".to_owned());
    };
    assert!(host.explain("root", &["/usr/bin/env"], on_web).0);
    host.write("etc/agent.toml", "[host]\ntags = [\"edge\"]\n[audit]\non_failure = \"deny\"\n");
    assert!(host.explain("root", &["/usr/bin/env"], as_nobody).0);
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], |explain| {
        as_nobody(explain);
        explain.group = Some("#4294967294".to_owned());
    });
    assert!(!permitted && text.contains("run_as_groups"), "{text}");
}

#[test]
fn what_cannot_be_looked_up_is_a_failure_that_says_so() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    for (user, command, expected) in [
        ("no-such-user-here", "/usr/bin/env", "there is no user no-such-user-here"),
        ("#4294967295", "/usr/bin/env", "is no user's name or #uid"),
        ("#-1", "/usr/bin/env", "is no user's name or #uid"),
        ("root", "no-such-command-here", "command not found"),
    ] {
        let (permitted, text) = host.explain(user, &[command], |_| {});
        assert!(!permitted && text.contains(expected), "{user} {command}: {text}");
    }
    let (_, text) = host.explain("root", &["/opt/nothing/here"], |_| {});
    assert!(text.contains("no such file on this host"), "{text}");
}

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
    assert!(host.check(None, None, None).unwrap().contains("1 rules in 1 files"));
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

#[test]
fn an_explanation_for_programs_is_json() {
    let host = Host::new();
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    let (permitted, text) = host.explain("root", &["/usr/bin/env"], |explain| explain.json = true);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(permitted && object["permitted"] == true && object["permitting"][0]["rule"] == "web", "{text}");
}

#[test]
fn lint_fails_for_errors_and_for_warnings_if_it_is_told_to() {
    let (passed, text) = lint(&rule("web", ""), false, Format::Text);
    assert!(passed && text.contains("warning[shell]: `env` runs any program"), "{text}");
    assert!(text.ends_with("0 errors, 1 warning, 0 notes\n"), "{text}");
    assert!(!lint(&rule("web", ""), true, Format::Text).0);
    let (passed, text) = lint(&rule("web", "trusted_path = false"), false, Format::Text);
    assert!(!passed && text.contains("error[untrusted-path]"), "{text}");
    let (passed, text) = lint(&rule("web", "oops = 1"), false, Format::Text);
    assert!(!passed && text.contains("unknown key `oops`"), "{text}");
    let quiet = rule("web", "").replace("env **", "id");
    assert_eq!(lint(&quiet, true, Format::Text), (true, "0 errors, 0 warnings, 0 notes\n".to_owned()));
}

// "names that no host knows": the accounts and files of this host
#[test]
fn lint_asks_this_host_for_accounts_and_files() {
    let text =
        rule("web", "run_as_groups = [\"no-such-group-here\"]").replace("/usr/bin/env", "/no/such/program");
    let (passed, text) = lint(&text, false, Format::Json);
    let findings: serde_json::Value = serde_json::from_str(&text).unwrap();
    let codes: Vec<&str> =
        findings.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert!(passed);
    assert_eq!(codes, ["missing-program", "unknown-name"], "{text}");
}

/// What is printed, and whether it exits with 0.
fn diff(host: &Host, old: &str, new: &str, change: impl FnOnce(&mut Diff)) -> (bool, String) {
    let at = |path: &str| host.root.path().join(path);
    let mut diff = Diff { old: at(old), new: at(new), json: false, exit_code: false };
    change(&mut diff);
    let captured = Captured::default();
    match diff.run(&host.installed(), &mut captured.output()) {
        Ok(()) => (true, captured.text()),
        Err(Failure::Told) => (false, captured.text()),
        Err(other) => (false, told(Err(other)).unwrap_err()),
    }
}

#[test]
fn a_file_and_a_folder_are_compared_as_they_would_be_installed() {
    let host = Host::new();
    host.write("usr/policy.d/10-root.toml", &rule("root", ""));
    host.write("etc/policy.d/web.toml", &rule("web", ""));
    fs::create_dir(host.root.path().join("staging")).unwrap();
    host.write("staging/web.toml", &rule("web", "").replace("env **", "id"));
    host.write("new", &rule("web", "grant.duration = \"1h\""));
    let (ok, text) = diff(&host, "etc/policy.d", "staging", |_| {});
    assert!(ok && text.contains("+ root gains: /usr/bin/id; as root"), "{text}");
    assert_eq!(
        diff(&host, "etc/policy.d", "etc/policy.d", |diff| diff.exit_code = true),
        (true, "no difference\n".to_owned())
    );
    let (ok, text) = diff(&host, "etc/policy.d", "new", |diff| diff.exit_code = true);
    assert!(!ok && text.contains("grant.duration: 15m -> 1h"), "{text}");
    let (ok, text) = diff(&host, "etc/policy.d", "new", |diff| diff.json = true);
    let objects: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(ok && objects[0]["id"] == 0 && objects[0]["change"] == "terms", "{text}");
    host.write("staging/web.toml", "nonsense");
    let (ok, text) = diff(&host, "etc/policy.d", "staging", |_| {});
    assert!(!ok && text.contains("mistake"), "{text}");
}

fn format(files: &[&Path], change: impl FnOnce(&mut Formatted)) -> (bool, String) {
    let files = files.iter().map(|file| file.to_path_buf()).collect();
    let mut format = Formatted { files, check: false, write: false };
    change(&mut format);
    let captured = Captured::default();
    match format.run(&mut captured.output()) {
        Ok(()) => (true, captured.text()),
        Err(Failure::Told) => (false, captured.text()),
        Err(other) => (false, told(Err(other)).unwrap_err()),
    }
}

#[test]
fn a_file_is_printed_checked_or_written_in_its_canonical_form() {
    let host = Host::new();
    let file = host.write("a.toml", "schema=1\n# \ta comment\n[sets.users]\nx=[]\n");
    let good = host.write("b.toml", "schema = 1\n");
    let canonical = "schema = 1\n\n# \ta comment\n[sets.users]\nx = []\n";
    assert_eq!(format(&[&file], |_| {}), (true, canonical.to_owned()));
    assert_eq!(
        format(&[&file, &good], |format| format.check = true),
        (false, format!("{}\n", file.display()))
    );
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let link = host.root.path().join("link.toml");
    symlink(&file, &link).unwrap();
    assert_eq!(format(&[&link, &good], |format| format.write = true), (true, String::new()));
    assert_eq!(fs::read_to_string(&file).unwrap(), canonical);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(format(&[&file, &good], |format| format.check = true), (true, String::new()));
    let left: Vec<_> =
        fs::read_dir(host.root.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_file_that_is_not_toml_is_left_as_it_is() {
    let host = Host::new();
    let file = host.write("a.toml", "schema = = 1\n");
    let (ok, text) = format(&[&file], |format| format.write = true);
    assert!(!ok && text.contains("a.toml:1:10"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "schema = = 1\n");
    assert!(format(&[&file, &file], |_| {}).1.contains("--check or --write"));
}
