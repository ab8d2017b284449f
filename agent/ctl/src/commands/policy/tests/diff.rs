//! `policy diff`.

use super::{Host, rule, told};
use crate::commands::policy::diff::Diff;
use crate::failure::Failure;
use crate::output::tests::Captured;
use std::fs;

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
