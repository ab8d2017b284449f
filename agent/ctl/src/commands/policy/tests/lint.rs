//! `policy lint`.

use super::{Host, rule, told};
use crate::commands::policy::lint::{Format, Lint};
use crate::commands::policy::which::Which;
use crate::failure::Failure;
use crate::output::tests::Captured;

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
