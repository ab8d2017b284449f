//! Programs that are told of requests, as the package has them run.

use std::time::Duration;

use crate::eligible;
use jit_tests::Guest;

/// A hook that is there until this is dropped.
struct Hook(&'static Guest, String);

impl Hook {
    fn new(name: &str, script: &str) -> Self {
        let (guest, path) = (Guest::shared(), format!("/etc/jit-sudo/hooks.d/{name}"));
        guest.write(&path, format!("#!/bin/sh\n{script}\n").as_bytes());
        guest.sh(&format!("chmod 755 {path}")).success();
        Self(guest, path)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.0.sh(&format!("rm -f {}", self.1));
    }
}

const APPROVAL: &str = "require = { authentication = \"none\", approval = { approvers = [\"root\"] } }";

#[test]
fn a_hook_is_told_of_a_request_and_of_its_end_as_a_user_without_rights() {
    let (guest, _policy) = eligible("hooker", APPROVAL);
    guest.sh("install -d -m 777 /var/tmp/told").success();
    let _hook = Hook::new(
        "20-note",
        "id >/var/tmp/told/id; grep -i '\"event\"' >>/var/tmp/told/events; touch /etc/jit-sudo/x 2>/dev/null && echo no >/var/tmp/told/wrote; exit 0",
    );
    let asked = guest.as_user("hooker").run("jit-sudo -n --reason INC-9 id -u 'a b'");
    asked.exits(1).complains("waits for approval");
    guest.until("grep -q approval.requested /var/tmp/told/events", Duration::from_secs(40));
    let events = guest.sh("cat /var/tmp/told/events").success().stdout;
    let event: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    assert_eq!(event["command"], serde_json::json!(["id", "-u", "a b"]));
    assert_eq!((&event["user"], &event["reason"]), (&"hooker".into(), &"INC-9".into()));
    assert_eq!((&event["target"], &event["approvers"]), (&"root".into(), &serde_json::json!(["root"])));
    guest.sh("cat /var/tmp/told/id").success().shows("(jit-hook)").never_shows("root");
    guest.sh("test ! -e /var/tmp/told/wrote").success();
    let id = event["request"].as_str().unwrap();
    guest.as_user("hooker").run(&format!("jitctl deny {}", &id[..8])).success();
    guest.until("grep -q approval.refused /var/tmp/told/events", Duration::from_secs(40));
}

#[test]
fn a_hook_that_hangs_or_fails_delays_nobody_and_shows_in_the_status() {
    let (guest, _policy) = eligible("hanna", APPROVAL);
    let _hangs = Hook::new("30-hangs", "trap '' TERM; sleep 7777");
    let _fails = Hook::new("40-wrong", "echo it went wrong >&2; exit 9");
    guest.as_user("hanna").run("jit-sudo -n id -u").exits(1).complains("waits for approval");
    guest.as_user("hanna").run("jit-sudo -n id -g").exits(1).complains("waits for approval");
    guest.sh("jit-sudo -n true").success();
    guest.until("jitctl status | grep -q '30-hangs: took longer than 30 s'", Duration::from_mins(2));
    guest.sh("jitctl status").shows("40-wrong: ended with status 9");
    guest.until("! pgrep -u jit-hook", Duration::from_secs(40));
    guest.sh("journalctl -b -u jit-spawner").success().shows("it went wrong");
    guest.sh("chmod o+w /etc/jit-sudo/hooks.d/40-wrong; jitctl status").shows("can be written by others");
    guest.as_user("hanna").run("for id in $(jitctl requests --json | grep -o '\"id\": \"[0-9a-f]*' | cut -d'\"' -f4); do jitctl deny $id; done");
}
