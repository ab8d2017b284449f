mod slow;

use std::fs::{self, File, Permissions, hard_link};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use jit_policy::{Account, AsWritten, Decision, Directory, LoginDecision, LookupFailed};

use super::*;
use crate::clock::ManualClock;
use crate::translate::{Files, Subject, sample};

const MINUTE: u64 = 60_000_000_000;
const START: Moment = Moment { boottime_ns: 1_000 * MINUTE, realtime_ns: 1_800_000_000_000_000_000 };
const ALICE: &str = "schema = 1\n[[rule]]\nid = \"alice\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n";
const BOB: &str = "schema = 1\n[[rule]]\nid = \"bob\"\nusers = [\"bob\"]\ncommands = [\"ALL\"]\n";
const NO_ALICE: &str =
    "schema = 1\n[[rule]]\nid = \"no-alice\"\neffect = \"deny\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n";
const HALF: &str = "schema = 1\n[[rule]]\nid = \"ha";

/// The files of a host, and its clock.
struct Disk {
    root: tempfile::TempDir,
    paths: Paths,
    clock: Arc<ManualClock>,
}

impl Disk {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path(), rustix::process::geteuid().as_raw());
        for folder in [&paths.policy, &paths.vendor_policy, &paths.state] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        Self { root, paths, clock: Arc::new(ManualClock::new(START, "boot")) }
    }

    /// With these files of the administrator's.
    fn with(files: &[(&str, &str)]) -> Self {
        let disk = Self::new();
        for (name, text) in files {
            disk.write(name, text);
        }
        disk
    }

    fn file(&self, name: &str) -> PathBuf {
        self.paths.policy.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
        fs::set_permissions(self.file(name), Permissions::from_mode(0o644)).unwrap();
    }

    /// The agent starts.
    fn start(&self) -> PolicyHolder {
        let settings = Settings::parse("policy.last_good_for = \"10m\"").unwrap();
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        PolicyHolder::start(&self.paths, &settings, clock, AsWritten)
    }

    /// The host boots this much later, and the agent starts.
    fn boot(&mut self, minutes: i64) -> PolicyHolder {
        let realtime_ns = self.clock.now().realtime_ns + minutes * i64::try_from(MINUTE).unwrap();
        self.clock = Arc::new(ManualClock::new(Moment { boottime_ns: 0, realtime_ns }, "next boot"));
        self.start()
    }

    fn gated(&self) -> String {
        fs::read_to_string(&self.paths.gated).unwrap()
    }
}

struct NoNames;

impl Directory for NoNames {
    fn gid_of(&self, _group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }

    fn uid_of(&self, _user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }
}

fn account(name: &str) -> Account {
    Account { uid: 1000, gid: 1000, names: vec![name.to_owned()], groups: Vec::new() }
}

fn permits(holder: &PolicyHolder, user: &str) -> bool {
    let root = Account { uid: 0, gid: 0, names: vec!["root".to_owned()], groups: Vec::new() };
    let subject = Subject { user: account(user), target: root, ..sample::subject() };
    let loaded = holder.current();
    let decision = subject
        .decide(
            &loaded.policy,
            &[],
            &NoNames,
            START.timestamp(),
            &jit_policy::NoZones,
            Files { under: &|_| None, sha256: &|| subject.known_digest() },
        )
        .unwrap();
    matches!(decision, Decision::Permit(_))
}

/// `None`: not named.
fn may_log_in(holder: &PolicyHolder, user: &str) -> Option<bool> {
    let loaded = holder.current();
    let host = Host { name: "host", tags: &[] };
    match loaded.policy.login(&account(user), "sshd", host, &NoNames).unwrap() {
        LoginDecision::NotNamed => None,
        LoginDecision::Allowed(_) => Some(true),
        LoginDecision::Denied { .. } => Some(false),
    }
}

fn login(id: &str, user: &str, access: &str) -> String {
    format!(
        "schema = 1\n[[login]]\nid = \"{id}\"\nusers = [\"{user}\"]\nservices = [\"sshd\"]\naccess = \"{access}\"\n"
    )
}

#[test]
fn an_empty_folder_or_none_is_a_policy_that_denies_everything() {
    let disk = Disk::new();
    let is_sound_and_empty = |holder: &PolicyHolder| {
        let loaded = holder.current();
        assert!(!loaded.stale && loaded.mistakes.is_none() && loaded.files.is_empty());
        assert!(!permits(holder, "alice"));
        assert_eq!(disk.gated(), "# jit-sudo gated 1\n");
    };
    is_sound_and_empty(&disk.start());
    fs::remove_dir(&disk.paths.policy).unwrap();
    fs::remove_dir(&disk.paths.vendor_policy).unwrap();
    is_sound_and_empty(&disk.start());
}

