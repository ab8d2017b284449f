//! One elevation: password, output, status, signals, terminal.

use std::time::Duration;

use crate::{NO_PASSWORD, PASSWORD, eligible};
use jit_tests::Guest;

#[test]
fn an_eligible_user_is_root_after_a_password_on_a_terminal() {
    let (guest, _policy) = eligible("elena", "");
    let mut terminal = guest.as_user("elena").terminal("jit-sudo id");
    terminal.expect("assword").expect(":").type_line(PASSWORD).expect("uid=0(root)");
    terminal.finish().success().never_shows(PASSWORD);
}

#[test]
fn the_prompt_names_the_command_and_the_target() {
    let (guest, _policy) = eligible("edgar", "");
    let mut terminal = guest.as_user("edgar").terminal("jit-sudo -u daemon id -un");
    terminal.expect("assword").type_line(PASSWORD).expect("daemon\r\n");
    let outcome = terminal.finish().success();
    let before_the_answer =
        outcome.stdout.split("assword").next().unwrap_or_default().to_owned() + &outcome.stdout;
    assert!(before_the_answer.contains("id -un") && before_the_answer.contains("daemon"), "{outcome}");
}

#[test]
fn a_password_can_come_on_stdin() {
    let (guest, _policy) = eligible("ellis", "");
    let password = format!("{PASSWORD}\n");
    guest.as_user("ellis").input(&password).run("jit-sudo -S id -u").success().prints("0");
    guest.as_user("ellis").input(&password).run("jit-sudo -S -p '' id -u").success().prints("0");
    // What follows the password is the command's.
    guest.as_user("ellis").input(password + "rest\n").run("jit-sudo -k -S cat").success().prints("rest");
}

