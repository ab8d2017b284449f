//! What the PAM module asks on `pam.sock`, and the file it reads when the agent is silent.

use serde::{Deserialize, Serialize};

use crate::{Bytes, VERSION};

/// May this user log in now? Sent as one chunk, with explicit `SCM_CREDENTIALS` (a setuid host's default
/// per-message credentials carry its real uid). A peer that is not root may ask about itself only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// [`VERSION`].
    pub version: u8,
    /// The agent's challenge, where there was one (kernels without `SO_PEERPIDFD`), as in [`crate::request::Envelope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Bytes>,
    /// `PAM_USER`.
    pub user: String,
    /// `PAM_SERVICE`.
    pub service: String,
    /// `PAM_TTY`; claimed by the host process, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
    /// `PAM_RHOST`; claimed by the host process, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhost: Option<String>,
}

impl LoginRequest {
    /// A request of this version, without a challenge's nonce.
    pub fn new(user: String, service: String, tty: Option<String>, rhost: Option<String>) -> Self {
        Self { version: VERSION, nonce: None, user, service, tty, rhost }
    }
}

/// The agent's answer. Anything else, and silence, is treated as [`LoginAnswer::Deny`] for those who are gated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LoginAnswer {
    /// Named in no `[[login]]`: the module is not concerned (`PAM_IGNORE`).
    NotGated,
    /// May log in.
    Allow,
    /// May not; what to tell the person.
    Deny {
        /// One line for the person.
        message: String,
    },
}
