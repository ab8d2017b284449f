//! The guest itself, without anything of ours: if these fail, look here first.

use std::time::Duration;

use jit_tests::Guest;

#[test]
fn the_guest_runs_systemd_as_process_1_with_a_network_of_its_own() {
    let guest = Guest::shared();
    guest.sh("cat /proc/1/comm").success().prints("systemd");
    guest.sh("systemctl is-system-running").prints("running");
    guest.sh("ls /sys/class/net").success().prints("lo");
}

#[test]
fn processes_that_tests_start_are_inside_the_guests_cgroups() {
    Guest::shared().sh("grep ^0:: /proc/self/cgroup").success().prints("0::/tests.scope");
}

#[test]
fn a_user_has_a_shell_a_terminal_and_ssh() {
    let guest = Guest::shared();
    guest.add_user("harness", Some("Secret-1"), &["users"]);
    guest.as_user("harness").run("id -un; exit 3").exits(3).prints("harness");
    guest.as_user("harness").input("typed").run("cat").success().prints("typed");
    guest.as_user("harness").ssh("id -un; test -t 0").exits(1).prints("harness");

    let mut terminal =
        guest.as_user("harness").terminal("tty; read -p 'more? ' x </dev/tty; stty size; exit $x");
    terminal.expect("/dev/pts/").expect("more? ").resize(40, 132).type_line("7").expect("40 132");
    terminal.finish().exits(7);

    let mut terminal = guest.as_user("harness").ssh_terminal("tty; read x; exit $x");
    terminal.expect("/dev/pts/").type_line("8");
    terminal.finish().exits(8);
}

#[test]
fn a_password_is_asked_for_and_checked_by_pam() {
    let guest = Guest::shared();
    guest.add_user("harness2", Some("Secret-2"), &[]);
    guest.add_user("harness3", None, &[]);
    let ask = |password: &str| {
        let mut terminal = guest.as_user("harness3").terminal("su harness2 -c 'echo welcome'");
        terminal.expect("Password:").type_line(password);
        terminal.finish()
    };
    ask("Secret-2").success().shows("welcome");
    assert!(!ask("Secret-3").is_ok());
}

#[test]
fn a_command_that_hangs_is_ended_at_its_deadline() {
    let outcome = Guest::shared().sh_with_input("sleep 1000", b"", Duration::from_millis(500));
    assert!(outcome.status.is_none() && outcome.took < Duration::from_secs(40), "{outcome}");
}
