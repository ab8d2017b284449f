//! What `dpkg -i` leaves behind.

use std::fs;

use jit_tests::{Guest, image};

use crate::disk;

/// Nothing in the package is setuid, setgid or has capabilities; helper and jitctl can't be read, so nobody can attach.
#[test]
fn no_file_of_the_package_has_privileges_of_its_own() {
    let guest = Guest::shared();
    guest.sh("dpkg -L jit-sudo | grep -c .").success();
    guest.sh("find $(dpkg -L jit-sudo) -maxdepth 0 -type f -perm /6000").success().prints("");
    let attributes = "import os, sys; print([f for f in map(str.strip, sys.stdin) if os.listxattr(f)])";
    guest.sh(&format!("dpkg -L jit-sudo | python3 -c '{attributes}'")).success().prints("[]");
    guest
        .sh("stat -c '%a %U %G' /usr/bin/jit-sudo /usr/bin/jitctl")
        .success()
        .prints("711 root root\n711 root root");
    guest.sh("find $(dpkg -L jit-sudo) -maxdepth 0 -not -type l -perm /022").success().prints("");
}

#[test]
fn folders_have_the_modes_of_the_contract() {
    let folders =
        "/run/jit-sudo /run/jit-sudo/private /var/lib/jit-sudo /var/lib/jit-sudo-login /var/log/jit-sudo";
    let stat = Guest::shared().sh(&format!("stat -c '%a %U %n' {folders}")).success();
    stat.prints(
        "755 root /run/jit-sudo\n700 root /run/jit-sudo/private\n700 root /var/lib/jit-sudo\n\
         755 root /var/lib/jit-sudo-login\n700 root /var/log/jit-sudo",
    );
    Guest::shared().sh("getent group jit-admin").success().shows("jit-admin:");
    Guest::shared().sh("id jit-hook").success().shows("(jit-hook)").never_shows("jit-admin");
    Guest::shared().sh("stat -c '%a %U' /etc/jit-sudo/hooks.d").success().prints("755 root");
}

#[test]
fn its_units_are_enabled_and_active_and_none_failed() {
    let guest = Guest::shared();
    let timer = "jit-audit-rotate.timer";
    for unit in
        ["jit-agentd.service", "jit-agentd.socket", "jit-agentd-pam.socket", "jit-spawner.service", timer]
    {
        guest
            .sh(&format!("systemctl is-active {unit} && systemctl is-enabled {unit}"))
            .success()
            .prints("active\nenabled");
    }
    guest.sh("systemctl --failed --no-legend").success().prints("");
    guest.sh("systemctl show -P NRestarts jit-agentd.service jit-spawner.service").success().prints("0\n\n0");
}

/// What is less than it should be says what is missing (a guest's cgroups lack controllers); nothing fails.
#[test]
fn status_tells_what_works_and_what_is_missing() {
    let guest = Guest::shared();
    let outcome = guest.sh("jitctl status");
    let degraded = outcome.stdout.contains("degraded");
    assert_eq!(outcome.code(), Some(i32::from(degraded)), "{outcome}");
    outcome.never_shows("fails");
    let json = guest.sh("jitctl status --json").stdout;
    let parts: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(parts.len() > 4, "{json}");
    for part in parts.iter().filter(|part| part["state"] != "works") {
        assert_ne!(part["detail"], "", "{part}");
    }
}

/// An upgrade restarts the agent and never the spawner, so one that runs inside a session comes to its end.
#[test]
fn an_upgrade_from_inside_a_session_finishes_and_keeps_the_spawner() {
    let guest = Guest::shared();
    let pid = |unit: &str| guest.sh(&format!("systemctl show -P MainPID {unit}")).success().stdout;
    let before = (pid("jit-spawner.service"), pid("jit-agentd.service"));
    guest.sh("jit-sudo dpkg -i /root/jit-sudo.deb").success().shows("Setting up jit-sudo");
    assert_eq!(pid("jit-spawner.service"), before.0);
    assert_ne!(pid("jit-agentd.service"), before.1);
    guest.sh("jit-sudo id -u").success().prints("0");
}

