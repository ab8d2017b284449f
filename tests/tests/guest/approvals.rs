//! Three people: who asks, who approves, who administers; on real terminals, from the request to the audit log.

use std::time::Duration;

use crate::{PASSWORD, eligible};
use jit_tests::Terminal;
use jit_tests::guest::Guest;

/// Who asks under a rule that wants `approver`'s yes, and both of them.
pub(crate) fn two_people(
    asker: &str,
    approver: &str,
    more: &str,
) -> (&'static Guest, jit_tests::guest::Policy<'static>) {
    let keys = format!(
        "require = {{ authentication = \"none\", reason = true, approval = {{ approvers = [\"{approver}\"] }} }}\n{more}"
    );
    let (guest, policy) = eligible(asker, &keys);
    if approver != asker {
        guest.add_user(approver, Some(PASSWORD), &[]);
    }
    (guest, policy)
}

/// The id of the only request of this user's that waits.
pub(crate) fn pending(guest: &Guest, user: &str) -> String {
    let list = guest.as_user(user).run("jitctl requests --json").success().stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let mut waits = list.as_array().unwrap().iter().filter(|it| it["state"] == "pending");
    let id = waits.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(waits.next().is_none(), "more than one: {list}");
    id
}

pub(crate) fn approve(guest: &Guest, approver: &str, id: &str) {
    let mut terminal = guest.as_user(approver).terminal(&format!("jitctl approve {id}"));
    terminal.expect("Approve? [y/N]").type_line("y").expect("assword").type_line(PASSWORD);
    terminal.finish().success().shows("approved: ");
}

#[test]
fn a_command_runs_once_another_person_has_approved_it() {
    let (guest, _policy) = two_people("quigley", "rosa", "");
    let mut asking = guest.as_user("quigley").terminal("jit-sudo --wait id -un; echo status $?");
    asking.expect("Reason: ").type_line("INC-1").expect("waits for approval by rosa");
    let id = pending(guest, "quigley");
    guest.as_user("rosa").run("jitctl requests").success().shows("for you").shows("INC-1");
    let mut approving = guest.as_user("rosa").terminal(&format!("jitctl approve {}", &id[..8]));
    approving.expect("INC-1").expect("/usr/bin/id").expect("'-un'").expect("Approve? [y/N]").type_line("y");
    approving.expect("assword").type_line(PASSWORD);
    approving.finish().success().shows("approved: quigley has a grant until");
    asking.expect("root").expect("status 0");
    asking.finish();
    for event in ["approval.requested", "approval.given", "grant.issued", "session.started"] {
        let records = guest.audit(&[&format!("\"{event}\""), &id]);
        assert_eq!(records.len(), 1, "{event}: {records:?}");
        if event != "approval.requested" {
            assert!(records[0].contains("\"approver\":\"rosa\""), "{records:?}");
        }
    }
    guest.sh("jitctl audit verify").success();
}

#[test]
fn what_was_approved_runs_and_nothing_else() {
    let (guest, _policy) = two_people("quirin", "ruth", "restrict.env_keep = [\"STAGE\"]");
    guest.sh("printf '#!/bin/sh\\necho ran \"$@\" in $STAGE\\n' >/usr/local/bin/quirins && chmod 755 /usr/local/bin/quirins").success();
    let ask = "cd /tmp; STAGE=one jit-sudo -n --reason INC-2 quirins a";
    guest.as_user("quirin").run(ask).exits(1).complains("waits for approval by ruth");
    approve(guest, "ruth", &pending(guest, "quirin"));
    guest.as_user("quirin").run(ask).success().prints("ran a in one");
    for (change, says) in [
        ("cd /tmp; STAGE=two jit-sudo -n --reason INC-2 quirins a", "the environment that was asked for"),
        ("cd /; STAGE=one jit-sudo -n --reason INC-2 quirins a", "the working folder"),
        ("cd /tmp; STAGE=one jit-sudo -n --for 5m --reason INC-2 quirins a", "--for"),
    ] {
        guest.as_user("quirin").run(change).exits(1).complains("not what was approved").complains(says);
    }
    guest.sh("echo '# changed' >>/usr/local/bin/quirins").success();
    guest.as_user("quirin").run(ask).exits(1).complains("the file /usr/local/bin/quirins");
    // Other arguments are another request.
    guest
        .as_user("quirin")
        .run("cd /tmp; STAGE=one jit-sudo -n --reason INC-2 quirins b")
        .exits(1)
        .complains("request ");
}

