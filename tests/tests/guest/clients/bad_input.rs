//! What no sane caller would do: each is answered as sudo answers it, in one clear line and status 1, and the agent does
//! not mind.

use std::time::Duration;

use jit_tests::Outcome;

use super::{BOTH, Person, guest};
use crate::NO_PASSWORD;

/// The agent before and after: the same process, that still serves.
struct Agent(String);

impl Agent {
    fn now() -> Self {
        Self(guest().sh("systemctl show -P MainPID jit-agentd jit-spawner").success().stdout)
    }

    #[track_caller]
    fn stays_unaffected(&self, person: &Person) {
        assert_eq!(self.0, Self::now().0, "another agent or spawner");
        person.login().run("jit-sudo -n id -u").success().prints("0");
    }
}

/// One line of ours, and a hint at most.
#[track_caller]
fn one_line(outcome: Outcome) -> Outcome {
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let good = match lines[..] {
        [what] => what.starts_with("jit-sudo: "),
        [what, hint] => what.starts_with("jit-sudo: ") && hint.starts_with("hint: "),
        _ => false,
    };
    assert!(good, "not one clear line: {outcome}");
    outcome
}

#[test]
fn a_user_or_group_that_does_not_exist_is_told() {
    let person = Person::trusted("ida");
    let agent = Agent::now();
    for options in [
        "-u nosuchuser",
        "-u '#-1'",
        "-u '#4294967295'",
        "-u '#0x0'",
        "-u ''",
        "-u '#'",
        "-g nosuchgroup",
        "-g '#-1'",
        "-g '#4294967295'",
        "-g '#0x0'",
        "-g ''",
        "-u daemon -g nosuchgroup",
        "-u '#4294967296'",
        "-g '#99999999999'",
    ] {
        let [theirs, ours] = person.run_both(&format!("SUDO -n {options} id"));
        theirs.exits(1).silent();
        one_line(ours.exits(1).silent());
    }
    agent.stays_unaffected(&person);
}

#[test]
fn a_command_that_cannot_be_run_is_told() {
    let person = Person::trusted("ilse");
    let agent = Agent::now();
    let prepare = "mkdir -p d; echo id >plain; printf '#!/no/such/interpreter\\n' >lost; chmod 755 lost; printf 'MZ\\0\\1' >junk; chmod 755 junk; ln -sf nowhere dangling; ln -sf loop loop; mkfifo fifo; chmod 755 fifo; printf 'echo from sh\\n' >bare; chmod 755 bare";
    person.login().run(prepare).success();
    for command in [
        "no-such-command",
        "/no/such/command",
        "./no-such-file",
        "''",
        "/etc",
        "./d",
        ".",
        "..",
        "/",
        "./plain",
        "/etc/passwd",
        "./lost",
        "./dangling",
        "./loop",
        "./fifo",
        "/dev/null",
        "plain/x",
        "$(printf %05000d 1)",
    ] {
        let [theirs, ours] = person.run_both(&format!("SUDO -n {command}"));
        theirs.exits(1).silent();
        one_line(ours.exits(1).silent());
    }
    // A script without #! is the shell's, as with execvp(3).
    person.same("SUDO -n ./bare").success().prints("from sh");
    agent.stays_unaffected(&person);
}

/// Between the decision and exec a person has to type a password.
#[test]
fn a_command_that_vanishes_before_it_runs_is_told() {
    let person = Person::asked("ina");
    let agent = Agent::now();
    for change in ["rm ~ina/tool", "mv ~ina/other ~ina/tool", "chmod 644 ~ina/tool"] {
        person.login().run("cp /usr/bin/id tool; cp /usr/bin/id other").success();
        let mut terminal = person.login().terminal("jit-sudo ./tool; echo status $?");
        terminal.expect("assword");
        guest().sh(change).success();
        terminal.type_line(crate::PASSWORD).expect("jit-sudo: ").expect("tool").expect("status 1");
        terminal.finish().success().never_shows("uid=");
    }
    let quiet = Person::trusted("isolde");
    agent.stays_unaffected(&quiet);
}

