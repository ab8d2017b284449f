//! The agent, asked over its socket for logins.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jit_protocol::client::Connection;
use jit_protocol::login::{LoginAnswer, LoginRequest};
use jit_protocol::paths;

use crate::account::Agent;

/// How long the agent may take, from connect to answer. A login is held up for two seconds at most: the rest is for the
/// file of those who are gated.
pub const TIME: Duration = Duration::from_millis(1800);

/// jit-agentd behind a socket. One connection a question, closed before the answer is returned.
#[derive(Debug)]
pub struct AgentSocket {
    path: PathBuf,
}

impl AgentSocket {
    /// The one that the agent listens on.
    pub fn system() -> Self {
        Self::at(paths::PAM_SOCKET.into())
    }

    /// Another one; no way leads here from outside the program.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Agent for AgentSocket {
    fn ask(&self, request: &LoginRequest, deadline: Instant) -> io::Result<LoginAnswer> {
        let text = serde_json::to_vec(request)?;
        let connection = Connection::open_before(&self.path, deadline)?;
        connection.send_text_as_effective(&text)?;
        let answer = connection.receive_text_before(deadline)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
