//! Bundles, and folders that are put in place as a whole.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jit_signature::bundle::Bundle as List;
use rustix::fs::CWD;

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
    assert!(host.check(None, None, None).unwrap().contains("1 rule in 1 file"), "as the agent wants it");
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

// Where it was killed: with a copy made, or after the exchange, with the folder before in the place of the copy.
#[test]
fn what_one_that_was_killed_has_left_is_in_nobodys_way() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    pushed(&host, "web");
    fs::create_dir_all(host.path("etc/.policy.d.new/policy.d/tests")).unwrap();
    fs::write(host.path("etc/.policy.d.new/policy.d/99-left.toml"), "nonsense").unwrap();
    install(&host, || Ok(String::new())).unwrap();
    assert_eq!((read(&host, "10-old.toml"), read(&host, "99-left.toml")), (None, None));
    assert_eq!(
        (read(&host, "50-web.toml"), beside(&host)),
        (Some(rule("web", "")), vec!["policy.d".to_owned()])
    );
}

// Of two, the first one's going back would put aside what the second has been told is in force.
#[test]
fn while_one_installs_another_one_does_not() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    pushed(&host, "web");
    let second = Cell::new(None);
    let first = install(&host, || {
        second.set(Some(install(&host, || Ok("the second is in force".to_owned()))));
        Err(Failure::new("not accepted", ""))
    });
    assert!(first.unwrap_err().starts_with("not accepted"));
    let second = second.take().unwrap().unwrap_err();
    assert!(second.contains("hint: another one is being installed: try again"), "{second}");
    assert_eq!(
        (read(&host, "10-old.toml"), beside(&host)),
        (Some(rule("old", "")), vec!["policy.d".to_owned()])
    );
}

#[test]
fn the_folder_that_stages_is_open_to_root_alone() {
    let host = Host::new();
    pushed(&host, "web");
    let mode = Cell::new(0);
    install(&host, || {
        mode.set(fs::metadata(host.path("etc/.policy.d.new")).unwrap().permissions().mode() & 0o777);
        Ok(String::new())
    })
    .unwrap();
    assert_eq!(mode.get(), 0o700);
}

#[test]
fn a_folder_before_that_cannot_be_put_back_is_kept_and_named() {
    let host = Host::new();
    host.write("etc/policy.d/10-old.toml", &rule("old", ""));
    pushed(&host, "web");
    let refused = install(&host, || {
        fs::rename(host.path("etc/policy.d"), host.path("etc/elsewhere")).unwrap();
        fs::write(host.path("etc/policy.d"), "").unwrap();
        fs::rename(host.path("etc/.policy.d.new"), host.path("etc/gone")).unwrap();
        Err(Failure::new("not accepted", ""))
    })
    .unwrap_err();
    assert!(refused.contains("the folder before cannot be put back"), "{refused}");
    assert!(host.path("etc/gone/policy.d/10-old.toml").exists());
}

// Whose folder it is can change it while root copies: what root alone can read does not end up where everybody can.
#[test]
fn a_file_that_becomes_a_link_while_it_is_copied_leads_nowhere() {
    let host = Host::new();
    let secret = host.write("secret", "the secret");
    let folder = pushed(&host, "web");
    fs::write(folder.join("notes"), "notes").unwrap();
    std::os::unix::fs::symlink(&secret, host.path("link")).unwrap();
    let is_over = AtomicBool::new(false);
    let copied = thread::scope(|scope| {
        scope.spawn(|| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            while !is_over.load(Ordering::Relaxed) {
                let (notes, link) = (folder.join("notes"), host.path("link"));
                rustix::fs::renameat_with(CWD, &notes, CWD, &link, flags).unwrap();
            }
        });
        let copied: Vec<_> = (0..100)
            .filter_map(|_| install(&host, || Ok(String::new())).ok().and_then(|_| read(&host, "notes")))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        copied
    });
    assert!(copied.iter().all(|text| text == "notes"), "{copied:?}");
}

#[test]
fn a_folder_that_holds_the_place_or_what_has_no_end_is_not_copied() {
    let host = Host::new();
    let inside = Install { folder: host.path("etc") };
    let refused = told(inside.install(&host.installed(), || Ok(String::new())).map(drop)).unwrap_err();
    assert!(refused.contains("is where it is copied to"), "{refused}");
    let folder = pushed(&host, "web");
    let huge = fs::File::create(folder.join("huge")).unwrap();
    huge.set_len(65 << 20).unwrap();
    assert!(install(&host, || Ok(String::new())).unwrap_err().contains("huge is larger than 64 MiB"));
    fs::remove_file(folder.join("huge")).unwrap();
    rustix::fs::mknodat(CWD, folder.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(
        install(&host, || Ok(String::new())).unwrap_err().contains("fifo is neither a file nor a folder")
    );
    assert_eq!(beside(&host), ["policy.d"]);
}

// What is installed over a link is a folder; where the link led stays as it is.
#[test]
fn a_link_in_the_place_of_the_folder_is_replaced_and_not_followed() {
    let host = Host::new();
    pushed(&host, "web");
    fs::create_dir(host.path("elsewhere")).unwrap();
    fs::write(host.path("elsewhere/kept"), "kept").unwrap();
    fs::remove_dir(host.path("etc/policy.d")).unwrap();
    std::os::unix::fs::symlink(host.path("elsewhere"), host.path("etc/policy.d")).unwrap();
    install(&host, || Ok(String::new())).unwrap();
    assert!(fs::symlink_metadata(host.path("etc/policy.d")).unwrap().is_dir());
    assert_eq!(fs::read_to_string(host.path("elsewhere/kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(host.path("elsewhere")).unwrap().count(), 1);
    assert_eq!(beside(&host), ["policy.d"]);
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
    // What the agent would not take is not worth a signature.
    fs::remove_file(folder.join("60-bad.toml")).unwrap();
    for name in ["60\nnumber.toml".to_owned(), format!("60\n{}  70-other.toml", "0".repeat(64))] {
        fs::write(folder.join(&name), "schema = 1\n").unwrap();
        assert!(list(8).unwrap_err().contains("the name of a file cannot be listed"), "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/dev/null", folder.join("10-root.toml")).unwrap();
    assert!(list(8).unwrap_err().contains("10-root.toml is a link to /dev/null"));
}
