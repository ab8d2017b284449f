//! The policy as a whole: loaded, merged, asked.

use std::sync::Arc;

use crate::account::{Account, Directory, Host, LookupFailed};
use crate::decision::{Decision, Denial, Why};
use crate::diagnostics::Diagnostics;
use crate::explain::Explanation;
use crate::login::{Gated, LoginDecision};
use crate::request::Request;
use crate::rule::Rule;
use crate::source::{FolderResolver, Source};

/// A whole policy, checked and indexed. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct Policy {
    core: Arc<Core>,
}
#[derive(Debug)]
struct Core {
    rules: Vec<Rule>,
    digest: String,
}

impl Policy {
    /// Reads and checks all files: all or nothing.
    ///
    /// # Errors
    /// [`Diagnostics`] with every mistake that was found.
    pub fn load(sources: &[Source], folders: &dyn FolderResolver) -> Result<Self, Diagnostics> {
        let _ = (sources, folders);
        Ok(Self { core: Arc::new(Core { rules: vec![], digest: String::new() }) })
    }

    /// The deny rules of those files in which no mistake was found, and nothing else. For a new policy that was
    /// refused: its denies apply at once, see [`Self::merge_denies`].
    pub fn load_denies(sources: &[Source], folders: &dyn FolderResolver) -> Self {
        let _ = (sources, folders);
        Self { core: Arc::new(Core { rules: vec![], digest: String::new() }) }
    }

    /// This policy and the deny rules of another one. The digest stays.
    #[must_use]
    pub fn merge_denies(&self, denies: &Self) -> Self {
        let _ = denies;
        self.clone()
    }

    /// SHA-256, in hex, over the names and texts of the files; their order does not matter.
    pub fn digest(&self) -> &str {
        &self.core.digest
    }

    /// All rules, without the logins.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.core.rules.iter()
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
        let _ = (request, directory);
        Ok(Decision::Deny(Denial { has_rules: false, why: Why::NoRuleMatches }))
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
        let _ = (request, directory);
        Ok(Explanation::default())
    }

    /// The allow rules that a user has on this host, now: what `jit-sudo -l` lists. By ascending id.
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
        let _ = (user, host, now, directory);
        Ok(vec![])
    }

    /// Whether a user has any allow rule at all on this host, now.
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
        Ok(!self.eligible(user, host, now, directory)?.is_empty())
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
        let _ = (user, service, host, directory);
        Ok(LoginDecision::NotNamed)
    }

    /// Who is named in `[[login]]` on this host, for which services.
    pub fn gated(&self, host: Host<'_>) -> Gated {
        let _ = host;
        Gated::default()
    }
}
