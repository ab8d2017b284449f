//! `jitctl sessions`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{Response, SessionView};

use crate::failure::Failure;
use crate::listing::{Listed, Listing, Seen};
use crate::output::{Output, command_line};
use crate::{agent, ids, times};

/// List live sessions: the commands that run
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Everyone's, not only your own (root)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

impl Sessions {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.listing.run(output, || all(self.all))
    }
}

/// The user's own; with `all`, for root, everyone's.
pub(crate) fn all(all: bool) -> Result<Vec<SessionView>, Failure> {
    match agent::ask(Request::Sessions { all })? {
        Response::Sessions(sessions) => Ok(sessions),
        _ => Err(agent::unexpected()),
    }
}

impl Listed for SessionView {
    const TITLES: &'static [&'static str] =
        &["ID", "WHO", "STARTED", "LEFT", "STATE", "TTY", "GRANT", "COMMAND"];
    const NONE: &'static str = "no live sessions";

    fn id(&self) -> &str {
        &self.id
    }

    fn row(&self, seen: Seen) -> Vec<String> {
        vec![
            ids::short(&self.id, seen.digits),
            format!("{} as {}", self.user, self.target),
            times::ago(&self.started, seen.now),
            self.ends.as_ref().map(|ends| times::left(ends, seen.now)).unwrap_or_default(),
            if self.leftover { "left over" } else { "runs" }.to_owned(),
            self.tty.clone().unwrap_or_default(),
            ids::short(&self.grant, seen.digits),
            command_line(&self.command),
        ]
    }
}

#[cfg(test)]
mod tests {
    use jit_protocol::Bytes;

    use super::*;
    use crate::output::table;

    fn session(leftover: bool) -> SessionView {
        SessionView {
            id: "s1".to_owned(),
            grant: "g1".to_owned(),
            rule: "any".to_owned(),
            user: "alice".to_owned(),
            uid: 1000,
            target: "root".to_owned(),
            command: vec![Bytes::from("/usr/bin/sleep"), Bytes::from("1 h\x1b[2J")],
            tty: None,
            started: "2026-01-01T00:00:00Z".to_owned(),
            ends: Some("2026-01-01T00:15:00Z".to_owned()),
            leftover,
        }
    }

    #[test]
    fn a_session_is_one_line_and_its_command_steers_nothing() {
        let seen = Seen { now: "2026-01-01T00:05:30Z".parse().unwrap(), digits: 8 };
        let rows = [session(false), session(true)].map(|session| session.row(seen));
        let expected = r"ID  WHO            STARTED       LEFT      STATE      TTY  GRANT  COMMAND
s1  alice as root  5 m 30 s ago  9 m 30 s  runs            g1     /usr/bin/sleep '1 h\x1b[2J'
s1  alice as root  5 m 30 s ago  9 m 30 s  left over       g1     /usr/bin/sleep '1 h\x1b[2J'
";
        assert_eq!(table(SessionView::TITLES, &rows, "", None), expected);
    }
}
