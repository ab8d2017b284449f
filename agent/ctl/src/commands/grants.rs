//! `jitctl grants`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{GrantView, Response};

use crate::failure::Failure;
use crate::listing::{Listed, Listing, Seen};
use crate::output::Output;
use crate::{agent, ids, times};

/// List live grants
#[derive(Debug, Args)]
pub(crate) struct Grants {
    /// Everyone's, not only your own (root)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

impl Grants {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        self.listing.run(output, || all(self.all))
    }
}

/// The user's own; with `all`, for root, everyone's.
pub(crate) fn all(all: bool) -> Result<Vec<GrantView>, Failure> {
    match agent::ask(Request::Grants { all })? {
        Response::Grants(grants) => Ok(grants),
        _ => Err(agent::unexpected()),
    }
}

impl Listed for GrantView {
    const TITLES: &'static [&'static str] = &[
        "ID",
        "WHO",
        "SINCE",
        "BEGINS",
        "LEFT",
        "USES",
        "RULE",
        "SCOPE",
        "SESSIONS",
        "APPROVED BY",
        "REASON",
    ];
    const NONE: &'static str = "no live grants";

    fn id(&self) -> &str {
        &self.id
    }

    fn row(&self, seen: Seen) -> Vec<String> {
        vec![
            ids::short(&self.id, seen.digits),
            format!("{} as {}", self.user, self.target),
            times::ago(&self.issued, seen.now),
            self.begins.as_deref().map_or_else(String::new, |begins| times::ahead(begins, seen.now)),
            times::left(&self.expires, self.begins.as_deref().and_then(times::at).unwrap_or(seen.now)),
            self.uses_left.map(|uses| uses.to_string()).unwrap_or_default(),
            self.rule.clone(),
            self.scope.clone(),
            self.sessions.len().to_string(),
            self.approved_by.join(", "),
            self.reason.clone().unwrap_or_default(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table;

    fn grant() -> GrantView {
        GrantView {
            id: "0123456789abcdef".to_owned(),
            rule: "restart-web".to_owned(),
            user: "alice".to_owned(),
            uid: 1000,
            target: "root".to_owned(),
            issued: "2026-01-01T00:00:00Z".to_owned(),
            begins: None,
            expires: "2026-01-01T00:15:00Z".to_owned(),
            uses_left: Some(1),
            scope: "terminal".to_owned(),
            approved_by: vec!["bob".to_owned(), "carol".to_owned()],
            reason: Some("deploy\n42".to_owned()),
            sessions: vec!["s1".to_owned()],
        }
    }

    #[test]
    fn a_grant_says_whose_it_is_what_is_left_who_approved_it_and_why() {
        let seen = Seen { now: "2026-01-01T00:02:00Z".parse().unwrap(), digits: 8 };
        let text = table(GrantView::TITLES, &[grant().row(seen)], "", None);
        let expected = r"ID        WHO            SINCE    BEGINS  LEFT  USES  RULE         SCOPE     SESSIONS  APPROVED BY  REASON
01234567  alice as root  2 m ago          13 m  1     restart-web  terminal  1         bob, carol   deploy\n42
";
        assert_eq!(text, expected);
    }

    #[test]
    fn one_that_was_asked_for_ahead_says_when_it_begins_and_how_long_it_lives_then() {
        let seen = Seen { now: "2026-01-01T00:02:00Z".parse().unwrap(), digits: 8 };
        let ahead = GrantView { begins: Some("2026-01-01T00:10:00Z".to_owned()), ..grant() };
        let row = ahead.row(seen);
        assert_eq!(row[3..5], ["in 8 m", "5 m"]);
    }
}
