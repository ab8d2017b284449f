//! Programs that have the password asked for by one of their own: `-A`.

use std::time::Duration;

use super::{BOTH, Person, guest};
use crate::PASSWORD;

const COCKPIT: &str = include_str!("cockpit.py");

/// A program that prints the password, and says in a file that it was called.
fn program(person: &Person, password: &str) -> String {
    let path = format!("/home/{}/askpass", person.name);
    let text = format!("#!/bin/sh\necho \"$1\" >>~/asked\necho '{password}'\n");
    guest().write(&path, text.as_bytes());
    guest().sh(&format!("chmod 755 {path}")).success();
    path
}

/// Cockpit's bridge starts a second one, `sudo -k -A cockpit-bridge --privileged`, and tells the browser about the prompt.
#[test]
fn cockpit_gets_its_privileged_bridge_with_the_right_password_alone() {
    let person = Person::under("corinna", "ALL", "");
    let sudo = person.calls_ours_sudo();
    guest().write("/usr/local/share/cockpit.py", COCKPIT.as_bytes());
    let call = |password: &str| {
        let script = format!("{sudo} python3 /usr/local/share/cockpit.py '{password}'");
        person.login().within(Duration::from_secs(40)).run(&script)
    };
    call(PASSWORD).success().prints("asked 1\nuid 0");
    // `-k`: asked again, though there is a record.
    call(PASSWORD).success().prints("asked 1\nuid 0");
    call("wrong").exits(1).shows("no privileged bridge");
    let sessions = guest().audit(&["\"session.started\"", "\"corinna\"", "cockpit-bridge"]);
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
}

/// As Homebrew's `SystemCommand` calls it: `-A` where there is a `SUDO_ASKPASS`, `-E`, variables, then dashes.
#[test]
fn a_package_managers_call_takes_the_password_from_the_program() {
    let person = Person::under(
        "celine",
        "ALL",
        "require.authentication_timeout = \"0\"\n[rule.restrict]\nenv_keep = [\"HOMEBREW_*\"]",
    );
    for secret in [PASSWORD, "wrong"] {
        let export = format!("export SUDO_ASKPASS={}; rm -f asked;", program(&person, secret));
        for program in BOTH {
            let call =
                format!("{program} -u root -A -E HOMEBREW_X=1 -- sh -c 'id -u; echo $HOMEBREW_X' </dev/null");
            let outcome =
                person.login().run(&format!("{export} {call}; echo $?; grep -c assword asked")).success();
            // Each asks three times before it gives up.
            outcome.prints(if secret == PASSWORD { "0\n1\n0\n1" } else { "1\n3" });
        }
    }
}

/// With a terminal and without one; the program's prompt is the one that the terminal would show.
#[test]
fn the_program_is_asked_with_the_prompt_and_only_where_it_must_be() {
    let person = Person::asked("cosima");
    let askpass = program(&person, PASSWORD);
    for program in BOTH {
        let call = |call: &str| format!("rm -f asked; SUDO_ASKPASS={askpass} {call}; cat asked");
        let terminal = person.login().terminal(&call(&format!("{program} -A -p 'for %p: ' id -u")));
        terminal.finish().success().prints("0\nfor cosima:");
        // Without a terminal even without `-A`; sudo's needs a display to be named, too.
        let script = call(&format!("DISPLAY=:7 {program} -p 'for %p: ' id -u"));
        person.login().run(&script).success().prints("0\nfor cosima:");
        person.login().run(&format!("SUDO_ASKPASS=/no/such {program} -A true")).exits(1).silent();
        let outcome = person.login().run(&format!("{program} -A true")).exits(1);
        outcome.complains("no askpass program specified, try setting SUDO_ASKPASS");
    }
}
