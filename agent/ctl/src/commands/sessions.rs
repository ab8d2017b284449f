//! `jitctl sessions`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{Response, SessionView};

use crate::agent;
use crate::failure::Failure;
use crate::output::{Output, command_line};

/// List live sessions: the commands that run
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Everyone's, not only your own (root)
    #[arg(long)]
    all: bool,
    /// Print an array as JSON
    #[arg(long)]
    json: bool,
}

impl Sessions {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match agent::ask(Request::Sessions { all: self.all })? {
            Response::Sessions(sessions) => self.show(&sessions, output),
            _ => Err(agent::unexpected()),
        }
    }

    fn show(&self, sessions: &[SessionView], output: &mut Output) -> Result<(), Failure> {
        if self.json {
            return output.json(&sessions);
        }
        let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
        let titles = ["ID", "GRANT", "USER", "TARGET", "TTY", "STARTED", "ENDS", "STATE", "COMMAND"];
        output.table(&titles, &rows, "no live sessions")
    }
}

fn row(session: &SessionView) -> Vec<String> {
    vec![
        session.id.clone(),
        session.grant.clone(),
        session.user.clone(),
        session.target.clone(),
        session.tty.clone().unwrap_or_else(|| "-".to_owned()),
        session.started.clone(),
        session.ends.clone().unwrap_or_else(|| "-".to_owned()),
        if session.leftover { "left over" } else { "runs" }.to_owned(),
        command_line(&session.command),
    ]
}

#[cfg(test)]
mod tests {
    use jit_protocol::Bytes;

    use super::*;
    use crate::output::tests::Captured;

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
        let captured = Captured::default();
        let list = [session(false), session(true)];
        Sessions { all: false, json: false }.show(&list, &mut captured.output()).unwrap();
        let expected = r"ID  GRANT  USER   TARGET  TTY  STARTED               ENDS                  STATE      COMMAND
s1  g1     alice  root    -    2026-01-01T00:00:00Z  2026-01-01T00:15:00Z  runs       /usr/bin/sleep '1 h\x1b[2J'
s1  g1     alice  root    -    2026-01-01T00:00:00Z  2026-01-01T00:15:00Z  left over  /usr/bin/sleep '1 h\x1b[2J'
";
        assert_eq!(captured.text(), expected);
    }
}
