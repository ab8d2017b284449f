//! The policy as a whole: loaded, merged, asked.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::approval::Approval;
use crate::decision::Decision;
use crate::diagnostics::Diagnostics;
use crate::diff::{Difference, differences};
use crate::eligible::RuleText;
use crate::explain::Explanation;
use crate::index::Index;
use crate::lint::{Finding, LintHost};
use crate::load::{Loaded, load, load_tests};
use crate::login::{Gated, LoginDecision, LoginRule};
use crate::pattern::{CommandSet, HostSet, Symbols, UserSet};
use crate::policy_test::PolicyTest;
use crate::request::Request;
use crate::rule::{Effect, Rule};
use crate::source::{Source, Surroundings};
use crate::when::{AskedOnce, Zones};

/// A whole policy, checked and indexed. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) core: Arc<Core>,
    /// Deny rules of newer files that were refused as a whole.
    denies: Vec<Arc<Core>>,
}

/// What one load made.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) rules: Vec<Rule>,
    /// Numbers of the rules, by ascending id.
    by_id: Vec<u32>,
    pub(crate) logins: Vec<LoginRule>,
    tests: Vec<PolicyTest>,
    pub(crate) user_sets: Vec<UserSet>,
    pub(crate) command_sets: Vec<CommandSet>,
    pub(crate) host_sets: Vec<HostSet>,
    pub(crate) symbols: Symbols,
    pub(crate) index: Index,
    /// Whether any rule depends on the login session.
    asks_about_logins: bool,
    digest: String,
}

impl Policy {
    /// Reads and checks all files: all or nothing. No file at all is a valid policy, which denies everything.
    ///
    /// # Errors
    /// [`Diagnostics`] with every mistake that was found.
    pub fn load(sources: &[Source], host: &dyn Surroundings) -> Result<Self, Diagnostics> {
        let loaded = load(sources, host);
        if !loaded.found.is_empty() {
            return Err(loaded.found);
        }
        Ok(Self { core: Arc::new(Core::new(loaded, digest(sources))), denies: Vec::new() })
    }

    /// The deny rules, of logins too, of those files in which no mistake is found, and nothing else. For a new
    /// policy that was refused: its denies apply at once, see [`Self::merge_denies`].
    ///
    /// A file that uses a set of a file with a mistake counts as one with a mistake.
    pub fn load_denies(sources: &[Source], host: &dyn Surroundings) -> Self {
        let mut sound = sources.to_vec();
        let mut loaded = load(&sound, host);
        while !loaded.found.is_empty() {
            let mistaken: HashSet<&str> = loaded.found.iter().map(|one| &*one.place.file).collect();
            sound.retain(|source| !mistaken.contains(&*source.path));
            loaded = load(&sound, host);
        }
        loaded.rules.retain(|rule| rule.effect == Effect::Deny);
        loaded.logins.retain(|login| login.access == crate::login::Access::Deny);
        Self { core: Arc::new(Core::new(loaded, digest(&sound))), denies: Vec::new() }
    }

    /// This policy and the deny rules of another one. The digest stays.
    #[must_use]
    pub fn merge_denies(&self, denies: &Self) -> Self {
        let mut merged = self.clone();
        merged.denies.push(Arc::clone(&denies.core));
        merged.denies.extend(denies.denies.iter().cloned());
        merged
    }

    /// SHA-256, in hex, over the names and texts of the files; their order does not matter.
    pub fn digest(&self) -> &str {
        &self.core.digest
    }

