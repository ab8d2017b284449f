//! `--token`: the yes of approvers elsewhere, by their signatures. Each reason why one counts for nothing has words of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jit_policy::{Binding, Rule, is_own};
use jit_protocol::link::Deadline;
use jit_protocol::token::{Covers, MAX_VALID, Malformed, Signed, Token};
use jit_signature::{GRANT, Rejection, Revoked, Signers, verify_names};
use jit_sys::policy_files::read_file_in_its_folder;

use super::people::people;
use super::plan::{Plan, Question};
use super::reason;
use super::token::written;
use crate::agent::Agent;
use crate::clock::Moment;
use crate::grants::Approved;
use crate::refusal::Refusal;
use crate::store::Change;

/// A token that counts, as long as nothing of what it depends on changes.
#[derive(Debug, Clone)]
pub struct Spend {
    signed: Signed,
    /// Its end, `CLOCK_REALTIME` in nanoseconds.
    until_ns: i64,
    /// All names of who asks.
    asker: Vec<String>,
    /// Whose yes it is.
    by: Vec<String>,
    /// With which keys.
    keys: Vec<String>,
}

/// Why a token counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rejected {
    Malformed(Malformed),
    NotSigned,
    Signature(Rejection),
    /// `allowed_signers` or `revoked_keys` can't be used.
    Unusable(String),
    NotForSigners,
    OtherHost,
    TooLong,
    NotYet(String),
    Expired(String),
    Spent,
    TooFew {
        have: usize,
        needed: u32,
        who: String,
    },
    Differs(String),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "{why}"),
            Self::NotSigned => f.write_str("the token is not signed"),
            Self::Signature(why) => write!(f, "the token's signature does not count: {why}"),
            Self::Unusable(_) => f.write_str("the token cannot be checked on this host"),
            Self::NotForSigners => f.write_str("policy lets nobody approve this by a signature"),
            Self::OtherHost => f.write_str("the token was made on another host"),
            Self::TooLong => f.write_str("the token is good for more than 24 hours"),
            Self::NotYet(when) => write!(f, "the token is not good before {when}"),
            Self::Expired(when) => write!(f, "the token expired at {when}"),
            Self::Spent => f.write_str("the token was spent already"),
            Self::TooFew { have, needed, who } => {
                write!(f, "the token has {have} of the {needed} signatures that are needed, by {who}")
            }
            Self::Differs(what) => write!(f, "this is not what was signed: it differs in {what}"),
        }
    }
}

impl From<Rejected> for Refusal {
    fn from(why: Rejected) -> Self {
        let hint = match &why {
            Rejected::Malformed(_) => "take the whole text, as it was printed",
            Rejected::NotSigned => "an approver signs it: jitctl token sign --key KEY FILE",
            Rejected::Unusable(_) => "ask an administrator to look at allowed_signers",
            Rejected::NotYet(_) => "try again then",
            Rejected::TooFew { .. } => "each of them signs it: jitctl token sign --key KEY FILE",
            Rejected::Differs(_) => "run what was signed, from the same folder, or ask for another token",
            _ => "jitctl token request -- COMMAND makes a new one",
        };
        let log = if let Rejected::Unusable(why) = &why { why.clone() } else { why.to_string() };
        Self { of_token: true, ..Self::new(why.to_string(), hint).because(log) }
    }
}

/// The nonce of a text that is a token, for the log.
pub fn nonce(text: &str) -> Option<String> {
    Some(Signed::parse(text).ok()?.token.nonce).filter(|nonce| is_id(nonce))
}

/// The token of an elevation, if it has one: checked as far as that does not depend on the command; the rule, the time and the
/// reason that it was made for become what is asked for. May block.
///
/// # Errors
/// Why it counts for nothing; to those without any rule nothing is told.
pub fn present(agent: &Agent, question: &mut Question) -> Result<Option<Box<Spend>>, Refusal> {
    let Some(text) = question.asked.token.clone() else { return Ok(None) };
    let people = people(agent, &agent.policy.current(), question)?;
    let signed = Signed::parse(&text).map_err(Rejected::Malformed)?;
    let spend = check(agent, signed, people.user.names, question.now)?;
    let (asked, token) = (&mut question.asked, &spend.signed.token);
    // Whoever wrote the text may be another program than ours.
    if let Some(reason) = &token.reason {
        let clean = reason::clean(reason).ok().filter(|clean| clean == reason);
        clean.ok_or(Rejected::Malformed(Malformed::Recoded))?;
    }
    let of_token = [
        (&mut asked.rule, Some(&token.binding.rule), "the rule"),
        (&mut asked.reason, token.reason.as_ref(), "the reason"),
    ];
    for (asked, signed, what) in of_token {
        if asked.is_some() && asked.as_ref() != signed {
            return Err(Rejected::Differs(what.to_owned()).into());
        }
        *asked = signed.cloned();
    }
    if token.covers == Covers::Command && asked.duration.is_none() {
        asked.duration = token.binding.duration;
    }
    Ok(Some(Box::new(spend)))
}

