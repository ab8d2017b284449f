//! The policies of `tests/policies`: each teaches one feature, and what is said of it stands beside it, word for word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code fails by panicking")]

mod explain;
mod host;
mod lint;
mod request;

use std::fs;
use std::path::{Path, PathBuf};

use jit_policy::{AsWritten, Policy, Source};

/// All folders of cases.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/policies");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// Those that hold a file of this name.
fn cases_with(file: &str) -> Vec<PathBuf> {
    cases().into_iter().filter(|case| case.join(file).exists()).collect()
}

fn load(case: &Path) -> (Policy, [Source; 1]) {
    let text = fs::read_to_string(case.join("policy.toml")).unwrap();
    let sources = [Source { name: "policy.toml".into(), path: "policy.toml".into(), text }];
    let policy = Policy::load(&sources, &AsWritten);
    (policy.unwrap_or_else(|found| panic!("{}\n{found}", case.display())), sources)
}

/// Compares what is said of each case with a file of it. All that is said is also written to a folder of the same names in the
/// folder of build products, to be looked at, and copied if it is right.
fn compare(file: &str, say: impl Fn(&Path) -> String) {
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let mut wrong = Vec::new();
    for case in cases_with(file) {
        let said = say(&case);
        let copy = copies.join(case.file_name().unwrap());
        fs::create_dir_all(&copy).unwrap();
        fs::write(copy.join(file), &said).unwrap();
        if said != fs::read_to_string(case.join(file)).unwrap() {
            wrong.push(format!("{}:\n{said}", case.join(file).display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nall of it is in {}", wrong.join("\n"), copies.display());
}

// "a corpus of 40 written cases in `tests/policies/`, each with a README that teaches one feature"
#[test]
fn every_case_teaches_and_is_checked() {
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let readme = fs::read_to_string(case.join("README.md")).unwrap();
        assert!(readme.starts_with("# ") && readme.trim().lines().count() > 2, "{name} teaches nothing");
        let kind = name.split('-').next().unwrap();
        assert!(case.join(format!("{kind}.txt")).exists(), "{name} is not checked");
        for entry in fs::read_dir(&case).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let known = [
                "README.md",
                "policy.toml",
                "requests.toml",
                "lint.txt",
                "lint.json",
                "explain.txt",
                "explain.json",
                "person.txt",
            ];
            assert!(known.contains(&file.as_str()), "{name}: nothing looks at {file}");
        }
    }
}