#[test]
fn who_is_not_eligible_is_refused_and_learns_nothing() {
    let guest = Guest::shared();
    guest.add_user("nobodyspecial", Some(PASSWORD), &[]);
    let mut told = Vec::new();
    for command in ["id", "/root/no-such-file", "/etc/shadow", "no-such-command"] {
        let outcome = guest.as_user("nobodyspecial").run(&format!("jit-sudo -n {command}"));
        let outcome = outcome.exits(1).silent().complains("jit-sudo: ").never_shows("policy.d");
        told.push(outcome.stderr.replace(command, "COMMAND"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the answers differ: {told:#?}");
}

#[test]
fn the_exit_status_is_the_commands() {
    let (guest, _policy) = eligible("ezra", NO_PASSWORD);
    for status in [0, 1, 42, 255] {
        guest.as_user("ezra").run(&format!("jit-sudo sh -c 'exit {status}'")).exits(status);
    }
}

/// Python's returncode is -N for a death by signal N.
#[test]
fn a_command_killed_by_a_signal_makes_the_helper_die_of_it() {
    let (guest, _policy) = eligible("esther", NO_PASSWORD);
    for (name, number) in [("TERM", 15), ("KILL", 9), ("INT", 2), ("HUP", 1), ("USR1", 10)] {
        let script = format!(
            "python3 -c 'import subprocess as s; \
             print(s.run([\"jit-sudo\", \"sh\", \"-c\", \"kill -{name} $$\"]).returncode)'"
        );
        guest.as_user("esther").run(&script).success().prints(&format!("-{number}"));
    }
}

#[test]
fn pipes_and_files_go_through_untouched() {
    let (guest, _policy) = eligible("emil", NO_PASSWORD);
    guest.as_user("emil").run("echo from the pipe | jit-sudo cat").success().prints("from the pipe");
    guest.as_user("emil").run("jit-sudo echo to the file > f && cat f").success().prints("to the file");
    guest.as_user("emil").run("head -c 3000000 /dev/urandom >a && jit-sudo cat <a >b && cmp a b").success();
    guest.as_user("emil").run("jit-sudo readlink /proc/self/fd/0 <a").success().prints("/home/emil/a");
    guest
        .as_user("emil")
        .run("jit-sudo sh -c 'echo out; echo err >&2'")
        .success()
        .prints("out")
        .complains("err");
}

#[test]
fn a_command_has_a_terminal_of_its_own_of_the_same_size() {
    let (guest, _policy) = eligible("ewan", NO_PASSWORD);
    let mut terminal = guest
        .as_user("ewan")
        .terminal("stty rows 31 cols 97; tty; jit-sudo sh -c 'tty; stty size; read x; stty size'");
    terminal.expect("31 97").resize(43, 121).type_line("").expect("43 121");
    let outcome = terminal.finish().success();
    let names: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("/dev/pts/")).collect();
    assert!(names.len() == 2 && names[0] != names[1], "{outcome}");
}

#[test]
fn ctrl_c_reaches_the_command_and_nothing_else() {
    let (guest, _policy) = eligible("enid", NO_PASSWORD);
    let script = "jit-sudo sh -c 'trap \"echo caught; exit 9\" INT; echo ready; while :; do sleep 0.1; done'; echo status $?";
    let mut terminal = guest.as_user("enid").terminal(script);
    terminal.expect("ready").press_ctrl('c').expect("caught").expect("status 9");
    terminal.finish().success();
}

#[test]
fn a_command_is_stopped_and_continued_like_any_job() {
    let (guest, _policy) = eligible("edith", NO_PASSWORD);
    let mut terminal = guest.as_user("edith").terminal("bash --norc -i");
    terminal
        .type_line("PS1='> '; jit-sudo cat")
        .expect("jit-sudo cat\r\n")
        .type_line("first")
        .expect("first\r\nfirst");
    terminal.press_ctrl('z').expect("Stopped").expect("> ");
    terminal.type_line("fg").expect("jit-sudo cat").type_line("second").expect("second\r\nsecond");
    terminal.press_ctrl('d').expect("> ").type_line("exit 6");
    terminal.finish().exits(6);
}

#[test]
fn without_an_agent_the_answer_is_a_refusal_and_a_hint() {
    let (guest, _policy) = eligible("elias", NO_PASSWORD);
    let units = "jit-agentd.socket jit-agentd-pam.socket jit-agentd.service";
    guest.sh(&format!("systemctl stop {units}")).success();
    let outcome = guest.as_user("elias").run("jit-sudo -n id");
    guest.sh(&format!("systemctl start {units}")).success();
    outcome.exits(1).silent().complains("jit-sudo: ").complains("hint: ");
    guest.as_user("elias").run("jit-sudo -n id -u").success().prints("0");
}

/// The socket is systemd's then, and takes requests that nobody will answer.
#[test]
fn an_agent_that_cannot_start_is_told_of() {
    let (guest, _policy) = eligible("elin", NO_PASSWORD);
    guest.write("/etc/jit-sudo/agent.toml", b"nonsense = 1\n");
    guest.sh("systemctl restart jit-agentd").exits(1);
    let minute = Duration::from_secs(90);
    let asked =
        guest.as_user("elin").within(minute).run("jitctl status & jit-sudo -n id; s=$?; wait $!; exit $s");
    guest.sh("rm /etc/jit-sudo/agent.toml").success();
    asked
        .exits(1)
        .silent()
        .complains("jit-sudo: the agent does not answer\nhint: systemctl status jit-agentd")
        .complains("jitctl: the agent does not answer\nhint: systemctl status jit-agentd");
    guest.until("systemctl is-active jit-agentd", Duration::from_secs(40));
    guest.as_user("elin").run("jit-sudo -n id -u").success().prints("0");
}

/// systemd's watchdog ends it after 30 s; the request waited in the socket, and the new agent answers it.
#[test]
fn an_agent_that_hangs_is_replaced_and_the_request_answered() {
    let (guest, _policy) = eligible("elmar", NO_PASSWORD);
    let pid = || guest.sh("systemctl show -P MainPID jit-agentd.service").success().stdout;
    let before = pid();
    guest.sh("systemctl kill --signal=STOP jit-agentd.service").success();
    guest.as_user("elmar").run("jit-sudo -n id -u").success().prints("0");
    assert_ne!(pid(), before);
}

#[test]
fn the_terminal_is_as_it_was_afterwards() {
    let (guest, _policy) = eligible("eric", "");
    let script = "stty -g >before; jit-sudo true; stty -g >after; cmp before after && echo same";
    let mut terminal = guest.as_user("eric").terminal(script);
    terminal.expect("assword").type_line(PASSWORD).expect("same");
    terminal.finish().success();
}

/// CVE-2019-14287 and kin: a target that is no account is refused, never root.
#[test]
fn a_target_that_does_not_exist_is_refused() {
    let (guest, _policy) = eligible("erin", NO_PASSWORD);
    for target in [
        "#-1",
        "#4294967295",
        "#4294967296",
        "-1",
        "4294967295",
        "#",
        "#+0",
        "#0x0",
        "",
        " root",
        "nosuchuser",
        "#99999999999",
    ] {
        let outcome = guest.as_user("erin").run(&format!("jit-sudo -n -u '{target}' id"));
        outcome.exits(1).silent().complains("jit-sudo: ");
    }
    guest.as_user("erin").run("jit-sudo -n -u '#0' id -u").success().prints("0");
    guest.as_user("erin").run("jit-sudo -n -u daemon id -un").success().prints("daemon");
}

/// The spawner's unit is protected from the OOM killer, and has limits of its own: a command must not be.
#[test]
fn a_command_has_its_callers_limits_and_nothing_of_the_spawners() {
    let (guest, _policy) = eligible("egon", NO_PASSWORD);
    for fact in [
        "cat /proc/self/oom_score_adj",
        "nice",
        "sh -c 'ulimit -n; ulimit -u; ulimit -c'",
        "grep SigBlk /proc/self/status",
        "sed -n 's/^SigIgn:.*\\(.......\\)$/\\1/p' /proc/self/status",
    ] {
        let own = guest.as_user("egon").run(fact).success();
        guest.as_user("egon").run(&format!("jit-sudo -n {fact}")).success().prints(own.stdout.trim());
    }
}

/// Everything that a command inherits is set on purpose.
#[test]
fn a_command_is_its_target_through_and_through() {
    let (guest, _policy) = eligible("edda", NO_PASSWORD);
    let facts = "jit-sudo -n -u daemon grep -E '^(Uid|Gid|Groups|CapEff|CapPrm):' /proc/self/status";
    let outcome = guest.as_user("edda").run(facts).success();
    outcome
        .shows("Uid:\t1\t1\t1\t1")
        .shows("Gid:\t1\t1\t1\t1")
        .shows("Groups:\t1 ")
        .shows("CapEff:\t0000000000000000");
    guest.as_user("edda").run("jit-sudo -n ls -l /proc/self/fd | grep -c -- '->'").success().prints("4");
    guest
        .as_user("edda")
        .run("LD_PRELOAD=/x EVIL=1 jit-sudo -n env | grep -c -E 'LD_PRELOAD|EVIL'")
        .prints("0");
    guest.as_user("edda").run("umask 077; jit-sudo -n sh -c umask").success().prints("0077");
    guest.as_user("edda").run("cd /tmp && jit-sudo -n pwd").success().prints("/tmp");
}
