//! What drives sudo drives ours: programs, scripts and people's habits. In a guest of their own with sudo beside it, so
//! that what sudo does is seen and not remembered. The numbers in comments are issues of sudo (`sudo#`) and sudo-rs.

mod ansible;
mod askpass;
mod background;
mod bad_input;
mod full_screen;
mod inheritance;
mod pyinfra;
mod scripts;
mod terminals;

use std::sync::OnceLock;

use jit_tests::guest::Policy;
use jit_tests::login::Login;
use jit_tests::{Guest, Outcome};

use crate::{NO_PASSWORD, PASSWORD};

/// The two that every test asks.
const BOTH: [&str; 2] = ["sudo", "jit-sudo"];

/// The environment of programs from `PyPI`. Whoever is first compiles them for all.
const PYTHON: &str = "LC_ALL=C.UTF-8 PYTHONPATH=/opt/pypi PYTHONPYCACHEPREFIX=/var/cache/pypi";

/// The guest with sudo and what drives it.
pub(crate) fn guest() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| {
        let guest = Guest::boot_with_clients(&jit_tests::guest::release());
        // sudo looks its own host up, and complains.
        guest.sh("mkdir -m 1777 /var/cache/pypi; echo \"127.0.1.1 $(hostname)\" >>/etc/hosts").success();
        guest
    })
}

/// Somebody who may do anything with sudo and with ours.
struct Person {
    name: &'static str,
    _policy: Policy<'static>,
}

impl Person {
    /// Who needs no password.
    fn trusted(name: &'static str) -> Self {
        Self::under(name, "NOPASSWD: ALL", NO_PASSWORD)
    }

    /// Who needs one, every time.
    fn asked(name: &'static str) -> Self {
        Self::under(name, "ALL", "require.authentication_timeout = \"0\"")
    }

    /// With these rules.
    fn under(name: &'static str, sudoers: &str, keys: &str) -> Self {
        let guest = guest();
        guest.add_user(name, Some(PASSWORD), &[]);
        guest
            .write(&format!("/etc/sudoers.d/{name}"), format!("{name} ALL=(ALL:ALL) {sudoers}\n").as_bytes());
        let keys = format!("run_as_groups = [\"ALL\"]\n{keys}");
        Self { name, _policy: guest.policy(name, &crate::rule(name, name, &keys)) }
    }

    /// For whom ours is called `sudo`; how to say so before a script.
    fn calls_ours_sudo(&self) -> &'static str {
        self.login().run("mkdir -p bin && ln -sf /usr/bin/jit-sudo bin/sudo").success();
        "PATH=$HOME/bin:$PATH;"
    }

    fn login(&self) -> Login<'static> {
        guest().as_user(self.name)
    }

    /// Runs a script in which `SUDO` stands for sudo, then for ours.
    fn run_both(&self, script: &str) -> [Outcome; 2] {
        BOTH.map(|program| self.login().run(&script.replace("SUDO", program)))
    }

    /// The same, on a terminal.
    fn show_both(&self, script: &str) -> [Outcome; 2] {
        BOTH.map(|program| self.login().terminal(&script.replace("SUDO", program)).finish())
    }

    /// Both must print the same and end in the same way; what ours did.
    #[track_caller]
    fn same(&self, script: &str) -> Outcome {
        alike(self.run_both(script))
    }

    /// The same, on a terminal.
    #[track_caller]
    fn same_on_terminal(&self, script: &str) -> Outcome {
        alike(self.show_both(script))
    }
}

/// Where sudo does not have the terminal, both it and the kernel end its lines: those are told here as they look.
#[track_caller]
fn alike([theirs, ours]: [Outcome; 2]) -> Outcome {
    assert_eq!(
        (ours.code(), ours.signal(), &ours.stdout),
        (theirs.code(), theirs.signal(), &theirs.stdout.replace("\r\n", "\n")),
        "not as with sudo:\n{theirs}\n{ours}"
    );
    ours
}