/// The agent's unit is sandboxed; the spawner's must not be: a command would inherit it.
#[test]
fn commands_do_not_inherit_a_sandbox() {
    let guest = Guest::shared();
    let facts = |process: &str| {
        format!("grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters|CapBnd):' /proc/{process}/status")
    };
    let outside = guest.sh(&facts("1")).success().stdout;
    guest.sh(&format!("jit-sudo {}", facts("self"))).success().prints(outside.trim());
    let mounts = |process: &str| format!("readlink /proc/{process}/ns/mnt");
    guest.sh(&format!("jit-sudo {}", mounts("self"))).prints(guest.sh(&mounts("1")).stdout.trim());
    let agent = guest
        .sh("grep -E '^(NoNewPrivs|Seccomp):' /proc/$(systemctl show -P MainPID jit-agentd)/status")
        .success();
    agent.shows("NoNewPrivs:\t1").shows("Seccomp:\t2");
}

/// systemd takes each option of the units; an unknown one would be ignored with a warning.
#[test]
fn this_systemd_knows_every_option_of_the_units() {
    let units = "$(dpkg -L jit-sudo | grep systemd/system/)";
    let outcome = Guest::shared().sh(&format!("systemd-analyze verify --man=no {units}"));
    outcome.success().never_shows("jit-");
}

/// "`jitctl audit rotate` and a timer": once a day, if it is due.
#[test]
fn the_timer_rotates_a_log_that_is_due_and_no_other() {
    let guest = disk::guest();
    let newest = || guest.sh("ls /var/log/jit-sudo | grep ^audit- | tail -n 1").stdout;
    let before = newest();
    guest.sh("systemctl start jit-audit-rotate.service").success();
    guest.sh("journalctl --no-pager -u jit-audit-rotate.service").success().shows("not due");
    assert_eq!(newest(), before);
    guest.write("/etc/jit-sudo/agent.toml", b"audit.rotate_age = \"2s\"\n");
    guest.sh("systemctl restart jit-agentd.service; sleep 3").success();
    let before = newest(); // it may have done it by itself
    guest.sh("systemctl start jit-audit-rotate.service").success();
    let then = newest();
    guest.sh("rm /etc/jit-sudo/agent.toml; systemctl restart jit-agentd.service").success();
    assert!(then > before, "{then}");
    guest.sh("jitctl audit verify").success();
    guest.sh("systemctl list-timers --no-legend").success().shows("jit-audit-rotate.timer");
    // It needs the agent's socket and nothing else.
    let exposure =
        guest.sh("systemd-analyze security --no-pager jit-audit-rotate.service | tail -n 1").success();
    let level: f64 = exposure.stdout.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(level <= 2.0, "{exposure}");
}

/// A page for each program, in its section, and one that man(1) can read; no file of ours has another's name.
#[test]
fn manual_pages_and_completions_are_where_they_are_looked_for() {
    let guest = Guest::shared();
    for page in ["1/jit-sudo.1", "8/jitctl.8", "8/jit-agentd.8", "5/jit-policy.5", "8/pam_jit.8"] {
        let path = format!("/usr/share/man/man{page}.gz");
        guest
            .sh(&format!("dpkg -L jit-sudo | grep -x {path} && zcat {path}"))
            .success()
            .shows(".Sh NAME\n.Nm ");
    }
    guest.sh("zcat /usr/share/man/man1/jit-sudo.1.gz").shows("non\\-interactive");
    let completes = |program: &str, words: &str, has: &str| {
        let (function, at) = (program.replace('-', "_"), words.split(' ').count());
        let call = format!(
            "COMP_WORDS=({program} {words}) COMP_CWORD={at}; _{function}; echo \"${{COMPREPLY[@]}}\""
        );
        guest
            .sh(&format!("bash -ec '. /usr/share/bash-completion/completions/{program}; {call}'"))
            .success()
            .shows(has);
    };
    completes("jit-sudo", "-u roo", "root");
    completes("jit-sudo", "-n --us", "--user");
    completes("jitctl", "policy che", "check");
    guest
        .sh("ls /usr/share/zsh/vendor-completions/_jit-sudo /usr/share/fish/vendor_completions.d/jitctl.fish")
        .success();
}

const SUDO: &str =
    "sha256sum $(ls -d /usr/bin/sudo* /usr/bin/sudoedit*); stat -c '%n %a %U %s %Y' /usr/bin/sudo*";

