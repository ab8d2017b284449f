//! The audit log tells all of it, and tells when it was changed.

use crate::{NO_PASSWORD, disk, eligible};
use jit_tests::Guest;

const LOG: &str = "/var/log/jit-sudo/audit.jsonl";

#[test]
fn an_elevation_is_told_from_start_to_end() {
    let (guest, _policy) = eligible("tilda", NO_PASSWORD);
    guest.as_user("tilda").run("jit-sudo --reason 'because' sh -c 'exit 7'").exits(7);
    for event in ["grant.issued", "session.started", "session.ended"] {
        let records = guest.audit(&[&format!("\"{event}\""), "\"tilda\""]);
        assert_eq!(records.len(), 1, "{event}: {records:#?}");
    }
    assert_eq!(guest.audit(&["\"session.ended\"", "\"tilda\"", "\"status\":7"]).len(), 1);
    assert_eq!(guest.audit(&["\"session.started\"", "\"tilda\"", "because"]).len(), 1);
    guest.sh("jitctl audit show").success().shows("tilda");
    guest.sh("journalctl --no-pager").success().shows("tilda : ");
    guest.sh(&format!("stat -c '%a %U' {LOG}")).success().prints("600 root");
}

#[test]
fn control_characters_are_escaped_wherever_they_are_shown() {
    let (guest, _policy) = eligible("tessa", NO_PASSWORD);
    let evil = "printf 'x\\033]0;evil\\007\\nforged : COMMAND=x\\302\\233'";
    let clean = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
    let outcome = guest.as_user("tessa").run(&format!("jit-sudo -n \"$({evil})\"")).exits(1);
    assert!(clean(&outcome.stderr), "{outcome}");
    // In a reason they are refused, in an argument they are the command's business.
    let refused = guest.as_user("tessa").run(&format!("jit-sudo -n --reason \"$({evil})\" true")).exits(1);
    assert!(clean(&refused.stderr), "{refused}");
    guest.as_user("tessa").run(&format!("jit-sudo -n true \"$({evil})\"")).success();
    let shown = guest.sh("jitctl audit show").success();
    assert!(clean(&shown.stdout) && shown.stdout.contains("evil"), "{shown}");
    guest.sh(&format!("LC_ALL=C grep -c -P '[\\x00-\\x08\\x0b-\\x1f\\x7f]' {LOG}")).prints("0");
    guest.sh("journalctl --no-pager -o cat | grep -c '^forged'").prints("0");
}

/// Each record's hash covers the one before: what is changed, lost, swapped or inserted breaks the chain.
#[test]
fn tampering_is_found() {
    let (guest, _policy) = eligible("tamara", NO_PASSWORD);
    guest.as_user("tamara").run("for i in 1 2 3; do jit-sudo -n true; done").success();
    guest.sh("jitctl audit verify").success();
    let copy = "/root/audit-copy.jsonl";
    for tamper in ["", "sed -i '5s/tru/TRU/;5s/user/USER/'", "sed -i 5d", "sed -i '5{h;d};6{G}'", "sed -i 5p"]
    {
        guest.sh(&format!("cp {LOG} {copy}; [ -z \"{tamper}\" ] || {tamper} {copy}")).success();
        let outcome = guest.sh(&format!("jitctl audit verify {copy}"));
        assert_eq!(outcome.code(), Some(i32::from(!tamper.is_empty())), "{tamper}: {outcome}");
    }
}

#[test]
fn a_cut_tail_is_found() {
    let guest = Guest::shared();
    guest.sh("jit-sudo true").success();
    guest
        .sh(&format!("cp {LOG} /root/whole && sed '$d' /root/whole >/root/cut && cat /root/cut >{LOG}"))
        .success();
    let found = guest.sh("jitctl audit verify");
    guest.sh(&format!("cat /root/whole >{LOG}")).success();
    found.exits(1);
    guest.sh("jitctl audit verify").success();
}

const ROTATED: &str = "ls /var/log/jit-sudo | grep '^audit-[0-9]*[.]jsonl$'";

/// "`jitctl audit rotate` …; the chain goes on over files"
#[test]
fn the_chain_goes_on_over_files() {
    disk::eligible("tara", "");
    let guest = disk::guest();
    let run = || guest.as_user("tara").run("jit-sudo -n true").success();
    run();
    guest.as_user("tara").run("jitctl audit rotate").exits(1).complains("this is for root");
    let before = guest.audit(&[]).pop().unwrap();
    guest.sh("jitctl audit rotate").success().shows("was rotated");
    run();
    let first = guest.audit(&[]).remove(0);
    let hash = before.rsplit_once("\"hash\":").unwrap().1.trim_end_matches('}');
    assert!(first.contains("audit.rotated") && first.contains(&format!("\"prev\":{hash}")), "{first}");
    guest.sh("stat -c '%a %U' /var/log/jit-sudo/audit-*.jsonl | sort -u").success().prints("600 root");
    let shown = guest.sh("jitctl audit show --user tara --event session.started --json").success().stdout;
    let shown: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown.len(), 2, "from both files");
    guest.sh("jitctl audit verify").success().shows("sound");
    // What is not there is missed, and what was changed is found where it is.
    let name = guest.sh(&format!("{ROTATED} | head -n 1")).success().stdout;
    let oldest = format!("/var/log/jit-sudo/{}", name.trim());
    guest.sh(&format!("mv {oldest} /root/oldest.jsonl")).success();
    let lost = guest.sh("jitctl audit verify");
    guest.sh(&format!("cp /root/oldest.jsonl {oldest}; sed -i '2s/time/TIME/' {oldest}")).success();
    let changed = guest.sh("jitctl audit verify");
    guest.sh(&format!("mv /root/oldest.jsonl {oldest}")).success();
    lost.exits(1).shows("before it are lost");
    changed.exits(1).shows(&format!("{oldest}, line 2: changed"));
    guest.sh("jitctl audit verify").success();
}

/// The agent does it by itself once a file is large enough, and keeps as many as it is told.
#[test]
fn a_large_log_is_rotated_and_only_so_many_files_are_kept() {
    disk::eligible("tina", "");
    let guest = disk::guest();
    guest.write("/etc/jit-sudo/agent.toml", b"audit.rotate_size = \"64K\"\naudit.keep = 2\n");
    guest.sh("systemctl restart jit-agentd.service").success();
    let filled = guest.as_user("tina").run("for i in $(seq 120); do jit-sudo -n true || exit 1; done");
    let rotated = guest.sh(ROTATED);
    let verified = guest.sh("jitctl audit verify");
    guest.sh("rm /etc/jit-sudo/agent.toml; systemctl restart jit-agentd.service").success();
    filled.success();
    assert_eq!(rotated.success().stdout.lines().count(), 2);
    verified.success().shows("were removed");
    guest.sh("jitctl audit verify").success();
}