// "same basename in /etc masks the vendor's, a link to /dev/null disables it"
#[test]
fn the_administrators_files_mask_the_vendors() {
    let disk = Disk::with(&[("20-b.toml", BOB)]);
    for name in ["10-a.toml", "20-b.toml"] {
        fs::write(disk.paths.vendor_policy.join(name), ALICE).unwrap();
        fs::set_permissions(disk.paths.vendor_policy.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let holder = disk.start();
    assert!(permits(&holder, "alice") && permits(&holder, "bob"));
    let files = [disk.paths.vendor_policy.join("10-a.toml"), disk.file("20-b.toml")];
    assert_eq!(holder.current().files, files.map(|file| file.display().to_string()));
    symlink("/dev/null", disk.file("10-a.toml")).unwrap();
    holder.reload().unwrap();
    assert!(!permits(&holder, "alice") && permits(&holder, "bob"));
}

// Issue 2: "a policy file that is a link, a FIFO, world-writable, half-written, not UTF-8, 65 MiB"
#[test]
fn one_bad_file_rejects_the_whole_load_and_is_named() {
    type Break = fn(&Disk, PathBuf);
    let cases: [(&str, Break); 11] = [
        ("symbolic link", |disk, file| symlink(disk.file("alice.toml"), file).unwrap()),
        ("FIFO", |_, file| nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap()),
        ("a folder", |_, file| fs::create_dir(file).unwrap()),
        ("by others", |_, file| {
            fs::write(&file, BOB).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o646)).unwrap();
        }),
        ("by others", |_, file| {
            fs::write(&file, BOB).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        }),
        ("belongs to", |_, file| {
            fs::write(&file, BOB).unwrap();
            // Only root can give a file away; any other user's tests see it refused all the same, for its mode.
            if chown(&file, Some(12_345), None).is_err() {
                fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
            }
        }),
        ("hard links", |disk, file| {
            disk.write("other-name", BOB);
            hard_link(disk.file("other-name"), file).unwrap();
        }),
        ("half.toml:", |disk, _| disk.write("half.toml", HALF)),
        ("not UTF-8", |_, file| {
            fs::write(&file, b"schema = 1 # \xff").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        }),
        ("64 MiB", |_, file| {
            File::create(&file).unwrap().set_len(65 << 20).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        }),
        ("a device", |disk, file| {
            let _socket = std::os::unix::net::UnixListener::bind(&file).unwrap();
            assert!(file.starts_with(disk.root.path()));
        }),
    ];
    for (says, break_it) in cases {
        let disk = Disk::with(&[("alice.toml", ALICE)]);
        let holder = disk.start();
        disk.write("bob.toml", BOB);
        break_it(&disk, disk.file("half.toml"));
        let mistakes = holder.reload().unwrap_err();
        let is_other_user = says == "belongs to" && disk.paths.owner != 0;
        assert!(mistakes.contains(says) || is_other_user, "{says}: {mistakes}");
        assert!(mistakes.contains(&disk.file("half.toml").display().to_string()), "{mistakes}");
        let loaded = holder.current();
        assert!(loaded.stale && loaded.mistakes.as_ref() == Some(&mistakes));
        assert!(permits(&holder, "alice"), "{says}: the last good one stays");
        assert!(!permits(&holder, "bob"), "{says}: nothing of the new one is taken");
        assert!(!permits(&disk.start_without_last_good(), "alice"), "{says}: at the start it denies all");
    }
}

impl Disk {
    fn start_without_last_good(&self) -> PolicyHolder {
        fs::remove_file(self.paths.state.join("last-good.json")).unwrap();
        let holder = self.start();
        let loaded = holder.current();
        assert!(loaded.stale && loaded.good_since_ns.is_none());
        assert!(loaded.mistakes.as_ref().unwrap().contains("nothing is permitted"));
        holder
    }
}

#[test]
fn a_name_with_control_characters_is_escaped() {
    let disk = Disk::new();
    fs::create_dir(disk.file("a\u{1b}[2J.toml")).unwrap();
    let holder = disk.start();
    let mistakes = holder.current().mistakes.clone().unwrap();
    assert!(mistakes.contains("a\\x1b[2J.toml") && !mistakes.contains('\u{1b}'), "{mistakes}");
}

#[test]
fn a_folder_that_others_can_write_rejects_everything_in_it() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    fs::set_permissions(&disk.paths.policy, Permissions::from_mode(0o777)).unwrap();
    disk.write("no.toml", NO_ALICE);
    assert!(holder.reload().unwrap_err().contains("by others"));
    assert!(permits(&holder, "alice"), "not even a deny is taken from there");
}

