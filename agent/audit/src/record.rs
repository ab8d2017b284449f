//! What one record of the audit log says. Keys that do not apply are absent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened. The wire's names are those of the interface: `session.started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The agent serves.
    #[serde(rename = "agent.started")]
    AgentStarted,
    /// The agent ends, in order.
    #[serde(rename = "agent.stopped")]
    AgentStopped,
    /// A policy takes effect.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded,
    /// The files on disk are not accepted.
    #[serde(rename = "policy.rejected")]
    PolicyRejected,
    /// A request is refused; under a flood counted (`count`), not repeated.
    #[serde(rename = "request.denied")]
    RequestDenied,
    /// A right password.
    #[serde(rename = "authentication.succeeded")]
    AuthenticationSucceeded,
    /// A wrong one.
    #[serde(rename = "authentication.failed")]
    AuthenticationFailed,
    /// Somebody asks for another person's yes.
    #[serde(rename = "approval.requested")]
    ApprovalRequested,
    /// A yes.
    #[serde(rename = "approval.given")]
    ApprovalGiven,
    /// A no; without an approver who asked took it back.
    #[serde(rename = "approval.refused")]
    ApprovalRefused,
    /// Nobody answered in time.
    #[serde(rename = "approval.expired")]
    ApprovalExpired,
    /// A grant begins.
    #[serde(rename = "grant.issued")]
    GrantIssued,
    /// A live grant serves another command.
    #[serde(rename = "grant.used")]
    GrantUsed,
    /// A grant's time is up.
    #[serde(rename = "grant.expired")]
    GrantExpired,
    /// A grant's uses are used up.
    #[serde(rename = "grant.exhausted")]
    GrantExhausted,
    /// A grant was ended early.
    #[serde(rename = "grant.revoked")]
    GrantRevoked,
    /// A token was spent: signatures approve what runs now.
    #[serde(rename = "token.accepted")]
    TokenAccepted,
    /// A token that counts for nothing; `result` says why. Under a flood as `request.denied`.
    #[serde(rename = "token.rejected")]
    TokenRejected,
    /// The intent to run a command; durable before it runs.
    #[serde(rename = "session.started")]
    SessionStarted,
    /// After `session.started`: it did not run after all.
    #[serde(rename = "session.refused")]
    SessionRefused,
    /// The command ended, or (`result`: lost) nobody knows how.
    #[serde(rename = "session.ended")]
    SessionEnded,
    /// Its time was up, and what ran in it was ended.
    #[serde(rename = "session.expired")]
    SessionExpired,
    /// A process of a session was found outside of its cgroup, as a full root can be; `result` says which and where.
    #[serde(rename = "elevation.outside")]
    ElevationOutside,
    /// A login that policy names is allowed.
    #[serde(rename = "login.allowed")]
    LoginAllowed,
    /// A login that policy names is denied.
    #[serde(rename = "login.denied")]
    LoginDenied,
    /// The line before was cut by a crash; `gap` says what was found there.
    #[serde(rename = "audit.gap")]
    AuditGap,
    /// The log goes on in a new file; `first` says where what is kept of it begins.
    #[serde(rename = "audit.rotated")]
    AuditRotated,
}

