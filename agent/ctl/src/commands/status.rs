//! `jitctl status`.

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{self, Response, State};

use crate::agent;
use crate::failure::Failure;
use crate::output::Output;

/// Show how the agent and its parts are
///
/// Agent, spawner, policy (files, digest, last good or current, inert rules), cgroup, audit, D-Bus: what works and what
/// is missing. Exits with 1 if anything is degraded.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print an array of the parts as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        match agent::ask(Request::Status)? {
            Response::Status(status) => self.show(&status, output),
            _ => Err(agent::unexpected()),
        }
    }

    fn show(&self, status: &response::Status, output: &mut Output) -> Result<(), Failure> {
        if self.json {
            output.json(&status.parts)?;
        } else {
            output
                .text(&format!("jit-sudo {}, agent {} since {}", status.version, status.pid, status.since))?;
            let rows: Vec<Vec<String>> = status
                .parts
                .iter()
                .map(|part| vec![part.id.clone(), word(part.state).to_owned(), part.detail.clone()])
                .collect();
            output.table(&["PART", "STATE", "DETAIL"], &rows, "no part is known")?;
            output.text(&policy(&status.policy))?;
            output.text(&format!("grants: {}, sessions: {}", status.grants, status.sessions))?;
        }
        if status.is_degraded() { Err(Failure::Told) } else { Ok(()) }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Works => "works",
        State::Degraded => "degraded",
        State::Fails => "fails",
    }
}

fn policy(policy: &response::PolicyStatus) -> String {
    let which =
        if policy.stale { "the last good one, the files on disk are not accepted" } else { "current" };
    if policy.digest.is_empty() {
        return format!("policy: {which}"); // more is for root
    }
    let mut lines = vec![format!(
        "policy: {which}; {} rules in {} files, digest {}",
        policy.rules,
        policy.files.len(),
        policy.digest
    )];
    lines.extend(policy.files.iter().map(|file| format!("  {file}")));
    lines.extend(policy.inert.iter().map(|rule| format!("  inert: {rule}")));
    lines.extend(policy.mistakes.iter().map(|mistakes| mistakes.trim_end().to_owned()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use jit_protocol::response::{Part, PolicyStatus};

    use super::*;
    use crate::output::tests::Captured;

    fn status(state: State) -> response::Status {
        response::Status {
            version: "0.1.0".to_owned(),
            pid: 42,
            since: "2026-01-01T00:00:00Z".to_owned(),
            parts: vec![
                Part { id: "agent".to_owned(), state: State::Works, detail: String::new() },
                Part { id: "spawner".to_owned(), state, detail: "8 idle\x1b[2J".to_owned() },
            ],
            policy: PolicyStatus {
                files: vec!["/etc/jit-sudo/policy.d/10.toml".to_owned()],
                digest: "abc".to_owned(),
                rules: 3,
                stale: false,
                mistakes: None,
                inert: vec!["web".to_owned()],
            },
            grants: 1,
            sessions: 2,
        }
    }

    #[test]
    fn each_part_has_a_line() {
        let captured = Captured::default();
        Status { json: false }.show(&status(State::Works), &mut captured.output()).unwrap();
        let expected = r"jit-sudo 0.1.0, agent 42 since 2026-01-01T00:00:00Z
PART     STATE  DETAIL
agent    works
spawner  works  8 idle\x1b[2J
policy: current; 3 rules in 1 files, digest abc
  /etc/jit-sudo/policy.d/10.toml
  inert: web
grants: 1, sessions: 2
";
        assert_eq!(captured.text(), expected);
    }

    // interface.md: "exit 1 if anything is degraded"
    #[test]
    fn what_is_degraded_is_a_failure_in_both_forms() {
        for json in [false, true] {
            for state in [State::Degraded, State::Fails] {
                let captured = Captured::default();
                let shown = Status { json }.show(&status(state), &mut captured.output());
                assert!(matches!(shown, Err(Failure::Told)), "{json} {state:?}");
                assert!(captured.text().contains("spawner"));
            }
            let mut stale = status(State::Works);
            stale.policy.stale = true;
            assert!(Status { json }.show(&stale, &mut Captured::default().output()).is_err());
        }
    }

    #[test]
    fn the_list_for_programs_has_an_id_in_each_object() {
        let captured = Captured::default();
        Status { json: true }.show(&status(State::Works), &mut captured.output()).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!(
            list.iter().map(|part| part["id"].as_str().unwrap()).collect::<Vec<_>>(),
            ["agent", "spawner"]
        );
    }
}
