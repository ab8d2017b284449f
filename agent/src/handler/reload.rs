//! Loading policy again: for `jitctl reload` and SIGHUP. Live grants are decided again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use jit_audit::record::Event;
use jit_policy::{Decision, LoginSession};
use jit_protocol::link::Deadline;
use jit_protocol::response::Response;
use jit_sys::account;

use super::place::resolver_of_now;
use super::{for_root_only, is_root};
use crate::agent::Agent;
use crate::clock::{Moment, earlier};
use crate::live::Session;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::translate::{self, Files, Subject};
use crate::zones::HostZones;

/// `jitctl reload`.
///
/// # Errors
/// For root only; the mistakes of a policy that is not accepted.
pub async fn reload(agent: &Arc<Agent>, peer: &Peer, force: bool) -> Result<Response, Refusal> {
    if !is_root(peer) {
        return Err(for_root_only());
    }
    load(agent, force).await.map(|message| Response::Done { message })
}

/// Loads, with `force` also what leaves no administrator a way to root; what is now in force, for people.
///
/// # Errors
/// The rendered mistakes; what was in force stays.
pub async fn load(agent: &Arc<Agent>, force: bool) -> Result<String, Refusal> {
    let holder = Arc::clone(&agent.policy);
    let reload = move || {
        let result = if force { holder.force_reload() } else { holder.reload() };
        jit_sys::memory::give_back(); // what the policy before had, which may have been much larger
        result
    };
    let result = tokio::task::spawn_blocking(reload).await;
    let loaded = match result.map_err(|error| error.to_string()).and_then(|result| result) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            let mut record = agent.record(Event::PolicyRejected);
            record.result = Some(mistakes.clone());
            let _ = agent.audit.append_or_note(record).await; // shows in `status`; the mistakes are what matters now
            decide_again(agent).await;
            return Err(Refusal::new(
                format!("the new policy is not accepted; the one before stays\n{}", mistakes.trim_end()),
                "jitctl policy check",
            ));
        }
    };
    let mut record = agent.record(Event::PolicyLoaded);
    let bundle = loaded.bundle.as_ref();
    record.result = bundle.map(|bundle| format!("bundle {}, signed by {}", bundle.number, bundle.signer));
    let recorded = agent.audit.append_or_note(record).await;
    decide_again(agent).await;
    recorded.map_err(|why| {
        Refusal::new(
            format!("the new policy is in force, but there is no record of it yet: {why}"),
            "jitctl status",
        )
    })?;
    let rules = loaded.policy.rules().count();
    let plural = if rules == 1 { "" } else { "s" };
    Ok(format!("{rules} rule{plural} in force, digest {}", loaded.policy.digest()))
}

/// Each live grant is evaluated again: no longer permitted, it ends as `on_expiry` says; still permitted, it lives,
/// never longer. So is what runs on it, which may be another command than the one that it was issued for.
pub async fn decide_again(agent: &Arc<Agent>) {
    again(agent, FORBIDDEN).await;
}

/// The login sessions have changed: a condition that no longer holds ends a grant as its expiry does.
pub async fn look_at_logins_again(agent: &Arc<Agent>) {
    again(agent, "a condition of its rule no longer holds").await;
}

