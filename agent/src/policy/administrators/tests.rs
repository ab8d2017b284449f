//! Who keeps a way to root, and what becomes of a policy that leaves nobody one. `daemon` is a user and a group of every host.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use jit_policy::{AsWritten, Source};

use super::*;
use crate::clock::{Clock, ManualClock, Moment};
use crate::paths::Paths;
use crate::policy::PolicyHolder;
use crate::settings::Settings;
use crate::zones::HostZones;

fn rule(more: &str) -> String {
    let missing = [("users", "\"daemon\""), ("commands", "\"ALL\"")];
    let missing =
        missing.iter().filter(|(key, _)| !more.starts_with(key) && !more.contains(&format!("\n{key} =")));
    let missing: Vec<String> = missing.map(|(key, value)| format!("{key} = [{value}]\n")).collect();
    format!("schema = 1\n[[rule]]\nid = \"r\"\n{}{more}\n", missing.concat())
}

fn has_way(policy: &str, administrators: &[&str]) -> Result<bool, String> {
    has_way_among(policy, administrators, |_| Ok(Vec::new()))
}

/// Every group lists these.
fn has_way_among(
    policy: &str,
    administrators: &[&str],
    members: fn(u32) -> Result<Vec<String>, LookupFailed>,
) -> Result<bool, String> {
    let source = Source { name: "a.toml".into(), path: "a.toml".into(), text: policy.into() };
    let policy = Policy::load(&[source], &AsWritten).unwrap();
    let host = Host { name: "web-1", tags: &[] };
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let place = Place { host, folders: &AsWritten, now, zones: &HostZones, members };
    place.has_way(&policy, &administrators.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_way_to_root_is_any_command_or_a_shell_as_root_on_this_host() {
    let deny = |more: &str| {
        rule("") + &format!("[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"ALL\"]\n{more}\n")
    };
    for (policy, way) in [
        (rule(""), true),
        (rule("commands = [\"/usr/bin/bash\"]"), true),
        (rule("commands = [\"/usr/bin/bash -c id\"]"), false),
        (rule("commands = [\"/usr/bin/systemctl **\"]"), false),
        (rule("users = [\"%daemon\"]"), true),
        (rule("users = [\"bin\"]"), false),
        (rule("except_users = [\"daemon\"]"), false),
        (rule("hosts = [\"web-*\"]"), true),
        (rule("hosts = [\"db\"]"), false),
        (rule("run_as = [\"bin\"]"), false),
        (rule("not_after = 2026-06-01T12:00:00Z"), false),
        (rule("not_before = 2026-06-01T12:00:01Z"), false),
        // Some of the week is enough.
        (rule("when.time = [\"Sat\"]"), true),
        (deny("commands = [\"ALL\"]"), false),
        (deny("commands = [\"/usr/bin/* **\", \"/bin/* **\"]"), false),
        (deny("commands = [\"ALL\"]\nwhen.time = [\"Mon\"]"), true),
        // What looks like some of the week, and is all of it; and what is in no week at all.
        (deny("commands = [\"ALL\"]\nwhen.time = [\"00:00..24:00\"]"), false),
        (deny("commands = [\"ALL\"]\nwhen.time = [\"Mon..Fri\", \"Sat,Sun\"]"), false),
        (deny("commands = [\"ALL\"]\nwhen.time = [\"Mon Mars/Olympus\"]"), false),
        (rule("when.time = [\"Mon Mars/Olympus\"]"), false),
        // A deny at some time hides neither that nothing is allowed nor that another one is there always.
        (deny("commands = [\"ALL\"]\nwhen.time = [\"Mon\"]").replace("\"daemon\"", "\"bin\""), false),
        (
            deny("commands = [\"ALL\"]\nwhen.time = [\"Mon\"]")
                + "[[rule]]\nid = \"e\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n",
            false,
        ),
        (
            rule("when.time = [\"Mon\"]")
                + "[[rule]]\nid = \"e\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n\
                   when.time = [\"Mon..Wed\"]\n",
            false,
        ),
        (deny("commands = [\"/usr/bin/{bash,sh} **\"]"), true),
        (deny("commands = [\"ALL\"]\nexcept_users = [\"daemon\"]"), true),
        ("schema = 1\n".to_owned(), false),
    ] {
        assert_eq!(has_way(&policy, &["daemon"]), Ok(way), "{policy}");
    }
}

#[test]
fn one_administrator_is_enough_and_one_that_is_not_there_is_none() {
    let uid = account::by_name("daemon").unwrap().unwrap().uid;
    for (administrators, way) in [
        (&["bin", "daemon"][..], true),
        (&["%daemon"], false), // of whom the rule names one only, by another name
        (&["bin", "no-such-user-here", "%no-such-group-here"], false),
        (&[&*format!("#{uid}")], true),
    ] {
        assert_eq!(has_way(&rule(""), administrators), Ok(way), "{administrators:?}");
    }
    assert_eq!(has_way(&rule("users = [\"%daemon\"]"), &["%daemon"]), Ok(true));
}

// A group has a way if one of its members has: whom it lists are all there are, unless it lists nobody.
#[test]
fn a_group_whose_members_are_all_locked_out_has_no_way() {
    let policy = |more: &str| rule("users = [\"%daemon\"]") + more;
    let deny = "[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"daemon\"]\ncommands = [\"ALL\"]\n";
    let ask = |policy: &str, members| has_way_among(policy, &["%daemon"], members);
    // Of those two only `daemon` is in the group, by its account.
    assert_eq!(ask(&policy(""), |_| Ok(vec!["gone".into(), "bin".into(), "daemon".into()])), Ok(true));
    assert_eq!(ask(&policy(""), |_| Ok(vec!["gone".into(), "bin".into()])), Ok(false));
    assert_eq!(ask(&policy(deny), |_| Ok(vec!["daemon".into()])), Ok(false));
    assert_eq!(ask(&policy(deny), |_| Ok(Vec::new())), Ok(true));
    let failed = |_| Err(LookupFailed { what: "group #1".into(), why: "no answer".into() });
    assert!(ask(&policy(""), failed).unwrap_err().contains("no answer"));
}

/// A host whose administrator is `daemon`.
struct Disk {
    _root: tempfile::TempDir,
    paths: Paths,
}

impl Disk {
    fn with(policy: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::below(root.path(), rustix::process::geteuid().as_raw());
        for folder in [&paths.policy, &paths.vendor_policy, &paths.state] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        let disk = Self { _root: root, paths };
        disk.write(policy);
        disk
    }

    fn write(&self, policy: &str) {
        let file = self.paths.policy.join("a.toml");
        fs::write(&file, policy).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }

    fn start(&self) -> PolicyHolder {
        let settings = Settings::parse("policy.administrators = [\"daemon\"]").unwrap();
        let start = Moment { boottime_ns: 0, realtime_ns: 1_800_000_000_000_000_000 };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(start, "boot"));
        PolicyHolder::start(&self.paths, &settings, clock, AsWritten)
    }
}

// "`administrators` set: a policy that leaves none of them a way to root on this host is refused without `--force`."
#[test]
fn a_policy_that_locks_administrators_out_is_taken_by_force_alone() {
    let disk = Disk::with(&rule(""));
    let holder = disk.start();
    let before = holder.current().policy.digest().to_owned();
    disk.write(&rule("users = [\"bin\"]"));
    let mistakes = holder.reload().unwrap_err();
    assert!(mistakes.contains("leaves none of the administrators a way to root"), "{mistakes}");
    assert!(mistakes.contains("administrators are daemon; `jitctl reload --force`"), "{mistakes}");
    assert_eq!((holder.current().policy.digest(), holder.current().stale), (before.as_str(), true));
    holder.force_reload().unwrap();
    assert_ne!(holder.current().policy.digest(), before);
    // What was taken by force stays, over reloads and restarts.
    assert!(!holder.reload().unwrap().stale);
    assert!(!disk.start().current().stale);
}

#[test]
fn a_policy_that_locks_out_is_refused_at_the_start_too_if_there_is_one_to_stay_with() {
    let disk = Disk::with(&rule("users = [\"bin\"]"));
    assert!(!disk.start().current().stale, "there was none before");
    disk.write(&rule(""));
    let before = disk.start().current().policy.digest().to_owned();
    for deny in ["", "[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n"] {
        disk.write(&(rule("users = [\"root\"]") + deny));
        let holder = disk.start();
        let started = holder.current();
        assert_eq!((started.policy.digest(), started.stale), (before.as_str(), true));
        assert_eq!(holder.leaves_a_way(&started.policy, started.loaded_at), Ok(true));
    }
}

// Denies of a policy that is refused apply at once, but for those that lock out.
#[test]
fn a_deny_that_locks_administrators_out_does_not_apply_either() {
    let disk = Disk::with(&rule(""));
    let holder = disk.start();
    let deny = |users: &str| {
        format!("[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"{users}\"]\ncommands = [\"ALL\"]\n")
    };
    let way = |holder: &PolicyHolder| holder.leaves_a_way(&holder.current().policy, holder.clock.now());
    disk.write(&(rule("") + &deny("ALL")));
    holder.reload().unwrap_err();
    assert_eq!(way(&holder), Ok(true));
    disk.write(&(rule("users = [\"bin\"]") + &deny("mallory")));
    holder.reload().unwrap_err();
    assert_eq!(way(&holder), Ok(true));
    assert!(format!("{:?}", holder.current().policy).contains("mallory"), "this one does");
}
