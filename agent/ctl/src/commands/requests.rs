//! `jitctl requests`.

mod follow;

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{RequestState, RequestView, Response};

use crate::failure::Failure;
use crate::listing::{self, Listed, Listing, Seen};
use crate::output::{Output, command_line};
use crate::{agent, ids, times};

/// List requests for approval: your own, and those you may answer
#[derive(Debug, Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    listing: Listing,
    /// Print a line for each request that you may answer, until your terminal is gone; in ~/.profile: `(jitctl requests --follow &)`
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    follow: bool,
}

impl Requests {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        if self.follow {
            return follow::run(output, all, || listing::pause(follow::PAUSE));
        }
        self.listing.run(output, all)
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
    let all = all()?;
    let ids = all.iter().map(|request| request.id.as_str());
    let id = ids::pick(ids, id, "no such request waits", "jitctl requests")?.to_owned();
    all.into_iter().find(|request| request.id == id).ok_or_else(agent::unexpected)
}

impl Listed for RequestView {
    const TITLES: &'static [&'static str] = &[
        "ID",
        "STATE",
        "WHO",
        "ASKED",
        "LEFT",
        "BEGINS",
        "RULE",
        "COMMAND",
        "REASON",
        "APPROVERS",
        "ANSWER",
    ];
    const NONE: &'static str = "no requests";

    fn id(&self) -> &str {
        &self.id
    }

    fn row(&self, seen: Seen) -> Vec<String> {
        let asked = &self.binding;
        let waits = self.state == RequestState::Pending;
        vec![
            ids::short(&self.id, seen.digits),
            state(self),
            format!("{} as {}", asked.user.name, asked.target.name),
            times::ago(&self.asked, seen.now),
            if waits { times::left(&self.until, seen.now) } else { String::new() },
            asked.from.as_deref().map_or_else(String::new, |from| times::ahead(from, seen.now)),
            asked.rule.clone(),
            command_line(&asked.command),
            self.reason.clone().unwrap_or_default(),
            // Whoever is asked knows that; who asks wants to know whom to ask.
            if waits && !self.answerable { self.approvers.join(", ") } else { String::new() },
            self.answer.clone().unwrap_or_default(),
        ]
    }
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
    if request.state == RequestState::Pending && request.needed > 1 {
        format!("{said} ({} of {})", request.approved_by.len(), request.needed)
    } else {
        said.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use jit_protocol::Bytes;
    use jit_protocol::binding::{Binding, Folder, Person};

    use super::*;
    use crate::output::table;

    pub(crate) fn request(state: RequestState, answerable: bool) -> RequestView {
        let person = |name: &str, uid| Person { name: name.to_owned(), uid };
        RequestView {
            id: "0123456789abcdef".to_owned(),
            state,
            binding: Binding {
                version: Binding::VERSION,
                host: "web-1".to_owned(),
                rule: "deploy".to_owned(),
                user: person("alice", 1000),
                target: person("root", 0),
                groups: vec![0],
                mode: None,
                program: "/usr/bin/id".into(),
                sha256: String::new(),
                command: vec![Bytes::from("id"), Bytes::from("\u{202e}u")],
                environment: Vec::new(),
                folder: Folder { path: "/".into(), device: 1, inode: 2 },
                duration: None,
                uses: None,
                from: None,
            },
            digest: String::new(),
            for_rule: false,
            reason: Some("INC-1".to_owned()),
            asked: "2026-01-01T00:00:00Z".to_owned(),
            until: "2026-01-01T00:30:00Z".to_owned(),
            approvers: vec!["%leads".to_owned(), "bob".to_owned()],
            needed: 2,
            approved_by: vec!["bob".to_owned()],
            answerable,
            grant: None,
            answer: (state == RequestState::Refused).then(|| "bob said no: not now".to_owned()),
        }
    }

    fn shown(state: RequestState, answerable: bool) -> String {
        let seen = Seen { now: "2026-01-01T00:04:00Z".parse().unwrap(), digits: 8 };
        let text = table(RequestView::TITLES, &[request(state, answerable).row(seen)], "", None);
        text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_request_says_who_wants_what_why_and_what_is_left() {
        let what = r"deploy id \u{202e}u INC-1";
        let who = "alice as root 4 m ago";
        let shown_to_approver = shown(RequestState::Pending, true);
        assert_eq!(shown_to_approver, format!("01234567 for you (1 of 2) {who} 26 m {what}"));
        let shown_to_asker = shown(RequestState::Pending, false);
        assert_eq!(shown_to_asker, format!("01234567 waits (1 of 2) {who} 26 m {what} %leads, bob"));
        let decided = shown(RequestState::Refused, false);
        assert_eq!(decided, format!("01234567 denied {who} {what} bob said no: not now"));
    }
}
