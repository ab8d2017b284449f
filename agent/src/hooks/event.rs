//! What a hook reads. The form is stable: keys are added, never changed.

use jit_audit::Record;
use jit_protocol::escape;
use serde::Serialize;

use crate::agent::Agent;
use crate::clock::rfc3339;

/// One event. All text is escaped as on a terminal; what does not apply is absent.
#[derive(Debug, Serialize)]
struct Event<'a> {
    version: u8,
    #[serde(rename = "event")]
    name: &'a str,
    time: &'a str,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// As whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// The command, one word for each argument.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Who may answer, as the rule says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approvers: Vec<String>,
    /// Until when it waits, or lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    approver: Option<String>,
    /// How it came out, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// How many events before this one nobody was told of: whoever floods must not hide something in silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
}

/// The text of an event: what the log says, and what is known besides; and how many were missed before it.
///
/// # Errors
/// Never, as far as is known.
pub(super) fn text(agent: &Agent, record: &Record, missed: u64) -> Result<String, String> {
    let request = record.request.as_deref().and_then(|id| agent.requests.get(id));
    let grant = record.grant.as_deref().and_then(|id| agent.grants.get(id));
    let approvers = || {
        let loaded = agent.policy.current();
        let rule = loaded.policy.rule(record.rule.as_deref()?)?;
        let named = &rule.require.approval.as_deref()?.named;
        Some(named.iter().map(|name| escape(name.to_string().as_bytes())).collect())
    };
    let is_of_request = record.event == jit_audit::Event::ApprovalRequested;
    let command: Vec<String> = match &request {
        Some(request) => request.binding.command.iter().map(|word| escape(word.as_slice())).collect(),
        None => record.command.iter().map(|word| escape(word.as_bytes())).collect(),
    };
    let until = match (&grant, &request) {
        (Some(grant), _) => Some(grant.expires),
        (None, Some(request)) if is_of_request => Some(request.until),
        _ => None,
    };
    let target = grant.as_ref().map(|grant| grant.target.to_string());
    let target = target.or_else(|| Some(request.as_ref()?.binding.target.name.clone()));
    let target = target.or_else(|| Some(record.target.as_ref()?.user.clone()));
    let escaped = |text: &Option<String>| text.as_ref().map(|text| escape(text.as_bytes()));
    let event = Event {
        version: 1,
        name: record.event.name(),
        time: &record.time,
        host: escape(record.host.as_bytes()),
        request: record.request.as_deref(),
        grant: record.grant.as_deref(),
        rule: record.rule.as_deref(),
        user: record.user.as_ref().map(|user| escape(user.name.as_bytes())),
        target: target.map(|target| escape(target.as_bytes())),
        command,
        reason: escaped(&record.reason),
        approvers: if is_of_request { approvers().unwrap_or_default() } else { Vec::new() },
        until: until.map(|until| rfc3339(until.realtime_ns)),
        approver: escaped(&record.approver),
        result: escaped(&record.result),
        missed: (missed > 0).then_some(missed),
    };
    serde_json::to_string(&event).map_err(|error| error.to_string())
}
