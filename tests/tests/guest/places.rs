//! Where people and programs call it from.

use std::time::Duration;

use crate::{NO_PASSWORD, PASSWORD, eligible, rule};
use jit_tests::Guest;

#[test]
fn it_works_over_ssh_without_a_terminal() {
    let (guest, _policy) = eligible("pia", "");
    guest.as_user("pia").input(format!("{PASSWORD}\n")).ssh("jit-sudo -S id -u").success().prints("0");
    guest.as_user("pia").ssh("jit-sudo -n id -u").exits(1).silent().complains("jit-sudo: ");
}

#[test]
fn it_works_over_ssh_with_a_terminal() {
    let (guest, _policy) = eligible("paul", "");
    let mut terminal = guest.as_user("paul").ssh_terminal("jit-sudo id");
    terminal.expect("assword").type_line(PASSWORD).expect("uid=0(root)");
    terminal.finish().success();
}

#[test]
fn it_works_from_cron() {
    let (guest, _policy) = eligible("petra", NO_PASSWORD);
    guest.write("/etc/cron.d/jit-test", b"* * * * * petra jit-sudo id -u >/home/petra/out 2>&1\n");
    guest.until("[ -s /home/petra/out ]", Duration::from_secs(90));
    guest.sh("rm /etc/cron.d/jit-test; cat /home/petra/out").success().prints("0");
}

// Whoever came by ssh can have cron call su(1) on a terminal of script(1): logind knows no remote end of that.
#[test]
fn a_login_session_on_neither_screen_nor_console_is_not_local() {
    let (guest, _policy) = eligible("pernille", &format!("{NO_PASSWORD}\nwhen.origin = [\"local\"]"));
    let mut terminal = guest.as_user("pernille").terminal("jit-sudo -n id -u; jit-sudo --explain id");
    terminal
        .expect("no rule lets you run this in this login session")
        .expect("began on no screen or console");
    terminal.finish();
}

#[test]
fn it_works_from_a_systemd_unit() {
    let (guest, _policy) = eligible("piet", NO_PASSWORD);
    guest
        .sh("systemd-run --quiet --wait --pipe --property=User=piet jit-sudo -n id -u")
        .success()
        .prints("0");
}

#[test]
fn it_works_for_root_itself() {
    let guest = Guest::shared();
    guest.sh("jit-sudo id -u").success().prints("0");
    guest.sh("jit-sudo -u daemon id -un").success().prints("daemon");
}

/// Group look-ups take what NSS has: uzers and others give up or drop entries.
#[test]
fn a_group_of_two_thousand_members_counts_like_any_other() {
    let guest = Guest::shared();
    guest.add_user("patty", Some(PASSWORD), &[]);
    guest.sh("echo \"crowd:x:70000:$(seq -s, -f 'member%g' 1999),patty\" >>/etc/group").success();
    let _policy = guest.policy("patty", &rule("patty", "%crowd", NO_PASSWORD));
    guest.as_user("patty").run("jit-sudo -n id -u").success().prints("0");
}

#[test]
fn a_user_with_fifteen_hundred_groups_is_known_by_the_last_of_them() {
    let guest = Guest::shared();
    guest.add_user("pablo", Some(PASSWORD), &[]);
    guest.sh("seq 71001 72500 | sed 's/.*/many&:x:&:pablo/' >>/etc/group").success();
    let _policy = guest.policy("pablo", &rule("pablo", "%many72500", NO_PASSWORD));
    guest.as_user("pablo").run("id -G | wc -w").success().prints("1501");
    guest.as_user("pablo").run("jit-sudo -n id -u").success().prints("0");
    guest.as_user("pablo").run("jit-sudo -n -u pablo id -G | wc -w").success().prints("1501");

    let deny = "schema = 1\n[[rule]]\nid = \"pablo-not\"\neffect = \"deny\"\nusers = [\"%#72400\"]\ncommands = [\"ALL\"]\n";
    let _deny = guest.policy("pablo-not", deny);
    guest.as_user("pablo").run("jit-sudo -n id -u").exits(1).silent();
}
