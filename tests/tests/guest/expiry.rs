//! What runs ends when its grant does.

use std::time::Duration;

use crate::{NO_PASSWORD, eligible, rule};

const SHORT: &str = "require.authentication = \"none\"\ngrant.duration = \"5s\"\ngrant.grace = \"1s\"";

#[test]
fn a_sleep_ends_when_its_grant_does() {
    let (guest, _policy) = eligible("xenia", SHORT);
    let outcome = guest.as_user("xenia").run("jit-sudo sleep 61001");
    assert!(!outcome.is_ok() && (4..40).contains(&outcome.took.as_secs()), "{outcome}");
    guest.sh("pgrep -f '^sleep 61001'").exits(1);
    assert_eq!(guest.audit(&["\"session.expired\"", "\"xenia\""]).len(), 1);
}

/// The whole cgroup goes: double-forked, with a session of their own, stopped, deaf to SIGTERM.
#[test]
fn children_that_hide_end_with_it() {
    let (guest, _policy) = eligible("xaver", SHORT);
    let script = "\
#!/bin/sh
setsid sh -c 'sleep 62001 & sleep 62002' &
(setsid setsid sleep 62003 &)
sh -c 'kill -STOP $$; sleep 62004' &
sh -c 'trap \"\" TERM HUP INT; sleep 62005; sleep 62006' &
python3 -c 'import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvp(\"sleep\", [\"sleep\", \"62007\"])
' &
touch /run/xaver.ready
sleep 62008
";
    guest.write("/root/hide.sh", script.as_bytes());
    let outcome = guest.as_user("xaver").run("jit-sudo sh /root/hide.sh");
    assert!(!outcome.is_ok() && outcome.took < Duration::from_secs(40), "{outcome}");
    guest.sh("ls /run/xaver.ready").success();
    guest.until("! pgrep -f '[s]leep 6200|[k]ill -STOP'", Duration::from_secs(40));
}

/// "a process of the grant found outside its cgroup is an audit event"; and it ends with the grant, wherever it is.
#[test]
fn what_has_left_its_cgroup_is_recorded_and_ends_too() {
    let (guest, _policy) = eligible("xenxen", "require.authentication = \"none\"\ngrant.grace = \"1s\"");
    guest.sh("mkdir /sys/fs/cgroup/xenxen").success();
    let leave = "echo 0 >/sys/fs/cgroup/xenxen/cgroup.procs; trap '' TERM HUP; exec setsid sleep 69001";
    guest.as_user("xenxen").run(&format!("jit-sudo sh -c '({leave}) >/dev/null 2>&1 & sleep 1'")).success();
    guest.until("grep -qx 0::/xenxen /proc/$(pgrep -f '^sleep 69001')/cgroup", Duration::from_secs(40));
    guest.sh("jitctl sessions --all").success().shows("xenxen");
    guest.sh("jitctl revoke --user xenxen").success();
    guest.until("! pgrep -f '^sleep 69001'", Duration::from_secs(40));
    let told = guest.audit(&["\"elevation.outside\"", "\"xenxen\"", " (sleep) is in the cgroup /xenxen\""]);
    assert_eq!(told.len(), 1, "{told:?}");
    guest.until("rmdir /sys/fs/cgroup/xenxen", Duration::from_secs(40));
}

/// "a fork bomb held by `RLIMIT_NPROC`": each that is killed alone would be replaced by the others meanwhile.
#[test]
fn a_fork_bomb_ends_with_its_grant() {
    let (guest, _policy) = eligible("xantus", "require.authentication = \"none\"\ngrant.grace = \"1s\"");
    guest.add_user("xenobia", None, &[]);
    let bomb = "#!/bin/bash\ntrap '' TERM HUP INT\nwhile :; do /usr/local/bin/xenobia & sleep 0.2; done\n";
    guest.write("/usr/local/bin/xenobia", bomb.as_bytes());
    guest.sh("chmod 755 /usr/local/bin/xenobia").success();
    let running = guest.as_user("xantus").terminal(
        "jit-sudo -u xenobia bash -c 'ulimit -u 64; exec /usr/local/bin/xenobia' 2>/dev/null; echo status $?",
    );
    guest.until("[ $(pgrep --count --uid xenobia) -ge 50 ]", Duration::from_secs(40));
    guest.sh("jitctl revoke --user xantus").success();
    running.finish().never_shows("status 0");
    guest.until("! pgrep --uid xenobia", Duration::from_secs(40));
}

