//! Disks that are full, files that were cut, a store that was copied back: on a guest of its own, for what happens here
//! stays in its log.

use std::sync::OnceLock;
use std::time::Duration;

use jit_tests::{Guest, Outcome};

use crate::{NO_PASSWORD, PASSWORD, rule};

const LOGS: &str = "/var/log/jit-sudo";
const LOG: &str = "/var/log/jit-sudo/audit.jsonl";
const STATE: &str = "/var/lib/jit-sudo";
const STOP: &str = "systemctl stop jit-agentd.socket jit-agentd-pam.socket jit-agentd.service";
/// However often it was started already.
const START: &str =
    "systemctl reset-failed && systemctl start jit-agentd.socket jit-agentd-pam.socket jit-agentd.service";

/// The guest of these tests.
pub(crate) fn guest() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| Guest::boot(Guest::shared().release()))
}

/// A user who may do anything without a password, under these further keys of the rule.
pub(crate) fn eligible(user: &str, keys: &str) {
    guest().add_user(user, Some(PASSWORD), &[]);
    let text = rule(user, user, &format!("{NO_PASSWORD}\n{keys}"));
    guest().write(&format!("/etc/jit-sudo/policy.d/{user}.toml"), text.as_bytes());
    guest().sh("jitctl reload").success();
}

/// A small file system under a folder of the agent's, with what was in that, for as long as this lives.
struct Small {
    folder: &'static str,
}

impl Small {
    fn mount(folder: &'static str, size: &str) -> Self {
        let aside = "rm -rf /root/aside && cp -a";
        guest()
            .sh(&format!(
                "set -e; {STOP}; {aside} {folder} /root/aside
                 mount -t tmpfs -o size={size},mode=700 small {folder}
                 cp -a /root/aside/. {folder}; {START}"
            ))
            .success();
        Self { folder }
    }

    fn fill(&self) {
        guest().sh(&format!("dd if=/dev/zero of={}/fill bs=1k", self.folder)).exits(1).complains("No space");
    }

    fn make_room(&self) {
        guest().sh(&format!("rm {}/fill", self.folder)).success();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let folder = self.folder;
        guest().sh(&format!(
            "set -e; rm -f {folder}/fill; {STOP}; rm -rf /root/aside; cp -a {folder} /root/aside
             umount {folder}; cp -a /root/aside/. {folder}; {START}"
        ));
    }
}

/// Runs commands that leave a mark each until one is refused and `jitctl status` says why, and tells the refusal. A disk
/// that is full has room in its last blocks, for what is small.
fn until_refused(user: &str) -> Outcome {
    for number in 0..500 {
        let outcome = guest().as_user(user).run(&format!("jit-sudo -n touch /root/marks-{user}/{number}"));
        if !outcome.is_ok() {
            guest().sh(&format!("ls /root/marks-{user}/{number}")).exits(2);
            if guest().sh("jitctl status").code() == Some(1) {
                return outcome;
            }
        }
    }
    panic!("the disk does not get full");
}

/// As many commands ran as the log says, no matter when.
fn each_ran_with_a_record(user: &str) {
    let marks = guest().sh(&format!("ls /root/marks-{user} | wc -l")).success().stdout;
    let records = guest().audit(&["\"session.started\"", &format!("\"{user}\""), "/root/marks-"]);
    assert_eq!(marks.trim(), records.len().to_string());
}

fn agent() -> String {
    guest().sh("systemctl show -p MainPID -p NRestarts --value jit-agentd.service").success().stdout
}

