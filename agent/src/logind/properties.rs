//! What logind says of one login session, and what that means to policy.

use std::collections::HashMap;
use std::net::IpAddr;

use jit_policy::{LoginSession, Origin, Remote};
use zbus::{OwnedVariant, Variant};

use crate::process::Process;

/// The properties of a session that count (`org.freedesktop.login1(5)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Properties {
    pub(super) id: String,
    /// The kernel's audit session; 0: none.
    pub(super) audit: u32,
    pub(super) scope: String,
    pub(super) class: String,
    pub(super) state: String,
    /// The PAM service that it came by.
    pub(super) service: String,
    /// Its seat, a screen with a keyboard; may be empty.
    pub(super) seat: String,
    /// Its terminal below `/dev`; may be empty.
    pub(super) tty: String,
    pub(super) remote: bool,
    pub(super) remote_host: String,
    pub(super) active: bool,
    pub(super) locked: bool,
}

/// The names that the login session of a process may have.
pub(super) fn candidates(process: &Process) -> Vec<String> {
    let by_audit = process.audit_session.map(|session| session.to_string());
    let by_cgroup = process.cgroup.as_deref().and_then(scope_of).and_then(|scope| {
        scope.strip_prefix("session-").and_then(|rest| rest.strip_suffix(".scope")).map(str::to_owned)
    });
    let mut names: Vec<String> = by_audit.into_iter().chain(by_cgroup).collect();
    names.dedup();
    names
}

/// The scope of a login session: where logind makes it, and nowhere below, where users can make folders of any name.
fn scope_of(cgroup: &str) -> Option<&str> {
    let mut parts = cgroup.strip_prefix("/user.slice/user-")?.split('/');
    parts.next()?.strip_suffix(".slice")?;
    parts.next().filter(|scope| scope.starts_with("session-"))
}

impl Properties {
    /// None: one is missing, or of another type.
    pub(super) fn read(all: &HashMap<String, OwnedVariant>) -> Option<Self> {
        let text = |key: &str| match &**all.get(key)? {
            Variant::Str(text) => Some(text.as_str().to_owned()),
            _ => None,
        };
        let flag = |key: &str| match &**all.get(key)? {
            Variant::Bool(flag) => Some(*flag),
            _ => None,
        };
        let number = |key: &str| match &**all.get(key)? {
            Variant::U32(number) => Some(*number),
            _ => None,
        };
        Some(Self {
            id: text("Id")?,
            audit: number("Audit")?,
            scope: text("Scope")?,
            class: text("Class")?,
            state: text("State")?,
            service: text("Service")?,
            seat: match &**all.get("Seat")? {
                Variant::Structure(seat) => match seat.fields().first()? {
                    Variant::Str(name) => name.as_str().to_owned(),
                    _ => return None,
                },
                _ => return None,
            },
            tty: text("TTY")?,
            remote: flag("Remote")?,
            remote_host: text("RemoteHost")?,
            active: flag("Active")?,
            locked: flag("LockedHint")?,
        })
    }

    /// Whether a process is in it. Where the kernel numbers audit sessions these decide.
    pub(super) fn is_of(&self, process: &Process) -> bool {
        match process.audit_session {
            Some(session) => self.audit == session,
            None => process.cgroup.as_deref().and_then(scope_of) == Some(self.scope.as_str()),
        }
    }

    /// What policy may know. Of one that has been left, or is nobody's to sit in front of, nothing is known.
    pub(super) fn facts(&self) -> LoginSession {
        let unknown = |unknown: String| LoginSession { unknown, ..LoginSession::default() };
        if self.state == "closing" {
            return unknown(format!("the login session {} is over", self.id));
        }
        if !self.class.starts_with("user") {
            return unknown(format!("the login session {} is not a person's ({})", self.id, self.class));
        }
        // A session on neither seat nor console may be anybody's who knows the password: `su` in a cron job, that was set up from afar.
        let origin = match (self.service.as_str(), self.remote) {
            ("sshd", _) => Some(Origin::Ssh),
            (_, true) => Some(Origin::Other),
            (_, false) => self.is_at_console().then_some(Origin::Local),
        };
        let address = self.remote_host.split('%').next().and_then(|host| host.parse::<IpAddr>().ok());
        LoginSession {
            origin,
            remote: match address {
                Some(address) => Remote::Address(address.to_canonical()),
                // A name, which is whatever a name server says.
                None if origin == Some(Origin::Local) => Remote::None,
                None => Remote::Unknown,
            },
            active: Some(self.active),
            unlocked: Some(!self.locked),
            unknown: if origin.is_none() {
                format!("the login session {} began on no screen or console of the host", self.id)
            } else {
                format!(
                    "logind has a name in its place: {}",
                    jit_protocol::escape(self.remote_host.as_bytes())
                )
            },
        }
    }

