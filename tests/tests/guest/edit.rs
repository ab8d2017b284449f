//! `-e` and `sudoedit`: a file that is root's, edited by a person without privileges, with real editors. In the guest that has sudo
//! and vim beside ours.

mod attacks;
mod checks;
mod ends;

use jit_tests::guest::Policy;
use jit_tests::{Guest, Outcome};

use crate::PASSWORD;
use crate::clients::guest;

/// Somebody who may edit some files, and a folder with one of them.
struct Editor {
    name: &'static str,
    /// Root's, and nobody else's.
    folder: String,
    _policy: Policy<'static>,
}

impl Editor {
    /// Who may edit what is in the folder, without a password.
    fn new(name: &'static str) -> Self {
        Self::with(name, "")
    }

    /// With these further keys of the rule.
    fn with(name: &'static str, keys: &str) -> Self {
        let commands = format!("[{{ edit = [{{ under = \"/etc/{name}\" }}] }}]");
        Self::under(name, &commands, keys)
    }

    fn under(name: &'static str, commands: &str, keys: &str) -> Self {
        guest().add_user(name, Some(PASSWORD), &[]);
        let folder = format!("/etc/{name}");
        guest().sh(&format!("rm -rf {folder}; mkdir {folder} && printf 'old\\n' >{folder}/motd")).success();
        let rule = format!(
            "schema = 1\n[[rule]]\nid = \"{name}\"\nusers = [\"{name}\"]\nrun_as = [\"ALL\"]\ncommands = {commands}\nrequire.authentication = \"none\"\n{keys}\n"
        );
        Self { name, folder, _policy: guest().policy(name, &rule) }
    }

    fn run(&self, line: &str) -> Outcome {
        guest().as_user(self.name).run(line)
    }

    /// Edits with this as `EDITOR`.
    fn edit(&self, editor: &str, files: &str) -> Outcome {
        self.run(&format!("EDITOR='{editor}' jit-sudo -n -e {files}"))
    }

    /// A program of the person's that edits, with `$1` the copy.
    fn script(&self, name: &str, script: &str) -> String {
        let path = format!("/home/{}/{name}", self.name);
        guest().write(&path, format!("#!/bin/sh\n{script}\n").as_bytes());
        guest().sh(&format!("chmod 755 {path}")).success();
        path
    }

    fn file(&self) -> String {
        format!("{}/motd", self.folder)
    }

    fn read(&self) -> String {
        guest().read(&self.file())
    }

    /// Nothing of ours is left in the folder, and no copy anywhere.
    fn is_clean(&self) {
        guest().sh(&format!("ls -A {} | grep -F .jit-", self.folder)).exits(1);
        guest().sh(&format!("find /var/tmp /tmp -user {} -name 'sudoedit.*'", self.name)).success().silent();
    }

    /// The text in the copy that was left, which is then removed.
    fn left(&self) -> String {
        let find = format!("find /var/tmp -path '*/sudoedit.*' -type f -user {}", self.name);
        let text = guest().sh(&format!("{find} -exec cat {{}} +")).success().stdout;
        guest().sh(&format!("{find} -delete; find /var/tmp -name 'sudoedit.*' -user {} -delete", self.name));
        text
    }
}

fn root() -> &'static Guest {
    guest()
}

#[test]
fn a_file_of_roots_is_edited_by_a_program_of_the_persons() {
    let person = Editor::new("wanda");
    let editor = person.script(
        "ed",
        "id -un >who; echo \"$FROM_HOME\" >>who; stat -c '%U %a' \"$1\" >>who; echo new >\"$1\"",
    );
    let file = person.file();
    root().sh(&format!("chmod 640 {file}; chgrp daemon {file}")).success();
    person.run(&format!("export FROM_HOME=yes; EDITOR={editor} jit-sudo -n -e {file}")).success().silent();
    assert_eq!(person.read(), "new\n");
    root().sh("cat /home/wanda/who").success().prints("wanda\nyes\nwanda 600");
    root().sh(&format!("stat -c '%U %G %a' {file}")).success().prints("root daemon 640");
    person.is_clean();
    person.edit("sed -i s/new/newer/", "/etc/./wanda/../wanda/motd").success();
    assert_eq!(person.read(), "newer\n");
    person.edit("true", &file).success().complains(&format!("{file} unchanged"));
    let started = root().audit(&["session.started", "\"wanda\"", "\"mode\":\"edit\""]);
    assert_eq!(started.len(), 3, "{started:#?}");
    assert!(started[0].contains("[\"sudoedit\",\"/etc/wanda/motd\"]"), "{started:#?}");
    root().sh("journalctl -q --grep 'COMMAND=sudoedit /etc/wanda/motd' | grep -c wanda").success();
    // Only what the rule names; and the rule is for edits alone.
    person.edit("true", "/etc/passwd").exits(1).complains("no rule lets you run this");
    person.run(&format!("jit-sudo -n cat {file}")).exits(1).complains("no rule lets you run this");
    person
        .run(&format!("jit-sudo -n /usr/bin/sudoedit {file}"))
        .exits(1)
        .complains("no rule lets you run this");
}

