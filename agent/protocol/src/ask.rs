//! One request, one response: the command line's talk with the agent, and the helper's while it waits for approval.

use std::io;

use serde::de::DeserializeOwned;

use crate::Bytes;
use crate::client::{Connection, LAST_PATIENCE, PATIENCE, agent_answers};
use crate::frame::Kind;
use crate::request::{Envelope, Request};

/// Asks over a connection that nothing was sent over yet. The answer is a [`Response`](crate::response::Response), or as much of
/// it as concerns who asks.
///
/// # Errors
/// `InvalidData` if the answer is none of this protocol; `TimedOut` if nobody answers; those of the socket.
pub fn ask<R: DeserializeOwned>(connection: &Connection, request: Request) -> io::Result<R> {
    let text = serde_json::to_vec(&Envelope::new(request, nonce(connection)?))?;
    // An agent that says no before it has read all has said so when the sending fails.
    let sent = connection.send_text(&text);
    let answer = connection
        .wait_while(PATIENCE, || agent_answers(LAST_PATIENCE))
        .and_then(|()| connection.receive_text());
    match (sent, answer) {
        (_, Ok(answer)) => Ok(serde_json::from_slice(&answer)?),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
    }
}

/// What the request must carry: the agent's challenge, where the kernel makes one necessary.
///
/// # Errors
/// As [`ask`].
pub fn nonce(connection: &Connection) -> io::Result<Option<Bytes>> {
    if !connection.expects_challenge() {
        return Ok(None);
    }
    connection.wait_while(PATIENCE, || agent_answers(LAST_PATIENCE))?;
    let (frame, _) = connection.receive_frame()?;
    match frame.kind {
        Kind::Challenge => Ok(Some(Bytes::from(frame.first.as_slice()))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no challenge")),
    }
}
