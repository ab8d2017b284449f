//! What must succeed before a file is saved.

use super::{Editor, root};
use crate::clients::guest;

/// The real visudo, on a drop-in that would lock sudo out.
#[test]
fn visudo_checks_before_anything_is_saved() {
    let rule = "[\"sudoedit /etc/sudoers.d/wally\"]";
    let person = Editor::under("wally", rule, "restrict.edit_check = \"/usr/sbin/visudo -c -f {}\"");
    let file = "/etc/sudoers.d/wally";
    root().sh(&format!("echo 'wally ALL = /usr/bin/id' >{file}; chmod 440 {file}")).success();
    let bad = person.script("bad", "echo 'wally ALL = (' >>\"$1\"");
    let outcome = person.edit(&bad, file).exits(1).complains("syntax error");
    let outcome = outcome.complains("/etc/sudoers.d/wally is not saved: its check did not succeed");
    outcome.complains("contents of edit session left in /var/tmp/sudoedit.");
    root()
        .sh(&format!("cat {file}; stat -c '%U %a' {file}; ls -A /etc/sudoers.d | grep jit"))
        .shows("wally ALL = /usr/bin/id\nroot 440\n");
    assert!(person.left().ends_with("wally ALL = (\n"));
    let good = person.script("good", "echo 'wally ALL = /usr/bin/uptime' >>\"$1\"");
    person.edit(&good, file).success();
    root()
        .sh(&format!("visudo -c -q -f {file} && wc -l <{file}; stat -c '%U %a' {file}; rm {file}"))
        .success()
        .prints("2\nroot 440");
    person.is_clean();
}

/// As visudo asks.
#[test]
fn on_a_terminal_the_person_edits_again_or_gives_up() {
    let person = Editor::with("waylon", "restrict.edit_check = \"/usr/bin/grep -q good {}\"");
    let editor = person.script("ed", "echo word?; read word </dev/tty; echo \"$word\" >\"$1\"");
    let line = format!("EDITOR={editor} jit-sudo -e {}; echo status $?", person.file());
    let mut terminal = guest().as_user("waylon").terminal(&line);
    terminal.expect("word?").type_line("bad").expect("its check did not succeed").expect("(e)dit again");
    terminal.type_line("e").expect("word?").type_line("good").expect("status 0");
    terminal.finish().success();
    assert_eq!(person.read(), "good\n");
    let mut terminal = guest().as_user("waylon").terminal(&line);
    terminal
        .expect("word?")
        .type_line("worse")
        .expect("(e)dit again")
        .type_line("?")
        .expect("(e)dit again")
        .type_line("x");
    terminal.expect("contents of edit session left in").expect("status 1");
    terminal.finish().success();
    assert_eq!((person.read().as_str(), person.left().as_str()), ("good\n", "worse\n"));
    person.is_clean();
}

#[test]
fn of_several_files_each_is_checked() {
    let person = Editor::with("walker", "restrict.edit_check = \"/usr/bin/grep -q good {}\"");
    let editor = person.script("ed", "echo good >\"$1\"; echo bad >\"$2\"");
    let files = "/etc/walker/motd /etc/walker/other";
    person.edit(&editor, files).exits(1).complains("/etc/walker/other is not saved");
    assert_eq!((person.read().as_str(), person.left().as_str()), ("good\n", "bad\n"));
    root().sh("ls -A /etc/walker").prints("motd");
}

/// It runs as the target user, in the session: with its environment, its end, and nothing to read.
#[test]
fn a_check_is_a_program_of_the_session() {
    guest().write("/usr/local/sbin/look", b"#!/bin/sh\n(id -un; echo \"$JIT_EDIT_CHECK$SUDO_COMMAND\"; readlink /proc/self/fd/0; grep -c s- /proc/self/cgroup) >/run/look.out\n");
    guest().sh("chmod 755 /usr/local/sbin/look; touch /run/look.out; chown daemon /run/look.out").success();
    let person = Editor::with("wayne", "restrict.edit_check = \"/usr/local/sbin/look {}\"");
    root().sh(&format!("chown -R daemon {}", person.folder)).success();
    let line = format!("EDITOR='sed -i s/old/new/' jit-sudo -n -u daemon -e {}", person.file());
    person.run(&line).success();
    root().sh("cat /run/look.out").prints("daemon\nsudoedit /etc/wayne/motd\n/dev/null\n1");
    // One that others can change is none.
    root().sh("chmod 777 /usr/local/sbin/look").success();
    person.run(&line).exits(1).complains("the check of this rule cannot be run");
    root().sh("rm /usr/local/sbin/look").success();
}