/// "Disk full under the audit log: no record, no command, a clear message; service resumes when there is room"
#[test]
fn without_room_for_a_record_nothing_runs_and_with_room_it_does() {
    eligible("dora", "");
    guest().add_user("dirk", Some(PASSWORD), &[]);
    guest().sh("mkdir /root/marks-dora").success();
    let dirk = || guest().as_user("dirk").run("jit-sudo -n id").exits(1).silent().stderr;
    let small = Small::mount(LOGS, "1m");
    let (before, agent_before) = (dirk(), agent());
    guest().as_user("dora").run("jit-sudo -n touch /root/marks-dora/first").success();

    small.fill();
    let refused = until_refused("dora").exits(1).silent();
    refused.complains("jit-sudo: the audit log cannot be written").complains("hint: ").complains("disk full");
    each_ran_with_a_record("dora");
    guest().sh("jitctl status").exits(1).shows("audit").shows("No space left on device").shows("refused");
    let status = guest().as_user("dora").run("jitctl status").exits(1).shows("fails");
    status.never_shows("No space").never_shows("/var");
    assert_eq!(dirk(), before, "who may nothing learns nothing of disks");
    // What is done by who administers is done all the same, and recorded later.
    guest().sh("jitctl reload").exits(1).complains("in force, but there is no record of it yet: ");
    guest().sh("jitctl revoke --user dora").exits(1).complains("has ended, but");
    guest().sh("jitctl grants --all").success().never_shows("dora");
    assert_eq!(guest().audit(&["\"grant.revoked\"", "\"dora\""]).len(), 0);

    small.make_room();
    guest().as_user("dora").run("jit-sudo -n touch /root/marks-dora/last").success();
    assert_eq!(agent(), agent_before, "without a restart");
    each_ran_with_a_record("dora");
    guest().sh("jitctl status").never_shows("fails");
    assert!(!guest().audit(&["\"grant.revoked\"", "\"dora\""]).is_empty());
    assert!(
        !guest()
            .audit(&["\"audit.gap\"", "could not be written for a while: No space left on device"])
            .is_empty()
    );
    guest().sh("jitctl audit verify").success();
}

/// The state heals by itself: nobody has to try a command first.
#[test]
fn status_is_well_again_once_there_is_room() {
    eligible("dina", "");
    guest().sh("mkdir /root/marks-dina").success();
    let small = Small::mount(LOGS, "1m");
    small.fill();
    until_refused("dina").exits(1);
    guest().sh("jitctl status").exits(1).shows("fails");
    small.make_room();
    guest().until("! jitctl status | grep fails", Duration::from_secs(40));
    guest().sh("jitctl audit verify").success();
}

/// A host that boots with a full disk: the agent is there, says what is wrong, and resumes.
#[test]
fn an_agent_that_starts_on_a_full_disk_refuses_and_resumes() {
    eligible("doris", "");
    guest().sh("mkdir /root/marks-doris").success();
    let small = Small::mount(LOGS, "1m");
    small.fill();
    until_refused("doris").exits(1);
    guest().sh("systemctl restart jit-agentd.service").success();
    until_refused("doris").exits(1).complains("audit log");
    guest().sh("jitctl status").exits(1).shows("No space left on device");
    small.make_room();
    guest().as_user("doris").run("jit-sudo -n touch /root/marks-doris/last").success();
    each_ran_with_a_record("doris");
    guest().sh("jitctl audit verify").success();
}

/// What a grant is good for is durable before it is used.
#[test]
fn without_room_for_a_grant_nothing_runs_and_with_room_it_does() {
    eligible("dana", "grant.uses = 1");
    guest().sh("mkdir /root/marks-dana").success();
    let small = Small::mount(STATE, "8m");
    let agent_before = agent();
    small.fill();
    let refused = until_refused("dana").exits(1).silent();
    refused.complains("jit-sudo: grants cannot be stored").complains("hint: ").complains("disk full");
    guest().sh("jitctl status").exits(1).shows("store").shows("No space left on device");
    each_ran_with_a_record("dana");
    small.make_room();
    guest().as_user("dana").run("jit-sudo -n touch /root/marks-dana/last").success();
    assert_eq!(agent(), agent_before, "without a restart");
    each_ran_with_a_record("dana");
    guest().until("! jitctl status | grep fails", Duration::from_secs(40));
    guest().sh("jitctl audit verify").success();
}

/// "a torn last line is closed by a record that says so"
#[test]
fn a_line_that_a_crash_tore_is_closed_by_a_record_that_says_so() {
    eligible("doro", "");
    guest().as_user("doro").run("jit-sudo -n true").success();
    let gaps = || guest().audit(&["\"audit.gap\"", "cut short"]).len();
    let before = (gaps(), agent());
    // The agent is idle: what is there when it dies is what it finds when it comes back.
    guest()
        .sh(&format!(
            "printf '{{\"seq\":99999,\"ti' >>{LOG}; systemctl kill --signal=KILL jit-agentd.service"
        ))
        .success();
    guest().until(
        "systemctl is-active jit-agentd.service && jitctl status >/dev/null; [ $? -lt 2 ]",
        Duration::from_secs(20),
    );
    guest().as_user("doro").run("jit-sudo -n true").success();
    assert_ne!(agent(), before.1);
    assert_eq!(gaps(), before.0 + 1);
    guest().sh("jitctl audit verify").success().shows("torn by a crash");
    guest().sh("journalctl --no-pager -o cat").success().shows("audit.gap");
}

