//! What the agent and the spawner hold.

use jit_tests::Guest;

/// What they hold at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gauge {
    pub(super) agent: Held,
    spawner: Held,
    /// Of the spawner's, in use or idle.
    pub(super) monitors: u64,
}

/// What one process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// That it is still the same one.
    process: u64,
    pub(super) descriptors: u64,
    threads: u64,
    /// Memory of its own in kB: neither what files have, nor what is shared.
    kilobytes: u64,
}

impl Gauge {
    pub(super) fn read(guest: &Guest) -> Self {
        let script = "set -e; for unit in jit-agentd jit-spawner; do
                 pid=$(systemctl show -P MainPID $unit); echo $pid; ls /proc/$pid/fd | wc -l
                 ls /proc/$pid/task | wc -l; awk '/^RssAnon/ { print $2 }' /proc/$pid/status
             done; pgrep -c -x jit-spawner";
        let text = guest.sh(script).success().stdout;
        let figures: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let held = |at: usize| Held {
            process: figures[at],
            descriptors: figures[at + 1],
            threads: figures[at + 2],
            kilobytes: figures[at + 3],
        };
        // The spawner itself is none.
        Self { agent: held(0), spawner: held(4), monitors: figures[8] - 1 }
    }

    pub(super) fn most(self, other: Self) -> Self {
        Self {
            agent: self.agent.most(other.agent),
            spawner: self.spawner.most(other.spawner),
            monitors: self.monitors.max(other.monitors),
        }
    }

    pub(super) fn is_of_same_processes(&self, other: &Self) -> bool {
        (self.agent.process, self.spawner.process) == (other.agent.process, other.spawner.process)
    }

    /// What is more than there was, by more than so many kB of memory.
    pub(super) fn beyond(&self, base: &Self, kilobytes: u64) -> Option<String> {
        if self.monitors > base.monitors {
            return Some("monitors are left".to_owned());
        }
        let agent = self.agent.beyond(base.agent, kilobytes).map(|what| format!("{what} of the agent's"));
        agent.or_else(|| {
            self.spawner.beyond(base.spawner, kilobytes).map(|what| format!("{what} of the spawner's"))
        })
    }
}

impl Held {
    fn most(self, other: Self) -> Self {
        Self {
            process: self.process,
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
            kilobytes: self.kilobytes.max(other.kilobytes),
        }
    }

    fn beyond(self, base: Self, kilobytes: u64) -> Option<&'static str> {
        assert_eq!(self.process, base.process, "it is another one now");
        [
            (self.descriptors > base.descriptors, "descriptors are left"),
            (self.threads > base.threads, "threads are left"),
            (self.kilobytes > base.kilobytes + kilobytes, "memory is left"),
        ]
        .into_iter()
        .find_map(|(is_more, what)| is_more.then_some(what))
    }
}
