//! sudo's options through the installed program: shells, a program that asks, the background, folders, time, groups, lists.
//! What is expected is what sudo 1.9.16 shows for the same line, but where docs/decisions/0016 says otherwise.

use std::time::Duration;

use crate::{NO_PASSWORD, PASSWORD, eligible, rule};
use jit_tests::Guest;

#[test]
fn a_login_shell_is_the_targets_at_home() {
    let (guest, _policy) = eligible("claire", NO_PASSWORD);
    let run = |line: &str| guest.as_user("claire").run(line);
    run("cd /tmp; SHELL=/bin/sh jit-sudo -i echo '$0' '$HOME' '$SHELL' '$PWD' 'a  b' ';' id")
        .success()
        .prints("-bash /root /bin/bash /root a  b ; id");
    run("jit-sudo -i shopt -q login_shell").success();
    run("jit-sudo -iu bin").exits(1).shows("not available"); // its shell is nologin(8)
    run("jit-sudo -i sh -c 'exit 7'").exits(7);
    run("echo 'echo $0; exit 9' | jit-sudo -i").exits(9).prints("-bash");
    let mut terminal = guest.as_user("claire").terminal("jit-sudo -i");
    terminal
        .type_line("echo $0 in $PWD; stty -a | head -c 5; exit 4")
        .expect("-bash in /root")
        .expect("speed");
    terminal.finish().exits(4);
    let audit = guest.audit(&["session.started", "claire", "\"mode\":\"login\""]);
    assert!(audit.len() >= 5, "{audit:#?}");
}

#[test]
fn a_shell_of_ones_own_is_the_one_in_shell() {
    let (guest, _policy) = eligible("clara", NO_PASSWORD);
    let run = |line: &str| guest.as_user("clara").run(line);
    run("cd /tmp; SHELL=/bin/sh jit-sudo -s echo '$0' '$PWD' '*' 'a  b'")
        .success()
        .prints("/bin/sh /tmp * a  b");
    run("env -u SHELL jit-sudo -s echo '$0' '$SHELL'").success().prints("/bin/bash /bin/bash");
    run("SHELL=/nonexistent jit-sudo -s id").exits(1).complains("/nonexistent: command not found");
    run("jit-sudo -s -i id").exits(1).complains("-i and -s do not go together");
    run("SUDO_PS1='mine# ' SHELL=/bin/sh jit-sudo -s printenv PS1 HOME").success().prints("mine# \n/root");
}

/// As Ansible, pyinfra and Cockpit have it: `SUDO_ASKPASS` and `-A`; without a terminal also without `-A`.
#[test]
fn a_program_asks_for_the_password() {
    let (guest, _policy) = eligible("clark", "");
    let program = format!("#!/bin/sh\necho \"$1\" >>asked\necho {PASSWORD}\n");
    guest.write("/home/clark/ask", program.as_bytes());
    guest.write("/home/clark/wrong", b"#!/bin/sh\necho wrong\n");
    guest
        .sh("chmod 755 /home/clark/ask /home/clark/wrong; touch /home/clark/asked; chown clark /home/clark/*")
        .success();
    let run = |line: &str| guest.as_user("clark").run(line);
    run("SUDO_ASKPASS=$HOME/ask jit-sudo -H -A -k -p 'for %p: ' id -u").success().prints("0");
    run("echo input | SUDO_ASKPASS=./ask jit-sudo -k cat").success().prints("input");
    run("cat asked").success().shows("for clark: \n").shows("Password for clark: ");
    run("SUDO_ASKPASS=./wrong jit-sudo -A -k id").exits(1).complains("3 incorrect password attempts");
    run("env -u SUDO_ASKPASS jit-sudo -A -k id").exits(1).complains("no askpass program specified");
    run("env -u SUDO_ASKPASS jit-sudo -k id")
        .exits(1)
        .complains("a terminal is required to read the password");
    run("SUDO_ASKPASS=./ask jit-sudo -A -k -n id").exits(1).complains("a password is required");
    let mut terminal = guest.as_user("clark").terminal("SUDO_ASKPASS=./ask jit-sudo -A -k id -u");
    terminal.expect("0\r\n");
    terminal.finish().success();
}

#[test]
fn with_large_n_no_authentication_is_kept() {
    let (guest, _policy) = eligible("celia", "");
    let line =
        "jit-sudo -N true; jit-sudo -n true || echo none; jit-sudo true; jit-sudo -nN true && echo one";
    let mut terminal = guest.as_user("celia").terminal(line);
    terminal.expect("assword").type_line(PASSWORD).expect("none");
    terminal.expect("assword").type_line(PASSWORD).expect("one");
    terminal.finish().success();
}

#[test]
fn in_the_background_the_command_outlives_its_caller_and_not_its_grant() {
    let (guest, _policy) = eligible("colin", NO_PASSWORD);
    let line = "jit-sudo -b sh -c 'until [ -e /tmp/colin ]; do sleep 0.1; done; echo shown; exec sleep 471'; echo back $?";
    let mut terminal = guest.as_user("colin").terminal(&format!("{line}; read x"));
    terminal.expect("back 0");
    guest.sh("touch /tmp/colin").success();
    terminal.expect("shown");
    terminal.hang_up();
    guest.until("pgrep -fx 'sleep 471'", Duration::from_secs(40));
    std::thread::sleep(Duration::from_millis(500)); // whatever a hangup would end is gone by then
    guest.sh("pgrep -fx 'sleep 471'").success();
    guest.as_user("colin").run("jitctl sessions").success().shows("sh -c");
    guest.sh("jitctl revoke --user colin").success();
    guest.until("! pgrep -fx 'sleep 471'", Duration::from_secs(40));
    guest.as_user("colin").run("jit-sudo -b /no/such/command").exits(1).complains("command not found");
}

