//! Agent and monitor, once the order is given: JSON, one value a message, at most [`MAX_MESSAGE`] bytes.
//!
//! ```text
//! monitor ── AuthenticationFailed (each wrong password), Fulfilled ─▶ agent
//!         ◀─ Go | Refuse ──────────────────────────────────────────── agent (grant and session.started are durable)
//!         ── Accepted (by PAM, at the same time) ───────────────────▶ agent
//!         ◀─ Finish (instead of Go, where nothing is to be run) ───── agent
//!         ── Refused | Running, Outside, Expired, Ended, Gone ───────────────▶ agent
//!         ◀─ Terminate ────────────────────────────────────────────── agent (revoked)
//! ```
//! A monitor whose agent went away dials [`crate::paths::MONITOR_SOCKET`] and begins with `Resume`, then `Running`
//! again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Largest message in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// From the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromMonitor {
    /// A wrong password, or an account that PAM refuses to authenticate. One for each try.
    AuthenticationFailed {
        /// Whose password was asked for.
        user: String,
        /// 1 for the first try.
        attempt: u32,
    },
    /// Duties on the monitor's side are fulfilled. Answered by Go or Refuse; where nothing is to be run only by Refuse.
    Fulfilled {
        /// Whether a password was asked for and right.
        authenticated: bool,
        /// The reason the person typed, if it was asked for.
        reason: Option<String>,
    },
    /// PAM accepts the account. Where nothing is to be run it is answered by Finish or Refuse.
    Accepted,
    /// Nothing runs: the helper has been told `what` already.
    Refused {
        /// What happened, as told.
        what: String,
        /// True if the file could not be executed, or setting up failed, after Go.
        after_go: bool,
    },
    /// The command runs.
    Running {
        /// Its process id.
        pid: i32,
        /// Cgroup of the session relative to the spawner's subtree; empty where there is no cgroup v2.
        cgroup: String,
    },
    /// Its time is up (or it was told to terminate): what runs in it is being ended.
    Expired,
    /// A process of the session was found outside of its cgroup.
    Outside {
        /// Its number.
        pid: i32,
        /// Its name, which it chooses itself.
        name: String,
        /// Where it is, as `/proc/PID/cgroup` shows it.
        cgroup: String,
    },
    /// The command ended.
    Ended {
        /// How.
        status: ExitStatus,
        /// Processes it left behind live on in the session's cgroup.
        leftover: bool,
    },
    /// Nothing of the session is left. Last.
    Gone,
    /// First on a new connection after the agent went away.
    Resume {
        /// The session's id.
        session: String,
        /// The end of the command, if it came while there was no agent.
        ended: Option<ExitStatus>,
        /// Its time was up while there was no agent.
        expired: bool,
    },
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToMonitor {
    /// Run it, once PAM accepts the account: the intent is durable.
    Go(Go),
    /// There is nothing to run (Validate, List): tell the helper this and exit with that.
    Finish {
        /// For stdout.
        stdout: String,
        /// For stderr.
        stderr: String,
        /// Exit status.
        status: i32,
    },
    /// A part of what the helper prints, before `Finish`.
    Part {
        /// For stdout.
        stdout: String,
    },
    /// Do not run it.
    Refuse {
        /// What to tell.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Do not run it: somebody else has to approve it first.
    Pending {
        /// Id of the request.
        request: String,
        /// What to tell.
        what: String,
    },
    /// End what runs now, as at expiry.
    Terminate {
        /// For the person: `the grant was revoked`.
        why: String,
    },
}

/// The session may run until its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// For `JIT_GRANT_ID`.
    pub grant: String,
    /// The grant's end: nothing begins after it, however long PAM takes.
    pub begin_before: Deadline,
    /// When what runs is ended; absent: never (`on_expiry = "warn"`, or `finish` without a timeout).
    pub deadline: Option<Deadline>,
    /// What the person is told of its end, each at its moment; the earliest first.
    pub notices: Vec<Notice>,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Kill what the command leaves behind at once.
    pub kill_leftover: bool,
}

/// A line for the person while the command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// When.
    pub at: Deadline,
    /// `the session ends in 5 minutes`.
    pub text: String,
}

/// A moment on two clocks; whichever comes first counts, so that neither suspend nor a clock set back prolongs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadline {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub boottime_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since 1970.
    pub realtime_ns: i64,
}

impl Deadline {
    /// So long before it, on both clocks.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            boottime_ns: self.boottime_ns.saturating_sub(time),
            realtime_ns: self.realtime_ns.saturating_sub_unsigned(time),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It exited with this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}
