//! The bugs that people met since sudo runs commands on a terminal of their own: stair steps, lost echo, hung pipes,
//! keys that went to the wrong one.

use std::time::Duration;

use super::{BOTH, Person, guest};
use crate::PASSWORD;

/// sudo#258, sudo#338: lines that are written past the command begin at the left.
#[test]
fn lines_begin_at_the_left_whoever_writes_them() {
    let person = Person::trusted("trude");
    for script in [
        "jit-sudo sh -c 'echo one; echo two'",
        "jit-sudo sh -c 'echo one; echo two' | cat",
        "jit-sudo sh -c 'echo one; echo two' | tee log",
        "echo | jit-sudo sh -c 'echo one; echo two'",
        "jit-sudo sh -c 'echo one; echo two' >&2 | cat",
        "jit-sudo sh -c 'stty sane </dev/tty; echo one; echo two' | cat",
        "jit-sudo sh -c 'echo one >&2; sleep 0.2; echo two' | cat",
    ] {
        let mut terminal = person.login().terminal(script);
        terminal.expect("one\r\ntwo\r\n");
        assert!(!terminal.shown().contains("\\r"), "{}", terminal.shown());
        terminal.finish().success();
    }
}

/// sudo#258, sudo#338: a question whose answer goes through a pipe.
#[test]
fn a_command_whose_output_is_piped_can_ask() {
    let person = Person::trusted("tessa");
    // It waits: what was typed is shown by another way than what goes through the pipe.
    let ask = "sh -c 'printf \"sure? \" >/dev/tty; read x; sleep 0.3; echo got-$x; echo more'";
    for program in BOTH {
        // sudo before 1.9.14 makes steps of these.
        let lines = if program == "sudo" { "got-yes" } else { "got-yes\r\nmore\r\n" };
        let mut terminal = person.login().terminal(&format!("{program} {ask} | tee log; cat log"));
        terminal.expect("sure? ").type_line("yes").expect(lines).expect("got-yes\r\nmore\r\n");
        terminal.finish().success();
        let mut terminal = person.login().terminal(&format!("x=$({program} {ask}); echo \"<$x>\""));
        terminal.expect("sure? ").type_line("yes").expect("<got-yes\r\nmore>\r\n");
        terminal.finish().success();
    }
}

/// As gpg and ssh ask, wherever their input and output go.
#[test]
fn a_command_with_nothing_on_its_terminal_can_ask() {
    let person = Person::trusted("tara");
    let ask =
        "sh -c 'sleep 0.3; printf \"sure? \" >/dev/tty; read x </dev/tty; echo got-$x >/dev/tty; exit 3'";
    for program in BOTH {
        let script = format!("{program} {ask} </dev/null >log 2>&1; echo status-$?; cat log");
        let mut terminal = person.login().terminal(&script);
        terminal.expect("sure? ").type_line("yes").expect("got-yes\r\n").expect("status-3\r\n");
        terminal.finish().success();
    }
}

/// sudo#237, sudo#337: several at once, in the background of a script, in both ends of a pipe.
#[test]
fn the_terminal_is_as_it_was_after_pipes_and_jobs() {
    let person = Person::trusted("thea");
    person.login().run("head -c 300000 /dev/zero >zeros").success();
    for script in [
        "jit-sudo sleep 0.5 & python3 -c 'print(1)'; wait",
        "jit-sudo sleep 0.5 & sleep 0.2",
        "jit-sudo cat zeros | pv -q | jit-sudo dd of=/dev/null 2>/dev/null",
        "jit-sudo cat zeros | pv 2>&1 >copy | jit-sudo tail -c 5; cmp zeros copy",
        "jit-sudo true | jit-sudo true; jit-sudo sh -c 'exit 3' | cat",
        "jit-sudo sh -c 'stty -echo -icanon raw; exit 4'",
        "jit-sudo sh -c 'kill -KILL $$'",
        "jit-sudo sh -c 'kill -KILL $PPID; sleep 5' 2>&1",
    ] {
        let around =
            format!("stty -g >before; {{ {script}; }}; stty -g >after; cmp before after && echo sa''me");
        let mut terminal = person.login().terminal(&around);
        terminal.expect("same");
        terminal.finish().success();
    }
}

