//! Jobs: what is stopped, killed, put aside or left alone by its person, and what becomes of the command then.

use std::time::Duration;

use super::{BOTH, Person, guest};

const SOON: Duration = Duration::from_secs(40);

fn runs(number: u32) -> String {
    format!("pgrep -f '^sleep {number}'")
}

fn is_gone(number: u32) {
    guest().until(&format!("! {}", runs(number)), SOON);
}

/// sudo cannot be signalled by its user; the helper is a process of the user's own.
#[test]
fn timeout_ends_the_command_and_tells_so() {
    let person = Person::trusted("betty");
    person.login().run("timeout 1 jit-sudo sleep 71001").exits(124);
    is_gone(71001);
    person.login().run("timeout --signal=KILL 1 jit-sudo sleep 71002; echo $?").prints("137");
    is_gone(71002);
    let outcome = person.login().terminal("timeout --foreground 1 jit-sudo sleep 71003").finish();
    outcome.exits(124);
    is_gone(71003);
    // One that will not go is killed with its grant, or by the second signal.
    person
        .login()
        .run("timeout -k 1 1 jit-sudo sh -c 'trap \"\" TERM; sleep 71004; sleep 71004'; echo $?")
        .prints("137");
    is_gone(71004);
}

#[test]
fn kill_ends_a_job_of_the_shell() {
    let person = Person::trusted("berta");
    let mut terminal = person.login().terminal("bash --norc --noediting -i");
    terminal.type_line("PS1='> '; jit-sudo sleep 71011 &").expect("[1]");
    guest().until(&runs(71011), SOON);
    terminal.type_line("kill %1; wait; echo en''ded").expect("ended");
    is_gone(71011);
    terminal.type_line("exit 0");
    terminal.finish().success();
}

#[test]
fn a_job_in_the_background_writes_freely_and_is_stopped_only_to_read() {
    let person = Person::trusted("bela");
    for program in BOTH {
        let mut terminal = person.login().terminal("bash --norc --noediting -i");
        terminal.type_line("PS1='> '").expect("\n").expect("> ");
        terminal.type_line(&format!("{program} sh -c 'sleep 0.3; echo wri''tten' &")).expect("written\r");
        terminal.type_line("wait; echo wai''ted").expect("waited\r\n");
        terminal.type_line(&format!("{program} sh -c 'read x; echo got-$x' &")).expect("[1]");
        guest().until("pgrep -f '^sh -c read x'", SOON);
        terminal.type_line("echo sti''ll mine").expect("still mine");
        terminal.type_line("fg").expect("read x").type_line("this").expect("got-this\r").expect("> ");
        terminal.type_line("exit 0");
        terminal.finish().success();
    }
}

#[test]
fn a_stopped_command_goes_on_in_the_background() {
    let person = Person::trusted("bianca");
    let mut terminal = person.login().terminal("bash --norc --noediting -i");
    terminal.type_line("PS1='> '").expect("\n").expect("> ");
    terminal
        .type_line("jit-sudo sh -c 'echo beg''un; sleep 8.74; echo do''ne; sleep 1; echo ov''er'")
        .expect("begun");
    // Before that the shell may wait in vfork(2), where it can't be stopped.
    guest().until("pgrep -f '^sleep 8.74'", SOON);
    terminal.press_ctrl('z').expect("Stopped").expect("> ");
    guest().until("ps -C sh -o stat=,args= | grep -q '^T.*begun'", SOON);
    terminal.type_line("bg").expect("done\r\n").type_line("fg").expect("over\r\n").expect("> ");
    terminal.type_line("stty -a | grep -o -w -- '-*echo'").expect("\r\necho\r\n").type_line("exit 0");
    terminal.finish().success();
}

/// What nohup has started outlives its terminal.
#[test]
fn nohup_keeps_the_command_when_its_terminal_hangs_up() {
    let person = Person::trusted("bodo");
    for program in BOTH {
        let script = format!(
            "nohup {program} sh -c 'touch /run/bodo.{program}; sleep 2; echo written; mv /run/bodo.{program} /run/bodo.{program}.done' & sleep 1; echo rea''dy; sleep 100"
        );
        let mut terminal = person.login().terminal(&script);
        terminal.expect("ready");
        guest().until(&format!("ls /run/bodo.{program}*"), SOON);
        drop(terminal);
        guest().until(&format!("ls /run/bodo.{program}.done"), SOON);
        guest().sh("grep -h written /home/bodo/nohup.out").success();
        guest().sh("rm -f /home/bodo/nohup.out").success();
    }
}

/// sudo#367: what runs for somebody whose connection is gone ends.
#[test]
fn a_connection_that_drops_ends_the_command() {
    let person = Person::trusted("bruno");
    let mut terminal = person.login().ssh_terminal("jit-sudo sh -c 'echo rea''dy; sleep 71021; sleep 71021'");
    terminal.expect("ready");
    guest().until(&runs(71021), SOON);
    guest().sh("pkill -KILL -f '^ssh -t bruno@'").success();
    is_gone(71021);
    drop(terminal);
    let ended = "grep session.ended /var/log/jit-sudo/audit.jsonl | grep -q bruno";
    guest().until(ended, SOON); // it is told once nothing is left
    assert_eq!(guest().audit(&["\"session.ended\"", "\"bruno\""]).len(), 1);
}

#[test]
fn a_terminal_that_hangs_up_ends_the_command() {
    let person = Person::trusted("bernd");
    let mut terminal = person.login().terminal("jit-sudo sh -c 'echo rea''dy; sleep 71031; sleep 71031'");
    terminal.expect("ready");
    guest().until(&runs(71031), SOON);
    drop(terminal);
    is_gone(71031);
    // And one that asks for a password.
    let asked = Person::asked("birgit");
    let mut terminal = asked.login().terminal("jit-sudo touch /run/birgit");
    terminal.expect("assword");
    drop(terminal);
    guest().until("! pgrep -x jit-sudo -u birgit", SOON);
    guest().sh("ls /run/birgit").exits(2);
}