async fn again(agent: &Arc<Agent>, why: &'static str) {
    // Those that are used up too: sessions may run on them.
    let grants = agent.grants.unexpired(agent.clock.now());
    if grants.is_empty() {
        return;
    }
    let (task, mut sessions) = (Arc::clone(agent), agent.live.all());
    // As all that follows, not on the event loop: there may be very many.
    let open = move || grants.into_iter().map(|grant| (grant.subject.open().ok(), grant)).collect::<Vec<_>>();
    let grants = tokio::task::spawn_blocking(open).await.unwrap_or_default();
    let subjects = grants.iter().filter_map(|(subject, _)| subject.as_ref());
    let subjects = subjects.chain(sessions.iter().filter_map(|it| it.subject.as_ref()));
    let ids: BTreeSet<String> = subjects.filter_map(|subject| subject.login_id.clone()).collect();
    if ids.is_empty() && why != FORBIDDEN {
        return; // nothing depends on them
    }
    let logins = agent.logind.all(ids).await;
    let now = agent.clock.now();
    let decided = tokio::task::spawn_blocking(move || {
        let mut accounts = AccountsOfNow { logins, accounts: HashMap::new() };
        let mut longest = |subject: &Subject, rule: &str, at| {
            permitted_for(&task, &accounts.in_place_of(subject)?, rule, at)
        };
        let grants: Vec<_> = grants
            .into_iter()
            .map(|(subject, grant)| {
                let at = grant.counts_at(now);
                (subject.and_then(|it| longest(&it, &grant.purpose.rule, at)), grant)
            })
            .collect();
        sessions.retain(|session| {
            let subject = session.subject.as_ref().filter(|_| session.is_bound_to_its_grant());
            subject.is_some_and(|subject| longest(subject, &session.rule, now).is_none())
        });
        (grants, sessions)
    });
    let (decided, forbidden) = decided.await.unwrap_or_default();
    let mut over = HashSet::new();
    for (permitted, grant) in decided {
        if let Some(Permitted { longest, until }) = permitted {
            let begin_ns = grant.ahead.map_or(grant.issued_ns, |ahead| ahead.begins_ns);
            let wall = Moment { boottime_ns: 0, realtime_ns: begin_ns }.after(longest).realtime_ns;
            let end = Deadline { boottime_ns: u64::MAX, realtime_ns: wall };
            agent.grants.shorten(&grant.id, translate::not_after(earlier(grant.expires, end), until));
        } else {
            over.insert(grant.id);
        }
    }
    if !over.is_empty() {
        let ends = |session: &Session| session.is_bound_to_its_grant();
        let _ = agent.end_grants(why, |live| over.contains(&live.id), ends).await; // shows in `status`
    }
    agent.live.end(why, |live| forbidden.iter().any(|session| session.id == live.id));
}

const FORBIDDEN: &str = "policy no longer permits it";

/// What a rule still permits.
struct Permitted {
    /// How long it would let a grant live, nanoseconds.
    longest: u64,
    /// When that ends by the times that rules name.
    until: Option<Timestamp>,
}

/// What the rule would permit then; none if it permits no more.
fn permitted_for(agent: &Agent, subject: &Subject, rule: &str, at: Moment) -> Option<Permitted> {
    let loaded = agent.policy.current();
    let now = at.timestamp();
    let tags = &agent.settings.host.tags;
    let under = resolver_of_now(agent, subject.user.uid);
    let files = Files { under: &under, sha256: &|| subject.known_digest() };
    let decision = subject.decide(&loaded.policy, tags, &*agent.directory, now, &HostZones, files);
    let candidates = match decision {
        Ok(Decision::Permit(candidates)) => candidates,
        Ok(Decision::Deny(_)) => return None,
        // A directory that is away ends nothing that runs: each use is decided anyway.
        Err(_) => return Some(Permitted { longest: u64::MAX, until: None }),
    };
    let candidate = candidates.into_iter().find(|candidate| candidate.rule.id == rule)?;
    let longest = u64::try_from(candidate.rule.grant.max_duration.as_nanos()).ok()?;
    Some(Permitted { longest, until: candidate.until })
}

/// Accounts as they are now, each looked up once, and login sessions.
struct AccountsOfNow {
    accounts: HashMap<u32, Result<Option<jit_policy::Account>, account::LookupFailed>>,
    logins: HashMap<String, LoginSession>,
}

impl AccountsOfNow {
    /// What was decided upon, with the groups that its user and target have now; none if one of them is gone. A look-up
    /// that fails changes nothing: each use is decided anyway.
    fn in_place_of(&mut self, before: &Subject) -> Option<Subject> {
        let Subject { user, target, login_id, .. } = before;
        let login = login_id.as_ref().and_then(|id| self.logins.get(id)).cloned().unwrap_or_default();
        Some(Subject { user: self.now(user)?, target: self.now(target)?, login, ..before.clone() })
    }

    fn now(&mut self, before: &jit_policy::Account) -> Option<jit_policy::Account> {
        let found = self.accounts.entry(before.uid).or_insert_with(|| look_up(before.uid));
        found.as_ref().map_or_else(|_| Some(before.clone()), Clone::clone)
    }
}

fn look_up(uid: u32) -> Result<Option<jit_policy::Account>, account::LookupFailed> {
    let found = account::by_uid(uid)?;
    Ok(found.map(|found| {
        let aliases = account::aliases(uid, &found.name).unwrap_or_default();
        translate::policy_account(&found, aliases)
    }))
}