/// The agent is stopped, does this, and is started.
fn while_stopped(script: &str) {
    guest().sh(&format!("set -e; {STOP}; {script}; {START}")).success();
}

/// The ids of the grants on which this user's commands ran, one for each command.
fn grants_of(user: &str) -> Vec<String> {
    let records = guest().sh(&format!("jitctl audit show --user {user} --event session.started --json"));
    let records: Vec<serde_json::Value> = serde_json::from_str(&records.success().stdout).unwrap();
    records.iter().map(|record| record["grant"].as_str().unwrap().to_owned()).collect()
}

/// "a store copied back from yesterday (its grants void, and said)"
#[test]
fn nothing_in_a_store_that_was_copied_back_counts() {
    eligible("delia", "grant.scope = \"user\"\ngrant.uses = 2");
    eligible("dunja", "grant.scope = \"user\"");
    let run = |user: &str| {
        guest().as_user(user).run("jit-sudo -n true").success();
    };
    run("delia");
    run("dunja");
    while_stopped(&format!("cp -a {STATE}/state.redb /root/yesterday.redb"));
    run("delia"); // the second of two
    guest().sh("jitctl revoke --user dunja").success();
    while_stopped(&format!("cp -a /root/yesterday.redb {STATE}/state.redb"));

    let status = guest().sh("jitctl status").exits(1);
    status.shows("store").shows("degraded").shows("older than the audit log").shows("void");
    guest().sh("jitctl grants --all").success().never_shows("delia").never_shows("dunja");
    guest().sh("jitctl audit show --event audit.gap").success().shows("all its grants are void");
    guest().sh("journalctl --no-pager -o cat").success().shows("all its grants are void");
    for user in ["delia", "dunja"] {
        let before = grants_of(user);
        assert_eq!(guest().audit(&["\"grant.revoked\"", "void: ", &before[0]]).len(), 1, "{user}");
        run(user);
        assert!(!before.contains(&grants_of(user).pop().unwrap()), "{user}: another grant");
    }
    // From here on it counts again.
    guest().sh("systemctl restart jit-agentd.service").success();
    guest().sh("jitctl status").never_shows("older than");
    run("delia");
    let grants = grants_of("delia");
    assert_eq!(grants[grants.len() - 1], grants[grants.len() - 2], "the second use of the new one");
    guest().sh("jitctl audit verify").success();
}

/// An ordinary crash is none of that, at whatever moment it comes: between store and log, or in the middle of a rotation.
#[test]
fn an_agent_that_is_killed_again_and_again_loses_no_record_and_voids_no_grant() {
    eligible("delphine", "grant.scope = \"user\"");
    let run = || guest().as_user("delphine").run("jit-sudo -n true").success();
    run();
    run(); // on a grant that others than its first command may use
    let gaps = || {
        let shown = guest().sh("jitctl audit show --event audit.gap --json").success().stdout;
        let gaps: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap();
        gaps.iter().map(|gap| gap["id"].as_u64().unwrap()).max()
    };
    let before = gaps();
    let kills = "for moment in 0 1 2 3 4 5 6 8 10 12 14 16 20 24 28 32 40 50 60 80; do
          (runuser --login delphine --command 'jit-sudo -n true'; jitctl audit rotate) >/dev/null 2>&1 &
          (jitctl audit rotate; jitctl revoke --user nobody) >/dev/null 2>&1 &
          python3 -c \"import time; time.sleep($moment / 1000)\"
          systemctl kill --signal=KILL jit-agentd.service; wait
        done";
    guest().sh_with_input(kills, b"", Duration::from_mins(4)).success();
    guest().until("jitctl grants --all >/dev/null", Duration::from_secs(40));
    run();
    let grants = grants_of("delphine");
    assert!(grants.len() > 3 && grants.iter().all(|grant| *grant == grants[0]), "{grants:?}");
    guest().sh("jitctl status").never_shows("older than").never_shows("fails");
    assert!(gaps() <= before, "nothing was lost");
    guest().sh("jitctl audit verify").success();
}
