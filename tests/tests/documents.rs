//! The documents say what is: links lead somewhere, tests that are named exist, examples load, and crates depend on each
//! other as the architecture draws it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jit_policy::{AsWritten, Policy, Source};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files of the repository with this ending, but for build products.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![workspace()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let hidden =
                name.to_string_lossy().starts_with('.') || name.to_string_lossy().starts_with("target");
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && !hidden => folders.push(path),
                kind if kind.is_file() && path.extension().is_some_and(|own| own == ending) => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    assert!(!found.is_empty(), "no .{ending} files");
    found
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split_once(to)).map(|(inner, _)| inner)
}

/// The anchor of a heading, as the usual renderers make it.
fn anchor(heading: &str) -> String {
    let plain = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    plain.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = vec![];
    for document in files("md") {
        let text = fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ")").filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let leads = target.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&target).unwrap().lines().any(|line| {
                        line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading
                    }));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Each rule of the threat model names files and tests: both exist under that name.
#[test]
fn every_test_and_file_that_the_threat_model_names_exists() {
    let text = fs::read_to_string(workspace().join("docs/threat-model.md")).unwrap();
    let table = text.split_once("## Rules and where they are enforced").expect("the table").1;
    let is_name =
        |name: &&str| name.chars().all(|char| char.is_ascii_alphanumeric() || "_-/.".contains(char));
    let marked: BTreeSet<&str> = table.split('`').skip(1).step_by(2).filter(is_name).collect();
    let sources: String = files("rs").into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut missing = vec![];
    let mut tests = 0;
    for name in marked {
        if name.contains('/') {
            if !workspace().join(name).exists() {
                missing.push(name);
            }
        } else {
            tests += 1;
            // A function, or a row of a table of tests.
            if !sources.contains(&format!("fn {name}(")) && !sources.contains(&format!("(\"{name}\", ")) {
                missing.push(name);
            }
        }
    }
    assert!(tests > 40, "only {tests} tests were found in the table");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every example of a whole policy file is one.
#[test]
fn every_policy_in_the_documents_loads() {
    let mut loaded = 0;
    for document in files("md") {
        let text = fs::read_to_string(&document).unwrap();
        for (at, example) in between(&text, "```toml\n", "```").enumerate() {
            if !example.contains("schema = 1") {
                continue;
            }
            let name = format!("{}, example {at}", document.display());
            let source = Source { name: format!("{at}.toml"), path: name.clone(), text: example.to_owned() };
            if let Err(mistakes) = Policy::load(&[source], &AsWritten) {
                panic!("{name}:\n{}", mistakes.render());
            }
            loaded += 1;
        }
    }
    assert!(loaded > 0);
}

/// Which of our crates each of them may link. Arrows never turn round, and the leaves do not know each other.
const MAY_DEPEND_ON: [(&str, &[&str]); 15] = [
    ("jit-protocol", &[]),
    ("jit-policy", &[]),
    ("jit-sys", &[]),
    ("jit-audit", &[]),
    ("jit-signature", &[]),
    ("jit-session", &["jit-protocol", "jit-sys"]),
    ("jit-sudo", &["jit-protocol", "jit-sys"]),
    ("jit-edit", &["jit-protocol"]),
    ("pam-jit", &["jit-protocol"]),
    ("jitctl", &["jit-protocol", "jit-policy", "jit-sys", "jit-audit", "jit-signature"]),
    ("jit-agent", &["jit-protocol", "jit-policy", "jit-sys", "jit-audit", "jit-signature"]),
    ("jit-tests", &[]),
    ("jit-bench", &["jit-protocol"]),
    ("jit-fuzz", &["jit-policy", "jit-protocol", "jit-signature"]),
    ("xtask", &["jit-bench", "jit-fuzz", "jit-tests"]),
];

#[test]
fn crates_depend_on_each_other_as_the_architecture_draws_it() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), MAY_DEPEND_ON.len(), "a crate is missing in the table above");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let allowed = MAY_DEPEND_ON.iter().find(|(own, _)| *own == name).expect(name).1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let ours = dependency["path"].is_string();
            let linked = dependency["kind"].as_str() != Some("dev");
            assert!(!(ours && linked) || allowed.contains(&on), "{name} depends on {on}");
        }
    }
}

/// The parts that are root, or in programs of others, or that decide, have no event loop and no threads of one.
#[test]
fn helper_module_spawner_and_policy_have_no_tokio() {
    for package in
        ["jit-sudo", "jit-edit", "pam-jit", "jit-session", "jit-policy", "jit-protocol", "jit-sys", "jitctl"]
    {
        let tree = tree(package);
        assert!(!tree.iter().any(|one| one.starts_with("tokio")), "{package}: {tree:#?}");
    }
}

/// A module in other people's programs stays small: its libraries are twenty at most, itself included.
#[test]
fn the_module_brings_few_libraries_into_its_host() {
    let macros = ["serde_derive", "proc-macro2", "quote", "syn", "unicode-ident"];
    let tree = tree("pam-jit");
    let linked: Vec<&String> = tree.iter().filter(|one| !macros.contains(&one.as_str())).collect();
    assert!(linked.len() <= 20, "{linked:#?}");
    assert!(linked.iter().any(|one| *one == "pam-bindings"), "{linked:#?}");
}

/// Names of all libraries that end up in a program, build-time macros included.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

// The guest is one for all tests: a user of two of them would have the rules and grants of both.
#[test]
fn each_guest_test_has_users_of_its_own() {
    let folder = workspace().join("tests/tests/guest");
    let mut known = BTreeSet::new();
    for path in files("rs").into_iter().filter(|path| path.starts_with(&folder)) {
        let text = fs::read_to_string(&path).unwrap();
        for call in ["eligible(", "add_user(", "two_people("] {
            for rest in text.split(call).skip(1) {
                let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
                let name = rest.split('"').next().unwrap();
                assert!(known.insert(name.to_owned()), "{}: {name} is another test's user", path.display());
            }
        }
    }
    assert!(known.len() > 100, "{known:?}");
}
