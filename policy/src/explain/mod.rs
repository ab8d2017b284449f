//! Why a request is permitted or denied, in words.

mod failures;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use crate::account::{Directory, LookupFailed};
use crate::approval::Approval;
use crate::decision::{Decision, Denial, Missing, Why};
use crate::evaluate::Question;
use crate::meaning::Terms;
use crate::policy::Core;
use crate::request::Request;
use crate::rule::{Effect, Rule};

/// Why a request is permitted or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether any rule permits (duties may remain).
    pub permitted: bool,
    /// Whether the user has any allow rule on this host, now.
    pub has_rules: bool,
    /// What decided, in one sentence.
    pub summary: String,
    /// The rules that permit: first the one that decides while none of their duties is done.
    pub permitting: Vec<Considered>,
    /// The rules that deny, by ascending id.
    pub denying: Vec<Considered>,
    /// Rules that came near, the nearest first.
    pub near: Vec<Considered>,
}

/// One rule, and what it made of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The rule's id.
    pub rule: String,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
    /// The duties of an allow rule, in their order.
    pub duties: Vec<&'static str>,
    /// Who has to approve, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<String>,
    /// How long an allow rule's grant lives, and on which other terms: each key whose value is not the one that counts
    /// where nothing is written.
    pub terms: BTreeMap<&'static str, String>,
    /// When it holds; empty is always.
    pub when: Vec<String>,
    /// From which login sessions it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// What did not hold: the key of the policy, and a sentence.
    pub failed: Vec<Failure>,
}

/// One key that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The key, for example `except_users`.
    pub key: &'static str,
    /// In words.
    pub why: String,
    /// How far that is from matching.
    #[serde(skip)]
    pub(crate) weight: usize,
    /// What a person is told instead.
    #[serde(skip)]
    pub(crate) told_to_person: Option<&'static str>,
}

impl Failure {
    /// The rule is for others.
    pub(crate) fn is_of_others(&self) -> bool {
        matches!(self.key, "users" | "except_users")
    }
}

impl Explanation {
    /// For the user: what to do, and nothing about files. A person without any rule learns nothing.
    pub fn for_user(&self) -> String {
        if !self.has_rules {
            return "you have no rule for this\n".to_owned();
        }
        let mut text = format!("{}\n", self.summary);
        for rule in self.permitting.iter().filter(|_| self.permitted) {
            let _ = writeln!(text, "  {}: {}", rule.rule, rule.duties_text());
        }
        // Only of rules that name them.
        let own =
            |rule: &&Considered| rule.effect == "allow" && !rule.failed.iter().any(Failure::is_of_others);
        for rule in self.near.iter().filter(own) {
            for failure in &rule.failed {
                let why = failure.told_to_person.unwrap_or(&failure.why);
                let _ = writeln!(text, "  {}: {why}", rule.rule);
            }
        }
        text
    }

    /// For an administrator: every rule that came near, with file and line.
    pub fn for_administrator(&self) -> String {
        let mut text = format!("{}\n", self.summary);
        let permits = |at: usize| match (self.permitted, at) {
            (false, _) => "would permit",
            (true, 0) => "permits",
            (true, _) => "permits, too",
        };
        let titled = (self.denying.iter().map(|rule| ("denies", rule)))
            .chain(self.permitting.iter().enumerate().map(|(at, rule)| (permits(at), rule)))
            .chain(self.near.iter().map(|rule| ("came near", rule)));
        for (title, rule) in titled {
            let Considered { rule: id, effect, file, line, .. } = rule;
            let _ = writeln!(text, "{title}: {id} ({effect}, {file}:{line})");
            if effect == &"allow" && rule.failed.is_empty() {
                let _ = writeln!(text, "  {}", rule.duties_text());
                if !rule.when.is_empty() {
                    let _ = writeln!(text, "  only {}", rule.when.join(", "));
                }
                for from in &rule.from {
                    let _ = writeln!(text, "  only with {from}");
                }
                for (key, value) in &rule.terms {
                    let _ = writeln!(text, "  {key}: {value}");
                }
            }
            for failure in &rule.failed {
                let _ = writeln!(text, "  {}: {}", failure.key, failure.why);
            }
        }
        text
    }
}

