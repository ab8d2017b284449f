//! Scripts: pipes, loops and here-documents, cron and units, git, package managers.

use std::time::Duration;

use super::{BOTH, Person, guest};
use crate::PASSWORD;

/// A loop over its stdin must get every line, whatever runs in its body.
#[test]
fn a_while_read_loop_loses_nothing_of_its_stdin() {
    let person = Person::trusted("sandra");
    let script = "seq 5 | while read line; do SUDO echo \"line $line\"; done";
    let lines = "line 1\nline 2\nline 3\nline 4\nline 5";
    person.same(script).success().prints(lines);
    person.same_on_terminal(script).success().prints(lines);
    // Nor what comes behind the password that one of them reads.
    let asked = Person::asked("sanna");
    let script = "SUDO -S -p '' true && while read line; do echo \"<$line>\"; done";
    for program in BOTH {
        let input = format!("{PASSWORD}\none\ntwo\n");
        asked.login().input(input).run(&script.replace("SUDO", program)).success().prints("<one>\n<two>");
    }
}

#[test]
fn here_documents_reach_the_command() {
    let person = Person::trusted("sascha");
    person
        .same("x=5; SUDO tee /root/sascha >/dev/null <<END\none $x\ntwo\nEND\nSUDO cat /root/sascha; SUDO sh <<'END'\nid -un; exit 7\nEND")
        .exits(7)
        .prints("one 5\ntwo\nroot");
}

#[test]
fn xargs_hands_over_what_find_has_found() {
    let person = Person::trusted("sabine");
    person.login().run("mkdir d; touch 'd/a b' d/c \"d/e\nf\" d/-g; echo x >d/h").success();
    person
        .same("find d -type f -print0 | sort -z | xargs -0 SUDO stat --format '%n %s' --")
        .success()
        .prints("d/-g 0\nd/a b 0\nd/c 0\nd/e\nf 0\nd/h 2");
    person.same("seq 8 | xargs -n 1 -P 4 SUDO echo | sort").success().prints("1\n2\n3\n4\n5\n6\n7\n8");
    person.same("echo 1 2 | xargs -n 1 SUDO sh -c 'exit 3'; echo $?").success().prints("123");
}

/// tar into another machine, and whatever else is not text.
#[test]
fn binary_data_passes_ssh_and_pipes_on_both_sides() {
    let person = Person::trusted("selma");
    person.login().run("head -c 2000000 /dev/urandom >data").success();
    let script = "SUDO cat data | SUDO cat | SUDO tee copy | SUDO sha256sum | cut -c 1-64; cmp data copy && sha256sum <data | cut -c 1-64";
    let [theirs, ours] = person.run_both(script);
    for outcome in [theirs, ours] {
        let outcome = outcome.success();
        let sums: Vec<&str> = outcome.stdout.lines().collect();
        assert!(sums.len() == 2 && sums[0] == sums[1], "{outcome}");
    }
    for program in BOTH {
        let script = format!("{program} cat data | {program} cmp - data && echo same");
        person.login().ssh(&script).success().prints("same");
    }
}

/// As installers are started: the script comes by the pipe, what it asks is answered at the terminal.
#[test]
fn a_script_from_a_pipe_can_ask_at_the_terminal() {
    let person = Person::trusted("sepp");
    person
        .login()
        .run("echo 'echo begun; read -p \"sure? \" x </dev/tty; echo \"it is $x as $(id -un)\"' >script")
        .success();
    for program in BOTH {
        let mut terminal = person.login().terminal(&format!("cat script | {program} bash"));
        terminal.expect("sure? ").type_line("yes").expect("it is yes as root");
        terminal.finish().success();
    }
}

/// safe.directory: git as root works in a repository of the user in `SUDO_UID`, and in nobody else's.
#[test]
fn git_knows_whose_repository_it_is() {
    let person = Person::trusted("sigrid");
    let other = Person::trusted("sigurd");
    let init = "chmod 755 ~; git init -q repo && cd repo && git -c user.name=x -c user.email=x@y commit -q --allow-empty -m first";
    for person in [&person, &other] {
        person.login().run(init).success();
    }
    person.same("SUDO git -C repo log --format=%s").success().prints("first");
    person
        .same("SUDO git -C ~sigurd/repo log --format=%s")
        .exits(128)
        .silent()
        .complains("dubious ownership");
}

/// `Defaults setenv` and ours: a variable that the rule keeps, before the command and as an option.
#[test]
fn a_package_manager_passes_variables_on_the_command_line() {
    let person = Person::under(
        "simon",
        "NOPASSWD: ALL",
        &format!("{}\n[rule.restrict]\nenv_keep = [\"HOMEBREW_*\", \"TERMINFO\"]", crate::NO_PASSWORD),
    );
    let command = "sh -c 'echo \"$HOMEBREW_X $HOMEBREW_Y\"'";
    person.same(&format!("SUDO -E HOMEBREW_X='a b' HOMEBREW_Y= -- {command}")).success().prints("a b");
    person.same(&format!("SUDO HOMEBREW_X=1 -n -u root HOMEBREW_Y=2 {command}")).success().prints("1 2");
    person.same("SUDO TERMINFO=/x printenv TERMINFO").success().prints("/x");
    // The shell that it is for has it, too: `$` is not escaped.
    for shell in ["-i", "-s"] {
        let line = format!("SUDO {shell} HOMEBREW_X=1 HOMEBREW_Y='a b' echo '$HOMEBREW_X$HOMEBREW_Y'");
        person.same(&line).success().prints("1a b");
    }
    // Behind the dashes it is the command.
    person.same("SUDO -n -- HOMEBREW_X=1 true").exits(1).silent();
}

/// Prompts in status lines, and loops that keep a long script's authentication alive.
#[test]
fn whether_a_password_would_be_needed_is_told_by_the_status_alone() {
    let person = Person::under("sonja", "ALL", "");
    for check in ["SUDO -n true", "SUDO -nv"] {
        for outcome in person.run_both(check) {
            let program = outcome
                .what
                .split("$ ")
                .nth(1)
                .and_then(|line| line.split(' ').next())
                .unwrap_or_default()
                .to_owned();
            let line = format!("{program}: a password is required\n");
            let outcome = outcome.exits(1).silent();
            assert!(outcome.stderr.starts_with(&line), "{outcome}");
        }
    }
    for program in BOTH {
        let script = format!(
            "{program} -v && for i in 1 2 3; do {program} -n true && {program} -nv && echo al''ive; sleep 0.3; done; {program} -k; {program} -n true || echo fo''rgotten"
        );
        let mut terminal = person.login().terminal(&script);
        terminal.expect("assword").type_line(PASSWORD).expect("alive").expect("alive").expect("alive");
        terminal.expect("forgotten");
        terminal.finish().success();
    }
}

/// Nothing hangs where nobody can answer.
#[test]
fn without_a_terminal_a_password_is_a_refusal() {
    let person = Person::asked("stella");
    for outcome in person.run_both("SUDO id </dev/null") {
        outcome.exits(1).silent().complains("sudo: a ").complains(" is required");
    }
    let unit = "systemd-run --quiet --wait --pipe --property=User=stella";
    for program in BOTH {
        guest().sh(&format!("{unit} {program} id -u")).exits(1).silent().complains("sudo: ");
    }
    guest().write("/etc/cron.d/stella", b"* * * * * stella jit-sudo id >~/out 2>&1; echo $? >>~/out\n");
    guest().until("grep -q '^1$' /home/stella/out", Duration::from_secs(90));
    guest().sh("rm /etc/cron.d/stella; cat /home/stella/out").shows("jit-sudo: a terminal is required");
}