#[test]
fn it_is_called_as_sudo_calls_it() {
    let person = Editor::new("wendy");
    let file = person.file();
    let run = |line: &str| {
        person.run(&format!("export EDITOR='sed -i s/old/new/'; ln -sf /usr/bin/jit-sudo sudoedit; {line}"))
    };
    run(&format!("./sudoedit -n {file}")).success();
    assert_eq!(person.read(), "new\n");
    run("./sudoedit -n /etc/wendy/nope/x").exits(1).complains("sudoedit: /etc/wendy/nope/x: its folder");
    run("./sudoedit").exits(1).complains("sudoedit: there is no file to edit");
    run("./sudoedit -h").success().shows("usage: sudoedit [options] [--] file ...");
    run(&format!("./sudoedit -b {file}")).exits(1).complains("-e and -b do not go together");
    run(&format!("jit-sudo -n -l sudoedit {file}")).success().prints(&format!("sudoedit {file}"));
    run("jit-sudo -n -l sudoedit /etc/passwd").exits(1);
    run("jit-sudo -n -l").success().shows("{ edit = [{ under = \"/etc/wendy\" }] }");
    run(&format!("jit-sudo --explain -e {file}")).success();
    run(&format!("jit-sudo -n sudoedit {file}")).success().complains(&format!("{file} unchanged"));
    run(&format!("VISUAL='sed -i s/new/visual/' jit-sudo -ne {file}")).success();
    run(&format!("SUDO_EDITOR='sed -i \"s/visual/two words/\"' VISUAL=false jit-sudo -ne {file}")).success();
    assert_eq!(person.read(), "two words\n");
    root()
        .sh(&format!("jitctl policy explain --user wendy -- sudoedit {file}"))
        .success()
        .shows("permits: wendy");
    root().sh("jitctl policy explain --user wendy -- sudoedit /etc/passwd").exits(1);
}

#[test]
fn a_password_is_asked_for_as_for_a_command() {
    let person = Editor::under("walt", "[\"sudoedit /etc/walt/motd\"]", "");
    let rule =
        "schema = 1\n[[rule]]\nid = \"walt\"\nusers = [\"walt\"]\ncommands = [\"sudoedit /etc/walt/motd\"]\n";
    let _asks = guest().policy("walt", rule);
    person.edit("true", &person.file()).exits(1).complains("a password is required");
    let editor = "sed -i s/old/typed/";
    let line = format!("EDITOR='{editor}' jit-sudo -S -e {} && cat {}", person.file(), person.file());
    guest().as_user("walt").input(format!("{PASSWORD}\n")).run(&line).success().prints("typed");
    let mut terminal =
        guest().as_user("walt").terminal(&format!("EDITOR='{editor}' jit-sudo -k -e {}", person.file()));
    terminal.expect("[jit-sudo] sudoedit /etc/walt/motd as root").expect("assword").type_line(PASSWORD);
    terminal.finish().success().shows("unchanged");
}

/// With a real editor on a real terminal: its keys, its screen, its stops.
#[test]
fn vi_is_used_as_ever() {
    let person = Editor::new("ward");
    let mut terminal = guest().as_user("ward").terminal("bash --norc -i");
    terminal.type_line(&format!("PS1='> '; EDITOR=vi jit-sudo -e {}", person.file())).expect("old");
    terminal.type_text("ccfrom vi\x1b").expect("from vi").press_ctrl('z').expect("Stopped").expect("> ");
    assert_eq!(person.read(), "old\n", "not yet");
    terminal.type_line("fg").expect("from vi").type_text(":wq\r").expect("> ");
    terminal.type_line("echo status $?; stty -a | grep -c 'icanon'; exit").expect("status 0").expect("1");
    terminal.finish().success();
    assert_eq!(person.read(), "from vi\n");
    person.is_clean();
}

#[test]
fn the_editor_has_the_keys_and_ctrl_c_is_its_own() {
    let person = Editor::new("wilma");
    let script =
        "trap \"echo caught; echo after it >$1; exit 0\" INT; echo ready; while :; do sleep 0.1; done";
    let editor = person.script("ed", script);
    let line = format!("EDITOR={editor} jit-sudo -e {}; echo status $?", person.file());
    let mut terminal = guest().as_user("wilma").terminal(&line);
    terminal.expect("ready").press_ctrl('c').expect("caught").expect("status 0");
    terminal.finish().success();
    assert_eq!(person.read(), "after it\n");
}

