//! `lint.txt`: what lint finds.

use std::path::Path;

use jit_policy::{Code, Finding, LintHost};

use super::host::Host;
use super::{cases_with, compare, load};

fn lint(case: &Path, host: Option<&dyn LintHost>) -> Vec<Finding> {
    let (policy, sources) = load(case);
    policy.lint(&sources, host, "2026-06-01T12:00:00Z".parse().unwrap()).unwrap()
}

// "Lint … right on a corpus of … written cases in `tests/policies/`, each with a README that teaches one feature."
#[test]
fn lint_says_of_every_case_what_is_written_beside_it() {
    compare("lint.txt", |case| {
        let said: Vec<String> = lint(case, Some(&Host)).iter().map(Finding::render).collect();
        said.join("\n")
    });
}

#[test]
fn every_check_has_a_case_and_a_page() {
    let page = include_str!("../../../docs/lint.md");
    let cases = cases_with("lint.txt");
    let found: Vec<Code> =
        cases.iter().flat_map(|case| lint(case, Some(&Host))).map(|finding| finding.code).collect();
    for code in Code::ALL {
        assert!(found.contains(code), "no case has `{code}`");
        assert!(page.contains(&format!("\n## {code}\n")), "docs/lint.md has no section `{code}`");
    }
}

#[test]
fn without_a_host_what_only_a_host_can_tell_is_left_out() {
    let of_host = [
        Code::WritablePath,
        Code::MissingProgram,
        Code::OtherFile,
        Code::UnknownName,
        Code::EndlessServiceAccount,
    ];
    for case in cases_with("lint.txt") {
        assert!(
            lint(&case, None).iter().all(|finding| !of_host.contains(&finding.code)),
            "{}",
            case.display()
        );
    }
}
