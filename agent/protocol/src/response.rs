//! The agent's answers to the command line. Field names are those of `--json`.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::binding::Binding;

/// The whole text of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// It is done; for people.
    Done {
        /// What was done.
        message: String,
    },
    /// Not done.
    Refused {
        /// What happened.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// To `Status`.
    Status(Box<Status>),
    /// To `Grants`.
    Grants(Vec<GrantView>),
    /// To `Sessions`.
    Sessions(Vec<SessionView>),
    /// To `Requests`; to `Await` this one alone.
    Requests(Vec<RequestView>),
    /// To `Ask`.
    Asked {
        /// Id of the request.
        request: String,
        /// How it stands, for people.
        what: String,
    },
    /// To `Token`: what is to be signed.
    Token {
        /// The text.
        text: String,
    },
    /// To `AuditHead`.
    AuditHead {
        /// Number of the last record; 0 if there is none.
        seq: u64,
        /// Its hash, hex.
        hash: String,
    },
}

/// How the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Version of the package.
    pub version: String,
    /// Process id of the agent.
    pub pid: i32,
    /// RFC 3339.
    pub since: String,
    /// One entry for each part: agent, spawner, policy, cgroup, audit, store, journal, D-Bus.
    pub parts: Vec<Part>,
    /// Policy in force.
    pub policy: PolicyStatus,
    /// Live grants.
    pub grants: usize,
    /// Live sessions.
    pub sessions: usize,
}

impl Status {
    /// Whether anything is less than it should be: `jitctl status` exits with 1.
    pub fn is_degraded(&self) -> bool {
        self.policy.stale || self.parts.iter().any(|part| part.state != State::Works)
    }
}

/// One part of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// `spawner`, `cgroup`, …
    pub id: String,
    /// How it is.
    pub state: State,
    /// What is missing or which variant is in use; for people.
    pub detail: String,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Works,
    /// Works with less: `detail` says what is missing.
    Degraded,
    /// Does not work.
    Fails,
}

/// Policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyStatus {
    /// Paths of the files in force.
    pub files: Vec<String>,
    /// SHA-256 over them, hex.
    pub digest: String,
    /// Number of rules.
    pub rules: usize,
    /// The signed bundle that the administrator's files came in, where they have to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStatus>,
    /// The files on disk are not accepted: the last good policy is in force.
    pub stale: bool,
    /// Why not; rendered diagnostics.
    pub mistakes: Option<String>,
    /// Rules that this host cannot enforce: they never permit.
    pub inert: Vec<String>,
}

/// A signed bundle of policy files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleStatus {
    /// Its number.
    pub number: u64,
    /// Principals and key of who signed it.
    pub signer: String,
}

/// A live grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantView {
    /// The grant's id.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// The invoking user.
    pub user: String,
    /// Its uid.
    pub uid: u32,
    /// The target user.
    pub target: String,
    /// RFC 3339.
    pub issued: String,
    /// RFC 3339: when it begins; absent: it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
    /// RFC 3339.
    pub expires: String,
    /// Uses left; absent: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
    /// `terminal`, `session` or `user`.
    pub scope: String,
    /// Why it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Sessions that run on it.
    pub sessions: Vec<String>,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestView {
    /// The request's id.
    pub id: String,
    /// How it stands.
    pub state: RequestState,
    /// What is asked for.
    pub binding: Binding,
    /// SHA-256 of the binding's canonical text, hex.
    pub digest: String,
    /// A yes counts for whatever the rule permits to this user as this target, not for this command alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_rule: bool,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339.
    pub asked: String,
    /// RFC 3339: until when it waits.
    pub until: String,
    /// Who may answer, as the rule says.
    pub approvers: Vec<String>,
    /// How many of them have to say yes.
    pub needed: u32,
    /// Who has.
    pub approved_by: Vec<String>,
    /// Whether it is addressed to who is told this.
    pub answerable: bool,
    /// The grant that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Who said no, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It waits.
    Pending,
    /// It became a grant.
    Approved,
    /// Somebody said no.
    Refused,
    /// Who asked took it back.
    Withdrawn,
    /// Nobody answered in time.
    Expired,
}

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionView {
    /// The session's id.
    pub id: String,
    /// Its grant.
    pub grant: String,
    /// Its rule.
    pub rule: String,
    /// The invoking user.
    pub user: String,
    /// Its uid.
    pub uid: u32,
    /// The target user.
    pub target: String,
    /// What runs.
    pub command: Vec<Bytes>,
    /// Terminal of the invoking user, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; absent: no end of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The command has exited; processes it left behind live on.
    pub leftover: bool,
}