/// Looks at all of it once more, after the password: time has passed, and a key may have been revoked.
///
/// # Errors
/// Why it counts for nothing any more.
pub async fn again(agent: &Arc<Agent>, spend: &Spend, plan: &Plan) -> Result<Spend, Refusal> {
    let (task, spend, now) = (Arc::clone(agent), spend.clone(), agent.clock.now());
    let work = move || Ok(check(&task, spend.signed, spend.asker, now));
    let checked = agent.lookup.run(plan.people.invoking.uid, work).await;
    Ok(checked.map_err(|error| Refusal::failure(error.to_string()))??)
}

/// All that does not depend on the command.
fn check(agent: &Agent, signed: Signed, asker: Vec<String>, now: Moment) -> Result<Spend, Rejected> {
    let token = &signed.token;
    let loaded = agent.policy.current();
    let approval = loaded.policy.rule(&token.binding.rule).and_then(|rule| rule.require.approval.as_ref());
    // Nobody approves for themselves.
    let is_own = |name: &str| asker.iter().any(|user| is_own(name, user));
    let signers = approval.iter().flat_map(|approval| &approval.signers);
    let names: Vec<&str> = signers.map(AsRef::as_ref).filter(|name| !is_own(name)).collect();
    let (by, keys) = verify(agent, &signed, &names, &is_own, now.timestamp())?;
    let approval = approval.filter(|approval| !approval.signers.is_empty()).ok_or(Rejected::NotForSigners)?;
    if token.host != agent.host_id {
        return Err(Rejected::OtherHost);
    }
    let (begin, end) = (time(&token.not_before)?, time(&token.not_after)?);
    let is_short = end
        .as_second()
        .checked_sub(begin.as_second())
        .is_some_and(|seconds| u64::try_from(seconds).is_ok_and(|seconds| seconds <= MAX_VALID));
    if !is_short {
        return Err(Rejected::TooLong);
    }
    if !is_id(&token.nonce) {
        return Err(Rejected::Malformed(Malformed::Recoded));
    }
    let until_ns = end.as_nanosecond().try_into().unwrap_or(i64::MAX);
    if now.timestamp() < begin {
        return Err(Rejected::NotYet(token.not_before.clone()));
    }
    if agent.nonces.is_burnt(&token.nonce) {
        return Err(Rejected::Spent);
    }
    if now.realtime_ns >= until_ns || agent.nonces.is_over(until_ns) {
        return Err(Rejected::Expired(token.not_after.clone()));
    }
    if by.len() < approval.count as usize {
        let who = approval.in_words();
        return Err(Rejected::TooFew { have: by.len(), needed: approval.count, who });
    }
    Ok(Spend { signed, until_ns, asker, by, keys })
}

