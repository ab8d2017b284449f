//! `jitctl requests`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{RequestState, RequestView, Response};

use crate::agent;
use crate::failure::Failure;
use crate::output::{Output, command_line};

/// List requests for approval: your own, and those you may answer
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// Print an array as JSON
    #[arg(long)]
    json: bool,
}

impl Requests {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.show(&all()?, output)
    }

    fn show(&self, requests: &[RequestView], output: &mut Output) -> Result<(), Failure> {
        if self.json {
            return output.json(&requests);
        }
        let rows: Vec<Vec<String>> = requests.iter().map(row).collect();
        let titles = ["ID", "STATE", "USER", "TARGET", "UNTIL", "RULE", "COMMAND", "REASON"];
        output.table(&titles, &rows, "no requests")
    }
}

/// Those that this user is shown.
pub(crate) fn all() -> Result<Vec<RequestView>, Failure> {
    match agent::ask(Request::Requests)? {
        Response::Requests(requests) => Ok(requests),
        _ => Err(agent::unexpected()),
    }
}

/// The one with this id, or the only one whose id begins so.
pub(crate) fn one(id: &str) -> Result<RequestView, Failure> {
    let mut found: Vec<RequestView> =
        all()?.into_iter().filter(|request| request.id.starts_with(id)).collect();
    match (found.pop(), found.is_empty(), id.is_empty()) {
        (Some(request), true, false) => Ok(request),
        (Some(_), false, false) => Err(Failure::new("more than one request begins so", "jitctl requests")),
        _ => Err(Failure::new("no such request waits", "jitctl requests")),
    }
}

fn row(request: &RequestView) -> Vec<String> {
    let asked = &request.binding;
    vec![
        request.id.clone(),
        state(request),
        asked.user.name.clone(),
        asked.target.name.clone(),
        request.until.clone(),
        asked.rule.clone(),
        command_line(&asked.command),
        request.reason.clone().unwrap_or_default(),
    ]
}

/// How it stands, for people.
fn state(request: &RequestView) -> String {
    let said = match request.state {
        RequestState::Pending if request.answerable => "for you",
        RequestState::Pending => "waits",
        RequestState::Approved => "approved",
        RequestState::Refused => "denied",
        RequestState::Withdrawn => "taken back",
        RequestState::Expired => "expired",
    };
    let has_some = request.state == RequestState::Pending && !request.approved_by.is_empty();
    if has_some {
        format!("{said} ({} of {})", request.approved_by.len(), request.needed)
    } else {
        said.to_owned()
    }
}