/// "divert it, never overwrite": Debian's sudo is moved aside and comes back byte for byte, also when it was upgraded
/// meanwhile.
#[test]
fn as_sudo_it_stands_beside_debians_which_comes_back_unchanged() {
    let guest = Guest::boot_with_clients(Guest::shared().release());
    let before = guest.sh(SUDO).success().stdout;
    guest.write("/root/as-sudo.deb", &fs::read(image::as_sudo()).unwrap());
    guest.sh("dpkg -i /root/as-sudo.deb").success();
    is_ours(&guest);
    guest.sh("/usr/bin/sudo.distrib -V").success().shows("Sudo version");
    guest.sh("find /usr/bin/sudo.distrib -perm -4000").prints("/usr/bin/sudo.distrib");
    // Debian's is a link to `sudo`: it must not take a file for a command.
    guest.sh("sudoedit.distrib -h host x 2>&1").exits(1).shows("sudoedit: ");
    // Once more, and over itself through itself, as an upgrade does.
    guest.sh("sudo dpkg -i /root/as-sudo.deb").success();
    is_ours(&guest);
    guest.sh("dpkg -P jit-sudo-as-sudo").success();
    assert_eq!(guest.sh(SUDO).success().stdout, before);
    guest.sh("sudo -V").success().shows("Sudo version");
    guest.sh("dpkg-divert --list 'jit-sudo*'").prints("");
    // Debian's package goes while ours is there, and leaves nothing for us to bring back.
    guest.sh("dpkg -i /root/as-sudo.deb && SUDO_FORCE_REMOVE=yes dpkg -P sudo").success();
    is_ours(&guest);
    guest.sh("dpkg -r jit-sudo-as-sudo").success();
    guest.sh("ls /usr/bin/sudo /usr/bin/sudo.distrib").exits(2).prints("");
}

#[test]
fn as_sudo_it_needs_no_sudo_to_stand_beside() {
    let guest = Guest::boot(Guest::shared().release());
    guest.sh("ls /usr/bin/sudo").exits(2);
    guest.write("/root/as-sudo.deb", &fs::read(image::as_sudo()).unwrap());
    guest.sh("dpkg -i /root/as-sudo.deb").success();
    is_ours(&guest);
    // It is nothing without the package that it leads to.
    guest.sh("dpkg -r jit-sudo").exits(1);
    guest.sh("dpkg -P jit-sudo-as-sudo").success();
    guest
        .sh("ls /usr/bin/sudo /usr/bin/sudoedit /usr/bin/sudo.distrib; dpkg-divert --list 'jit-sudo*'")
        .prints("");
}

/// What is called `sudo` is ours, works, and says so by that name.
#[track_caller]
fn is_ours(guest: &Guest) {
    guest.sh("sudo -n true && sudo -n id -u").success().prints("0");
    guest
        .sh("readlink -f $(command -v sudo) $(command -v sudoedit)")
        .prints("/usr/bin/jit-sudo\n/usr/bin/jit-sudo");
    let refused = guest.sh("sudo -n -u nobody-at-all true");
    assert!(refused.stderr.starts_with("sudo: "), "{refused}");
    guest.sh("sudoedit -h host x 2>&1").exits(1).shows("sudoedit: ");
    let edits = "echo a >/root/edited; EDITOR='sed -i s/a/b/' sudoedit -n /root/edited && cat /root/edited";
    guest.sh(edits).success().prints("b");
    assert!(guest.sh("dpkg -V jit-sudo-as-sudo").success().stdout.is_empty());
}

/// Logins must not hang on a module that is gone; what the agent knew is gone with a purge.
#[test]
fn a_removed_package_leaves_no_gate_and_a_purged_one_nothing() {
    let release = Guest::shared().release();
    let guest = Guest::boot(release);
    guest.sh("pam-auth-update --enable jit-sudo && grep -q pam_jit.so /etc/pam.d/common-account").success();
    guest.sh("dpkg -r jit-sudo").success();
    guest.sh("grep -l pam_jit.so /etc/pam.d/*").exits(1);
    guest.sh("pgrep 'jit-agentd|jit-spawner'").exits(1);
    guest.sh("ls /var/lib/jit-sudo /etc/pam.d/jit-sudo").success();
    guest.sh("dpkg -P jit-sudo").success();
    guest
        .sh("ls -d /run/jit-sudo /var/lib/jit-sudo* /var/log/jit-sudo /etc/jit-sudo /etc/pam.d/jit-sudo")
        .exits(2)
        .prints("");
    guest.sh("systemctl list-unit-files --no-legend 'jit-*'").prints("");
    guest.sh("systemctl --failed --no-legend").prints("");
}
