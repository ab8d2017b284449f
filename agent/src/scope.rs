//! Where a grant or an authentication record counts: keys made of facts that another session cannot have.

use serde::{Deserialize, Serialize};

use crate::process::Process;

/// Where a grant counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// On one terminal.
    Terminal,
    /// In one login session.
    Session,
    /// For the user.
    User,
}

impl Scope {
    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Session => "session",
            Self::User => "user",
        }
    }
}

/// The keys of one peer; the uid is not part of them, for it is always compared as well. A session that is nested
/// has its parent's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    terminal: String,
    session: String,
}

impl Keys {
    /// The keys of a peer. The boot is part of them: a number means nothing after the next one.
    pub fn of(process: &Process, boot_id: &str) -> Self {
        let terminal = match &process.tty {
            Some(tty) => format!("tty {} {} {} {boot_id}", tty.device, process.leader.0, process.leader.1),
            None => format!("parent {} {} {boot_id}", process.parent.0, process.parent.1),
        };
        let session = process
            .audit_session
            .map_or_else(|| terminal.clone(), |session| format!("audit {session} {boot_id}"));
        Self { terminal, session }
    }

    /// The key for a scope.
    pub fn key(&self, scope: Scope) -> &str {
        match scope {
            Scope::Terminal => &self.terminal,
            Scope::Session => &self.session,
            Scope::User => "user",
        }
    }

    /// Whether another one's, whoever that is, are those of the same terminal or login session.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.terminal == other.terminal || self.session == other.session
    }

    /// The key of authentication records.
    pub fn terminal(&self) -> &str {
        &self.terminal
    }
}

/// What a key names that can be gone before the grant's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The leader of the session that a terminal belongs to, by its process id and start time.
    Leader(i32, u64),
    /// A login session, by its number among the kernel's audit sessions.
    Login(u32),
    /// Something of another boot.
    Gone,
}

impl Anchor {
    /// Of a key made in this boot or another; none for what is never gone: a user, and a parent without a terminal, which
    /// ends in the course of things (`cron`, a script in the background).
    pub fn of(key: &str, boot_id: &str) -> Option<Self> {
        if key == "user" {
            return None;
        }
        let Some(words) = key.strip_suffix(boot_id) else { return Some(Self::Gone) };
        match words.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
            // A leader outside of our pid namespace has no number here.
            ["tty", _device, "0", _start] => None,
            ["tty", _device, pid, start] => Some(Self::Leader(pid.parse().ok()?, start.parse().ok()?)),
            ["audit", session] => Some(Self::Login(session.parse().ok()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Tty;

    fn process() -> Process {
        Process {
            real_uid: 1000,
            effective_uid: 1000,
            tty: Some(Tty { device: 34816, name: "pts/0".into() }),
            leader: (100, 5000),
            parent: (101, 6000),
            loginuid: Some(1000),
            audit_session: Some(3),
            cgroup: None,
        }
    }

    // CVE-2013-1776, 2776, 2777: a record tied to a tty's name could be used from another session.
    #[test]
    fn another_terminal_leader_or_boot_is_another_key() {
        let base = Keys::of(&process(), "boot");
        let changed = |change: &dyn Fn(&mut Process)| {
            let mut process = process();
            change(&mut process);
            Keys::of(&process, "boot")
        };
        assert_eq!(changed(&|process| process.parent = (7, 7)), base, "another shell on the same terminal");
        for other in [
            changed(&|process| process.tty = Some(Tty { device: 34817, name: "pts/1".into() })),
            changed(&|process| process.leader.0 = 200),
            changed(&|process| process.leader.1 = 5001),
            changed(&|process| process.tty = None),
            Keys::of(&process(), "other boot"),
        ] {
            assert_ne!(other.key(Scope::Terminal), base.key(Scope::Terminal));
        }
        assert_ne!(
            changed(&|process| process.audit_session = Some(4)).key(Scope::Session),
            base.key(Scope::Session)
        );
        assert_ne!(Keys::of(&process(), "other").key(Scope::Session), base.key(Scope::Session));
        assert_eq!(changed(&|process| process.tty = None).key(Scope::Session), base.key(Scope::Session));
    }

    #[test]
    fn a_terminal_and_a_login_session_can_be_gone_and_all_that_was_in_another_boot() {
        let keys = Keys::of(&process(), "boot");
        let anchor = |scope, boot| Anchor::of(keys.key(scope), boot);
        assert_eq!(anchor(Scope::Terminal, "boot"), Some(Anchor::Leader(100, 5000)));
        assert_eq!(anchor(Scope::Session, "boot"), Some(Anchor::Login(3)));
        assert_eq!(anchor(Scope::User, "boot"), None);
        assert_eq!(anchor(Scope::Terminal, "other"), Some(Anchor::Gone));
        assert_eq!(anchor(Scope::Session, "other"), Some(Anchor::Gone));
        assert_eq!(anchor(Scope::User, "other"), None);
        let far = Keys::of(&Process { leader: (0, 0), ..process() }, "boot");
        assert_eq!(Anchor::of(far.terminal(), "boot"), None, "in another pid namespace");
        let without = Keys::of(&Process { tty: None, ..process() }, "boot");
        assert_eq!(Anchor::of(without.terminal(), "boot"), None, "a parent");
        assert_eq!(Anchor::of(without.terminal(), "other"), Some(Anchor::Gone));
    }

    #[test]
    fn without_a_terminal_the_parent_counts_and_without_an_audit_session_the_terminal() {
        let mut process = process();
        process.audit_session = None;
        let keys = Keys::of(&process, "boot");
        assert_eq!(keys.key(Scope::Session), keys.key(Scope::Terminal));
        process.tty = None;
        let keys = Keys::of(&process, "boot");
        process.parent.1 += 1;
        assert_ne!(Keys::of(&process, "boot").terminal(), keys.terminal());
    }
}
