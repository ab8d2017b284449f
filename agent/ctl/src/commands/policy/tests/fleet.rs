//! Bundles, and folders that are put in place as a whole.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use jit_signature::bundle::Bundle as List;

use super::{Host, rule, told};
use crate::commands::policy::bundle::Bundle;
use crate::commands::policy::install::Install;
use crate::failure::Failure;
use crate::output::tests::Captured;

/// A folder to be pushed, with one rule of this id.
fn pushed(host: &Host, id: &str) -> PathBuf {
    let folder = host.path("push");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/web.toml"), "").unwrap();
    fs::write(folder.join("50-web.toml"), rule(id, "")).unwrap();
    fs::write(folder.join("BUNDLE"), "as it is\n").unwrap();
    folder
}

fn install(host: &Host, reload: impl FnOnce() -> Result<String, Failure>) -> Result<String, String> {
    let install = Install { folder: host.path("push") };
    let mut said = String::new();
    told(install.install(&host.installed(), reload).map(|message| said = message)).map(|()| said)
}

fn read(host: &Host, name: &str) -> Option<String> {
    fs::read_to_string(host.path("etc/policy.d").join(name)).ok()
}

/// What is beside the policy folder.
fn beside(host: &Host) -> Vec<String> {
    let entries = fs::read_dir(host.path("etc")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_folder_takes_the_place_of_the_other_as_a_whole() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    pushed(&host, "web");
    let seen = Cell::new(None);
    let said = install(&host, || {
        seen.set(Some((read(&host, "10-old.toml"), read(&host, "50-web.toml"))));
        Ok("1 rule in force".to_owned())
    });
    assert_eq!(said, Ok("1 rule in force".to_owned()));
    assert_eq!(seen.take(), Some((None, Some(rule("web", "")))), "before the agent is told");
    assert_eq!(read(&host, "BUNDLE").as_deref(), Some("as it is\n"));
    assert_eq!(read(&host, "tests/web.toml").as_deref(), Some(""));
    assert_eq!(beside(&host), ["policy.d"], "nothing is left over");
    assert!(host.check(None, None, None).unwrap().contains("1 rules in 1 files"), "as the agent wants it");
}

#[test]
fn a_folder_that_the_agent_does_not_accept_is_taken_back() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    pushed(&host, "web");
    let refused = install(&host, || Err(Failure::new("not accepted", "")));
    assert!(refused.unwrap_err().starts_with("not accepted"));
    assert_eq!((read(&host, "10-old.toml"), read(&host, "50-web.toml")), (Some(rule("old", "")), None));
    assert_eq!(beside(&host), ["policy.d"]);
}

#[test]
fn a_folder_can_be_the_first() {
    let host = Host::new();
    fs::remove_dir(host.path("etc/policy.d")).unwrap();
    pushed(&host, "web");
    install(&host, || Err(Failure::new("not accepted", ""))).unwrap_err();
    assert!(beside(&host).is_empty(), "{:?}", beside(&host));
    install(&host, || Ok(String::new())).unwrap();
    assert!(read(&host, "50-web.toml").is_some());
}

#[test]
fn a_folder_with_a_mistake_or_a_link_never_comes_near() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    let never = || -> Result<String, Failure> { panic!("the agent was told") };
    let folder = pushed(&host, "web");
    fs::write(folder.join("60-bad.toml"), "nonsense").unwrap();
    assert!(install(&host, never).unwrap_err().contains("60-bad.toml"));
    let folder = pushed(&host, "web");
    std::os::unix::fs::symlink("/etc/passwd", folder.join("notes")).unwrap();
    assert!(install(&host, never).unwrap_err().contains("notes is neither a file nor a folder"));
    assert_eq!(beside(&host), ["policy.d"]);
    assert!(read(&host, "10-old.toml").is_some());
}

// What is listed is what the agent will look for: its own files, not the vendor's.
#[test]
fn the_list_of_a_bundle_has_the_folders_files() {
    let host = Host::new();
    host.write("usr/policy.d/10-root.toml", &rule("root", ""));
    let folder = pushed(&host, "web");
    let list = |number| {
        let captured = Captured::default();
        let bundle = Bundle { folder: folder.clone(), number };
        told(bundle.run(&host.installed(), &mut captured.output())).map(|()| captured.text())
    };
    let text = rule("web", "");
    assert_eq!(list(7), Ok(List::of(7, [("50-web.toml", text.as_bytes())]).to_string()));
    fs::write(folder.join("60-bad.toml"), "nonsense").unwrap();
    assert!(list(8).unwrap_err().contains("60-bad.toml"));
}
