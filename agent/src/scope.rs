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
