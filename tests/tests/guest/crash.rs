//! Any part is killed at any moment: what runs ends on time, nothing runs without a record, and service resumes. Each
//! under systemd, and with the programs started by hand: with cgroups and without.

mod host;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use host::{Host, SPAWNER_WORKS, on_each};
use jit_tests::Outcome;

use crate::{NO_PASSWORD, PASSWORD};

const SHORT: &str = "require.authentication = \"none\"\ngrant.duration = \"6s\"\ngrant.grace = \"1s\"";

/// Well before anybody but the one who watches it would end it, ten seconds later.
const AT_ONCE: u64 = 8;

/// A command that runs until the test lets it end, and what it ends with.
fn until_told(user: &str, number: u32, status: i32) -> String {
    format!(
        "jit-sudo sh -c 'sleep {number} & until [ -e /run/{user}.told ]; do sleep 0.1; done; kill $!; exit {status}'"
    )
}

fn tell(host: &Host, user: &str) {
    host.sh(&format!("touch /run/{user}.told")).success();
}

/// A command that says who its monitor is, then four sleeps of which three hide from whoever looks for children: in a
/// session of its own, and forked twice.
fn hidden(user: &str, number: u32) -> String {
    let hide =
        format!("(setsid sleep {number} &); sh -c \"sleep {number} & sleep {number}\" & sleep {number}");
    format!("jit-sudo -n sh -c 'echo $PPID >/run/{user}.monitor; {hide}'")
}

fn begin_hidden(host: &Host, user: &str, number: u32) -> JoinHandle<Outcome> {
    let running = host.begin(user, &hidden(user, number));
    host.until(&format!("[ $(pgrep -cf '^sleep {number}') = 4 ]"), 40);
    running
}

fn monitor(host: &Host, user: &str) -> String {
    host.sh(&format!("cat /run/{user}.monitor")).success().stdout.trim().to_owned()
}

fn has_ended(number: u32) -> String {
    format!("! pgrep -f '^sleep {number}'")
}

/// The one record of this event that has this in the user's command.
fn record(host: &Host, event: &str, user: &str, command: &str) -> serde_json::Value {
    let having = [&format!("\"{event}\""), &format!("\"{user}\""), command];
    let end = Instant::now() + Duration::from_secs(40);
    while host.audit(&having).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut found = host.audit(&having);
    assert_eq!(found.len(), 1, "{event}: {found:?}");
    found.remove(0)
}

// "kill -9 of the agent while a command runs: the command goes on, its status comes back, … the new agent knows of it"
#[test]
fn a_command_outlives_its_agent_and_its_status_comes_back() {
    on_each(|host| {
        let user = host.add_user("kara", NO_PASSWORD);
        let running = host.begin(&user, &until_told(&user, 73001, 42));
        host.until("pgrep -f '^sleep 73001'", 40);
        let before = host.agent();
        host.kill(&before);
        // The one that dies may still be seen for a moment.
        host.until(&format!("pgrep -x jit-agentd | grep -qvx {before}"), 40);
        host.until(&format!("jitctl sessions --all | grep -q {user}"), 40);
        tell(host, &user);
        running.join().unwrap().exits(42);
        let ended = record(host, "session.ended", &user, "73001");
        assert_eq!(ended["exit"]["status"], 42, "{ended}");
        assert_eq!(record(host, "session.started", &user, "73001")["session"], ended["session"]);
        host.until(&format!("! jitctl sessions --all | grep -q {user}"), 40);
        host.run(&user, "jit-sudo -n id -u").success().prints("0");
    });
}

// "… it still ends on time": with another agent, and with none at all.
#[test]
fn a_command_ends_on_time_whether_its_agent_comes_back_or_not() {
    on_each(|host| {
        for (number, comes_back) in [(73011_u32, true), (73012, false)] {
            let user = host.add_user(if comes_back { "kate" } else { "kilian" }, SHORT);
            let running = begin_hidden(host, &user, number);
            let absent = host.without_agent();
            let absent = (!comes_back).then_some(absent);
            let outcome = running.join().unwrap().complains("its time is up");
            assert!((5..40).contains(&outcome.took.as_secs()), "{outcome}");
            host.until(&has_ended(number), 40);
            drop(absent);
            let number = number.to_string();
            assert!(record(host, "session.ended", &user, &number)["exit"].is_object());
            record(host, "session.expired", &user, &number);
            record(host, "session.started", &user, &number);
        }
    });
}