#[test]
fn what_a_command_leaves_behind_ends_with_the_grant_too() {
    let (guest, _policy) = eligible("xandra", SHORT);
    guest.as_user("xandra").run("jit-sudo sh -c 'sleep 63001 >/dev/null 2>&1 </dev/null &'").success();
    guest.sh("pgrep -f '^sleep 63001'").success();
    guest.until("! pgrep -f '^sleep 63001'", Duration::from_secs(40));
}

#[test]
fn a_revoked_grant_ends_what_runs_in_it() {
    let (guest, _policy) = eligible("xiomara", NO_PASSWORD);
    let terminal = guest.as_user("xiomara").terminal("jit-sudo sleep 64001; echo status $?");
    guest.until("pgrep -f '^sleep 64001'", Duration::from_secs(40));
    guest.sh("jitctl grants --all").success().shows("xiomara");
    guest.sh("jitctl revoke --user xiomara").success();
    terminal.finish().never_shows("status 0");
    guest.until("! pgrep -f '^sleep 64001'", Duration::from_secs(40));
    guest.sh("jitctl grants --all").success().never_shows("xiomara");
    assert_eq!(guest.audit(&["\"grant.revoked\"", "\"xiomara\""]).len(), 1);
}

#[test]
fn a_user_can_end_what_is_his_own_and_nothing_else() {
    let (guest, _policy) = eligible("xerxes", NO_PASSWORD);
    let (_, _other) = eligible("xavier", NO_PASSWORD);
    let terminal = guest.as_user("xerxes").terminal("jit-sudo sleep 65001; echo status $?");
    guest.until("pgrep -f '^sleep 65001'", Duration::from_secs(40));
    guest.as_user("xavier").run("jitctl grants").success().never_shows("xerxes");
    guest.as_user("xavier").run("jitctl revoke --user xerxes").exits(1);
    guest.sh("pgrep -f '^sleep 65001'").success();
    guest.as_user("xerxes").run("jitctl revoke --user xerxes").success();
    terminal.finish().never_shows("status 0");
}

/// nohup(1): "run a command immune to hangups". What else ran on the same grant ends with the terminal.
#[test]
fn what_was_begun_with_nohup_outlives_its_terminal() {
    let (guest, _policy) = eligible("xantippe", "require.authentication = \"none\"\ngrant.grace = \"1s\"");
    let mut terminal = guest.as_user("xantippe").terminal("bash --norc -i");
    terminal.type_line("jit-sudo sh -c 'trap \"\" HUP TERM; while :; do sleep 67011; done' &");
    let waits = "sh -c 'touch /run/xantippe; until [ -e /run/xantippe.on ]; do sleep 0.1; done; touch /run/xantippe.done'";
    terminal.type_line(&format!("nohup jit-sudo {waits} &"));
    guest.until("ls /run/xantippe && pgrep -f '^sleep 67011'", Duration::from_secs(40));
    terminal.type_line("disown -a; exit 0");
    terminal.finish();
    guest.until("! pgrep -f '^sleep 67011'", Duration::from_secs(40));
    guest.sh("touch /run/xantippe.on").success();
    guest.until("ls /run/xantippe.done", Duration::from_secs(40));
    guest.sh("jitctl revoke --user xantippe").success();
}

