//! Where the programs run: as the units of systemd, or started by hand as on a host without it.

use std::fmt;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use jit_tests::{Guest, Outcome};

use crate::{PASSWORD, rule};

/// Without systemd somebody starts the agent again when it ends: this is what a supervisor of daemons does.
const SUPERVISOR: &str = "while :; do /usr/libexec/jit-sudo/jit-agentd --foreground; sleep 0.2; done";
pub(super) const SPAWNER_WORKS: &str =
    "jitctl status --json | tr -d ' \\n' | grep -q '\"spawner\",\"state\":\"works\"'";
const UNITS: &str = "jit-agentd.socket jit-agentd-pam.socket jit-agentd.service jit-spawner.service";

/// A guest in which the programs run in one of these ways. Dropped, it is as it was.
pub(super) struct Host {
    guest: &'static Guest,
    kind: Kind,
    /// Of the supervisor, inside the guest.
    supervisor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The package's units.
    Systemd,
    /// No unit of ours runs.
    ByHand,
    /// The same, where there is no cgroup v2.
    ByHandWithoutCgroup,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

/// Does it on each of them at the same time, for most of it is to wait; says on which it failed.
pub(super) fn on_each(test: impl Fn(&Host) + Sync) {
    std::thread::scope(|scope| {
        for kind in [Kind::Systemd, Kind::ByHand, Kind::ByHandWithoutCgroup] {
            let test = &test;
            scope.spawn(move || on(kind, test));
        }
    });
}

fn on(kind: Kind, test: &dyn Fn(&Host)) {
    let host = Host::start(kind);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&host)));
    if result.is_err() {
        let ask = "cat /run/by-hand.log; jitctl sessions --all; ps -eo pid,ppid,stat,etime,args | tail -n 40; \
             tail -n 20 /var/log/jit-sudo/audit.jsonl; journalctl -n 40 --no-pager -u 'jit-*'";
        panic!("it failed on {host}, where this is what there is:\n{}", host.sh(ask).stdout);
    }
    host.guest.sh("jitctl audit verify").success();
}

/// A guest in which no unit of ours runs.
fn without_units() -> Guest {
    let guest = Guest::boot(Guest::shared().release());
    guest.sh(&format!("systemctl mask --now {UNITS}")).success();
    guest
}

impl Host {
    fn start(kind: Kind) -> Self {
        static BY_HAND: OnceLock<Guest> = OnceLock::new();
        static WITHOUT_CGROUP: OnceLock<Guest> = OnceLock::new();
        let guest = match kind {
            Kind::Systemd => return Self { guest: Guest::shared(), kind, supervisor: None },
            Kind::ByHand => BY_HAND.get_or_init(without_units),
            Kind::ByHandWithoutCgroup => WITHOUT_CGROUP.get_or_init(without_units),
        };
        // Only they and whoever is sent to them see no cgroups: for all others the guest stays as it is.
        let hide = if kind == Kind::ByHand { ":" } else { "umount -l /sys/fs/cgroup" };
        let start = format!(
            "unshare --mount setsid sh -c '{hide}; {SUPERVISOR}' </dev/null >/run/by-hand.log 2>&1 & echo $!"
        );
        let supervisor = guest.sh(&start).success().stdout.trim().to_owned();
        let host = Self { guest, kind, supervisor: Some(supervisor) };
        host.until(SPAWNER_WORKS, 40);
        host
    }

    /// Whether a session has a cgroup.
    pub(super) fn has_cgroup(&self) -> bool {
        self.kind != Kind::ByHandWithoutCgroup
    }

    /// A user who may do anything without a password for as long as these keys say. Each host has users of its own.
    pub(super) fn add_user(&self, name: &str, keys: &str) -> String {
        let user = format!("{name}{}", self.kind as u8);
        self.guest.add_user(&user, Some(PASSWORD), &[]);
        let path = format!("/etc/jit-sudo/policy.d/{user}.toml");
        self.guest.write(&path, rule(&user, &user, keys).as_bytes());
        self.sh("jitctl reload").success();
        user
    }

