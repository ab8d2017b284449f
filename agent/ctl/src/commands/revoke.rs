//! `jitctl revoke`.

use clap::Args;
use jit_protocol::request::{self, Request};
use jit_protocol::response::Response;

use super::{grants, sessions};
use crate::failure::Failure;
use crate::output::Output;
use crate::{agent, ids};

/// Digits of a whole id.
const WHOLE: usize = 32;

/// End grants and what runs on them
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Revoke {
    /// Id of the grant, or of a session of its; or how that begins
    id: Option<String>,
    /// All grants of this user (a name or #uid)
    #[arg(long)]
    user: Option<String>,
    /// All grants you may end: your own; for root everyone's
    #[arg(long)]
    all: bool,
}

impl Revoke {
    pub(crate) fn run(mut self, output: &mut Output) -> Result<(), Failure> {
        if let Some(beginning) = self.id.as_mut().filter(|id| id.len() < WHOLE) {
            *beginning = whole(beginning)?;
        }
        match agent::ask(Request::Revoke(self.what()))? {
            Response::Done { message } => output.text(&message),
            _ => Err(agent::unexpected()),
        }
    }

    fn what(self) -> request::Revoke {
        match (self.id, self.user) {
            (Some(id), _) => request::Revoke::Grant(id),
            (None, Some(user)) => request::Revoke::User(user),
            (None, None) => request::Revoke::All,
        }
    }
}

/// The only id that begins so, of a grant or of a session that may have outlived its own.
fn whole(beginning: &str) -> Result<String, Failure> {
    let everyones = rustix::process::geteuid().is_root();
    let (grants, sessions) = (grants::all(everyones)?, sessions::all(everyones)?);
    let ids = grants.iter().map(|grant| &grant.id).chain(sessions.iter().map(|session| &session.id));
    ids::pick(ids.map(String::as_str), beginning, "there is no such grant", "jitctl grants")
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        revoke: Revoke,
    }

    fn read(line: &[&str]) -> Option<request::Revoke> {
        let words = std::iter::once(&"revoke").chain(line);
        Line::try_parse_from(words).ok().map(|line| line.revoke.what())
    }

    #[test]
    fn exactly_one_way_to_say_what_is_taken() {
        assert_eq!(read(&["g1"]), Some(request::Revoke::Grant("g1".to_owned())));
        assert_eq!(read(&["--user", "#1000"]), Some(request::Revoke::User("#1000".to_owned())));
        assert_eq!(read(&["--all"]), Some(request::Revoke::All));
        for line in
            [&[][..], &["g1", "--all"], &["--user", "a", "--all"], &["g1", "--user", "a"], &["g1", "g2"]]
        {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
