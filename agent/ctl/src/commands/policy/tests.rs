//! The commands over folders that the test fills, with accounts that every host has: `policy check`, and the host for all.

mod diff;
mod explain;
mod fleet;
mod format;
mod lint;
mod test;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::check::Check;
use super::explain::Explain;
use super::login::LoginOptions;
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

    pub(super) fn explain(
        &self,
        user: &str,
        command: &[&str],
        change: impl FnOnce(&mut Explain),
    ) -> (bool, String) {
        let captured = Captured::default();
        let mut explain = Explain {
            user: user.to_owned(),
            host: None,
            target: None,
            group: None,
            login: LoginOptions::default(),
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

// What is to be replaced may be what is broken.
#[test]
fn a_file_is_checked_in_the_place_of_one_that_cannot_be_read() {
    let host = Host::new();
    let mended = host.write("mended", &rule("web", ""));
    let broken = host.path("etc/policy.d/web.toml");
    fs::write(&broken, b"\xff").unwrap();
    let check = |name| host.check(Some(mended.clone()), name, None);
    assert!(check(Some("web.toml")).unwrap().contains("1 rule in 1 file"));
    assert!(check(Some("other.toml")).unwrap_err().contains("web.toml"));
    fs::remove_file(&broken).unwrap();
    symlink("/etc/passwd", &broken).unwrap();
    assert!(check(Some("web.toml")).is_ok());
}

// What the agent would not believe where it is put is not sound before.
#[test]
fn a_folder_with_what_is_no_file_is_refused_as_the_agent_would() {
    let host = Host::new();
    let folder = host.path("new");
    fs::create_dir(&folder).unwrap();
    let check = || host.check(None, None, Some(folder.clone()));
    let file = host.write("elsewhere", &rule("web", ""));
    symlink(&file, folder.join("web.toml")).unwrap();
    assert!(check().unwrap_err().contains("web.toml is a symbolic link"));
    fs::remove_file(folder.join("web.toml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("web.toml"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert!(check().unwrap_err().contains("not a regular file"));
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
        host.check(Some(again), None, None).unwrap().starts_with("the policy is valid: 1 rule in 2 files")
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
    assert!(host.check(None, None, Some(staging)).unwrap().contains("1 rule in 1 file"));
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
