//! Passwords and authentication records.

use crate::{PASSWORD, eligible};

/// A grant says that one may; only a record of a recent authentication spares the password, and `-k` drops it.
#[test]
fn a_record_replaces_the_password_and_a_live_grant_does_not() {
    let (guest, _policy) = eligible("agnes", "");
    let script = "jit-sudo echo fir''st; jit-sudo -n echo sec''ond; jit-sudo -k; \
                  jit-sudo -n echo thi''rd || echo asked again; jit-sudo echo fou''rth";
    let mut terminal = guest.as_user("agnes").terminal(script);
    terminal.expect("assword").type_line(PASSWORD).expect("first").expect("second").expect("asked again");
    assert!(guest.sh("jitctl grants --all --json").success().stdout.contains("agnes"), "-k drops no grant");
    terminal.expect("assword").type_line(PASSWORD).expect("fourth");
    terminal.finish().success().never_shows("third");
}

#[test]
fn a_record_belongs_to_its_terminal() {
    let (guest, _policy) = eligible("anton", "");
    let mut terminal = guest.as_user("anton").terminal("jit-sudo id -u; read x");
    terminal.expect("assword").type_line(PASSWORD).expect("0\r\n");
    guest.as_user("anton").terminal("jit-sudo -n id -u").finish().exits(1).never_shows("uid=0");
    guest.as_user("anton").run("jit-sudo -n id -u").exits(1).silent();
    terminal.type_line("");
    terminal.hang_up();
}

#[test]
fn validate_makes_a_record_and_runs_nothing() {
    let (guest, _policy) = eligible("astrid", "");
    let mut terminal = guest.as_user("astrid").terminal("jit-sudo -v && jit-sudo -n id -un");
    terminal.expect("assword").type_line(PASSWORD).expect("root");
    terminal.finish().success();
}

#[test]
fn three_wrong_passwords_are_three_records_and_a_refusal() {
    let (guest, _policy) = eligible("arno", "");
    let mut terminal = guest.as_user("arno").terminal("jit-sudo id");
    for _ in 0..3 {
        terminal.expect("assword").type_line("wrong");
    }
    terminal.finish().exits(1).shows("jit-sudo: ").never_shows("uid=0");
    let failures = guest.audit(&["\"authentication.failed\"", "\"arno\""]);
    assert_eq!(failures.len(), 3, "{failures:#?}");
    assert!(guest.audit(&["\"session.started\"", "\"arno\""]).is_empty());
    assert_eq!(
        guest.audit(&["\"session.refused\"", "\"arno\""]).len()
            + guest.audit(&["\"request.denied\"", "\"arno\""]).len(),
        1
    );
}

#[test]
fn a_locked_or_expired_account_is_refused_whatever_it_types() {
    let (guest, _policy) = eligible("alma", "");
    guest.sh("chage --expiredate 2001-01-01 alma").success();
    // Its PAM session would not open either: the command comes from a program that is still running.
    let script = "setpriv --reuid alma --regid alma --init-groups sh -c 'echo Secret-1 | jit-sudo -S id'";
    guest.sh(script).exits(1).silent().complains("jit-sudo: ");
}

#[test]
fn a_password_never_shows_up_in_logs() {
    let (guest, _policy) = eligible("axel", "");
    guest.sh("echo axel:Canary-4711-Canary | chpasswd").success();
    let mut terminal = guest.as_user("axel").terminal("jit-sudo id -un");
    terminal.expect("assword").type_line("Canary-4711-Canary").expect("root");
    terminal.finish().success().never_shows("Canary");
    guest.sh("journalctl --no-pager | grep -c Canary").prints("0");
    guest.sh("grep -r -c Canary /var/log/jit-sudo /var/lib/jit-sudo | grep -v ':0$'").prints("");
}
