//! The talk with the agent: one request, one response.

use std::io;
use std::path::Path;

use jit_protocol::client::Connection;
use jit_protocol::paths;
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use crate::failure::Failure;

const STATUS: &str = "systemctl status jit-agentd";

/// Asks the agent. A refusal of its is a failure.
pub(crate) fn ask(request: Request) -> Result<Response, Failure> {
    let connection =
        Connection::open(Path::new(paths::AGENT_SOCKET)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Failure::new("the agent is not running", STATUS)
            }
            io::ErrorKind::PermissionDenied => {
                Failure::new(format!("{} is not root's to answer at", paths::AGENT_SOCKET), STATUS)
            }
            _ => Failure::new(format!("the agent cannot be reached: {error}"), STATUS),
        })?;
    ask_over(&connection, request)
}

/// As [`ask`], over a connection that is open.
pub(crate) fn ask_over(connection: &Connection, request: Request) -> Result<Response, Failure> {
    let response: Response =
        jit_protocol::ask::ask(connection, request).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                Failure::new("the agent speaks another protocol than this program", STATUS)
            }
            io::ErrorKind::TimedOut => Failure::new("the agent does not answer", STATUS),
            _ => Failure::new("the agent closed the connection without an answer", STATUS),
        })?;
    match response {
        Response::Refused { what, hint } => Err(Failure::new(what, hint)),
        other => Ok(other),
    }
}

/// The agent answered, but not to what was asked.
pub(crate) fn unexpected() -> Failure {
    Failure::new("the agent answered something else than was asked", STATUS)
}

#[cfg(test)]
mod tests {
    use jit_protocol::request::{Envelope, Revoke};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    /// What the agent was asked, and what came of its answer.
    fn asked(answer: Option<&[u8]>) -> (Envelope, Result<Response, Failure>) {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let (ours, agent) = (Connection::over(one), Connection::over(other));
        let answer = answer.map(<[u8]>::to_vec);
        let agent = std::thread::spawn(move || {
            let request = serde_json::from_slice(&agent.receive_text().unwrap()).unwrap();
            if let Some(answer) = answer {
                agent.send_text(&answer).unwrap();
            }
            request
        });
        let result = ask_over(&ours, Request::Revoke(Revoke::User("alice".to_owned())));
        (agent.join().unwrap(), result)
    }

    fn told(result: Result<Response, Failure>) -> (String, String) {
        match result {
            Err(Failure::Refused { what, hint }) => (what, hint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_asked_and_its_answer_taken() {
        let (envelope, result) = asked(Some(br#"{"done":{"message":"2 grants ended"}}"#));
        assert_eq!(envelope, Envelope::new(Request::Revoke(Revoke::User("alice".to_owned())), None));
        assert_eq!(result.unwrap(), Response::Done { message: "2 grants ended".to_owned() });
    }

    #[test]
    fn a_refusal_is_told_with_its_hint() {
        let (_, result) = asked(Some(br#"{"refused":{"what":"only root may","hint":"jit-sudo jitctl"}}"#));
        assert_eq!(told(result), ("only root may".to_owned(), "jit-sudo jitctl".to_owned()));
    }

    #[test]
    fn what_is_no_answer_is_told_as_such() {
        for (answer, what) in [
            (None, "without an answer"),
            (Some(&b"{}"[..]), "another protocol"),
            (Some(b"nonsense"), "another protocol"),
            (Some(br#"{"done":{"message":"x","more":1}}"#), "another protocol"),
        ] {
            let told = told(asked(answer).1).0;
            assert!(told.contains(what), "{answer:?}: {told}");
        }
    }
}
