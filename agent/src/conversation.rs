//! One connection on a public socket: one request in, one answer out, within deadlines.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use jit_protocol::chunk::{self, Joiner, MAX_MESSAGE};
use jit_protocol::frame::{Frame, Kind};
use jit_protocol::response::Response;
use tokio::time::{Instant, timeout, timeout_at};

use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::socket::Seqpacket;

/// How long an answer may take to be sent: a peer that does not read loses it.
const SEND: Duration = Duration::from_secs(5);

/// A connection whose peer is known.
#[derive(Debug)]
pub struct Conversation {
    socket: Seqpacket,
    /// Who is at the other end.
    pub peer: Peer,
}

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// To the first message.
    pub first_message: Duration,
    /// To the last one.
    pub request: Duration,
}

impl Conversation {
    /// Identifies the peer; challenges it where the kernel knows no better.
    ///
    /// # Errors
    /// Why it is refused, for the audit log.
    pub async fn begin(socket: OwnedFd) -> Result<Self, String> {
        let socket = Seqpacket::new(socket).map_err(|error| error.to_string())?;
        let peer = Peer::of(socket.as_fd())?;
        let conversation = Self { socket, peer };
        if let Some(nonce) = conversation.peer.nonce {
            let challenge = Frame::with(Kind::Challenge, 0, nonce, "");
            conversation.send_frame(&challenge).await.map_err(|error| error.to_string())?;
        }
        Ok(conversation)
    }

    /// Receives the request's text, and not one message more: what follows is the monitor's.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn receive_text(&self, deadlines: Deadlines) -> Result<Vec<u8>, Refusal> {
        let end = Instant::now() + deadlines.request;
        let first = Instant::now() + deadlines.first_message.min(deadlines.request);
        let mut joiner = Joiner::default();
        let mut until = first;
        loop {
            let late = |_| Refusal::protocol("no whole request before the deadline");
            let received = timeout_at(until, self.socket.receive(MAX_MESSAGE + 1)).await.map_err(late)?;
            let received = received.map_err(|error| Refusal::protocol(format!("receiving: {error}")))?;
            if received.truncated {
                return Err(Refusal::protocol("a message was too long or carried descriptors"));
            }
            if received.message.is_empty() {
                return Err(Refusal::protocol("the peer closed the connection"));
            }
            if received.sender != Some(self.peer.sender) {
                let sender =
                    received.sender.map_or_else(|| "nobody".to_owned(), |sender| format!("{sender:?}"));
                let why =
                    format!("a message came from another process or user than the connection: {sender}");
                return Err(Refusal::protocol(why));
            }
            match joiner.push(&received.message) {
                Ok(Some(text)) => return Ok(text),
                Ok(None) => until = end,
                Err(bad) => return Err(Refusal::protocol(bad.to_string())),
            }
        }
    }

    /// Sends a frame to the helper.
    ///
    /// # Errors
    /// Those of sendmsg(2), or `TimedOut` if the peer does not read.
    pub async fn send_frame(&self, frame: &Frame) -> io::Result<()> {
        timeout(SEND, self.socket.send(&frame.encode(), &[])).await?
    }

    /// Sends a response to the command line.
    ///
    /// # Errors
    /// As [`Self::send_text`].
    pub async fn send_response(&self, response: &Response) -> io::Result<()> {
        self.send_text(&serde_json::to_vec(response)?).await
    }

    /// Sends a text in chunks.
    ///
    /// # Errors
    /// `InvalidInput` if it is too long; those of sendmsg(2), or `TimedOut` if the peer does not read.
    pub async fn send_text(&self, text: &[u8]) -> io::Result<()> {
        let messages = chunk::split(text).map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
        timeout(SEND, async {
            for message in messages {
                self.socket.send(&message, &[]).await?;
            }
            Ok(())
        })
        .await?
    }

    /// The connection itself, for the monitor; what the helper sent meanwhile is still in it.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn hand_over(self) -> io::Result<(OwnedFd, Peer)> {
        Ok((self.socket.into_owned()?, self.peer))
    }
}