    /// All rules, without the logins.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.core.rules.iter()
    }

    /// All logins.
    pub fn logins(&self) -> impl Iterator<Item = &LoginRule> {
        self.core.logins.iter()
    }

    /// The tests in the files that this policy was made of. They decide nothing.
    pub fn tests(&self) -> &[PolicyTest] {
        &self.core.tests
    }

    /// Tests in files of their own, which hold nothing else.
    ///
    /// # Errors
    /// [`Diagnostics`] with every mistake that was found.
    pub fn load_tests(sources: &[Source], host: &dyn Surroundings) -> Result<Vec<PolicyTest>, Diagnostics> {
        let loaded = load_tests(sources, host);
        if loaded.found.is_empty() { Ok(loaded.tests) } else { Err(loaded.found) }
    }

    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        let core = &self.core;
        let id_of = |number: &u32| core.rules.get(*number as usize).map_or("", |rule| rule.id.as_str());
        let at = core.by_id.binary_search_by(|number| id_of(number).cmp(id)).ok()?;
        core.by_id.get(at).and_then(|number| core.rules.get(*number as usize))
    }

    /// How a rule of this policy reads.
    pub fn text_of(&self, rule: &Rule) -> RuleText {
        let owns = |core: &&Arc<Core>| core.rules.as_ptr_range().contains(&std::ptr::from_ref(rule));
        self.denies.iter().find(owns).unwrap_or(&self.core).text_of(rule)
    }

    /// Decides. Pure: the same question has the same answer.
    ///
    /// # Errors
    /// [`LookupFailed`] if a look-up failed on which the answer depends: refuse the request.
    pub fn evaluate(
        &self,
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<Decision<'_>, LookupFailed> {
        self.core.evaluate(&self.denies, request, directory)
    }

    /// Whether a request is permitted now, or would be at another time of the week, if nothing but that were another: dates are
    /// not. What somebody else has to approve is not.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn permits_sometime(
        &self,
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        self.core.permits_sometime(&self.denies, request, directory)
    }

    /// Says why: which rules permit or deny, which came near, and what failed in them.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn explain(
        &self,
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<Explanation, LookupFailed> {
        self.core.explain(&self.denies, request, directory)
    }

    /// The allow rules that a user has on this host, at any time of the week: what `jit-sudo -l` lists. By ascending id.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn eligible(
        &self,
        user: &Account,
        host: Host<'_>,
        now: jiff::Timestamp,
        directory: &dyn Directory,
    ) -> Result<Vec<&Rule>, LookupFailed> {
        self.core.eligible(user, host, now, directory)
    }

    /// Whether a user has any allow rule at all on this host, at any time of the week.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn has_any_rule(
        &self,
        user: &Account,
        host: Host<'_>,
        now: jiff::Timestamp,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        self.core.has_any_rule(user, host, now, directory)
    }

    /// Whether an account is among those who may approve what asks for this approval, a part of a rule of this policy. That
    /// nobody approves for themselves is for the caller to see to.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn is_approver(
        &self,
        approval: &Approval,
        account: &Account,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        self.core.is_approver(approval, account, directory)
    }

    /// Whether a user may log in through a PAM service.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn login(
        &self,
        user: &Account,
        service: &str,
        host: Host<'_>,
        directory: &dyn Directory,
    ) -> Result<LoginDecision<'_>, LookupFailed> {
        self.core.login(&self.denies, user, service, host, directory)
    }

    /// Who is named in `[[login]]` on this host, for which services.
    pub fn gated(&self, host: Host<'_>) -> Gated {
        let mut gated = Gated::default();
        for core in [&self.core].into_iter().chain(&self.denies) {
            core.gate(host, &mut gated);
        }
        gated
    }

    /// Whether any rule depends on the login session of who asks: else nobody need find out about that.
    pub fn asks_about_logins(&self) -> bool {
        [&self.core].into_iter().chain(&self.denies).any(|core| core.asks_about_logins)
    }

    /// The rules whose `when` names a time zone that the host does not know, each with what is not known: an allow does
    /// not permit, a deny denies. For `status`.
    pub fn inert(&self, zones: &dyn Zones) -> Vec<(&Rule, String)> {
        let zones = AskedOnce::new(zones);
        let whens = self.rules().filter_map(|rule| Some((rule, rule.when.as_ref()?)));
        let unknown = whens.filter_map(|(rule, when)| {
            let zone = when.unknown_zones(&zones).into_iter().next()?;
            Some((
                rule,
                zone.map_or_else(|| "the host's time zone".to_owned(), |zone| format!("time zone {zone}")),
            ))
        });
        unknown.collect()
    }

    /// Who gains and who loses what if `new` takes the place of this policy; nothing if they mean the same. Denies that
    /// were merged into either do not count.
    pub fn diff(&self, new: &Self) -> Vec<Difference> {
        differences(&self.core, &new.core)
    }

    /// What the rules may say, and probably should not; `sources` are the texts that were loaded. Without a host, what only
    /// it can tell is left out.
    ///
    /// # Errors
    /// [`LookupFailed`] if any look-up failed.
    pub fn lint(
        &self,
        sources: &[Source],
        host: Option<&dyn LintHost>,
        now: jiff::Timestamp,
    ) -> Result<Vec<Finding>, LookupFailed> {
        self.core.lint(sources, host, now)
    }

    #[cfg(test)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}

impl Core {
    fn new(loaded: Loaded, digest: String) -> Self {
        let asks_about_logins = loaded.rules.iter().any(|rule| rule.from_login.is_some());
        let index = Index::new(&loaded.rules, &loaded.user_sets, &loaded.command_sets);
        let Loaded { rules, logins, tests, user_sets, command_sets, host_sets, symbols, found: _ } = loaded;
        let mut by_id: Vec<(&str, u32)> = rules.iter().map(|rule| rule.id.as_str()).zip(0..).collect();
        by_id.sort_unstable();
        let by_id = by_id.into_iter().map(|(_, number)| number).collect();
        Self {
            rules,
            by_id,
            logins,
            tests,
            user_sets,
            command_sets,
            host_sets,
            symbols,
            index,
            asks_about_logins,
            digest,
        }
    }
}

/// Each name and text with its length before it, by ascending name.
fn digest(sources: &[Source]) -> String {
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by_key(|source| (&source.name, &source.text));
    let mut hasher = Sha256::new();
    for text in sorted.iter().flat_map(|source| [&source.name, &source.text]) {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