// "deny rules of the new files that do parse apply at once"
#[test]
fn denies_of_sound_files_apply_at_once_also_beside_bad_ones() {
    let disk = Disk::with(&[("alice.toml", ALICE), ("bob.toml", BOB)]);
    let holder = disk.start();
    disk.write("no.toml", NO_ALICE);
    disk.write("half.toml", HALF);
    holder.reload().unwrap_err();
    assert!(!permits(&holder, "alice") && permits(&holder, "bob"));
    assert!(!permits(&disk.start(), "alice"), "over restarts too");
    fs::remove_file(disk.file("no.toml")).unwrap();
    holder.reload().unwrap_err();
    assert!(permits(&holder, "alice"), "a deny that is gone from the files is gone");
    fs::remove_file(disk.file("half.toml")).unwrap();
    let loaded = holder.reload().unwrap();
    assert!(!loaded.stale && loaded.mistakes.is_none() && loaded.until.is_none());
}

#[test]
fn a_stale_policy_decides_no_longer_than_it_may() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    disk.clock.pass(1_000 * MINUTE); // how long it was good does not matter
    holder.expire_last_good();
    assert!(permits(&holder, "alice"));
    disk.write("half.toml", HALF);
    holder.reload().unwrap_err();
    disk.clock.pass(9 * MINUTE);
    holder.reload().unwrap_err(); // does not begin anew
    holder.expire_last_good();
    assert!(permits(&holder, "alice"));
    disk.clock.pass(MINUTE);
    holder.expire_last_good();
    assert!(!permits(&holder, "alice"));
    let loaded = holder.current();
    assert!(loaded.stale && loaded.mistakes.as_ref().unwrap().contains("nothing is permitted"));
    holder.reload().unwrap_err();
    assert!(!permits(&holder, "alice"), "another bad load does not bring it back");
    assert!(!permits(&disk.start(), "alice"), "nor does a restart");
    fs::remove_file(disk.file("half.toml")).unwrap();
    holder.reload().unwrap();
    assert!(permits(&holder, "alice"));
}

#[test]
fn the_time_of_a_stale_policy_begins_with_each_rejection_after_a_good_one() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    let until = || {
        disk.write("half.toml", HALF);
        holder.reload().unwrap_err();
        holder.current().until
    };
    assert_eq!(until(), Some(START.after(10 * MINUTE)));
    disk.clock.pass(5 * MINUTE);
    // Whoever loses what is kept gains no time while the agent runs.
    fs::remove_file(disk.paths.state.join("rejected.json")).unwrap();
    assert_eq!(until(), Some(START.after(10 * MINUTE)));
    fs::remove_file(disk.file("half.toml")).unwrap();
    holder.reload().unwrap();
    assert_eq!(holder.current().until, None);
    disk.clock.pass(100 * MINUTE);
    assert_eq!(until(), Some(START.after(115 * MINUTE)));
    disk.clock.pass(MINUTE);
    fs::remove_file(disk.file("half.toml")).unwrap();
    holder.reload().unwrap();
    assert_eq!(until(), Some(START.after(116 * MINUTE)));
}

// "Bad policy: the last good one stays, over restarts too, at most `last_good_for`"
#[test]
fn over_restarts_and_reboots_the_time_of_a_stale_policy_runs_on() {
    for (minutes, permitted) in [(0, true), (5, true), (6, false), (5_000, false), (-10, false)] {
        let mut disk = Disk::with(&[("alice.toml", ALICE)]);
        drop(disk.start());
        disk.write("half.toml", HALF);
        assert!(permits(&disk.start(), "alice"));
        disk.clock.pass(4 * MINUTE);
        let again = disk.start();
        assert!(permits(&again, "alice") && again.current().stale);
        assert_eq!(again.current().good_since_ns, Some(START.realtime_ns));
        let booted = disk.boot(minutes);
        assert_eq!(permits(&booted, "alice"), permitted, "{minutes} minutes later");
        disk.clock.set_wall(START.realtime_ns);
        disk.clock.pass(6 * MINUTE);
        booted.expire_last_good();
        assert!(!permits(&booted, "alice"), "a clock that is set back after that does not help");
    }
}

#[test]
fn a_last_good_policy_that_another_could_have_written_is_not_used() {
    type Break = fn(&std::path::Path);
    let cases: [Break; 4] = [
        |file| fs::set_permissions(file, Permissions::from_mode(0o622)).unwrap(),
        |file| fs::write(file, "{").unwrap(),
        |file| hard_link(file, file.with_extension("other")).unwrap(),
        |file| {
            fs::rename(file, file.with_extension("real")).unwrap();
            symlink(file.with_extension("real"), file).unwrap();
        },
    ];
    for break_it in cases {
        let disk = Disk::with(&[("alice.toml", ALICE)]);
        drop(disk.start());
        disk.write("half.toml", HALF);
        break_it(&disk.paths.state.join("last-good.json"));
        let holder = disk.start();
        assert!(!permits(&holder, "alice"));
        assert!(holder.current().mistakes.as_ref().unwrap().contains("last-good.json"));
    }
}

