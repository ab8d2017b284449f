//! pyinfra, as it comes from `PyPI`. It calls `sudo` by that name: ours is a link of that name in its path.

use std::time::Duration;

use super::Person;

#[test]
fn its_operations_run_through_a_link_called_sudo() {
    let person = Person::trusted("pinar");
    person.login().run("mkdir bin && ln -s /usr/bin/jit-sudo bin/sudo").success();
    let call = |arguments: &str| {
        let script = format!(
            "PATH=$HOME/bin:$PATH; {} python3 /opt/pypi/bin/pyinfra -y @local {arguments}",
            super::PYTHON
        );
        person.login().within(Duration::from_mins(2)).run(&script)
    };
    let deploy = "from pyinfra.operations import files, server
files.directory(name='folder', path='/srv/pinar', mode='750', _sudo=True)
files.line(name='line', path='/srv/pinar/list', line='one', _sudo=True)
server.shell(name='user', commands=['id -un >/tmp/pinar.user'], _sudo=True, _sudo_user='daemon')
";
    super::guest().write("/home/pinar/deploy.py", deploy.as_bytes());
    let outcome = call("deploy.py").success();
    super::guest()
        .sh("cat /tmp/pinar.user /srv/pinar/list; stat -c %a /srv/pinar")
        .success()
        .prints("daemon\none\n750");
    drop(outcome);
    let sessions = super::guest().audit(&["\"session.started\"", "\"pinar\""]);
    assert!(sessions.len() > 3, "{sessions:#?}");
}

/// It tells a missing password by this very line.
#[test]
fn a_missing_password_is_told_in_the_words_that_it_looks_for() {
    let person = Person::asked("pearl");
    person.login().run("mkdir bin && ln -s /usr/bin/jit-sudo bin/sudo").success();
    let outcome = person.login().run("bin/sudo -H -n sh -c 'echo hello'").exits(1).silent();
    assert_eq!(outcome.stderr.lines().last(), Some("sudo: a password is required"), "{outcome}");
}
