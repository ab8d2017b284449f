//! However it ends, the file is whole, and what was typed is not lost.

use std::time::Duration;

use super::{Editor, root};
use crate::clients::guest;

/// The permission ends; the person's editor does not.
#[test]
fn what_is_typed_when_the_grant_ends_is_kept() {
    let person = Editor::with("warren", "grant.duration = \"3s\"\ngrant.grace = \"1s\"");
    let editor = person.script("ed", "sleep 6; echo 'much work' >\"$1\"");
    let outcome = person.edit(&editor, &person.file()).exits(1);
    let outcome = outcome.complains("the session ends: its time is up");
    let outcome = outcome.complains("the session ended before all was saved");
    outcome.complains("contents of edit session left in /var/tmp/sudoedit.");
    assert_eq!((person.read().as_str(), person.left().as_str()), ("old\n", "much work\n"));
    person.is_clean();
    // What was not changed is not left either.
    let editor = person.script("ed", "sleep 5");
    person.edit(&editor, &person.file()).success().complains("its time is up").complains("unchanged");
    person.is_clean();
    assert_eq!(root().audit(&["\"session.expired\"", "\"warren\""]).len(), 2);
}

#[test]
fn what_is_typed_when_the_grant_is_revoked_is_kept() {
    let person = Editor::new("watson");
    let editor = person
        .script("ed", "touch /tmp/watson.edits; read go; echo 'much work' >\"$1\"; rm /tmp/watson.edits");
    let line = format!("EDITOR={editor} jit-sudo -e {}; echo status $?", person.file());
    let mut terminal = guest().as_user("watson").terminal(&line);
    guest().until("ls /tmp/watson.edits", Duration::from_secs(40));
    guest().sh("jitctl sessions --all").success().shows("sudoedit /etc/watson/motd");
    guest().sh("jitctl revoke --user watson").success();
    guest().until("! pgrep -f '^sudoedit /etc/watson'", Duration::from_secs(40));
    terminal
        .type_line("")
        .expect("the session ends")
        .expect("contents of edit session left in")
        .expect("status 1");
    terminal.finish().success();
    assert_eq!((person.read().as_str(), person.left().as_str()), ("old\n", "much work\n"));
}

#[test]
fn whichever_part_is_killed_the_text_is_kept_and_nothing_else_left() {
    let person = Editor::new("weston");
    let helper = "-u weston -f '^jit-sudo -e'";
    for (kill, told) in [
        (
            "-KILL -f '^sudoedit /etc/weston'".to_owned(),
            &["the session ended before all was saved", "left in", "status 1"][..],
        ),
        (format!("-TERM {helper}"), &["contents of edit session left in", "status 143"]),
        (format!("-KILL {helper}"), &["status 137"]),
    ] {
        let editor = person.script(
            "ed",
            "trap '' TERM; echo 'much work' >\"$1\"; touch /tmp/weston.edits; while [ -e /tmp/weston.edits ]; do sleep 0.1; done",
        );
        let line = format!("EDITOR={editor} jit-sudo -e {}; echo status $?", person.file());
        let mut terminal = guest().as_user("weston").terminal(&line);
        guest().until("ls /tmp/weston.edits", Duration::from_secs(40));
        guest().sh(&format!("pkill {kill}")).success();
        guest().sh("rm /tmp/weston.edits").success();
        for text in told {
            terminal.expect(text);
        }
        terminal.finish().success();
        guest().until("! pgrep -f '^sudoedit /etc/weston'", Duration::from_secs(40));
        assert_eq!((person.read().as_str(), person.left().as_str()), ("old\n", "much work\n"), "{kill}");
        person.is_clean();
    }
}

/// The file is as it was, whether it would be replaced or written over.
#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let person = Editor::new("wilton");
    root().sh("mount -t tmpfs -o size=64k,mode=755 small /etc/wilton && cd /etc/wilton && echo old >motd && echo old >linked && ln linked other").success();
    let editor = person.script("ed", "for file; do seq 20000 >\"$file\"; done");
    let outcome = person.edit(&editor, "/etc/wilton/motd /etc/wilton/linked");
    let shown = root().sh("cd /etc/wilton; cat motd linked other; ls -A");
    root().sh("umount /etc/wilton");
    let outcome = outcome.exits(1).complains("unable to write to /etc/wilton/motd: No space left on device");
    outcome.complains("unable to write to /etc/wilton/linked: No space left on device");
    shown.prints("old\nold\nold\nlinked\nmotd\nother");
    assert!(person.left().starts_with("1\n2\n3\n"));
}

#[test]
fn what_somebody_else_saved_meanwhile_is_not_overwritten() {
    let person = Editor::new("woody");
    let editor = person.script(
        "ed",
        "echo mine >\"$1\"; touch /tmp/woody.edits; while [ -e /tmp/woody.edits ]; do sleep 0.1; done",
    );
    let line = format!("EDITOR={editor} jit-sudo -e {}; echo status $?", person.file());
    let mut terminal = guest().as_user("woody").terminal(&line);
    guest().until("ls /tmp/woody.edits", Duration::from_secs(40));
    guest().sh("echo theirs >/etc/woody/motd; rm /tmp/woody.edits").success();
    terminal
        .expect("unable to write to /etc/woody/motd: somebody else has changed it meanwhile")
        .expect("status 1");
    terminal.finish().success();
    assert_eq!((person.read().as_str(), person.left().as_str()), ("theirs\n", "mine\n"));
}

/// A file of some size, in the way of everyone who reads it.
#[test]
fn who_reads_meanwhile_sees_the_old_file_or_the_new_one() {
    let person = Editor::new("woodrow");
    let file = person.file();
    root().sh(&format!("seq 200000 >{file}")).success();
    let watch = format!(
        "python3 -c \"import os
sizes = set()
while not os.path.exists('/run/woodrow.done'):
    with open('{file}') as file: sizes.add(len(file.read()))
print(len(sizes))\" >/run/woodrow.seen 2>&1 & "
    );
    root().sh(&format!("rm -f /run/woodrow.done; {watch}")).success();
    for _ in 0..5 {
        person.edit("sed -i s/^/x/", &file).success();
    }
    root().sh("touch /run/woodrow.done").success();
    guest().until("test -s /run/woodrow.seen", Duration::from_secs(40));
    let seen: usize = root().read("/run/woodrow.seen").trim().parse().unwrap();
    assert!((1..=6).contains(&seen), "{seen} different files were seen");
}