impl Event {
    /// Every event that this version writes.
    pub const ALL: [Self; 27] = [
        Self::AgentStarted,
        Self::AgentStopped,
        Self::PolicyLoaded,
        Self::PolicyRejected,
        Self::RequestDenied,
        Self::AuthenticationSucceeded,
        Self::AuthenticationFailed,
        Self::ApprovalRequested,
        Self::ApprovalGiven,
        Self::ApprovalRefused,
        Self::ApprovalExpired,
        Self::GrantIssued,
        Self::GrantUsed,
        Self::GrantExpired,
        Self::GrantExhausted,
        Self::GrantRevoked,
        Self::TokenAccepted,
        Self::TokenRejected,
        Self::SessionStarted,
        Self::SessionRefused,
        Self::SessionEnded,
        Self::SessionExpired,
        Self::ElevationOutside,
        Self::LoginAllowed,
        Self::LoginDenied,
        Self::AuditGap,
        Self::AuditRotated,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentStarted => "agent.started",
            Self::AgentStopped => "agent.stopped",
            Self::PolicyLoaded => "policy.loaded",
            Self::PolicyRejected => "policy.rejected",
            Self::RequestDenied => "request.denied",
            Self::AuthenticationSucceeded => "authentication.succeeded",
            Self::AuthenticationFailed => "authentication.failed",
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalGiven => "approval.given",
            Self::ApprovalRefused => "approval.refused",
            Self::ApprovalExpired => "approval.expired",
            Self::GrantIssued => "grant.issued",
            Self::GrantUsed => "grant.used",
            Self::GrantExpired => "grant.expired",
            Self::GrantExhausted => "grant.exhausted",
            Self::GrantRevoked => "grant.revoked",
            Self::TokenAccepted => "token.accepted",
            Self::TokenRejected => "token.rejected",
            Self::SessionStarted => "session.started",
            Self::SessionRefused => "session.refused",
            Self::SessionEnded => "session.ended",
            Self::SessionExpired => "session.expired",
            Self::ElevationOutside => "elevation.outside",
            Self::LoginAllowed => "login.allowed",
            Self::LoginDenied => "login.denied",
            Self::AuditGap => "audit.gap",
            Self::AuditRotated => "audit.rotated",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One record, without its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339, UTC.
    pub time: String,
    /// What.
    pub event: Event,
    /// The kernel's node name.
    pub host: String,
    /// Which boot of it.
    pub boot_id: String,
    /// The invoking user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The kernel's login uid of the peer; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loginuid: Option<u32>,
    /// Terminal of the invoking user: `pts/0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
    /// Where a login comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whom it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The command and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Text>,
    /// It is a shell that was asked for as such: `shell` (`-s`) or `login` (`-i`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// SHA-256 of the program's file, if it may run for that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The folder that the command starts in; the caller's own is the helper's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Text>,
    /// Id of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Digest of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// True: the last good policy decides, for the files on disk are not accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_stale: bool,
    /// Id of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Id of the pending request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Id of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Id of the session this one is nested in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested_in: Option<String>,
    /// Why it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// How it came out, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// How the command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// How many like this one are told by this record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// With `audit.gap`: what stands in the log instead of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// With `audit.rotated`: number of the oldest record that is kept. Those before it were removed on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Number of the store's last commit that was durable when this was written: a store with a smaller one was copied
    /// back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<u64>,
}

impl Record {
    /// A record that says what happened, when and where.
    pub fn new(event: Event, time: String, host: String, boot_id: String) -> Self {
        Self {
            time,
            event,
            host,
            boot_id,
            user: None,
            loginuid: None,
            tty: None,
            origin: None,
            target: None,
            command: Vec::new(),
            mode: None,
            sha256: None,
            cwd: None,
            rule: None,
            policy: None,
            policy_stale: false,
            grant: None,
            request: None,
            session: None,
            nested_in: None,
            reason: None,
            approver: None,
            result: None,
            exit: None,
            count: None,
            gap: None,
            first: None,
            store: None,
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name; `#uid` for one without an account.
    pub name: String,
    /// Its uid.
    pub uid: u32,
}

/// The target user, and the group of `-g`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub user: String,
    /// Its uid.
    pub uid: u32,
    /// The group that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// An argument or a path: a JSON string if it is UTF-8, else an array of its bytes, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// UTF-8.
    Utf8(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Text {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Bytes(bytes.to_vec()),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// Of this signal.
    Signal(i32),
}

/// What a crash left in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Length of the torn line in bytes.
    pub bytes: u64,
    /// SHA-256 of it, hex: a changed one is found.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_name_is_the_one_in_the_log() {
        for event in Event::ALL {
            assert_eq!(serde_json::to_string(&event).unwrap(), format!("\"{}\"", event.name()));
        }
    }
}