    /// As root.
    pub(super) fn sh(&self, script: &str) -> Outcome {
        self.guest.sh(&self.inside(script))
    }

    /// As a user, from a login shell without a terminal.
    pub(super) fn run(&self, user: &str, script: &str) -> Outcome {
        self.sh(&login(user, script))
    }

    /// The same, while the test goes on.
    pub(super) fn begin(&self, user: &str, script: &str) -> JoinHandle<Outcome> {
        let (guest, script) = (self.guest, self.inside(&login(user, script)));
        std::thread::spawn(move || guest.sh(&script))
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        self.guest.write(path, text.as_bytes());
    }

    #[track_caller]
    pub(super) fn until(&self, script: &str, seconds: u64) {
        self.guest.until(&self.inside(script), Duration::from_secs(seconds));
    }

    pub(super) fn audit(&self, having: &[&str]) -> Vec<serde_json::Value> {
        self.guest.audit(having).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whatever the name service, PAM and the terminal are: the programs and their callers share all namespaces.
    fn inside(&self, script: &str) -> String {
        let Some(supervisor) = &self.supervisor else { return script.to_owned() };
        format!("nsenter --mount=/proc/{supervisor}/ns/mnt sh -c {}", quoted(script))
    }

    /// Process id of the agent.
    pub(super) fn agent(&self) -> String {
        self.sh("pgrep -x jit-agentd").success().stdout.trim().to_owned()
    }

    /// Process id of the spawner: not of its monitors, nor of who keeps it.
    pub(super) fn spawner(&self) -> String {
        let all = "for pid in $(pgrep -x jit-spawner); do \
             grep -qx jit-spawner /proc/$(ps -o ppid= -p $pid | tr -d ' ')/comm || echo $pid; done";
        self.sh(all).success().stdout.trim().to_owned()
    }

    pub(super) fn kill(&self, pid: &str) {
        self.sh(&format!("kill -9 {pid}")).success();
    }

    /// Until somebody is elevated again.
    #[track_caller]
    pub(super) fn until_back(&self, user: &str) {
        self.until(&login(user, "jit-sudo -n true"), 40);
    }

    /// Nothing serves until the returned value is dropped.
    pub(super) fn without_agent(&self) -> Absent<'_> {
        match &self.supervisor {
            // Not by a stop in order: the agent is killed, and nobody starts it again.
            None => self.sh(
                "systemctl mask --runtime --quiet jit-agentd.service; systemctl kill -s KILL jit-agentd.service",
            ),
            Some(supervisor) => self.sh(&format!("kill -STOP {supervisor}; kill -9 {}", self.agent())),
        }
        .success();
        // One that nobody waits for is a zombie.
        self.until("! ps -C jit-agentd -o stat= | grep -qv Z", 40);
        Absent(self)
    }
}

/// The time without an agent.
pub(super) struct Absent<'h>(&'h Host);

impl Drop for Absent<'_> {
    fn drop(&mut self) {
        let script = match &self.0.supervisor {
            None => {
                "systemctl unmask --runtime --quiet jit-agentd.service; systemctl start jit-agentd.service"
                    .to_owned()
            }
            Some(supervisor) => format!("kill -CONT {supervisor}"),
        };
        let _ = self.0.sh(&script);
        self.0.until("jitctl status >/dev/null; [ $? -lt 2 ] && jitctl sessions >/dev/null", 10);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor {
            let all = "pkill -9 -x jit-agentd; pkill -9 -x jit-keeper; pkill -9 -x jit-spawner; true";
            let _ = self.guest.sh(&format!("kill -9 {supervisor}; {all}"));
        } else {
            // Other tests want to know how often they were started again.
            let _ = self.guest.sh("systemctl reset-failed jit-agentd.service jit-spawner.service");
        }
    }
}

fn login(user: &str, script: &str) -> String {
    format!("runuser --login {user} --command {}", quoted(script))
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