#[test]
fn a_no_is_told_with_its_reason() {
    let (guest, _policy) = two_people("quincy", "rita", "");
    let mut asking =
        guest.as_user("quincy").terminal("jit-sudo --reason INC-3 --wait id -un; echo status $?");
    asking.expect("waits for approval");
    let id = pending(guest, "quincy");
    guest.as_user("rita").run(&format!("jitctl deny {id} --reason 'not on a Friday'")).success();
    asking.expect("rita said no: not on a Friday").expect("status 1");
    asking.finish();
    guest
        .as_user("rita")
        .run(&format!("jitctl approve --yes {id}"))
        .exits(1)
        .complains("does not wait any more");
}

// "Nobody approves for themselves: not by uid, …, not from inside the asker's session."
#[test]
fn nobody_approves_for_themselves() {
    let (guest, _policy) = two_people("quade", "quade", "");
    let other = guest.policy(
        "quade-shell",
        &crate::rule(
            "quade-shell",
            "quade",
            "require.authentication = \"none\"\nexcept_commands = [\"/usr/bin/id **\"]",
        ),
    );
    guest.as_user("quade").run("jit-sudo -n --reason INC-4 id -un").exits(1).complains("waits for approval");
    let id = pending(guest, "quade");
    guest
        .as_user("quade")
        .run(&format!("jitctl approve --yes {id}"))
        .exits(1)
        .complains("nobody approves their own request");
    let nested = format!("jit-sudo -n sh -c 'su quade -c \"jitctl approve --yes {id}\"'");
    guest.as_user("quade").run(&nested).exits(1).complains("nobody approves their own request");
    drop(other);
}

#[test]
fn scripts_get_the_request_as_json_and_hold_no_secret() {
    let (guest, _policy) = two_people("quest", "rahel", "");
    let script =
        "jit-sudo -n --json --reason INC-5 id -un 2>/tmp/quest.json; test $? = 1; cat /tmp/quest.json";
    let told = guest.as_user("quest").run(script).success().stdout;
    let told: serde_json::Value = serde_json::from_str(&told).expect("one JSON object");
    let id = told["request"].as_str().unwrap().to_owned();
    assert_eq!(id, pending(guest, "quest"));
    approve(guest, "rahel", &id);
    guest.as_user("quest").run("jit-sudo -n --reason INC-5 id -un").success().prints("root");
}

#[test]
fn a_wrong_password_approves_nothing() {
    let (guest, _policy) = two_people("quido", "ronja", "");
    guest.as_user("quido").run("jit-sudo -n --reason INC-6 id -un").exits(1);
    let id = pending(guest, "quido");
    let mut terminal = guest.as_user("ronja").terminal(&format!("jitctl approve --yes {id}"));
    for _ in 0..3 {
        terminal.expect("assword").type_line("wrong");
    }
    terminal.finish().exits(1);
    assert_eq!(pending(guest, "quido"), id);
    guest.as_user("quido").run("jit-sudo -n --reason INC-6 id -un").exits(1).complains("already");
}

// "Approvers are told: […] a line on their terminals if they opted in"
#[test]
fn an_approver_who_wants_it_gets_a_line_on_the_terminal_which_ends_with_it() {
    let (guest, _policy) = two_people("quendrik", "ragna", "");
    let follows = "pgrep --uid ragna --full '^jitctl requests --follow'";
    let mut desk = guest.as_user("ragna").ssh_terminal("(jitctl requests --follow &); cat");
    guest.until(follows, Duration::from_secs(40));
    guest.as_user("quendrik").run("jit-sudo -n --reason INC-8 id -un").exits(1);
    let id = pending(guest, "quendrik");
    let line = format!("jit-sudo: quendrik asks to run as root: id -un (INC-8); jitctl approve {}", &id[..8]);
    desk.expect(&line).type_line("typed on").expect("typed on");
    desk.hang_up();
    guest.until(&format!("! {follows}"), Duration::from_secs(40));
}