// "kill -9 of the agent … during a password prompt": what was typed is for nobody then.
#[test]
fn without_the_agent_that_asked_a_password_starts_nothing() {
    on_each(|host| {
        let user = host.add_user("kurt", "");
        let script = format!(
            "rm -f in out; mkfifo in; (exec 3>in; until grep -q assword out; do sleep 0.1; done; \
             touch asked; until [ -e go ]; do sleep 0.1; done; echo {PASSWORD} >&3) & \
             jit-sudo -S touch /run/{user}.ran <in 2>out; status=$?; cat out >&2; exit $status"
        );
        let running = host.begin(&user, &script);
        host.until(&format!("[ -e /home/{user}/asked ]"), 40);
        host.kill(&host.agent());
        host.sh(&format!("touch /home/{user}/go")).success();
        running.join().unwrap().exits(1).complains("the agent went away").complains("hint: ");
        host.sh(&format!("ls /run/{user}.ran")).exits(2);
        assert!(host.audit(&["\"session.started\"", &user]).is_empty());
        host.until(SPAWNER_WORKS, 40);
        host.run(&user, &format!("echo {PASSWORD} | jit-sudo -S id -u")).success().prints("0");
    });
}

// "… right after Go", and just before: whatever ran has its record, and one end; whatever has no record did not run.
#[test]
fn an_agent_killed_anywhere_on_the_way_leaves_no_command_without_its_record() {
    on_each(|host| {
        let user = host.add_user("konrad", NO_PASSWORD);
        host.run(&user, "jit-sudo -n true").success();
        for at in 0..12_u32 {
            host.until_back(&user);
            let mark = format!("/run/{user}.{at}");
            let script =
                format!("jit-sudo -n sh -c 'touch {mark}; exit 7'; status=$?; touch over.{at}; exit $status");
            let running = host.begin(&user, &script);
            // From the moment the helper is there: later and later on its way. It may be over before anybody looked.
            let after = f64::from(at) * 0.0015;
            host.sh(&format!(
                "agent=$(pgrep -x jit-agentd); \
                 until pgrep -x jit-sudo >/dev/null || [ -e /home/{user}/over.{at} ]; do :; done; \
                 sleep {after}; kill -9 $agent"
            ));
            let outcome = running.join().unwrap();
            let has_run = host.sh(&format!("ls {mark}")).is_ok();
            // A command that ran without a word of it to the person, or a person who is told of one that did not.
            assert_eq!(outcome.code(), Some(if has_run { 7 } else { 1 }), "{outcome}");
        }
        host.until_back(&user);
        // The last ones that no monitor called for are given up after half a minute.
        host.until(&format!("! jitctl sessions --all | grep -q {user}"), 45);
        for at in 0..12 {
            let mark = format!("{user}.{at};");
            let has_run = host.sh(&format!("ls /run/{user}.{at}")).is_ok();
            let count = |event: &str| host.audit(&[&format!("\"{event}\""), &mark]).len();
            let (started, ended) =
                (count("session.started"), count("session.ended") + count("session.refused"));
            assert!(started == 1 || (started == 0 && !has_run), "{at}: {started} records, ran: {has_run}");
            assert!(ended <= 1 && ended >= started, "{at}: started {started}, ended {ended}");
        }
    });
}

// "kill -9 of a monitor: its command is gone within a second and the audit log says so"
#[test]
fn a_killed_monitor_takes_its_command_along() {
    on_each(|host| {
        let user = host.add_user("kuno", NO_PASSWORD);
        let running = begin_hidden(host, &user, 73021);
        let monitor = monitor(host, &user);
        host.kill(&monitor);
        host.until(&has_ended(73021), AT_ONCE);
        let outcome = running.join().unwrap();
        assert!(!outcome.is_ok() && outcome.status.is_some(), "{outcome}");
        let ended = record(host, "session.ended", &user, "73021");
        assert_eq!(ended["result"], "lost: its monitor died");
        host.run(&user, "jit-sudo -n id -u").success().prints("0");
    });
}