#[test]
fn what_is_kept_can_be_read_by_root_alone_and_the_list_by_everyone() {
    let disk = Disk::with(&[("a.toml", &login("one", "alice", "allow"))]);
    drop(disk.start());
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&disk.paths.state), 0o700);
    assert_eq!(mode(&disk.paths.state.join("last-good.json")), 0o600);
    assert_eq!(mode(disk.paths.gated.parent().unwrap()), 0o755);
    assert_eq!(mode(&disk.paths.gated), 0o644);
    assert_eq!(disk.gated(), "# jit-sudo gated 1\nsshd alice\n");
    assert_eq!(fs::read_dir(disk.paths.gated.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
}

// "durable before a policy takes effect"
#[test]
fn a_policy_whose_list_cannot_be_written_is_not_taken() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    let folder = disk.paths.gated.parent().unwrap();
    fs::remove_dir_all(folder).unwrap();
    fs::write(folder, "in the way").unwrap();
    disk.write("bob.toml", &format!("{BOB}{}", login("one", "carol", "allow").replace("schema = 1\n", "")));
    let mistakes = holder.reload().unwrap_err();
    assert!(mistakes.contains(&folder.display().to_string()), "{mistakes}");
    assert!(permits(&holder, "alice") && !permits(&holder, "bob"));
    assert_eq!(may_log_in(&holder, "carol"), None);
    assert!(!permits(&disk.start(), "bob"), "nor at the start, where nobody is known to be on the list");
    fs::remove_file(folder).unwrap();
    holder.reload().unwrap();
    assert!(permits(&holder, "bob"));
    assert_eq!(disk.gated(), "# jit-sudo gated 1\nsshd carol\n");
}

#[test]
fn a_list_that_cannot_be_replaced_keeps_the_policy_too() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    fs::remove_file(&disk.paths.gated).unwrap();
    fs::create_dir(&disk.paths.gated).unwrap();
    disk.write("bob.toml", BOB);
    assert!(holder.reload().unwrap_err().contains(&disk.paths.gated.display().to_string()));
    assert!(permits(&holder, "alice") && !permits(&holder, "bob"));
}

#[test]
fn a_policy_that_cannot_be_kept_is_not_taken() {
    let disk = Disk::with(&[("alice.toml", ALICE)]);
    let holder = disk.start();
    fs::remove_dir_all(&disk.paths.state).unwrap();
    fs::write(&disk.paths.state, "in the way").unwrap();
    disk.write("bob.toml", BOB);
    holder.reload().unwrap_err();
    assert!(permits(&holder, "alice") && !permits(&holder, "bob"));
}

// Nobody who was gated is let in by a mistake in policy.
#[test]
fn who_was_named_stays_named_while_the_policy_is_stale() {
    let disk =
        Disk::with(&[("a.toml", &login("one", "alice", "grant")), ("b.toml", &login("two", "bob", "allow"))]);
    let holder = disk.start();
    fs::remove_file(disk.file("a.toml")).unwrap();
    disk.write("c.toml", &login("three", "carol", "deny"));
    disk.write("half.toml", HALF);
    holder.reload().unwrap_err();
    let named = "# jit-sudo gated 1\nsshd alice\nsshd bob\nsshd carol\n";
    assert_eq!(disk.gated(), named);
    fs::remove_file(disk.file("c.toml")).unwrap();
    holder.reload().unwrap_err();
    assert_eq!(disk.gated(), named, "the list only grows");
    disk.clock.pass(11 * MINUTE);
    holder.expire_last_good();
    assert!(holder.current().until.is_none());
    for holder in [holder, disk.start()] {
        assert_eq!(may_log_in(&holder, "alice"), Some(false));
        assert_eq!(may_log_in(&holder, "bob"), Some(true));
        assert_eq!(disk.gated(), named);
    }
    fs::remove_file(disk.file("half.toml")).unwrap();
    disk.start();
    assert_eq!(disk.gated(), "# jit-sudo gated 1\nsshd bob\n");
}

#[test]
fn all_or_nothing_also_for_those_who_ask_meanwhile() {
    let disk = Disk::with(&[("one.toml", ALICE)]);
    let holder = disk.start();
    let before = holder.current();
    disk.write("one.toml", BOB);
    let after = holder.reload().unwrap();
    assert_eq!(before.policy.rules().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["alice"]);
    assert_eq!(after.policy.rules().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_ne!(before.policy.digest(), after.policy.digest());
    assert!(Arc::ptr_eq(&after, &holder.current()));
}
