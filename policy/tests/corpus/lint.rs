//! The policies of `tests/policies`: each teaches one feature, and must give what stands beside it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use jit_policy::{AsWritten, Code, Directory, LintAccount, LintFile, LintHost, LookupFailed, Policy, Source};

/// The host that `tests/policies/README.md` describes.
struct Host;

const USERS: [(&str, u32, &str); 6] = [
    ("root", 0, "/bin/bash"),
    ("alice", 1000, "/bin/bash"),
    ("bob", 1001, "/bin/zsh"),
    ("www-data", 33, "/usr/sbin/nologin"),
    ("backup", 34, "/bin/sh"),
    ("deploy", 1998, "/usr/sbin/nologin"),
];

impl Directory for Host {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(["web", "admins"].contains(&group).then_some(2000))
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(USERS.iter().find(|(name, _, _)| *name == user).map(|(_, uid, _)| *uid))
    }
}

impl LintHost for Host {
    fn file(&self, path: &str) -> Option<LintFile> {
        let leads_to = if path == "/usr/bin/choose" { "/usr/bin/vim.tiny" } else { path };
        let changeable = path.starts_with("/opt/tools").then(|| "/opt/tools".to_owned());
        (path != "/usr/bin/missing-tool").then(|| LintFile { leads_to: leads_to.to_owned(), changeable })
    }

    fn account(&self, user: &str) -> Result<Option<LintAccount>, LookupFailed> {
        let found = USERS.iter().find(|(name, uid, _)| *name == user || format!("#{uid}") == user);
        Ok(found.map(|(_, uid, shell)| LintAccount { uid: *uid, shell: (*shell).to_owned() }))
    }
}

/// The folders that hold a file of this name.
fn cases(file: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/policies");
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = folders.filter(|folder| folder.join(file).exists()).collect();
    cases.sort();
    cases
}

fn lint(case: &Path, host: Option<&dyn LintHost>) -> Vec<jit_policy::Finding> {
    let text = fs::read_to_string(case.join("policy.toml")).unwrap();
    let sources = [Source { name: "policy.toml".into(), path: "policy.toml".into(), text }];
    let policy =
        Policy::load(&sources, &AsWritten).unwrap_or_else(|found| panic!("{}\n{found}", case.display()));
    policy.lint(&sources, host, "2026-06-01T12:00:00Z".parse().unwrap()).unwrap()
}

// "Lint … right on a corpus of … written cases in `tests/policies/`, each with a README that teaches one feature."
#[test]
fn lint_says_of_every_case_what_is_written_beside_it() {
    let mut wrong = Vec::new();
    for case in cases("lint.txt") {
        assert!(case.join("README.md").exists(), "{}", case.display());
        let said: Vec<String> = lint(&case, Some(&Host)).iter().map(jit_policy::Finding::render).collect();
        let said = said.join("\n");
        if said != fs::read_to_string(case.join("lint.txt")).unwrap() {
            wrong.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_case_and_a_page() {
    let page = include_str!("../../docs/lint.md");
    let cases = cases("lint.txt");
    let found: Vec<Code> =
        cases.iter().flat_map(|case| lint(case, Some(&Host))).map(|finding| finding.code).collect();
    for code in Code::ALL {
        assert!(found.contains(code), "no case has `{code}`");
        assert!(page.contains(&format!("\n## {code}\n")), "docs/lint.md has no section `{code}`");
    }
}

#[test]
fn without_a_host_what_only_a_host_can_tell_is_left_out() {
    let of_host = [Code::WritablePath, Code::MissingProgram, Code::UnknownName, Code::EndlessServiceAccount];
    for case in cases("lint.txt") {
        assert!(
            lint(&case, None).iter().all(|finding| !of_host.contains(&finding.code)),
            "{}",
            case.display()
        );
    }
}
