//! What this machine needs beside Rust, and how it gets it.

use std::path::Path;

use crate::cargo::{Done, command, read, run};

/// A Debian package, and what it is needed for.
pub(crate) type Need = (&'static str, &'static str);

/// To build anything.
pub(crate) const BUILD: &[Need] = &[
    ("gcc", "the linker for Rust programs"),
    ("libc6-dev", "the C library to link with"),
    ("libpam0g-dev", "spawner and module link libpam"),
];
/// To run the tests that need no guest.
pub(crate) const TESTS: &[Need] = &[
    ("pamtester", "puts the PAM module into real stacks"),
    ("util-linux", "setpriv, for hosts of the module"),
    ("openssh-client", "ssh-keygen signs policy for the tests"),
    ("mandoc", "looks for mistakes in the manual pages"),
    ("zsh", "to try the completions for it"),
    ("fish", "to try the completions for it"),
];
/// To make the Debian package.
pub(crate) const PACKAGE: &[Need] =
    &[("dpkg-dev", "dpkg-shlibdeps finds which libraries, and which versions, the package needs")];
/// To run tests in Debian guests.
pub(crate) const GUESTS: &[Need] = &[
    ("mmdebstrap", "makes the guests' images"),
    ("systemd-container", "systemd-nspawn boots them"),
    ("debian-archive-keyring", "to check the signatures on Debian's archive"),
    ("python3-pip", "fetches Ansible and pyinfra, which have to work with ours"),
];
/// To show the demo in its sandbox.
pub(crate) const DEMO: &[Need] = &[
    ("util-linux", "unshare makes the sandbox"),
    ("libpam-modules", "PAM's own modules"),
    ("passwd", "the demo users"),
];

/// To make system calls fail.
pub(crate) const FAULTS: &[Need] =
    &[("strace", "makes the calls of running programs fail"), ("openssh-client", "ssh-keygen signs tokens")];
/// To fuzz.
pub(crate) const FUZZ: &[Need] = &[("g++", "libFuzzer is C++")];

/// Installs what is missing, and says what and why. Only on Debian and its kin, and only for root: elsewhere it says
/// what to install.
///
/// # Errors
/// What is missing, and why it could not be installed.
pub(crate) fn install(needs: &[&[Need]]) -> Done {
    let needs = needs.iter().copied().flatten();
    let missing: Vec<&Need> = needs.filter(|(name, _)| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    println!("Missing on this machine:");
    for (name, why) in &missing {
        println!("  {name:<24} {why}");
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("this is no Debian or Ubuntu: please install the like of {}", names.join(" ")));
    }
    if !is_root() {
        return Err(format!("please install them: apt-get install {}", names.join(" ")));
    }
    let apt = |words: &[&str]| {
        let mut command = command(&["apt-get"]);
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run(command)
    };
    let install = [["install", "--yes", "--quiet", "--no-install-recommends"].as_slice(), &names].concat();
    // A machine's package lists may be old or, in a container, absent: then they are fetched, and once more.
    apt(&install).or_else(|_| apt(&["update", "--quiet"]).and_then(|()| apt(&install)))
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    read(command(&["id", "-u"])).is_ok_and(|uid| uid == "0")
}

fn is_installed(package: &str) -> bool {
    let query = command(&["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]);
    read(query).is_ok_and(|status| status == "installed")
}
