//! `jitctl status`.

mod metrics;

use std::path::PathBuf;

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::{self, Part, Response, State};
use serde::Serialize;

use crate::agent;
use crate::failure::Failure;
use crate::output::{Output, counted};

/// Show how the agent and its parts are
///
/// Agent, spawner, policy (files, digest, last good or current, inert rules), cgroup, audit, D-Bus: what works and what
/// is missing. Exits with 1 if anything is degraded.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print an array of the parts as JSON
    #[arg(long)]
    json: bool,
    /// Write metrics to this file, for the textfile collector of Prometheus' node exporter; also when there is no agent
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    metrics: Option<PathBuf>,
}

impl Status {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let status = match agent::ask(Request::Status) {
            Ok(Response::Status(status)) => Ok(status),
            Ok(_) => Err(agent::unexpected()),
            Err(failure) => Err(failure),
        };
        if let Some(file) = &self.metrics {
            let text = metrics::text(status.as_deref().ok());
            metrics::write(file, &text).map_err(|error| {
                Failure::new(format!("{} cannot be written: {error}", file.display()), "")
            })?;
            return if status?.is_degraded() { Err(Failure::Told) } else { Ok(()) };
        }
        self.show(&*status?, output)
    }

    fn show(&self, status: &response::Status, output: &mut Output) -> Result<(), Failure> {
        if self.json {
            output.json(&list(status))?;
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

/// The parts, and policy as one of them.
fn list(status: &response::Status) -> Vec<Entry<'_>> {
    let policy = &status.policy;
    let state = if policy.stale { State::Degraded } else { State::Works };
    let part = Part { id: "policy".to_owned(), state, detail: which(policy).to_owned() };
    let parts = status.parts.iter().cloned().map(|part| Entry { part, policy: None });
    parts.chain([Entry { part, policy: Some(policy) }]).collect()
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    part: Part,
    #[serde(flatten)]
    policy: Option<&'a response::PolicyStatus>,
}

fn which(policy: &response::PolicyStatus) -> &'static str {
    if policy.stale { "the last good one, the files on disk are not accepted" } else { "current" }
}

fn word(state: State) -> &'static str {
    match state {
        State::Works => "works",
        State::Degraded => "degraded",
        State::Fails => "fails",
    }
}

fn policy(policy: &response::PolicyStatus) -> String {
    let which = which(policy);
    if policy.digest.is_empty() {
        return format!("policy: {which}"); // more is for root
    }
    let (rules, files) = (counted(policy.rules, "rule"), counted(policy.files.len(), "file"));
    let mut lines = vec![format!("policy: {which}; {rules} in {files}, digest {}", policy.digest)];
    lines.extend(policy.files.iter().map(|file| format!("  {file}")));
    let bundle = policy.bundle.iter();
    lines.extend(bundle.map(|bundle| format!("  bundle {}, signed by {}", bundle.number, bundle.signer)));
    lines.extend(policy.inert.iter().map(|rule| format!("  inert: {rule}")));
    lines.extend(policy.mistakes.iter().map(|mistakes| mistakes.trim_end().to_owned()));
    lines.join("\n")
}

#[cfg(test)]
pub(super) mod tests {
    use jit_protocol::response::{BundleStatus, PolicyStatus};

    use super::*;
    use crate::output::tests::Captured;

    pub(super) fn status(state: State) -> response::Status {
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
                bundle: Some(BundleStatus { number: 7, signer: "bob (SHA256:abc)".to_owned() }),
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
        Status { json: false, metrics: None }.show(&status(State::Works), &mut captured.output()).unwrap();
        let expected = r"jit-sudo 0.1.0, agent 42 since 2026-01-01T00:00:00Z
PART     STATE  DETAIL
agent    works
spawner  works  8 idle\x1b[2J
policy: current; 3 rules in 1 file, digest abc
  /etc/jit-sudo/policy.d/10.toml
  bundle 7, signed by bob (SHA256:abc)
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
                let shown = Status { json, metrics: None }.show(&status(state), &mut captured.output());
                assert!(matches!(shown, Err(Failure::Told)), "{json} {state:?}");
                assert!(captured.text().contains("spawner"));
            }
            let mut stale = status(State::Works);
            stale.policy.stale = true;
            assert!(Status { json, metrics: None }.show(&stale, &mut Captured::default().output()).is_err());
        }
    }

    #[test]
    fn the_list_for_programs_has_an_id_in_each_object() {
        let captured = Captured::default();
        Status { json: true, metrics: None }.show(&status(State::Works), &mut captured.output()).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!(
            list.iter().map(|part| part["id"].as_str().unwrap()).collect::<Vec<_>>(),
            ["agent", "spawner", "policy"]
        );
        let policy = list.last().unwrap();
        assert_eq!((&policy["digest"], &policy["bundle"]["number"]), (&"abc".into(), &7.into()));
        assert!(list[0].get("digest").is_none());
    }
}