// "kill -9 of the helper: SIGHUP to the command, then its end"
#[test]
fn a_killed_helper_is_a_hang_up() {
    on_each(|host| {
        let user = host.add_user("karl", "require.authentication = \"none\"\ngrant.grace = \"2s\"");
        host.write(
            "/root/heard.sh",
            &format!(
                "trap 'echo hangup >>/run/{user}.heard' HUP; trap 'echo term >>/run/{user}.heard' TERM\n\
             sleep 73031 & touch /run/{user}.ready; while :; do sleep 0.05; done\n"
            ),
        );
        let running = host.begin(&user, "jit-sudo sh /root/heard.sh");
        host.until(&format!("[ -e /run/{user}.ready ]"), 40);
        host.kill(&host.sh("pgrep -x jit-sudo").stdout.replace('\n', " "));
        running.join().unwrap();
        host.until("! pgrep -f '^sh /root/heard.sh' && ! pgrep -f '^sleep 73031'", 40);
        host.sh(&format!("cat /run/{user}.heard")).prints("hangup\nterm");
        let ended = record(host, "session.ended", &user, "heard.sh");
        assert_eq!(ended["exit"]["signal"], 9, "{ended}: deaf to both, it is killed");
    });
}

// "kill -9 of the spawner: live sessions … are taken over, as documented, and the agent is back in service within seconds"
#[test]
fn sessions_outlive_their_spawner_and_the_next_one_takes_them_over() {
    on_each(|host| {
        let longer = SHORT.replace("6s", "15s");
        let (goes_on, expires) = (host.add_user("kaspar", NO_PASSWORD), host.add_user("klara", &longer));
        let killed = host.add_user("kora", NO_PASSWORD);
        let (user, goes_on) = (goes_on.clone(), host.begin(&goes_on, &until_told(&goes_on, 73041, 42)));
        let its_monitor_dies = begin_hidden(host, &killed, 73042);
        let ends_on_time = begin_hidden(host, &expires, 73043);
        host.until("pgrep -f '^sleep 73041'", 40);

        let before = host.spawner();
        host.kill(&before);
        host.until_back(&killed);
        assert_ne!(host.spawner(), before);
        host.sh(SPAWNER_WORKS).success();
        for number in [73041, 73042, 73043] {
            host.sh(&format!("pgrep -f '^sleep {number}'")).success();
        }
        // Their next spawner does for them what the one before did, where it can find what hides.
        if host.has_cgroup() {
            host.kill(&monitor(host, &killed));
            host.until(&has_ended(73042), AT_ONCE);
            assert!(!its_monitor_dies.join().unwrap().is_ok());
            assert_eq!(record(host, "session.ended", &killed, "73042")["result"], "lost: its monitor died");
        } else {
            host.sh(&format!("jitctl revoke --user {killed}")).success();
            host.until(&has_ended(73042), 40);
            its_monitor_dies.join().unwrap();
        }
        let outcome = ends_on_time.join().unwrap().complains("its time is up");
        assert!((14..60).contains(&outcome.took.as_secs()), "{outcome}");
        host.until(&has_ended(73043), 40);
        tell(host, &user);
        goes_on.join().unwrap().exits(42);
        assert_eq!(record(host, "session.ended", &user, "73041")["exit"]["status"], 42);
        host.until(&format!("! jitctl sessions --all | grep -qE '{user}|{killed}|{expires}'"), 40);
    });
}

/// A session that nobody watches any more ends: its monitor and the spawner are killed at once.
#[test]
fn what_neither_monitor_nor_spawner_holds_is_ended_by_the_next_spawner() {
    on_each(|host| {
        if !host.has_cgroup() {
            return; // nobody can find it then: docs/operations.md says so
        }
        let user = host.add_user("kunibert", NO_PASSWORD);
        let running = begin_hidden(host, &user, 73051);
        host.kill(&format!("{} {}", host.spawner(), monitor(host, &user)));
        host.until(&has_ended(73051), 40);
        assert!(!running.join().unwrap().is_ok());
        assert_eq!(record(host, "session.ended", &user, "73051")["result"], "lost: its monitor died");
        host.until_back(&user);
    });
}

/// All at once, as when the host's memory is full.
#[test]
fn agent_and_spawner_killed_together_are_back_together() {
    on_each(|host| {
        let user = host.add_user("klaus", NO_PASSWORD);
        let running = host.begin(&user, &until_told(&user, 73061, 43));
        host.until("pgrep -f '^sleep 73061'", 40);
        host.kill(&format!("{} {}", host.agent(), host.spawner()));
        host.until_back(&user);
        tell(host, &user);
        running.join().unwrap().exits(43);
        assert_eq!(record(host, "session.ended", &user, "73061")["exit"]["status"], 43);
    });
}