    /// Terminals that programs make stand in front of nobody.
    fn is_at_console(&self) -> bool {
        !self.seat.is_empty() || !self.tty.is_empty() && !self.tty.starts_with("pts/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh() -> Properties {
        Properties {
            id: "3".into(),
            audit: 3,
            scope: "session-3.scope".into(),
            class: "user".into(),
            state: "active".into(),
            service: "sshd".into(),
            seat: String::new(),
            tty: "pts/0".into(),
            remote: true,
            remote_host: "10.1.2.3".into(),
            active: true,
            locked: false,
        }
    }

    fn process(audit_session: Option<u32>, cgroup: &str) -> Process {
        Process {
            real_uid: 1000,
            effective_uid: 1000,
            tty: None,
            leader: (1, 1),
            parent: (1, 1),
            loginuid: audit_session.map(|_| 1000),
            audit_session,
            cgroup: Some(cgroup.to_owned()),
        }
    }

    // A user can make cgroups of any name below their own manager's, and has a say in where that puts their processes.
    #[test]
    fn a_process_is_in_the_login_session_that_the_kernel_says() {
        let scope = "/user.slice/user-1000.slice/session-3.scope";
        for (audit, cgroup, names, is_in_3) in [
            (Some(3), scope, vec!["3"], true),
            (Some(3), "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope", vec!["3"], true),
            (Some(4), scope, vec!["4", "3"], false),
            (None, scope, vec!["3"], true),
            (None, "/user.slice/user-1000.slice/session-3.scope/below", vec!["3"], true),
            (None, "/user.slice/user-1000.slice/session-c4.scope", vec!["c4"], false),
            (None, "/user.slice/user-1000.slice/user@1000.service/session-3.scope", vec![], false),
            (
                None,
                "/user.slice/user-1000.slice/user@1000.service/user.slice/user-1.slice/session-3.scope",
                vec![],
                false,
            ),
            (None, "/system.slice/cron.service", vec![], false),
            (None, "/", vec![], false),
        ] {
            let process = process(audit, cgroup);
            assert_eq!(candidates(&process), names, "{audit:?} {cgroup}");
            assert_eq!(ssh().is_of(&process), is_in_3, "{audit:?} {cgroup}");
        }
    }

    #[test]
    fn what_logind_says_is_what_policy_knows() {
        let known = |change: &dyn Fn(&mut Properties)| {
            let mut properties = ssh();
            change(&mut properties);
            let LoginSession { origin, remote, active, unlocked, .. } = properties.facts();
            (origin, remote, active, unlocked)
        };
        let address = |text: &str| Remote::Address(text.parse().unwrap());
        let yes = Some(true);
        assert_eq!(known(&|_| {}), (Some(Origin::Ssh), address("10.1.2.3"), yes, yes));
        assert_eq!(known(&|it| it.locked = true).3, Some(false));
        assert_eq!(known(&|it| it.active = false).2, Some(false));
        assert_eq!(known(&|it| it.remote_host = "::ffff:10.1.2.3".into()).1, address("10.1.2.3"));
        assert_eq!(known(&|it| it.remote_host = "fe80::1%eth0".into()).1, address("fe80::1"));
        assert_eq!(known(&|it| it.remote_host = "office.example.com".into()).1, Remote::Unknown);
        // pam_systemd takes a peer called localhost for a local one; it has come by ssh all the same.
        let localhost = known(&|it| (it.remote, it.remote_host) = (false, "localhost".into()));
        assert_eq!((localhost.0, localhost.1), (Some(Origin::Ssh), Remote::Unknown));
        let local = |it: &mut Properties| {
            (it.service, it.remote, it.remote_host) = ("login".into(), false, String::new());
        };
        assert_eq!(known(&local), (None, Remote::Unknown, yes, yes), "su, in a cron job");
        for (seat, tty) in [("seat0", ""), ("seat0", "tty2"), ("", "ttyS0"), ("", "console")] {
            let at = |it: &mut Properties| {
                local(it);
                (it.seat, it.tty) = (seat.into(), tty.into());
            };
            assert_eq!(known(&at), (Some(Origin::Local), Remote::None, yes, yes), "{seat} {tty}");
        }
        assert_eq!(known(&|it| it.service = "cockpit".into()).0, Some(Origin::Other));
        for nobodys in ["greeter", "lock-screen", "background", "manager", ""] {
            assert_eq!(
                known(&|it| it.class = nobodys.into()),
                (None, Remote::Unknown, None, None),
                "{nobodys}"
            );
        }
        assert_eq!(known(&|it| it.state = "closing".into()), (None, Remote::Unknown, None, None));
    }
}