// "Asked ahead: `jitctl request --from TIME --for D -- cmd` starts then, once approved."
#[test]
fn what_was_asked_for_ahead_runs_from_its_time_on_and_not_before() {
    let (guest, _policy) = two_people("quintus", "rufina", "grant.max_duration = \"1h\"");
    let ask = |from: &str| {
        let line = format!("cd /; jitctl request --from {from} --for 30m --reason INC-8 -- id -un");
        let outcome = guest
            .as_user("quintus")
            .run(&line)
            .success()
            .complains("this waits for approval by rufina; it begins at 20");
        let id = pending(guest, "quintus");
        assert_eq!(outcome.stdout.trim_end(), id);
        id
    };
    let far = ask("$(date -d '+2 hours' --iso-8601=seconds)");
    guest.as_user("rufina").run("jitctl requests").success().shows("BEGINS").shows("  in ").shows("INC-8");
    let mut approving = guest.as_user("rufina").terminal(&format!("jitctl approve {far}"));
    approving.expect("not before: 20").expect("Approve? [y/N]").type_line("y");
    approving.expect("assword").type_line(PASSWORD);
    approving.finish().success().shows("approved: quintus has a grant from 20");
    let run = "cd /; jit-sudo -n --reason INC-8 id -un";
    guest.as_user("quintus").run(run).exits(1).complains("the grant for this begins at 20");
    guest.as_user("quintus").run("jitctl grants").success().shows("BEGINS").shows("  in ").shows("30 m");
    // Another one, whose time comes soon, or has come once it is approved.
    let near = ask("$(date -d '+2 seconds' --iso-8601=seconds)");
    approve(guest, "rufina", &near);
    guest.until("su quintus -c 'cd /; jit-sudo -n id -un' | grep -qx root", Duration::from_secs(40));
    // It was for half an hour; on a terminal one hears until when the grant lives that one asks for.
    let mut terminal = guest.as_user("quintus").terminal("cd /; jit-sudo --for 20m id -un; echo status $?");
    terminal.expect("the grant lives until 20").expect("status 0");
    terminal.finish();
    let issued = guest.audit(&["\"grant.issued\"", "\"quintus\"", "\"approver\":\"rufina\"", "\"from 20"]);
    assert_eq!(issued.len(), 2, "{issued:?}");
    guest.sh("jitctl revoke --user quintus").success();
    guest.sh("jitctl audit verify").success();
}

// "Scenario test with three people (asker, approver, administrator) in a guest, on real terminals, over real ssh, from
// request to audit."
#[test]
fn three_people_over_ssh_from_the_request_to_the_log() {
    let (guest, _policy) = eligible(
        "quilla",
        "require = { reason = \"INC-[0-9]+\", approval = { approvers = [\"%duty\"], count = 2 } }\ngrant.uses = 1",
    );
    guest.sh("groupadd duty").success();
    guest.add_user("ramona", Some(PASSWORD), &["duty"]);
    guest.add_user("rebecca", Some(PASSWORD), &["duty"]);
    guest.add_user("roswitha", Some(PASSWORD), &["jit-admin"]);

    // The asker's terminal is gone before anybody has answered.
    let mut asking = guest.as_user("quilla").ssh_terminal("jit-sudo sleep 77001");
    asking.expect("Reason: ").type_line("INC-7").expect("waits for approval by 2 of %duty");
    asking.finish().exits(1);
    let id = pending(guest, "quilla");

    let approve_over_ssh = |who: &str| {
        let mut terminal = guest.as_user(who).ssh_terminal(&format!("jitctl approve {}", &id[..8]));
        terminal.expect("quilla").expect("INC-7").expect("/usr/bin/sleep").expect("77001");
        terminal.expect("Approve? [y/N]").type_line("y");
        terminal
    };
    let password = |mut terminal: Terminal| {
        terminal.expect("assword").type_line(PASSWORD);
        terminal.finish()
    };
    password(approve_over_ssh("ramona")).success().shows("approved: 1 of 2 that quilla needs");
    approve_over_ssh("ramona").finish().exits(1).shows("you have approved this already");
    guest.as_user("quilla").ssh("jit-sudo -n --reason INC-7 sleep 77001").exits(1).complains("already");
    password(approve_over_ssh("rebecca")).success().shows("approved: quilla has a grant");

    // From another terminal, with the asker's own password: what was approved counts for the user.
    let mut running = guest.as_user("quilla").ssh_terminal("jit-sudo sleep 77001; echo status $?");
    running.expect("assword").type_line(PASSWORD);
    guest.until("pgrep -fx 'sleep 77001'", Duration::from_secs(40));
    let mut administrator =
        guest.as_user("roswitha").ssh_terminal("jit-sudo --reason over jitctl revoke --user quilla");
    administrator.expect("assword").type_line(PASSWORD);
    administrator.finish().success();
    running.expect("status ");
    running.finish();
    guest.until("! pgrep -fx 'sleep 77001'", Duration::from_secs(40));

    let events = guest.audit(&[&format!("\"request\":\"{id}\"")]);
    let name = |line: &String| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        (record["event"].as_str().unwrap().to_owned(), record["approver"].as_str().unwrap_or("").to_owned())
    };
    let events: Vec<(String, String)> = events.iter().map(name).collect();
    let expected = [
        ("approval.requested", ""),
        ("approval.given", "ramona"),
        ("approval.given", "rebecca"),
        ("grant.issued", "ramona, rebecca"),
        ("session.started", "ramona, rebecca"),
    ];
    let expected = expected.map(|(event, who)| (event.to_owned(), who.to_owned()));
    let told = |one: &&(String, String)| expected.iter().any(|(event, _)| *event == one.0);
    assert_eq!(events.iter().filter(told).cloned().collect::<Vec<_>>(), expected, "{events:?}");
    guest.sh("jitctl audit verify").success();
}
