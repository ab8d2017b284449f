//! `--wait`: until somebody has answered. The request itself waits in the agent, and goes on without us.

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jit_protocol::ask::ask;
use jit_protocol::brief::{Brief, BriefRequest};
use jit_protocol::client::Connection;
use jit_protocol::paths;
use jit_protocol::request::Request;
use jit_protocol::response::RequestState;

use crate::options::Wait;

/// How long an agent may be away, as while it is upgraded.
const AWAY: Duration = Duration::from_mins(2);

/// Returns once the request is approved.
///
/// # Errors
/// What is told otherwise: what happened, and what to do.
pub(crate) fn wait(request: &str, limit: Wait) -> Result<(), (String, String)> {
    let deadline = match limit {
        Wait::Answered => None,
        Wait::Seconds(seconds) => Instant::now().checked_add(Duration::from_secs(seconds)),
    };
    let mut heard = Instant::now();
    loop {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let hint = format!("it still waits: run this again later; jitctl deny {request} takes it back");
            return Err(("nobody has answered yet".to_owned(), hint));
        }
        match look(request) {
            Ok(Brief::Refused { what, hint }) => return Err((what, hint)),
            Ok(Brief::Requests([request])) => {
                heard = Instant::now();
                if let Some(answer) = answer(request) {
                    return answer;
                }
            }
            Ok(_) => return Err(misunderstood()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(misunderstood()),
            Err(_) if heard.elapsed() < AWAY => sleep(Duration::from_secs(1)),
            Err(error) => {
                let hint = "the request still waits: run this again once the agent runs";
                return Err((format!("the agent cannot be reached: {error}"), hint.to_owned()));
            }
        }
    }
}

/// It answers once the request is decided, or after a minute.
fn look(request: &str) -> io::Result<Brief> {
    let connection = Connection::open(Path::new(paths::AGENT_SOCKET))?;
    ask(&connection, Request::Await { request: request.to_owned() })
}

fn answer(request: BriefRequest) -> Option<Result<(), (String, String)>> {
    let said = |what: &str| (what.to_owned(), String::new());
    match request.state {
        RequestState::Pending => None,
        RequestState::Approved => Some(Ok(())),
        RequestState::Refused => {
            let what = request.answer.unwrap_or_else(|| "an approver said no".to_owned());
            Some(Err(said(&what)))
        }
        RequestState::Withdrawn => Some(Err(said("the request was taken back"))),
        RequestState::Expired => Some(Err(said("nobody answered in time"))),
    }
}

fn misunderstood() -> (String, String) {
    ("the agent speaks another protocol than this program".to_owned(), String::new())
}
