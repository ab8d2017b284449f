//! `jitctl grants`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{GrantView, Response};

use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// List live grants
#[derive(Debug, Args)]
pub(crate) struct Grants {
    /// Everyone's, not only your own (root)
    #[arg(long)]
    all: bool,
    /// Print an array as JSON
    #[arg(long)]
    json: bool,
}

impl Grants {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match agent::ask(Request::Grants { all: self.all })? {
            Response::Grants(grants) => self.show(&grants, output),
            _ => Err(agent::unexpected()),
        }
    }

    fn show(&self, grants: &[GrantView], output: &mut Output) -> Result<(), Failure> {
        if self.json {
            return output.json(&grants);
        }
        let rows: Vec<Vec<String>> = grants.iter().map(row).collect();
        let titles = ["ID", "RULE", "USER", "TARGET", "EXPIRES", "USES", "SCOPE", "SESSIONS", "REASON"];
        output.table(&titles, &rows, "no live grants")
    }
}

fn row(grant: &GrantView) -> Vec<String> {
    vec![
        grant.id.clone(),
        grant.rule.clone(),
        grant.user.clone(),
        grant.target.clone(),
        grant.expires.clone(),
        grant.uses_left.map_or_else(|| "-".to_owned(), |uses| uses.to_string()),
        grant.scope.clone(),
        grant.sessions.len().to_string(),
        grant.reason.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Captured;

    fn grant() -> GrantView {
        GrantView {
            id: "g1".to_owned(),
            rule: "restart-web".to_owned(),
            user: "alice".to_owned(),
            uid: 1000,
            target: "root".to_owned(),
            issued: "2026-01-01T00:00:00Z".to_owned(),
            expires: "2026-01-01T00:15:00Z".to_owned(),
            uses_left: None,
            scope: "terminal".to_owned(),
            approved_by: Vec::new(),
            reason: Some("deploy\n42".to_owned()),
            sessions: vec!["s1".to_owned()],
        }
    }

    #[test]
    fn a_grant_is_one_line() {
        let captured = Captured::default();
        Grants { all: false, json: false }.show(&[grant()], &mut captured.output()).unwrap();
        let expected = r"ID  RULE         USER   TARGET  EXPIRES               USES  SCOPE     SESSIONS  REASON
g1  restart-web  alice  root    2026-01-01T00:15:00Z  -     terminal  1         deploy\n42
";
        assert_eq!(captured.text(), expected);
    }

    #[test]
    fn no_grant_is_an_empty_array_for_programs() {
        let captured = Captured::default();
        Grants { all: true, json: true }.show(&[], &mut captured.output()).unwrap();
        assert_eq!(captured.text(), "[]\n");
    }
}
