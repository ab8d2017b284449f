//! What was wrong with sudo's own, each as a test; and what else could be tried.

use super::{Editor, root};
use crate::clients::guest;

const SHADOW: &str = "sha256sum /etc/shadow; stat -c '%U %G %a %i' /etc/shadow";

/// CVE-2015-5602, CVE-2010-0426, CVE-2010-1163, CVE-2004-1689: a link, a folder of one's own or a device in the place of the file.
#[test]
fn only_a_regular_file_on_a_way_that_the_person_can_not_change_is_edited() {
    let person = Editor::under("wade", "[\"sudoedit **\"]", "");
    let before = root().sh(SHADOW).success().stdout;
    root()
        .sh("cd /etc/wade && ln -s /etc/shadow link && ln -s /etc/wade way && mkfifo fifo && mkdir sub free own \
             && touch sub/x free/x own/x suid && chmod 1777 free && chown wade own && chmod 4755 suid \
             && mkdir group && chgrp wade group && chmod 775 group && touch group/x && ln -s /home/wade home")
        .success();
    person.run("mkdir -p x; ln -sf /etc/shadow x/file; touch y").success();
    let writable = "editing files in a writable directory is not permitted";
    for (file, why) in [
        ("/etc/wade/link", "editing symbolic links is not permitted"),
        ("/etc/wade/fifo", "not a regular file"),
        ("/etc/wade/sub", "not a regular file"),
        ("/dev/null", "not a regular file"),
        ("/dev/tty", "not a regular file"),
        ("/etc/wade/suid", "editing a file with setuid or setgid is not permitted"),
        ("/etc/wade/free/x", writable),
        ("/etc/wade/free/new", writable),
        ("/etc/wade/own/x", writable),
        ("/etc/wade/group/x", writable),
        ("/home/wade/y", writable),
        ("/etc/wade/home/y", writable),
        ("/home/wade/x/../../../etc/passwd", writable),
        ("/tmp/new", writable),
        ("/proc/self/environ", "its folder"),
    ] {
        let outcome = person.edit("sed -i s/a/b/", file).exits(1).silent();
        if file != "/proc/self/environ" {
            outcome.complains(&format!("{file}: {why}"));
        }
    }
    person.edit("sed -i s/a/b/", "/home/wade/x/file").exits(1).complains("editing symbolic links");
    // A link of root's on the way is followed; the file is the one that it leads to.
    person.edit("sed -i s/old/new/", "/etc/wade/way/motd").success();
    assert_eq!(person.read(), "new\n");
    assert_eq!(root().sh(SHADOW).success().stdout, before);
    // Root could change all of that without us: but it is no more edited through links.
    root()
        .sh("EDITOR='sed -i s/a/b/' jit-sudo -e /etc/wade/link")
        .exits(1)
        .complains("editing symbolic links");
    root().sh("EDITOR='sed -i s/^/1/' jit-sudo -e /home/wade/x/../y; echo x >/etc/wade/own/x; EDITOR='sed -i s/x/y/' jit-sudo -e /etc/wade/own/x && cat /etc/wade/own/x").success().shows("y");
}

/// CVE-2015-5602: a rule with wildcards, and a folder that is swapped for a link while files are opened.
#[test]
fn a_folder_that_is_swapped_for_a_link_leads_nowhere_else() {
    let person = Editor::under("wes", "[\"sudoedit /home/*/*/shadow /etc/wes/*/shadow\"]", "");
    let before = root().sh(SHADOW).success().stdout;
    person.run("mkdir real && touch real/shadow && ln -s /etc link && ln -s real swap").success();
    person.edit("sed -i s/root/r00t/", "/home/wes/link/shadow").exits(1).silent();
    let race = "(while [ ! -e stop ]; do ln -sfn /etc swap; ln -sfn real swap; done) & \
                for i in $(seq 60); do EDITOR='sed -i 1s/^/x/' jit-sudo -n -e ~/swap/shadow 2>/dev/null && echo saved; done; touch stop; wait";
    person.run(race).success().silent();
    assert_eq!(root().sh(SHADOW).success().stdout, before);
}

/// CVE-2021-23239: whether a file is there is told to nobody who may not edit it.
#[test]
fn who_may_not_edit_learns_nothing_of_files() {
    let person = Editor::new("wim");
    guest().add_user("wilbur", Some(crate::PASSWORD), &[]);
    for user in ["wim", "wilbur"] {
        let mut told: Vec<String> =
            ["/root/nope", "/root/.bashrc", "/root/nope/nope", "/etc/shadow", "/nope/x", "/root"]
                .iter()
                .map(|file| {
                    let outcome = guest()
                        .as_user(user)
                        .run(&format!("EDITOR=true jit-sudo -n -e {file}"))
                        .exits(1)
                        .silent();
                    outcome.stderr
                })
                .collect();
        told.dedup();
        assert_eq!(told.len(), 1, "{told:#?}");
    }
    person.is_clean();
}

/// CVE-2023-22809: words after `--` in the editor's value were files to edit.
#[test]
fn an_editors_arguments_name_no_file() {
    let person = Editor::new("wiley");
    let before = root().sh(SHADOW).success().stdout;
    for variable in ["SUDO_EDITOR", "VISUAL", "EDITOR"] {
        let line = format!("{variable}='sed -i s/a/b/ -- /etc/shadow' jit-sudo -n -e {}", person.file());
        person.run(&line).exits(1).complains("editor arguments may not contain \"--\"");
    }
    // Without it they are the editor's own business, which is nobody but the person.
    person.edit("sed -i s/a/b/ /etc/shadow", &person.file()).never_shows("root:");
    assert_eq!(root().sh(SHADOW).success().stdout, before);
    assert_eq!(person.read(), "old\n");
    person.left();
}

/// CVE-2021-23240: a link in the place of the copy, whose target became the person's.
#[test]
fn a_link_in_the_place_of_the_copy_is_not_followed() {
    let person = Editor::new("winnie");
    let before = root().sh(SHADOW).success().stdout;
    let swap = person.script("swap", "rm \"$1\"; ln -s /etc/shadow \"$1\"");
    person.edit(&swap, &person.file()).exits(1).complains("/etc/winnie/motd left unmodified");
    let swap = person.script("swap", "rm \"$1\"; ln -s /etc/passwd \"$1\"");
    person.edit(&swap, &person.file()).exits(1).complains("/etc/winnie/motd left unmodified");
    let swap = person.script("swap", "rm \"$1\"; mkfifo \"$1\"");
    person.edit(&swap, &person.file()).exits(1).complains("not a regular file");
    assert_eq!((person.read().as_str(), root().sh(SHADOW).success().stdout), ("old\n", before));
    person.left();
}

/// Nobody but the invoking user can read the copies.
#[test]
fn copies_are_their_persons_alone() {
    let person = Editor::new("wilf");
    let look = "stat -c '%U %a' \"$(dirname \"$1\")\" \"$1\" >seen";
    let editor = person.script("ed", look);
    person.run(&format!("umask 0; EDITOR={editor} jit-sudo -n -e {}", person.file())).success();
    root().sh("cat /home/wilf/seen").prints("wilf 700\nwilf 600");
}