#[test]
fn a_new_file_is_made_when_it_is_saved() {
    let person = Editor::new("winona");
    let new = "/etc/winona/new";
    person.edit("true", new).success().complains("/etc/winona/new unchanged");
    root().sh(&format!("ls {new}")).exits(2);
    let editor = person.script("ed", "echo text >>\"$1\"");
    person.run(&format!("umask 077; EDITOR={editor} jit-sudo -n -e {new} /etc/winona/motd")).success();
    root().sh(&format!("stat -c '%U %a' {new}; cat {new} /etc/winona/motd")).prints("root 600\ntext\nold");
    person.is_clean();
}

#[test]
fn another_target_edits_what_it_can() {
    let person = Editor::new("willow");
    let file = person.file();
    root().sh(&format!("chown -R daemon {0} && chmod 644 {0}/motd", person.folder)).success();
    let editor = person.script("ed", "echo \"$2\" >\"$1\"; echo more >>\"$1\"");
    person.run(&format!("EDITOR={editor} jit-sudo -n -u daemon -e {file}")).success();
    assert_eq!(person.read(), "\nmore\n");
    root().sh(&format!("stat -c %U {file}")).prints("daemon");
    // It can read root's file, and not write it.
    root().sh(&format!("chown root {file}")).success();
    let editor = person.script("ed", "echo mine >\"$1\"");
    let outcome = person.run(&format!("EDITOR={editor} jit-sudo -n -u daemon -e {file}"));
    outcome
        .exits(1)
        .complains("unable to write to /etc/willow/motd: Permission denied")
        .complains("contents of edit session left in /var/tmp/sudoedit.");
    assert_eq!((person.read().as_str(), person.left().as_str()), ("\nmore\n", "mine\n"));
    // Not even that.
    root().sh(&format!("chmod 600 {file}")).success();
    let outcome = person.run(&format!("EDITOR={editor} jit-sudo -n -u daemon -e {file}"));
    outcome.exits(1).complains("/etc/willow/motd: Permission denied");
    person.is_clean();
}

/// The other name, and whoever has the file mounted, see the new contents too.
#[test]
fn a_file_that_a_rename_would_change_is_written_over() {
    let person = Editor::new("wolf");
    let file = person.file();
    root().sh(&format!("ln {file} /etc/wolf/other; echo mounted >/root/wolf; touch /etc/wolf/bound; mount --bind /root/wolf /etc/wolf/bound")).success();
    let editor = person.script("ed", "for file; do echo again >>\"$file\"; done");
    let outcome = person.run(&format!("EDITOR={editor} jit-sudo -n -e {file} /etc/wolf/bound"));
    root().sh("umount /etc/wolf/bound");
    outcome.success();
    root()
        .sh("cat /etc/wolf/other /root/wolf; stat -c %h /etc/wolf/motd")
        .prints("old\nagain\nmounted\nagain\n2");
    person.is_clean();
}

/// sudo asks, too.
#[test]
fn an_emptied_file_is_asked_about() {
    let person = Editor::new("waldo");
    let editor = person.script("ed", ": >\"$1\"");
    let line = format!("EDITOR={editor} jit-sudo -n -e {}", person.file());
    let refused = person.run(&line).success();
    refused.complains("truncate /etc/waldo/motd? (y/n) [n] ").complains("not overwriting /etc/waldo/motd");
    assert_eq!(person.read(), "old\n");
    guest().as_user("waldo").input("y\n").run(&line).success();
    assert_eq!(person.read(), "");
    person.is_clean();
}

#[test]
fn the_status_is_the_editors_and_one_if_something_failed() {
    let person = Editor::new("wyatt");
    let file = person.file();
    let fails = person.script("fails", "echo saved >\"$1\"; exit 7");
    person.edit(&fails, &file).exits(7);
    assert_eq!(person.read(), "saved\n", "as sudo");
    person.edit("false", &file).exits(1).complains("unchanged");
    let dies = person.script("dies", "echo half >\"$1\"; kill -9 $$");
    person
        .edit(&dies, &file)
        .exits(1)
        .complains("killed by signal 9")
        .complains("contents of edit session left in");
    assert_eq!((person.read().as_str(), person.left().as_str()), ("saved\n", "half\n"));
    let removes = person.script("removes", "rm \"$1\"");
    person.edit(&removes, &file).exits(1).complains("/etc/wyatt/motd left unmodified");
    assert_eq!(person.read(), "saved\n");
    person.is_clean();
}