#[test]
fn long_many_and_empty_arguments_arrive_whole() {
    // sudo logs a long command in hundreds of lines, and for each of them journald looks at all of its arguments: on a busy
    // host that takes minutes, and holds up whoever else logs something.
    let person = Person::under("ines", "NOPASSWD: ALL\nDefaults:ines !syslog", NO_PASSWORD);
    let agent = Agent::now();
    let hash = "python3 -c 'import sys, hashlib; print(len(sys.argv), hashlib.sha256(b\"\\0\".join(map(str.encode, sys.argv))).hexdigest())'";
    person.same(&format!("SUDO -n {hash} $(printf %0102400d 7)")).success();
    person
        .same(&format!("SUDO -n {hash} '' 'a b' '' \"$(printf '\\n\\t\\\\')\" '*' ''"))
        .success()
        .shows("7 ");
    person.same("SUDO -n printf '<%s>' '' a ''").success().prints("<><a><>");
    person.same(&format!("SUDO -n {hash} $(seq 100000)")).success().shows("100001 ");
    // As many as the kernel takes from one who has only what it gives to all; and one more is not even asked for.
    for (count, fits) in [(130_000, true), (400_000, false)] {
        let [theirs, ours] = person.run_both(&format!("SUDO -n {hash} $(seq {count})"));
        assert_eq!((theirs.is_ok(), ours.is_ok()), (fits, fits), "{theirs}\n{ours}");
        assert_eq!(theirs.stdout, ours.stdout);
    }
    agent.stays_unaffected(&person);
}

#[test]
fn a_password_without_an_end_is_refused() {
    let person = Person::asked("inga");
    let quiet = Person::trusted("ingo");
    let agent = Agent::now();
    for length in [1025, 65_536, 1_000_000] {
        let outcome = person.login().input("a".repeat(length)).run("jit-sudo -S -p '' id");
        one_line(outcome.exits(1).silent());
    }
    let outcome = person.login().input("a\0b\n").run("jit-sudo -S -p '' id");
    one_line(outcome.exits(1).silent());
    for program in BOTH {
        person
            .login()
            .input("")
            .run(&format!("{program} -S -p '' id"))
            .exits(1)
            .silent()
            .complains("required");
    }
    agent.stays_unaffected(&quiet);
}

/// In the place of a closed stream is /dev/null, so that no file which the command opens becomes its output.
#[test]
fn closed_streams_are_no_obstacle() {
    let person = Person::trusted("irma");
    let agent = Agent::now();
    person.same("SUDO -n id -u <&-").success().prints("0");
    person.same("SUDO -n sh -c 'exit 5' <&- >&- 2>&-").exits(5);
    person.same("SUDO -n sh -c 'echo y >&2; echo z' 2>&-; echo $?");
    let streams = "readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 >~irma/streams";
    person.login().run(&format!("jit-sudo -n sh -c '{streams}' <&- >&- 2>&-")).success();
    assert_eq!(guest().read("/home/irma/streams").lines().last(), Some("/dev/null"));
    person.login().run("jit-sudo -n cat <&-").success().silent();
    person.login().run("jit-sudo -n echo lost >&-").success().silent();
    // What it has to say itself has nowhere to go; its status tells.
    person.same("SUDO -n no-such-command <&- >&- 2>&-; echo $?").success().prints("1");
    agent.stays_unaffected(&person);
}

/// At the prompt, and while the command writes all it can.
#[test]
fn a_terminal_that_hangs_up_in_the_middle_leaves_nothing() {
    let person = Person::asked("isa");
    let quiet = Person::trusted("ivo");
    let agent = Agent::now();
    let mut terminal = person.login().terminal("jit-sudo touch /run/isa");
    terminal.expect("assword");
    drop(terminal);
    let mut terminal = quiet.login().terminal("jit-sudo sh -c 'while :; do echo 73001; done'");
    terminal.expect("73001");
    drop(terminal);
    // Whoever ignores the signal still reads the end.
    let script = "jit-sudo sh -c 'trap \"\" HUP; echo rea\"\"dy; read x || touch /run/ivo; exit 3'";
    let mut terminal = quiet.login().terminal(script);
    terminal.expect("ready");
    drop(terminal);
    guest().until("ls /run/ivo", Duration::from_secs(40));
    guest().until("! pgrep -a -u isa,ivo -f jit-sudo", Duration::from_secs(40));
    guest().sh("ls /run/isa").exits(2);
    agent.stays_unaffected(&quiet);
}
