//! Programs that take the whole screen, inside a session.

use std::time::Duration;

use super::{Person, guest};

/// The shell's prompt, and nothing that looks like it in what is typed.
const SHELL: &str = "bash --norc --noediting -i";

/// Written, stopped with Ctrl-Z and continued, resized, and the screen is the shell's again afterwards.
#[test]
fn an_editor_is_stopped_continued_and_saves() {
    let person = Person::trusted("fiona");
    let mut terminal = person.login().terminal(&format!("export TERM=xterm; {SHELL}"));
    terminal.type_line("PS1='rea''dy> '; stty rows 24 cols 80; stty -g >before").expect("ready> ");
    terminal.type_line("jit-sudo vim -N -u NONE -c 'set ruler' /root/fiona").expect("[New");
    terminal.type_text("ifirst line").expect("first line").type_text("\x1b:w\r").expect("written");
    terminal.press_ctrl('z').expect("Stopped").expect("ready> ");
    terminal.type_line("jit-sudo cat /root/fiona").expect("first line\r\n").expect("ready> ");
    // Redrawn, and in the size that the window has now.
    terminal.resize(40, 100).type_line("fg").expect("first line");
    terminal.type_text("osecond\x1b:echo &lines.'x'.&columns\r").expect("40x100").type_text("\r:wq\r");
    terminal.expect("ready> ").type_line("stty rows 24 cols 80; stty -g | cmp - before && echo sa''me");
    terminal.expect("same").type_line("exit");
    terminal.finish();
    guest().sh("cat /root/fiona").success().prints("first line\nsecond");
}

#[test]
fn a_monitor_of_the_system_draws_itself_again_and_takes_keys() {
    let person = Person::trusted("fabian");
    let mut terminal =
        person.login().terminal("export TERM=xterm; stty rows 24 cols 80; jit-sudo top -d 1; stty size");
    terminal.expect("PID").resize(30, 90).expect("PID");
    terminal
        .type_text("u")
        .expect("Which user")
        .type_text("nobody\r")
        .expect("PID")
        .type_text("q")
        .expect("30 90");
    terminal.finish().success();
}

/// What a multiplexer leaves behind lives on when its person detaches, and ends with the grant.
#[test]
fn a_multiplexer_is_left_and_found_again_until_the_grant_ends() {
    let person = Person::trusted("frida");
    // Keys that come at once are no paste.
    person.login().run("echo set -g assume-paste-time 0 >tmux.conf").success();
    let tmux = "jit-sudo tmux -L frida -f tmux.conf";
    let mut terminal = person.login().terminal(&format!("export TERM=xterm LANG=C.UTF-8; {SHELL}"));
    terminal.type_line("PS1='rea''dy> '; stty rows 24 cols 80").expect("ready> ");
    terminal.type_line(&format!("{tmux} new-session 'sh'")).expect("# ");
    terminal.type_line("x=in''side; id -un; echo $x").expect("root").expect("inside");
    terminal.press_ctrl('b').type_text("d").expect("[detached").expect("ready> ");
    guest().sh("pgrep -u root '^tmux'").success();
    terminal.type_line(&format!("{tmux} attach")).expect("inside").type_line("echo st''ill $x");
    terminal.expect("still inside").press_ctrl('b').type_text("d").expect("[detached").expect("ready> ");
    guest().sh("jitctl revoke --user frida").success();
    guest().until("! pgrep -u root '^tmux'", Duration::from_secs(40));
    terminal.type_line("exit");
    terminal.finish();
}
