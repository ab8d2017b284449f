//! Who is walked at what, over which calls, with which faults.

use crate::deeds::Deed;
use crate::tracer::Fault;

pub(crate) const FILES: &[&str] = &[
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "renameat2",
];
pub(crate) const SENDS: &[&str] = &["sendto", "sendmsg", "sendmmsg"];
/// What makes processes and cgroups, and removes them.
const OTHERS: &[&str] = &["clone", "clone3", "vfork", "mkdir", "mkdirat", "rmdir", "unlinkat"];
/// Where a process that does not send waits.
const WAITS: &[&str] = &["recvmsg", "poll", "ppoll", "read"];
/// What only a process between fork and exec does.
const BECOMING: &[&str] = &["setpgid", "dup2", "dup3", "setresuid", "setresgid", "close_range", "execve"];

pub(crate) const EIO: Fault = Fault::Error("EIO");
pub(crate) const ENOSPC: Fault = Fault::Error("ENOSPC");

/// Who is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The agent's thread of this name.
    Agent(&'static str),
    /// The agent while it is started.
    Starting,
    Spawner,
    /// The one that takes the order; what it starts is not traced.
    Monitor,
    /// The monitor's child, until it has executed.
    Command,
    /// The same, for a command on a terminal.
    MonitorOfTerminal,
    Helper,
}

impl Who {
    /// Whether those are traced that it starts.
    pub(crate) fn has_children(self) -> bool {
        matches!(self, Self::Command | Self::Starting)
    }
}

/// One walk: every one of these calls at this deed, with each of the faults.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) name: &'static str,
    pub(crate) deed: Deed,
    pub(crate) who: Who,
    pub(crate) calls: &'static [&'static [&'static str]],
    /// On these alone; none: on all.
    pub(crate) files: &'static [&'static str],
    pub(crate) faults: &'static [Fault],
}

/// All that the agent writes. A thread's word to the event loop (a write to an eventfd) is none of them: it cannot fail.
/// But before it the agent can be killed.
pub(crate) const WRITTEN: &[&str] = &[
    "/var/lib/jit-sudo",
    "/var/lib/jit-sudo/state.redb",
    "/var/lib/jit-sudo/state.new",
    "/var/lib/jit-sudo/.last-good.json.new",
    "/var/lib/jit-sudo-login",
    "/var/lib/jit-sudo-login/.gated.new",
    "/var/log/jit-sudo",
    "/var/log/jit-sudo/audit.jsonl",
];
const ANY: &[&str] = &[];

pub(crate) const STORE: Who = Who::Agent("store");
pub(crate) const AUDIT: Who = Who::Agent("audit");
pub(crate) const LOOP: Who = Who::Agent("jit-agentd");
const ALL: &[&[&str]] = &[FILES, SENDS, OTHERS];

/// First those that end the agent: a session that its monitor and two agents have lost ends half a minute later.
#[rustfmt::skip]
const ELEVATIONS: &[Walk] = &[
    Walk { name: "start-kills", deed: Deed::Elevate, who: Who::Starting, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "start-errors", deed: Deed::Elevate, who: Who::Starting, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "store-kills", deed: Deed::Elevate, who: STORE, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "audit-kills", deed: Deed::Elevate, who: AUDIT, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "loop-kills", deed: Deed::Elevate, who: LOOP, calls: ALL, files: ANY, faults: &[Fault::Kill] },
    Walk { name: "store-errors", deed: Deed::Elevate, who: STORE, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "audit-errors", deed: Deed::Elevate, who: AUDIT, calls: &[FILES], files: WRITTEN, faults: &[EIO, ENOSPC] },
    Walk { name: "audit-sends", deed: Deed::Elevate, who: AUDIT, calls: &[SENDS], files: ANY, faults: &[EIO] },
    Walk { name: "loop-sends", deed: Deed::Elevate, who: LOOP, calls: &[SENDS], files: ANY, faults: &[EIO] },
    Walk { name: "spawner", deed: Deed::Elevate, who: Who::Spawner, calls: ALL, files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "monitor", deed: Deed::Elevate, who: Who::Monitor, calls: ALL, files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "terminal", deed: Deed::Elevate, who: Who::MonitorOfTerminal, calls: ALL, files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "command", deed: Deed::Elevate, who: Who::Command, calls: &[BECOMING], files: ANY, faults: &[EIO, Fault::Kill] },
    Walk { name: "helper", deed: Deed::Elevate, who: Who::Helper, calls: &[SENDS, WAITS], files: ANY, faults: &[Fault::Kill] },
];

/// What the agent does when people ask, answer and spend.
const DEEDS: &[(&str, Deed)] = &[
    ("ask", Deed::Ask),
    ("approve", Deed::Approve),
    ("deny", Deed::Deny),
    ("take-back", Deed::TakeBack),
    ("use", Deed::Use),
    ("spend", Deed::Spend),
];
/// An agent that ended before what it had stored was in the log.
const OPEN: Walk = Walk {
    name: "open",
    deed: Deed::Open,
    who: Who::Starting,
    calls: ALL,
    files: ANY,
    faults: &[Fault::Kill],
};

/// All of them.
pub(crate) fn walks() -> Vec<Walk> {
    let mut walks = ELEVATIONS.to_vec();
    for (name, deed) in DEEDS {
        let walk = |who, calls, files, faults| Walk { name, deed: *deed, who, calls, files, faults };
        walks.extend([
            walk(STORE, ALL, ANY, &[Fault::Kill]),
            walk(AUDIT, ALL, ANY, &[Fault::Kill]),
            walk(LOOP, ALL, ANY, &[Fault::Kill]),
            walk(STORE, &[FILES], WRITTEN, &[EIO]),
            walk(AUDIT, &[FILES], WRITTEN, &[EIO]),
            walk(LOOP, &[SENDS], ANY, &[EIO]),
        ]);
    }
    walks.push(OPEN);
    walks.push(Walk { calls: &[FILES], files: WRITTEN, faults: &[EIO], ..OPEN });
    let (name, deed) = ("wait", Deed::Wait);
    walks.push(Walk { name, deed, who: LOOP, calls: &[SENDS], files: ANY, faults: &[Fault::Kill] });
    walks
}
