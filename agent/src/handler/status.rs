//! `jitctl status`: what works, and what is missing.

use jit_protocol::response::{BundleStatus, Part, PolicyStatus, Response, State, Status};

use super::is_root;
use crate::agent::Agent;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::zones::HostZones;

/// How the agent is. What policy is like, and details, are shown to root alone: others learn what works.
///
/// # Errors
/// Never; all handlers look alike.
#[allow(clippy::unnecessary_wraps, reason = "all handlers look alike")]
pub fn status(agent: &Agent, peer: &Peer) -> Result<Response, Refusal> {
    let loaded = agent.policy.current();
    let root = is_root(peer);
    let policy = PolicyStatus {
        files: if root { loaded.files.clone() } else { Vec::new() },
        digest: if root { loaded.policy.digest().to_owned() } else { String::new() },
        rules: if root { loaded.policy.rules().count() } else { 0 },
        bundle: loaded
            .bundle
            .as_ref()
            .filter(|_| root)
            .map(|bundle| BundleStatus { number: bundle.number, signer: bundle.signer.clone() }),
        stale: loaded.stale,
        mistakes: loaded.mistakes.clone().filter(|_| root),
        inert: if root { inert(&loaded.policy) } else { Vec::new() },
    };
    let (grants, sessions) = (agent.grants.all(agent.clock.now()), agent.live.all());
    let own = |uid: u32| root || uid == peer.uid();
    Ok(Response::Status(Box::new(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        since: agent.since.rfc3339(),
        parts: parts(agent)
            .into_iter()
            .map(|part| if root { part } else { Part { detail: String::new(), ..part } })
            .chain((root && loaded.policy.asks_about_logins()).then(|| agent.logind.part()))
            .collect(),
        policy,
        grants: grants.iter().filter(|grant| own(grant.purpose.uid)).count(),
        sessions: sessions.iter().filter(|session| own(session.uid)).count(),
    })))
}

/// Rules that this host can't enforce, each with what is missing.
fn inert(policy: &jit_policy::Policy) -> Vec<String> {
    let rules = policy.inert(&HostZones).into_iter();
    rules.map(|(rule, unknown)| format!("{}: {unknown} is not known", rule.id)).collect()
}

fn parts(agent: &Agent) -> Vec<Part> {
    let part = |id: &str, state: State, detail: String| Part { id: id.to_owned(), state, detail };
    let mut parts = vec![part("agent", State::Works, String::new())];
    match agent.spawner.current() {
        Some(spawner) => {
            let welcome = &spawner.welcome;
            parts.push(part("spawner", State::Works, format!("process {}", welcome.pid)));
            parts.push(match &welcome.cgroup {
                Some(path) => part("cgroup", State::Works, path.clone()),
                None => part("cgroup", State::Degraded, welcome.missing.join("; ")),
            });
        }
        None => parts.push(part("spawner", State::Fails, "commands cannot be started".to_owned())),
    }
    parts.push(match (agent.audit.state(), agent.audit.shortcoming()) {
        (Err(why), _) => part("audit", State::Fails, format!("{why}: commands are refused")),
        (Ok(()), Some(why)) => part("audit", State::Degraded, why),
        (Ok(()), None) => part("audit", State::Works, agent.paths.audit.display().to_string()),
    });
    parts.push(match (agent.store.state(), &agent.void) {
        (Err(why), _) => {
            let what = format!("the store could not be written: {why}: commands are refused");
            part("store", State::Fails, what)
        }
        (Ok(()), Some(why)) => part("store", State::Degraded, format!("{why}: all its grants were void")),
        (Ok(()), None) => part("store", State::Works, agent.paths.state.display().to_string()),
    });
    parts.push(match agent.audit.sink() {
        "none" => part("log", State::Degraded, "neither journald nor syslog takes the events".to_owned()),
        sink => part("log", State::Works, sink.to_owned()),
    });
    parts.push(agent.hooks.part(&agent.paths));
    parts.push(agent.bus.part());
    parts
}