#[test]
fn a_timeout_ends_the_command() {
    let (guest, _policy) = eligible("corbin", &format!("{NO_PASSWORD}\nrestrict.timeout = \"1m\""));
    let line = "python3 -c 'import subprocess as s; print(s.run([\"jit-sudo\", \"-T\", \"1\", \"sleep\", \"472\"]).returncode)'";
    guest.as_user("corbin").run(line).success().prints("-15");
    guest.as_user("corbin").run("jit-sudo -T 2m true").exits(1).complains("with these options");
    guest.as_user("corbin").run("jit-sudo -T 30 true").success();
    guest.as_user("corbin").run("jit-sudo -T soon true").exits(1).complains("-T is not a time");
}

#[test]
fn a_folder_is_entered_as_far_as_the_rule_says() {
    let (guest, _policy) = eligible("cyrus", &format!("{NO_PASSWORD}\nrestrict.allow_cwd = [\"/srv\"]"));
    let run = |line: &str| guest.as_user("cyrus").run(line);
    run("jit-sudo -D /srv pwd").success().prints("/srv");
    run("cd /; jit-sudo -D srv pwd").success().prints("/srv");
    run("jit-sudo -D . pwd; jit-sudo -D $PWD pwd").success().prints("/home/cyrus\n/home/cyrus");
    run("jit-sudo -i -D /srv pwd").success().prints("/srv");
    run("ln -s /root here; jit-sudo -D here pwd").exits(1).complains("with these options");
    run("jit-sudo -D /root pwd").exits(1).complains("with these options");
    run("jit-sudo -D /no/such pwd").exits(1).complains("with these options");
}

#[test]
fn ones_groups_are_kept_where_the_rule_names_them() {
    let keys = "require.authentication = \"none\"\nrun_as_groups = [\"cecil\", \"users\", \"games\"]";
    let (guest, _policy) = eligible("cecil", keys);
    guest.sh("usermod -G games cecil").success();
    let run = |line: &str| guest.as_user("cecil").run(line);
    let own = run("id -Gn").success().stdout;
    for name in own.split_whitespace() {
        run("jit-sudo -P -u daemon id -Gn").success().shows(name).shows("daemon");
    }
    run("jit-sudo -P -u daemon id -gn").success().prints("daemon");
    guest.sh("usermod -aG mail cecil").success();
    run("jit-sudo -P id").exits(1).complains("no rule lets you run this");
}

#[test]
fn a_list_is_ones_own_and_roots_to_see() {
    let (guest, _policy) = eligible("carol", NO_PASSWORD);
    let run = |line: &str| guest.as_user("carol").run(line);
    run("jit-sudo -l").success().shows("carol may run on").shows("ALL");
    run("jit-sudo -ll").success().shows("at most: 15m");
    run("jit-sudo -l id -u").success().prints("/usr/bin/id -u");
    run("jit-sudo -l no-such-command").exits(1).silent();
    run("jit-sudo -lU carol").success().shows("carol may run on");
    for other in ["root", "no-such-user"] {
        run(&format!("jit-sudo -l -U {other}")).exits(1).silent().complains("only root may list");
    }
    guest.sh("jit-sudo -n -l -U carol").success().shows("carol may run on");
    guest.sh("jit-sudo -n -l -U carol id").success().prints("/usr/bin/id");
    guest.sh("jit-sudo -n -l -U games").success().shows("games may run nothing on");
}

#[test]
fn what_is_no_command_line_of_sudos_is_refused_in_one_line() {
    let guest = Guest::shared();
    guest.add_user("cleo", Some(PASSWORD), &[]);
    for (options, told) in [
        ("-h web-1 id", "-h HOST is refused: policy is evaluated for this host"),
        ("-R /x id", "-R is refused"),
        ("-u a -u b id", "-u is given twice"),
        ("-C 2 id", "greater than or equal to 3"),
        ("-U bob id", "may only be used with the -l option"),
        ("-A -S id", "-A and -S do not go together"),
        ("-z id", "there is no option -z"),
        ("-v id", "-v takes no command"),
        ("-e -b /etc/hosts", "-e and -b do not go together"),
    ] {
        guest.as_user("cleo").run(&format!("jit-sudo {options}")).exits(1).silent().complains(told);
    }
    guest.as_user("cleo").run("jit-sudo -h").success().shows("usage: jit-sudo").shows("--login");
}

// CVE-2021-23239: what there is in folders that are closed to one.
#[test]
fn a_way_through_closed_folders_tells_nothing_of_them() {
    let guest = Guest::shared();
    guest.add_user("clio", None, &[]);
    let keys = "restrict.allow_cwd = [\"/usr/lib\"]";
    let policy =
        rule("clio", "clio", NO_PASSWORD).replace("[\"ALL\"]\nrequire", "[\"/usr/bin/id\"]\nrequire");
    let _policy = guest.policy("clio", &format!("{policy}{keys}\n"));
    guest.sh("mkdir -p /root/there && ln -sfn /root/there/../../usr/bin /home/clio/link").success();
    guest.sh("chown -h clio /home/clio/link").success();
    let run = |line: &str| guest.as_user("clio").run(line);
    run("jit-sudo -n -l /usr/lib/../bin/id && jit-sudo -n -D ../../usr/lib id").success();
    for folder in ["there", "nowhere"] {
        let way = format!("/root/{folder}/../../usr");
        run(&format!("jit-sudo -n -l {way}/bin/id")).exits(1).silent().complains("command not found");
        run(&format!("jit-sudo -n -D {way}/lib id")).exits(1).complains("with these options");
    }
    run("jit-sudo -n -l ~/link/id").exits(1).silent().complains("no rule lets you run this");
}
