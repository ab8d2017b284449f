//! What `require_signed` lets in, with signatures of ssh-keygen(1).

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jit_policy::AsWritten;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::policy::{PolicyHolder, files};
use crate::settings::Settings;

const ALICE: &str = "schema = 1\n[[rule]]\nid = \"alice\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n";
const BOB: &str = "schema = 1\n[[rule]]\nid = \"bob\"\nusers = [\"bob\"]\ncommands = [\"ALL\"]\n";
const NO_ALICE: &str =
    "schema = 1\n[[rule]]\nid = \"no-alice\"\neffect = \"deny\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n";

/// A host whose policy must be signed, and a key that may.
struct Host {
    root: tempfile::TempDir,
    paths: Paths,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path(), rustix::process::geteuid().as_raw());
        for folder in [&paths.policy, &paths.vendor_policy, &paths.state] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        let host = Self { root, paths };
        for key in ["key", "other"] {
            host.keygen(&["-q", "-t", "ed25519", "-N", "", "-f", key]);
        }
        host.allow("key", "");
        host
    }

    fn keygen(&self, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command.current_dir(&self.root).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().expect("ssh-keygen, of openssh-client").success(), "{arguments:?}");
    }

    fn allow(&self, key: &str, options: &str) {
        let public = fs::read_to_string(self.root.path().join(format!("{key}.pub"))).unwrap();
        write(&self.paths.allowed_signers, &format!("ops namespaces=\"{POLICY}\"{options} {public}"));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.paths.policy.join(name)
    }

    /// The folder has these files, and a bundle of them.
    fn push(&self, number: u64, files: &[(&str, &str)], key: &str) {
        for entry in fs::read_dir(&self.paths.policy).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, text) in files {
            write(&self.file(name), text);
        }
        let bundle = Bundle::of(number, files.iter().map(|(name, text)| (*name, text.as_bytes())));
        write(&self.file(bundle::NAME), &bundle.to_string());
        self.sign(key);
    }

    fn sign(&self, key: &str) {
        let _ = fs::remove_file(self.file(bundle::SIGNATURE));
        let list = self.file(bundle::NAME);
        self.keygen(&["-Y", "sign", "-q", "-f", key, "-n", POLICY, list.to_str().unwrap()]);
        fs::set_permissions(self.file(bundle::SIGNATURE), Permissions::from_mode(0o644)).unwrap();
    }

    fn start(&self) -> PolicyHolder {
        let settings = Settings::parse("policy.require_signed = true").unwrap();
        let now = Moment { boottime_ns: 1_000_000_000_000, realtime_ns: 1_800_000_000_000_000_000 };
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(ManualClock::new(now, "boot"));
        PolicyHolder::start(&self.paths, &settings, clock, AsWritten)
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

/// The rules in force.
fn rules(holder: &PolicyHolder) -> Vec<String> {
    holder.current().policy.rules().map(|rule| rule.id.clone()).collect()
}

/// The reload is refused for this, and what was in force stays.
#[track_caller]
fn refused(holder: &PolicyHolder, why: &str) {
    let before = rules(holder);
    let mistakes = holder.reload().unwrap_err();
    assert!(mistakes.contains(why), "{why}: {mistakes}");
    assert!(mistakes.contains("not signed as `require_signed` wants it"), "{mistakes}");
    // `--force` is about administrators, and about nothing else.
    assert_eq!(holder.force_reload().unwrap_err(), mistakes);
    assert_eq!(rules(holder), before);
    assert!(holder.current().stale);
}

#[test]
fn a_signed_bundle_is_taken_and_the_vendors_files_with_it() {
    let host = Host::new();
    write(&host.paths.vendor_policy.join("10-bob.toml"), BOB);
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    assert_eq!(rules(&holder), ["bob", "alice"]);
    let loaded = holder.current();
    let bundle = loaded.bundle.as_ref().unwrap();
    assert_eq!(bundle.number, 7);
    assert!(bundle.signer.starts_with("ops (SHA256:"), "{bundle:?}");
    // Once more the same one; then a newer one.
    holder.reload().unwrap();
    host.push(8, &[("50-alice.toml", ALICE), ("60-no.toml", NO_ALICE)], "key");
    holder.reload().unwrap();
    assert_eq!(rules(&holder).len(), 3);
}

// "`require_signed = true` refuses anything else": not even denies of it apply.
#[test]
fn what_is_not_signed_as_it_is_counts_for_nothing() {
    let host = Host::new();
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    assert_eq!(rules(&holder), ["alice"]);
    let changes: [(&str, &dyn Fn()); 9] = [
        ("60-no.toml is not in the bundle", &|| write(&host.file("60-no.toml"), NO_ALICE)),
        ("50-alice.toml is not the file that was signed", &|| write(&host.file("50-alice.toml"), BOB)),
        ("50-alice.toml is in the bundle, and not in the folder", &|| {
            fs::remove_file(host.file("50-alice.toml")).unwrap();
        }),
        ("BUNDLE", &|| fs::remove_file(host.file(bundle::NAME)).unwrap()),
        ("BUNDLE.sig", &|| fs::remove_file(host.file(bundle::SIGNATURE)).unwrap()),
        ("another text", &|| {
            let list = fs::read_to_string(host.file(bundle::NAME)).unwrap();
            write(&host.file(bundle::NAME), &list.replace("number 8", "number 9"));
        }),
        ("its key may not sign this", &|| host.sign("other")),
        ("10-bob.toml is a link to /dev/null", &|| symlink("/dev/null", host.file("10-bob.toml")).unwrap()),
        ("line 2: the bundle has no number", &|| {
            write(&host.file(bundle::NAME), "jit-policy-bundle 1\n");
            host.sign("key");
        }),
    ];
    for (why, change) in changes {
        host.push(8, &[("50-alice.toml", ALICE)], "key");
        change();
        refused(&holder, why);
    }
    host.push(8, &[("50-alice.toml", ALICE)], "key");
    holder.reload().unwrap();
    assert!(!holder.current().stale);
}

// Between the look at the names and the look at the list there is time: the mask is there for the one, and gone for the other.
#[test]
fn a_mask_that_is_gone_by_now_has_masked_all_the_same() {
    let host = Host::new();
    write(&host.paths.vendor_policy.join("10-no.toml"), NO_ALICE);
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    symlink("/dev/null", host.file("10-no.toml")).unwrap();
    let files = files::read(&host.paths, &AsWritten).map_err(|mistakes| mistakes.text).unwrap();
    fs::remove_file(host.file("10-no.toml")).unwrap();
    assert_eq!(files.sources.len(), 1, "the vendor's file is masked");
    let now = Moment { boottime_ns: 0, realtime_ns: 1_800_000_000_000_000_000 };
    assert!(check(&host.paths, &files, now).unwrap_err().starts_with("10-no.toml is a link to /dev/null"));
}

// interface.md: "deny rules of the new files that do parse apply at once", of files that somebody has signed, too.
#[test]
fn denies_of_a_signed_bundle_with_a_mistake_apply() {
    let host = Host::new();
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    let files = [("50-alice.toml", ALICE), ("60-no.toml", NO_ALICE), ("70-bad.toml", "schema = 2\n")];
    host.push(8, &files, "other");
    refused(&holder, "its key may not sign this");
    assert!(!format!("{:?}", holder.current().policy).contains("no-alice"), "nobody has signed it");
    host.push(8, &files, "key");
    assert!(holder.reload().unwrap_err().contains("70-bad.toml"));
    assert!(format!("{:?}", holder.current().policy).contains("no-alice"));
    // Its number is not taken.
    host.push(8, &[("50-alice.toml", ALICE)], "key");
    holder.reload().unwrap();
}

#[test]
fn who_may_sign_is_asked_at_each_load() {
    let host = Host::new();
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    // 1,800,000,000 is in January 2027.
    host.allow("key", ",valid-before=\"20260101Z\"");
    refused(&holder, "its key may not sign any more");
    host.allow("key", ",valid-after=\"20280101Z\"");
    refused(&holder, "its key may not sign yet");
    host.allow("other", "");
    refused(&holder, "its key may not sign this");
    fs::remove_file(&host.paths.allowed_signers).unwrap();
    refused(&holder, "there is no allowed_signers");
    write(&host.paths.allowed_signers, "ops cert-authority\n");
    refused(&holder, "allowed_signers: line 1");
    host.allow("key", "");
    fs::copy(host.root.path().join("key.pub"), &host.paths.revoked_keys).unwrap();
    refused(&holder, "its key is revoked");
    fs::remove_file(&host.paths.revoked_keys).unwrap();
    holder.reload().unwrap();
}

// What can't be read is not taken for nothing, and what others can write for nobody's word.
#[test]
fn a_list_of_signers_or_of_revoked_keys_that_is_not_roots_alone_makes_all_signatures_void() {
    let host = Host::new();
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    for list in [&host.paths.allowed_signers, &host.paths.revoked_keys] {
        let kept = fs::read(list).unwrap_or_default();
        let spoil: [(&str, &dyn Fn()); 5] = [
            ("can be written by others", &|| {
                fs::write(list, &kept).unwrap();
                fs::set_permissions(list, Permissions::from_mode(0o664)).unwrap();
            }),
            ("has more than one name", &|| {
                fs::write(list, &kept).unwrap();
                fs::set_permissions(list, Permissions::from_mode(0o644)).unwrap();
                fs::hard_link(list, host.root.path().join("another")).unwrap();
            }),
            ("is a symbolic link", &|| symlink("gone", list).unwrap()),
            ("is a folder", &|| fs::create_dir(list).unwrap()),
            ("is not UTF-8", &|| {
                fs::write(list, b"SSHKRL\n\0\xff").unwrap();
                fs::set_permissions(list, Permissions::from_mode(0o644)).unwrap();
            }),
        ];
        for (why, spoil) in spoil {
            let _ = fs::remove_file(list);
            spoil();
            refused(&holder, why);
            let _ = fs::remove_file(host.root.path().join("another"));
            let _ = fs::remove_dir(list);
        }
        fs::remove_file(list).unwrap();
        if !kept.is_empty() {
            write(list, &String::from_utf8(kept).unwrap());
        }
        holder.reload().unwrap();
    }
}

// "an older bundle number is refused (rollback)": by an agent that was started again, too.
#[test]
fn an_older_bundle_and_another_of_the_same_number_are_refused() {
    let host = Host::new();
    host.push(7, &[("50-alice.toml", ALICE)], "key");
    let holder = host.start();
    host.push(8, &[("50-bob.toml", BOB)], "key");
    holder.reload().unwrap();
    for holder in [holder, host.start()] {
        host.push(7, &[("50-alice.toml", ALICE)], "key");
        refused(&holder, "bundle 7 is older than 8");
        host.push(8, &[("50-alice.toml", ALICE)], "key");
        refused(&holder, "there was another bundle 8 before");
        assert_eq!(rules(&holder), ["bob"]);
        host.push(8, &[("50-bob.toml", BOB)], "key");
        holder.reload().unwrap();
    }
    // What is not known is not taken for nothing.
    write(&host.paths.state.join("bundle.json"), "{");
    refused(&host.start(), "bundle.json cannot be used");
}

#[test]
fn without_any_bundle_nothing_is_permitted() {
    let host = Host::new();
    write(&host.paths.vendor_policy.join("10-bob.toml"), BOB);
    write(&host.file("50-alice.toml"), ALICE);
    let holder = host.start();
    assert!(rules(&holder).is_empty() && holder.current().stale);
}