/// Who signed, and with which keys. Every signature must be good; a key that has a name of the asker's as well is the asker's.
fn verify(
    agent: &Agent,
    signed: &Signed,
    names: &[&str],
    is_own: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Result<(Vec<String>, Vec<String>), Rejected> {
    if signed.signatures.is_empty() {
        return Err(Rejected::NotSigned);
    }
    let paths = &agent.paths;
    let file = |path: &Path| {
        read_file_in_its_folder(path, paths.owner).map_err(|refused| Rejected::Unusable(refused.to_string()))
    };
    let flaw = |path: &Path, mistake| Rejected::Unusable(format!("{}: {mistake}", path.display()));
    let signers = file(&paths.allowed_signers)?.unwrap_or_default();
    let signers = Signers::parse(&signers).map_err(|mistake| flaw(&paths.allowed_signers, mistake))?;
    let revoked = file(&paths.revoked_keys)?.unwrap_or_default();
    let revoked = Revoked::parse(&revoked).map_err(|mistake| flaw(&paths.revoked_keys, mistake))?;
    let text = signed.token.text();
    let (mut all, mut keys) = (Vec::new(), BTreeSet::new());
    for signature in &signed.signatures {
        let names = names.iter().copied();
        let by = verify_names(text.as_bytes(), signature, GRANT, (&signers, &revoked), now, names)
            .map_err(Rejected::Signature)?;
        keys.insert(by.key);
        if !by.principals.iter().any(|name| is_own(name)) {
            all.push(by.names);
        }
    }
    Ok((people_of(all), keys.into_iter().collect()))
}

/// Each person once: a name with two keys is one, and so is a key with two names, and whoever shares a name with another.
fn people_of(signatures: Vec<Vec<&str>>) -> Vec<String> {
    let mut people: Vec<BTreeSet<&str>> = Vec::new();
    for names in signatures.into_iter().filter(|names| !names.is_empty()) {
        let mut person: BTreeSet<&str> = names.into_iter().collect();
        people.retain(|other| {
            let is_other = other.is_disjoint(&person);
            if !is_other {
                person.extend(other);
            }
            is_other
        });
        people.push(person);
    }
    let mut written: Vec<String> = people
        .into_iter()
        .map(|names| format!("signer:{}", names.into_iter().collect::<Vec<_>>().join("=")))
        .collect();
    written.sort_unstable();
    written
}

/// In its one form.
fn time(text: &str) -> Result<Timestamp, Rejected> {
    let parsed = text.parse::<Timestamp>().ok().filter(|time| written(*time) == text);
    parsed.ok_or(Rejected::Malformed(Malformed::Recoded))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Spend {
    /// Whether it was signed for this.
    ///
    /// # Errors
    /// In what that differs.
    pub fn must_be_for(&self, plan: &Plan) -> Result<(), Refusal> {
        let Token { binding: signed, .. } = &self.signed.token;
        let (rule, binding) = plan
            .rule()
            .zip(plan.binding.as_deref())
            .ok_or_else(|| Refusal::failure("a token for what needs no approval"))?;
        let difference = if self.is_for_rule(rule) {
            [
                (signed.host == binding.host, "the host's name"),
                (signed.rule == binding.rule, "the rule"),
                (signed.user == binding.user, "the invoking user"),
                (signed.target == binding.target, "the target user"),
            ]
            .into_iter()
            .find_map(|(same, what)| (!same).then(|| what.to_owned()))
        } else {
            signed.difference(binding)
        };
        difference.map_or(Ok(()), |what| Err(Rejected::Differs(what).into()))
    }

    fn is_for_rule(&self, rule: &Rule) -> bool {
        let let_by_rule = rule.require.approval.as_ref().is_some_and(|it| it.binding == Binding::Rule);
        self.signed.token.covers == Covers::Rule && let_by_rule
    }

    /// Burns its nonce: the change that makes that durable, which has to be committed before anything runs.
    ///
    /// # Errors
    /// If another one was faster.
    pub fn burn(&self, agent: &Agent) -> Result<Change, Refusal> {
        agent.nonces.burn(&self.signed.token.nonce, self.until_ns).ok_or_else(|| Rejected::Spent.into())
    }

    /// It was not committed, and nothing runs.
    pub fn give_back(&self, agent: &Agent) {
        agent.nonces.give_back(&self.signed.token.nonce);
    }

    /// The longest that its grant may live.
    pub fn expiry(&self, now: Moment) -> Deadline {
        now.after(self.signed.token.duration.saturating_mul(1_000_000_000))
    }

    /// The yes, for its grant.
    pub fn approved(&self, rule: &Rule) -> Approved {
        let Token { nonce, binding, .. } = &self.signed.token;
        Approved {
            request: nonce.clone(),
            by: self.by.clone(),
            binding: (!self.is_for_rule(rule)).then(|| binding.clone()),
        }
    }

    /// For the log.
    pub fn by_keys(&self) -> String {
        format!("signed with {}", self.keys.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // "count as today, each person once"
    #[test]
    fn each_person_counts_once_whatever_keys_and_names_they_have() {
        for (signatures, people) in [
            (vec![vec!["a"], vec!["b"]], vec!["signer:a", "signer:b"]),
            (vec![vec!["a"], vec!["a"]], vec!["signer:a"]),
            (vec![vec!["a", "b"]], vec!["signer:a=b"]),
            (vec![vec!["a", "b"], vec!["b"]], vec!["signer:a=b"]),
            (vec![vec!["a"], vec!["b"], vec!["a", "b"]], vec!["signer:a=b"]),
            (vec![vec![], vec!["c"]], vec!["signer:c"]),
            (vec![vec![]], vec![]),
        ] {
            assert_eq!(people_of(signatures.clone()), people, "{signatures:?}");
        }
    }

    #[test]
    fn a_time_has_one_form() {
        assert!(time("2026-11-22T21:00:00Z").is_ok());
        for other in [
            "2026-11-22T21:00:00.0Z",
            "2026-11-22T21:00Z",
            "2026-11-22T22:00:00+01:00",
            "2026-11-22t21:00:00z",
            "",
        ] {
            assert!(time(other).is_err(), "{other}");
        }
    }
}
