//! The agent, asked over its socket for logins.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jit_protocol::client::Connection;
use jit_protocol::frame::Kind;
use jit_protocol::login::{LoginAnswer, LoginRequest};
use jit_protocol::{Bytes, paths};

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
        let connection = Connection::open_before(&self.path, deadline)?;
        let challenged = connection.expects_challenge();
        exchange(&connection, request, challenged, deadline)
    }
}

/// One question on an open connection. `challenged`: the kernel cannot tell the agent which process asks (before 6.5), so
/// the agent speaks first, and is answered with what it said.
///
/// # Errors
/// As [`Agent::ask`].
pub fn exchange(
    connection: &Connection,
    request: &LoginRequest,
    challenged: bool,
    deadline: Instant,
) -> io::Result<LoginAnswer> {
    let nonce = if challenged { Some(challenge(connection, deadline)?) } else { None };
    let text = serde_json::to_vec(&LoginRequest { nonce, ..request.clone() })?;
    connection.send_text_as_effective(&text)?;
    let answer = connection.receive_text_before(deadline)?;
    Ok(serde_json::from_slice(&answer)?)
}

fn challenge(connection: &Connection, deadline: Instant) -> io::Result<Bytes> {
    let (frame, _) = connection.receive_frame_before(deadline)?;
    match frame.kind {
        Kind::Challenge => Ok(Bytes::from(frame.first.as_slice())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no challenge")),
    }
}