/// Whatever becomes of the helper, its person's shell has a terminal to type at.
#[test]
fn a_helper_that_is_killed_leaves_a_terminal_to_type_at() {
    let person = Person::trusted("tilda");
    let mut terminal = person.login().terminal("bash --norc --noediting -i");
    terminal.type_line("PS1='> '; jit-sudo sh -c 'echo rea''dy; sleep 72001'").expect("ready");
    guest().sh("pkill -KILL -x jit-sudo -u tilda").success();
    terminal.expect("Killed").expect("> ");
    terminal.type_line("stty -a | grep -o -w -- '-*echo'").expect("\r\necho\r\n").type_line("exit 5");
    terminal.finish().exits(5);
    guest().until("! pgrep -f '^sleep 72001'", Duration::from_secs(40));
}

/// sudo#553: pv draws only where it is in the foreground.
#[test]
fn a_progress_bar_is_drawn_with_its_output_elsewhere() {
    let person = Person::trusted("tamara");
    person.login().run("head -c 300000 /dev/zero >zeros").success();
    for script in
        ["jit-sudo pv zeros >/dev/null", "jit-sudo pv zeros >copy", "pv zeros | jit-sudo tee copy >/dev/null"]
    {
        let mut terminal = person.login().terminal(script);
        terminal.expect("100%");
        terminal.finish().success();
    }
}

/// sudo-rs#1260: the keys are the pager's, in whichever end of the pipe it is.
#[test]
fn a_pager_gets_all_keys_on_either_side() {
    let person = Person::trusted("tobias");
    for script in
        ["jit-sudo seq 3000 | less", "seq 3000 | jit-sudo less", "seq 3000 >list; jit-sudo less list"]
    {
        let mut terminal = person.login().terminal(script);
        terminal.expect("22\r\n23").type_text("/1234\r").expect("1234").type_text("/23[4]5\r").expect("2345");
        terminal.type_text("q");
        terminal.finish().success();
    }
}

#[test]
fn what_is_typed_goes_to_a_file_until_its_end() {
    let person = Person::trusted("traute");
    let mut terminal =
        person.login().terminal("jit-sudo sh -c 'echo ready >&2; cat' >file; echo status $?; cat file");
    terminal
        .expect("ready")
        .type_line("first")
        .expect("first\r\n")
        .type_line("second")
        .expect("second\r\n")
        .press_ctrl('d');
    terminal.expect("status 0\r\nfirst\r\nsecond\r\n");
    terminal.finish().success();
}

/// Nothing of the last output is lost, however fast its command ends.
#[test]
fn the_last_line_is_shown() {
    let person = Person::trusted("tom");
    let mut terminal = person
        .login()
        .terminal("for i in 1 2 3 4 5 6; do jit-sudo sh -c 'seq 4000; printf \"last \"'; done; echo");
    for _ in 0..6 {
        terminal.expect("3999\r\n4000\r\nlast ");
    }
    terminal.finish().success();
}

/// What is typed ahead is the command's; what was typed before a prompt is no password.
#[test]
fn what_is_typed_ahead_reaches_the_command_and_never_the_prompt() {
    let person = Person::trusted("toni");
    for program in BOTH {
        let mut terminal = person
            .login()
            .terminal(&format!("{program} sh -c 'echo rea''dy; sleep 0.7; read x; echo got-$x'"));
        terminal.expect("ready").type_line("early").expect("got-early");
        terminal.finish().success();
    }
    let asked = Person::asked("tristan");
    let mut terminal = asked.login().terminal("echo rea''dy; sleep 0.7; jit-sudo id -un");
    terminal.expect("ready").type_line(PASSWORD).expect("assword");
    assert!(!terminal.appears("root", Duration::from_millis(500)));
    terminal.type_line(PASSWORD).expect("root");
    terminal.finish().success();
}

/// sudo#403: a pipe ends when its reader or its writer does.
#[test]
fn pipes_end_when_one_side_does() {
    let person = Person::trusted("tania");
    for script in [
        "SUDO yes | head -n 1",
        "SUDO cat /dev/zero | head -c 5 | wc -c",
        "SUDO true | cat; SUDO sh -c 'echo x; exec >&-; exit 3' | cat",
        "yes | SUDO head -n 2",
        "SUDO seq 100000 | SUDO tail -n 1 | SUDO cat",
    ] {
        person.same(script);
        person.same_on_terminal(script);
    }
}

#[test]
fn the_window_is_as_large_as_the_persons_also_in_pipes() {
    let person = Person::trusted("tycho");
    let mut terminal = person.login().terminal("stty rows 33 cols 99; jit-sudo stty size | cat; jit-sudo sh -c 'stty size </dev/tty' | cat; echo x | jit-sudo sh -c 'stty size </dev/tty; read x; sleep 0.5; stty size </dev/tty'");
    terminal.expect("33 99\r\n").expect("33 99\r\n").expect("33 99\r\n").resize(44, 111).expect("44 111\r\n");
    terminal.finish().success();
}