/// "terminal gone (scope terminal)": also what is deaf to that, and has left the terminal.
#[test]
fn what_runs_ends_when_its_terminal_is_gone() {
    let (guest, _policy) = eligible("xanthe", "require.authentication = \"none\"\ngrant.grace = \"1s\"");
    let mut terminal = guest.as_user("xanthe").terminal("bash --norc -i");
    let deaf = "jit-sudo sh -c 'trap \"\" HUP TERM; while :; do sleep 67001; done' &";
    terminal.type_line(deaf);
    guest.until("pgrep -f '^sleep 67001'", Duration::from_secs(40));
    guest.sh("jitctl grants --all").success().shows("xanthe");
    terminal.type_line("disown -a; exit 0");
    terminal.finish();
    guest.until("! pgrep -f '^sleep 67001'", Duration::from_secs(40));
    guest.until("! jitctl grants --all | grep -q xanthe", Duration::from_secs(40));
    assert_eq!(guest.audit(&["\"grant.revoked\"", "\"xanthe\"", "its terminal is gone"]).len(), 1);
}

/// "time zone change": a window is what the host's clock shows, in the zone that it has now. What runs keeps the end that it was
/// told of.
#[test]
fn a_window_follows_the_zone_of_the_host_and_what_runs_keeps_its_end() {
    let clock = |hours: i8| {
        let shown = jit_tests::Guest::shared().sh(&format!("date -d '{hours} hours' +%H:%M")).success();
        shown.stdout.trim().to_owned()
    };
    let window = format!("when.time = [\"{}..{}\"]", clock(-2), clock(2));
    let (guest, _policy) =
        eligible("xuthus", &format!("require.authentication = \"none\"\ngrant.scope = \"user\"\n{window}"));
    let terminal = guest.as_user("xuthus").terminal("jit-sudo sleep 69101; echo status $?");
    guest.until("pgrep -f '^sleep 69101'", Duration::from_secs(40));
    guest.write("/root/nine-hours-east", &std::fs::read("/usr/share/zoneinfo/Etc/GMT-9").unwrap());
    guest.sh("mv /etc/localtime /etc/localtime.kept && cp /root/nine-hours-east /etc/localtime").success();
    let refused = guest.as_user("xuthus").run("jit-sudo -n id -u");
    guest.sh("mv /etc/localtime.kept /etc/localtime").success();
    refused.exits(1).complains("no rule lets you run this at this time");
    guest.sh("pgrep -f '^sleep 69101'").success();
    guest.as_user("xuthus").run("jit-sudo -n id -u").success().prints("0");
    assert_eq!(guest.audit(&["\"grant.issued\"", "\"xuthus\""]).len(), 1, "on the same grant");
    guest.sh("jitctl revoke --user xuthus").success();
    terminal.finish().never_shows("status 0");
}

/// "`jit-sudo --for` renews within `max_duration`"
#[test]
fn a_grant_is_renewed_with_for_and_serves_once_the_first_has_expired() {
    let keys = "require = { authentication = \"none\", reason = true }\n\
                grant = { duration = \"2s\", max_duration = \"1h\", scope = \"user\" }";
    let (guest, _policy) = eligible("xerxa", keys);
    let run = |line: &str| guest.as_user("xerxa").run(line);
    run("jit-sudo -n --reason first true").success();
    run("jit-sudo -n --for 30m --reason second true").success();
    let expired = "grep '\"grant.expired\"' /var/log/jit-sudo/audit.jsonl | grep -q '\"xerxa\"'";
    guest.until(expired, Duration::from_secs(40));
    run("jit-sudo -n id -u").success().prints("0");
    run("jitctl grants").success().shows("second").never_shows("first");
    run("jit-sudo -n --for 2h --reason third true").exits(1).complains("options");
    guest.sh("jitctl revoke --user xerxa").success();
}

