//! pyinfra, as it comes from `PyPI`. It calls `sudo` by that name: ours is a link of that name in its path.

use std::time::Duration;

use jit_tests::Outcome;

use super::Person;
use crate::PASSWORD;

fn deploys(person: &Person) -> Outcome {
    let sudo = person.calls_ours_sudo();
    let script = format!("{sudo} {} python3 /opt/pypi/bin/pyinfra -y @local deploy.py", super::PYTHON);
    person.login().within(Duration::from_mins(2)).run(&script)
}

#[test]
fn its_operations_run_through_a_link_called_sudo() {
    let person = Person::trusted("pinar");
    let deploy = "from pyinfra.operations import files, server
files.directory(name='folder', path='/srv/pinar', mode='750', _sudo=True)
files.line(name='line', path='/srv/pinar/list', line='one', _sudo=True)
server.shell(name='user', commands=['id -un >/tmp/pinar.user'], _sudo=True, _sudo_user='daemon')
";
    super::guest().write("/home/pinar/deploy.py", deploy.as_bytes());
    deploys(&person).success();
    super::guest()
        .sh("cat /tmp/pinar.user /srv/pinar/list; stat -c %a /srv/pinar")
        .success()
        .prints("daemon\none\n750");
    let sessions = super::guest().audit(&["\"session.started\"", "\"pinar\""]);
    assert!(sessions.len() > 3, "{sessions:#?}");
}

/// It has the password given by a program of its own (`-A -k`).
#[test]
fn its_operations_run_with_a_password_and_fail_with_a_wrong_one() {
    let person = Person::asked("pepita");
    let deploy = |password: &str| {
        let text = format!(
            "from pyinfra.operations import server
server.shell(name='shell', commands=['id -un >>/srv/pepita'], _sudo=True, _sudo_password='{password}')
"
        );
        super::guest().write("/home/pepita/deploy.py", text.as_bytes());
        deploys(&person)
    };
    deploy(PASSWORD).success();
    super::guest().sh("cat /srv/pepita").success().prints("root");
    deploy("wrong").exits(1);
    super::guest().sh("cat /srv/pepita").success().prints("root");
}

/// It tells a missing password by this very line.
#[test]
fn a_missing_password_is_told_in_the_words_that_it_looks_for() {
    let person = Person::asked("pearl");
    person.calls_ours_sudo();
    let outcome = person.login().run("bin/sudo -H -n sh -c 'echo hello'").exits(1).silent();
    assert_eq!(outcome.stderr.lines().last(), Some("sudo: a password is required"), "{outcome}");
}
