//! The agent as a whole: what every handler has at hand.

use std::collections::HashSet;
use std::sync::Arc;

use jit_audit::record::{Event, Record, User};
use jit_policy::Host;

use crate::admission::Admission;
use crate::anchors::Anchors;
use crate::audit::Audit;
use crate::bus::Bus;
use crate::clock::{Clock, Moment};
use crate::denials::Denials;
use crate::grants::{Grant, Grants};
use crate::hooks::Hooks;
use crate::live::{Live, Session};
use crate::logind::Logind;
use crate::lookup::{CachedDirectory, Lookup};
use crate::nonces::Nonces;
use crate::paths::Paths;
use crate::policy::PolicyHolder;
use crate::records::Records;
use crate::requests::Requests;
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::store::Store;

/// Everything that requests share.
pub struct Agent {
    /// Where things are.
    pub paths: Paths,
    /// `/etc/jit-sudo/agent.toml`.
    pub settings: Settings,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When it began to serve.
    pub since: Moment,
    /// The policy in force.
    pub policy: Arc<PolicyHolder>,
    /// Accounts and paths, off the event loop.
    pub lookup: Lookup,
    /// Groups by name, cached.
    pub directory: Arc<CachedDirectory>,
    /// Authentication records.
    pub records: Records,
    /// Grants.
    pub grants: Grants,
    /// Requests for approval.
    pub requests: Requests,
    /// Nonces of tokens that were spent.
    pub nonces: Nonces,
    /// This host's own id, which tokens are made for.
    pub host_id: String,
    /// Live sessions.
    pub live: Live,
    /// The terminals and login sessions that grants count in.
    pub anchors: Anchors,
    /// What is known of login sessions.
    pub logind: Arc<Logind>,
    /// What survives a crash.
    pub store: Store,
    /// The audit log.
    pub audit: Audit,
    /// The system bus, if there is one.
    pub bus: Bus,
    /// Who is told of approvals and grants, besides.
    pub hooks: Hooks,
    /// Denials, counted under a flood.
    pub denials: Denials,
    /// The way to the monitors.
    pub spawner: Spawner,
    /// Why nothing that the store held counted when it was opened; none if it counts.
    pub void: Option<String>,
    /// How many sessions each may have.
    pub session_places: Admission,
    /// How many may wait for answers to requests: each holds its connection for a minute.
    pub wait_places: Admission,
}

/// What a record says of a grant.
pub fn about_grant(mut record: Record, grant: &Grant) -> Record {
    record.grant = Some(grant.id.clone());
    record.rule = Some(grant.purpose.rule.to_string());
    record.user = Some(User { name: grant.user.to_string(), uid: grant.purpose.uid });
    record.reason = grant.reason.as_deref().map(str::to_owned);
    if let Some(approved) = &grant.approved {
        record.request = Some(approved.request.clone());
        record.approver = Some(approved.by.join(", "));
    }
    record
}

impl Agent {
    /// This host, for policy; its name from [`crate::hostname::now`].
    pub fn policy_host<'a>(&'a self, name: &'a str) -> Host<'a> {
        Host { name, tags: &self.settings.host.tags }
    }

    /// A record with what is in force.
    pub fn record(&self, event: Event) -> Record {
        let loaded = self.policy.current();
        let mut record = self.audit.record(event);
        record.policy = Some(loaded.policy.digest().to_owned());
        record.policy_stale = loaded.stale;
        record
    }

    /// A record about a grant.
    pub fn grant_record(&self, event: Event, grant: &Grant) -> Record {
        about_grant(self.record(event), grant)
    }

    /// Ends grants early, with their sessions; what was ended.
    ///
    /// # Errors
    /// As [`Self::end_grants`].
    pub async fn revoke(&self, why: &str, which: impl Fn(&Grant) -> bool) -> Result<Vec<Grant>, String> {
        self.end_grants(why, which, |_| true).await
    }

    /// Ends grants early, and those of their sessions; what was ended.
    ///
    /// # Errors
    /// If the store or the log could not be told: the grants are gone from this agent all the same.
    pub async fn end_grants(
        &self,
        why: &str,
        which: impl Fn(&Grant) -> bool,
        sessions: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Grant>, String> {
        let (revoked, stored) = self.grants.revoke(which);
        // All of them at once: whatever happens to store and log, and however slow they are.
        let ids: HashSet<&str> = revoked.iter().map(|grant| grant.id.as_str()).collect();
        self.live.end(why, |session| ids.contains(session.grant.as_str()) && sessions(session));
        let mut result = stored.await;
        let records = revoked.iter().map(|grant| {
            let mut record = self.grant_record(Event::GrantRevoked, grant);
            record.result = Some(why.to_owned());
            record
        });
        // One write for many of them.
        let submitted: Vec<_> = records.map(|record| (self.audit.submit(record.clone()), record)).collect();
        for (written, record) in submitted {
            let written = written.await;
            if written.is_err() {
                self.audit.note(record);
            }
            result = result.and(written);
        }
        result.map(|()| revoked)
    }
}