impl Considered {
    fn new(rule: &Rule, failed: Vec<Failure>, core: &Core) -> Self {
        let is_allow = rule.effect == Effect::Allow;
        Self {
            rule: rule.id.clone(),
            effect: if is_allow { "allow" } else { "deny" },
            file: rule.file.to_string(),
            line: rule.line,
            duties: if is_allow { rule.duties() } else { Vec::new() },
            approvers: rule.require.approval.as_deref().map(Approval::in_words),
            terms: if is_allow { Terms::of(rule, core).beyond_defaults() } else { BTreeMap::new() },
            when: core.text_of(rule).when,
            from: core.text_of(rule).from,
            failed,
        }
    }

    fn duties_text(&self) -> String {
        let by = self.approvers.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
        if self.duties.is_empty() {
            "no duties".to_owned()
        } else {
            format!("duties: {}{by}", self.duties.join(", ")) // approval is the last one
        }
    }
}

/// A rule this far away is not near any more.
const FAR: usize = 3;
/// How many rules that came near are shown.
const MOST: usize = 10;

impl Core {
    /// Looks at every rule: for people, who can wait for it.
    pub(crate) fn explain(
        &self,
        denies: &[Arc<Self>],
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<Explanation, LookupFailed> {
        let cores: Vec<&Self> = [self].into_iter().chain(denies.iter().map(|core| &**core)).collect();
        let questions: Vec<Question<'_, '_>> =
            cores.iter().map(|core| Question::new(core, request, directory)).collect();
        let (mut permitting, mut denying, mut near) = (Vec::new(), Vec::new(), Vec::new());
        for (question, rule) in
            questions.iter().flat_map(|one| one.core.rules.iter().map(move |rule| (one, rule)))
        {
            let distance = question.distance(rule);
            match (distance.weight, rule.effect) {
                (0, Effect::Allow) => {
                    let considered = Considered::new(rule, Vec::new(), question.core);
                    permitting.push((Missing::all(rule), considered));
                }
                (0, Effect::Deny) => denying.push(Considered::new(rule, Vec::new(), question.core)),
                (weight, _) if weight < FAR => near.push((distance, rule, question)),
                _ => {}
            }
        }
        // As `choose` would, with nothing done yet.
        permitting.sort_by(|(one, a), (other, b)| (one, &a.rule).cmp(&(other, &b.rule)));
        let permitting: Vec<Considered> = permitting.into_iter().map(|(_, considered)| considered).collect();
        denying.sort_by(|one, other| one.rule.cmp(&other.rule));
        // One's own are never crowded out by those of others, which may be many.
        near.sort_by(|(one, a, _), (other, b, _)| (one, &a.id).cmp(&(other, &b.id)));
        near.truncate(MOST);
        near.sort_by(|(one, a, _), (other, b, _)| (one.weight, &a.id).cmp(&(other.weight, &b.id)));
        let near = near
            .into_iter()
            .map(|(_, rule, question)| Considered::new(rule, question.failures(rule), question.core))
            .collect();
        let (permitted, has_rules, summary) = match self.evaluate(denies, request, directory)? {
            Decision::Permit(_) => (true, true, permit(permitting.first())),
            Decision::Deny(denial) => (false, denial.has_rules, summary(&denial)),
        };
        Ok(Explanation { permitted, has_rules, summary, permitting, denying, near })
    }
}

fn permit(first: Option<&Considered>) -> String {
    match first {
        Some(rule) if rule.duties.is_empty() => format!("permitted by the rule `{}`", rule.rule),
        Some(rule) => format!("permitted by the rule `{}`, once its duties are done", rule.rule),
        None => "permitted".to_owned(),
    }
}

fn summary(denial: &Denial<'_>) -> String {
    match &denial.why {
        Why::InvalidId => "denied: an id is 4294967295, which is no id".to_owned(),
        Why::DeniedBy(rule) => format!("denied by the rule `{}`", rule.id),
        Why::RuleDoesNotPermit => "denied: the rule that was asked for does not permit this".to_owned(),
        Why::OtherFile(_, Ok(_)) => "denied: the file is not one that a rule pins".to_owned(),
        Why::OtherFile(_, Err(_)) => "denied: the SHA-256 of the file can't be told".to_owned(),
        Why::UntrustedPath(_) => "denied: others than root can write to the path of this command".to_owned(),
        Why::Options(_) => "denied: no rule permits this with these options".to_owned(),
        Why::Login(_) => "denied: no rule permits this in this login session".to_owned(),
        Why::Time(_) => "denied: no rule permits this at this time".to_owned(),
        Why::NoRuleMatches => "denied: no rule permits this".to_owned(),
    }
}
