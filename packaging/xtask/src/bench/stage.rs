//! The guest in which everything is measured.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use jit_bench::{Contender, Samples, Task};
use jit_tests::{Guest, process};
use serde::de::DeserializeOwned;

use super::circumstances::ours;
use crate::cargo::{Done, VERSION};
use crate::{host, package};

/// Whom all peers let run anything as root without a password: account and session are PAM's all the same.
pub(crate) const USER: &str = "bench";

const HARNESS: &str = "/usr/local/bin/jit-bench";

/// A series of samples may take this long.
const PATIENCE: Duration = Duration::from_mins(20);

/// Time for what a command leaves behind (its scope, its session's end) to be over.
const GAP: Duration = Duration::from_millis(20);

/// The guest, ready to measure. Only one at a time on a machine.
pub(crate) struct Stage {
    pub(crate) guest: Guest,
    /// What to call the package.
    pub(crate) package: String,
    _lock: File,
}

/// The rule that lets the user on each side: where it stands, and what it says.
const RULES: &[(&str, &str)] = &[
    ("/etc/sudoers.d/bench", "bench ALL=(ALL:ALL) NOPASSWD: ALL\n"),
    ("/etc/doas.conf", "permit nopass bench\n"),
    (
        "/etc/polkit-1/rules.d/10-bench.rules",
        "polkit.addRule(function (action, subject) {
             var used = [\"org.freedesktop.systemd1.manage-units\", \"org.freedesktop.policykit.exec\"];
             if (subject.user == \"bench\" && used.indexOf(action.id) >= 0) return polkit.Result.YES;
         });\n",
    ),
    (
        "/etc/jit-sudo/policy.d/bench.toml",
        "schema = 1\n[[rule]]\nid = \"bench\"\nusers = [\"bench\"]\ncommands = [\"ALL\"]\nrequire.authentication = \"none\"\n",
    ),
];

impl Stage {
    /// Boots the guest with the package that `JIT_DEB` names (otherwise it is built), the peers and the harness.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn set() -> Done<Self> {
        if !host::is_root() {
            return Err("benchmarks need root: they run in a guest".into());
        }
        host::install(&[host::BUILD, host::PACKAGE, host::GUESTS])?;
        let (deb, package) = package()?;
        let harness = package::build_static("jit-bench")?.join("jit-bench");
        let harness = fs::read(&harness).map_err(|error| format!("{}: {error}", harness.display()))?;
        let lock = alone()?;
        let stage = Self { guest: Guest::boot_with_peers("trixie", &deb), package, _lock: lock };
        stage.guest.add_user(USER, None, &[]);
        stage.guest.write(HARNESS, &harness);
        stage.sh(&format!("chmod 755 {HARNESS}"))?;
        for (path, text) in RULES {
            stage.guest.write(path, text.as_bytes());
        }
        // doas and sudo insist on modes.
        stage.sh("chmod 440 /etc/sudoers.d/bench; chmod 400 /etc/doas.conf; jitctl reload")?;
        stage.sh("systemctl restart polkit")?;
        Ok(stage)
    }

    /// A shell script as root in the guest; its stdout.
    ///
    /// # Errors
    /// It failed.
    pub(crate) fn sh(&self, script: &str) -> Done<String> {
        let outcome = self.guest.sh(script);
        if outcome.is_ok() { Ok(outcome.stdout) } else { Err(outcome.to_string()) }
    }

    /// Wall times of these, in nanoseconds, run in turn so often.
    ///
    /// # Errors
    /// One of them failed.
    pub(crate) fn latency(&self, contenders: Vec<Contender>, rounds: u32) -> Done<Samples> {
        self.ask(USER, &Task::Latency { contenders, rounds, gap: GAP, at_most: PATIENCE })
    }

    /// Has the harness do this as this user, scheduled as all of the guest is.
    ///
    /// # Errors
    /// It could not.
    pub(crate) fn ask<Answer: DeserializeOwned>(&self, user: &str, task: &Task) -> Done<Answer> {
        let task = serde_json::to_vec(task).map_err(|error| error.to_string())?;
        // Process 1 is scheduled as all of the guest is.
        let script = format!(
            "policy=--other priority=0; chrt -p 1 | grep -q SCHED_RR && policy=--rr priority=1
             exec chrt $policy $priority runuser --login {user} --command {HARNESS}"
        );
        let outcome = process::run(self.guest.command(&["sh", "-c", &script]), &task, PATIENCE * 2);
        if !outcome.is_ok() {
            return Err(outcome.to_string());
        }
        serde_json::from_str(&outcome.stdout).map_err(|error| format!("{error}\n{outcome}"))
    }

    /// Has everything in the guest scheduled as `SCHED_RR`, priority 1, or as usual.
    ///
    /// # Errors
    /// This machine can't.
    pub(crate) fn schedule(&self, realtime: bool) -> Done {
        let policy = if realtime { "--rr --pid 1" } else { "--other --pid 0" };
        // Processes come and go meanwhile; what is started later inherits it.
        let script = format!(
            "for process in /proc/[0-9]*; do chrt --all-tasks {policy} ${{process#/proc/}} 2>/dev/null; done
             chrt -p 1"
        );
        let shown = self.sh(&script)?;
        let wanted = if realtime { "SCHED_RR" } else { "SCHED_OTHER" };
        if shown.contains(wanted) { Ok(()) } else { Err(format!("the guest can't run as {wanted}: {shown}")) }
    }
}

/// The package that `JIT_DEB` names, or one of what stands here, and what to call it.
fn package() -> Done<(PathBuf, String)> {
    if let Some(path) = std::env::var_os("JIT_DEB") {
        return Ok((PathBuf::from(path), format!("a given jit-sudo {VERSION}")));
    }
    let [package, _] = package::build()?;
    Ok((package, ours()))
}

/// The peers that are measured, `true` bare first. All run the same command.
pub(crate) fn contenders(names: &[&str], run: &str) -> Vec<Contender> {
    let line = |name: &str| match name {
        "jit-sudo" => format!("/usr/bin/jit-sudo -n {run}"),
        "doas" => format!("/usr/bin/doas -n {run}"),
        "sudo-rs" => format!("/usr/bin/sudo-rs -n {run}"),
        "sudo" => format!("/usr/bin/sudo -n {run}"),
        // No background: it would ask the terminal for its colours first, and wait for an answer.
        "run0" => format!("/usr/bin/run0 --no-ask-password --background= {run}"),
        "pkexec" => format!("/usr/bin/pkexec --disable-internal-agent {run}"),
        _ => run.to_owned(),
    };
    names.iter().map(|name| Contender::new(name, &line(name))).collect()
}

/// Two benches at the same time would measure each other.
fn alone() -> Done<File> {
    let path = "/run/jit-bench.lock";
    let file = File::create(path).map_err(|error| format!("{path}: {error}"))?;
    if file.try_lock().is_err() {
        println!("Waiting for another bench on this machine to end.");
        file.lock().map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(file)
}
