//! Tests of the whole import: sudoers as text in, our policy and what is told out.

mod arguments;
mod doas;
mod grammar;
mod limits;
mod literal;
mod order;
mod properties;
mod settings;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::{Files, ImportOptions, Imported, Severity, Unread, import_sudoers};
use crate::diagnostics::Diagnostics;
use crate::policy::Policy;
use crate::tests::support::Ask;

/// Files by path; the first is the one that is imported.
pub(super) struct InMemory(pub(super) BTreeMap<String, Vec<u8>>);

impl Files for InMemory {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unread> {
        if path.ends_with("/locked") {
            return Err(Unread::ByUs("permission denied".to_owned()));
        }
        self.0.get(path).cloned().ok_or_else(|| Unread::ByNobody("there is no such file".to_owned()))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Unread> {
        if folder.ends_with("/locked.d") {
            return Err(Unread::ByUs("permission denied".to_owned()));
        }
        let names = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn host(&self) -> String {
        "web-1".to_owned()
    }

    fn is_program(&self, path: &str) -> bool {
        path.starts_with("/bin/")
    }
}

fn options() -> ImportOptions {
    ImportOptions { exact: false, zone: TimeZone::UTC, made_by: "the test".into() }
}

fn import_files(files: &[(&str, &[u8])]) -> Result<Imported, Diagnostics> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.to_vec())).collect();
    import_sudoers("/etc/sudoers", &InMemory(files), &options())
}

/// An import without mistakes.
fn import(text: &str) -> Imported {
    import_files(&[("/etc/sudoers", text.as_bytes())]).unwrap_or_else(|found| panic!("{found}"))
}

fn policy(imported: &Imported) -> Policy {
    let name = imported.text.strip_prefix("# Made").map_or("", |_| "schema = 1");
    assert_eq!(name, "schema = 1", "{}", imported.text);
    crate::tests::support::load_whole(&imported.text)
        .unwrap_or_else(|found| panic!("{found}\n{}", imported.text))
}

/// Whether alice may run this as root, on web-1.example.com.
fn may(imported: &Imported, command: &str) -> bool {
    Ask::to_run(command).is_permitted(&policy(imported))
}

/// What is told, without the notes.
fn told(imported: &Imported) -> Vec<String> {
    let matters = imported.findings.iter().filter(|finding| finding.severity != Severity::Note);
    matters.map(ToString::to_string).collect()
}

/// What is after the defaults of the file.
fn rules(imported: &Imported) -> &str {
    imported.text.split_once("\n\n# ").map_or("", |(_, rules)| rules)
}

#[test]
fn a_plain_line_becomes_a_plain_rule() {
    let imported =
        import("%web web-* = (www-data : web) NOPASSWD: /usr/bin/systemctl reload nginx, /usr/bin/id\n");
    assert_eq!(
        rules(&imported),
        r#"/etc/sudoers:1: %web web-* = (www-data : web) NOPASSWD: /usr/bin/systemctl reload nginx, /usr/bin/id
[[rule]]
id = "sudoers-web-systemctl"
users = ["%web"]
hosts = ["web-*"]
run_as = ["www-data"]
run_as_groups = ["web"]
commands = ["/usr/bin/systemctl reload nginx", "/usr/bin/id **"]
require.authentication = "none"
"#
    );
    assert!(imported.is_complete() && imported.rules == 1);
}

#[test]
fn grants_end_without_ending_commands_and_passwords_count_as_long_as_with_sudo() {
    let imported = import("alice ALL = ALL\n");
    let policy = policy(&imported);
    let rule = policy.rule("sudoers-alice-all").unwrap();
    assert_eq!(rule.grant.on_expiry, crate::OnExpiry::Finish);
    assert_eq!(rule.require.authentication_timeout.as_secs(), 15 * 60);
    assert!(rule.trusted_path && !imported.text.contains("trusted_path"));
    let exact = ImportOptions { exact: true, ..options() };
    let files = InMemory([("/etc/sudoers".to_owned(), b"alice ALL = ALL\n".to_vec())].into());
    assert!(
        import_sudoers("/etc/sudoers", &files, &exact).unwrap().text.contains("\ntrusted_path = false\n")
    );
}

#[test]
fn the_policy_does_not_change_when_lines_move() {
    let ids =
        |text: &str| -> Vec<String> { policy(&import(text)).rules().map(|rule| rule.id.clone()).collect() };
    let text = "alice ALL = /usr/bin/id\nbob ALL = /usr/bin/id, (bob) /usr/bin/w\n";
    assert_eq!(ids(text), ids(&format!("# a comment\n\n{text}")));
    assert_eq!(ids(text), ["sudoers-alice-id", "sudoers-bob-id", "sudoers-bob-w"]);
}
