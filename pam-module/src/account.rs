//! The decision: may this user log in? Pure; what it asks of the world comes through three traits.

use std::io;
use std::time::Instant;

use jit_protocol::login::{LoginAnswer, LoginRequest};

use crate::accounts::Accounts;
use crate::console;
use crate::gated::{Gated, Match};

/// Services that are never gated: our own (a way to repair a policy), the user's systemd, and PAM's fallback.
pub const NEVER_GATED: [&str; 3] = ["jit-sudo", "systemd-user", "other"];

/// Who wants to log in, as the host process tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `PAM_USER`.
    pub user: String,
    /// `PAM_SERVICE`.
    pub service: String,
    /// `PAM_TTY`.
    pub tty: Option<String>,
    /// `PAM_RHOST`.
    pub rhost: Option<String>,
}

/// What PAM is told. Without the agent's own word it is never [`Self::Allowed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not our concern: `PAM_IGNORE`.
    NotGated,
    /// The agent allows it: `PAM_SUCCESS`.
    Allowed,
    /// The agent denies it, with a line for the person: `PAM_PERM_DENIED`.
    Denied(String),
    /// Nobody can be asked, and root at the machine itself is not locked out: `PAM_IGNORE`.
    Rescued(Why),
    /// Gated, or perhaps gated, and nobody can be asked: `PAM_AUTHINFO_UNAVAIL`.
    Unavailable(Why),
    /// Perhaps gated, and no such account: `PAM_USER_UNKNOWN`.
    UnknownUser,
}

/// Why the agent's word is missing; for the system log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Why the agent did not answer.
    pub agent: String,
    /// What stands in the file of those who are gated, or what is wrong with it.
    pub gated: String,
}

/// The agent.
pub trait Agent {
    /// Asks it.
    ///
    /// # Errors
    /// For everything but an answer: no agent, not root's, silent until the deadline, garbled.
    fn ask(&self, request: &LoginRequest, deadline: Instant) -> io::Result<LoginAnswer>;
}

/// Where it is written who is gated.
pub trait GatedFile {
    /// The file; none if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or somebody other than root could have written it.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;
}

/// Decides. Only an agent that answers can allow.
pub fn decide(
    login: &Login,
    agent: &impl Agent,
    file: &impl GatedFile,
    accounts: &impl Accounts,
    deadline: Instant,
) -> Verdict {
    if NEVER_GATED.iter().any(|service| login.service.eq_ignore_ascii_case(service)) {
        return Verdict::NotGated;
    }
    let request =
        LoginRequest::new(login.user.clone(), login.service.clone(), login.tty.clone(), login.rhost.clone());
    let silence = match agent.ask(&request, deadline) {
        Ok(LoginAnswer::NotGated) => return Verdict::NotGated,
        Ok(LoginAnswer::Allow) => return Verdict::Allowed,
        Ok(LoginAnswer::Deny { message }) => return Verdict::Denied(message),
        Err(silence) => silence.to_string(),
    };
    let named = match file.read() {
        Ok(None) => return Verdict::NotGated,
        Ok(Some(text)) => Gated::parse(&text).map(|gated| gated.names(login, accounts, deadline)),
        Err(unusable) => Err(unusable),
    };
    let closed = match named {
        Ok(Match::No) => return Verdict::NotGated,
        Ok(Match::NoSuchUser) => return Verdict::UnknownUser,
        Ok(Match::Yes(entry)) => format!("the list names {entry}"),
        Ok(Match::CannotTell(why)) => format!("a look-up failed: {why}"),
        Err(unusable) => format!("the list is unusable: {unusable}"),
    };
    let why = Why { agent: silence, gated: closed };
    if console::is_root_at_the_machine(login) { Verdict::Rescued(why) } else { Verdict::Unavailable(why) }
}

#[cfg(test)]
pub(crate) mod tests;
