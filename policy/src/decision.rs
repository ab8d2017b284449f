//! What an evaluation says, and how one of several permitting rules is chosen.

use crate::rule::{Authentication, Reason, Require, Rule};
use crate::sha256::Sha256;

/// The result of evaluating a request.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Each of these rules permits the request; never empty, by ascending id. See [`choose`].
    Permit(Vec<Candidate<'a>>),
    /// Nothing runs.
    Deny(Denial<'a>),
}

/// A rule that permits the request, once its duties are done.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The arguments to run with, where `{ under = "…" }` replaced one; else those of the request count.
    pub arguments: Option<Vec<Vec<u8>>>,
    /// The rule permits any command ("ALL"): the file needs no check.
    pub command_is_all: bool,
    /// What runs must have this digest: the permission depends on it. `None`: it does not depend on what is in the file.
    pub sha256: Option<Sha256>,
    /// When the permission ends by the times that rules name: no grant for it lives, and nothing runs on one, longer.
    pub until: Option<jiff::Timestamp>,
}

/// Why nothing runs.
#[derive(Debug)]
pub struct Denial<'a> {
    /// Whether the user has any allow rule at all on this host, at any time of the week. Without one, say nothing about files or
    /// rules, whatever `why` is.
    pub has_rules: bool,
    /// The reason, for audit and for an administrator.
    pub why: Why<'a>,
}

/// The reason of a denial.
#[derive(Debug)]
pub enum Why<'a> {
    /// An id is 4294967295, which the kernel takes for "no change".
    InvalidId,
    /// A deny rule matches: the one with the smallest id.
    DeniedBy(&'a Rule),
    /// `--rule` names a rule that does not permit this request.
    RuleDoesNotPermit,
    /// These rules match but for the digest of the file, which is this one, or can't be told.
    OtherFile(Vec<&'a Rule>, Result<Sha256, String>),
    /// These rules match, but a named command must be on a path that nobody else can write.
    UntrustedPath(Vec<&'a Rule>),
    /// These rules match, but can't serve an option of the request (`-D`, `-T`, `--for`, `VAR=value`).
    Options(Vec<&'a Rule>),
    /// These rules match, but do not hold at this time of the week.
    Time(Vec<&'a Rule>),
    /// These rules match, but not in this login session, or not as far as it can be told.
    Login(Vec<&'a Rule>),
    /// No rule matches.
    NoRuleMatches,
}

/// How many duties are still missing for one candidate: known to the caller, who has the grants and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Approvals.
    pub approvals: u32,
    /// Whether a person must authenticate now.
    pub authentication: bool,
    /// Whether a reason must be asked for.
    pub reason: bool,
}

impl Missing {
    /// All duties of a rule: nothing has been done yet.
    pub fn all(rule: &Rule) -> Self {
        let Require { reason, authentication, approval, .. } = &rule.require;
        Self {
            approvals: approval.as_ref().map_or(0, |approval| approval.count),
            authentication: *authentication == Authentication::Password,
            reason: !matches!(reason, Reason::No),
        }
    }

    /// Nobody must be asked for anything: with `-n` only such a candidate serves.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// The candidate with the fewest duties missing (approvals, then authentication, then reason), then the smallest
/// id; with what it misses. `None` only for an empty list.
///
/// With `-n`: if what the chosen one misses is not nothing, no other candidate misses nothing either.
pub fn choose<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    missing: impl Fn(&Candidate<'a>) -> Missing,
) -> Option<(&'c Candidate<'a>, Missing)> {
    candidates
        .iter()
        .map(|candidate| (candidate, missing(candidate)))
        .min_by(|(left, fewer), (right, more)| fewer.cmp(more).then_with(|| left.rule.id.cmp(&right.rule.id)))
}