/// "session over (scope session)": a real login over ssh, and what the command left behind, however it hides. On a grant for
/// the terminal that would live on.
#[test]
fn what_is_left_behind_ends_when_its_login_session_is_over() {
    let keys = "require.authentication = \"none\"\ngrant.scope = \"session\"\ngrant.grace = \"1s\"";
    let (guest, _policy) = eligible("xystus", keys);
    let script = "\
#!/bin/sh
trap '' HUP
setsid sleep 69001 &
(setsid setsid sleep 69002 &)
setsid sh -c 'kill -STOP $$; sleep 69003' &
setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 69004; done' &
(sleep 69005 &)
until [ \"$(pgrep -fc '^sleep 6900[1245]')\" = 4 ]; do sleep 0.1; done
";
    guest.write("/root/stay.sh", script.as_bytes());
    let mut terminal = guest.as_user("xystus").ssh_terminal("bash --norc -i");
    terminal.type_line("jit-sudo sh /root/stay.sh; echo status $?").expect("status 0");
    let still_there = "pgrep -fc '^sleep 6900[1245]|[k]ill -STOP [$][$]; sleep 69003'";
    guest.until(&format!("test \"$({still_there})\" = 5"), Duration::from_secs(40));
    guest.sh("jitctl grants --all").success().shows("xystus").shows("session");
    terminal.type_line("exit 0");
    terminal.finish();
    guest.until(&format!("! {still_there}"), Duration::from_mins(1));
    guest.until("! jitctl grants --all | grep -q xystus", Duration::from_secs(40));
    assert_eq!(guest.audit(&["\"grant.revoked\"", "\"xystus\"", "its login session is over"]).len(), 1);
}

/// A live grant that the new policy would not give ends.
#[test]
fn a_reload_that_takes_the_rule_away_ends_the_grant() {
    let (guest, policy) = eligible("xochitl", NO_PASSWORD);
    let terminal = guest.as_user("xochitl").terminal("jit-sudo sleep 66001; echo status $?");
    guest.until("pgrep -f '^sleep 66001'", Duration::from_secs(40));
    drop(policy);
    terminal.finish().never_shows("status 0");
    guest.until("! pgrep -f '^sleep 66001'", Duration::from_secs(40));
    guest.as_user("xochitl").run("jit-sudo -n id").exits(1);
}

#[test]
fn a_grant_with_one_use_is_good_once() {
    let (guest, _policy) = eligible("xylon", NO_PASSWORD);
    let _once = guest.policy(
        "xylon",
        &rule("xylon", "xylon", "require.authentication = \"none\"\nrequire.reason = true\ngrant.uses = 1"),
    );
    guest.as_user("xylon").run("jit-sudo -n --reason once id -u").success().prints("0");
    guest.as_user("xylon").run("jit-sudo -n id -u").exits(1).silent();
}

/// "screen locked": the hint of the session that the command was asked for in, as the desktop sets it.
#[test]
fn what_runs_ends_when_its_login_session_is_locked() {
    let more = "require.authentication = \"none\"\nwhen.session = [\"active\", \"unlocked\"]";
    let (guest, _policy) = eligible("xenios", more);
    let mut terminal = guest.as_user("xenios").terminal("bash --norc -i");
    terminal.type_line("jit-sudo sleep 68001; echo status $?");
    guest.until("pgrep -f '^sleep 68001'", Duration::from_secs(40));
    let lock = |locked: bool| {
        let session =
            "$(loginctl list-sessions --no-legend | awk '$3 == \"xenios\" { print $1 }' | head -n 1)";
        let path = "$(busctl call org.freedesktop.login1 /org/freedesktop/login1 \
            org.freedesktop.login1.Manager GetSession s \"$session\" | cut -d'\"' -f2)";
        guest
            .sh(&format!(
                "session={session}; busctl call org.freedesktop.login1 {path} org.freedesktop.login1.Session \
                 SetLockedHint b {locked}"
            ))
            .success();
    };
    lock(true);
    terminal.expect("the session ends: a condition of its rule no longer holds").expect("status");
    guest.until("! pgrep -f '^sleep 68001'", Duration::from_secs(40));
    terminal.type_line("jit-sudo -n id -u; echo then $?").expect("in this login session").expect("then 1");
    lock(false);
    terminal.type_line("jit-sudo -n id -u; echo and $?").expect("0\r\nand 0");
    terminal.type_line("exit 0");
    terminal.finish();
}
