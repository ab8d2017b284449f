//! `require.approval`: whose yes it takes before a command runs.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Directory, LookupFailed};
use crate::pattern::Principals;
use crate::policy::Core;

/// The approval that a rule asks for.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Who may approve, as the policy writes it, sorted.
    pub named: Vec<Arc<str>>,
    /// Those of them who approve by a signature: principals of `allowed_signers`, sorted.
    pub signers: Vec<Arc<str>>,
    /// How many of them have to, never zero; each counts once.
    pub count: u32,
    /// How long a request waits for them.
    pub timeout: Duration,
    /// What a yes is a yes to.
    pub binding: Binding,
    /// Those of them who answer requests.
    pub(crate) approvers: Principals,
}

impl Approval {
    /// For people: `%leads`, or `2 of alice, bob`.
    pub fn in_words(&self) -> String {
        let who = self.named.join(", ");
        if self.count == 1 { who } else { format!("{} of {who}", self.count) }
    }

    /// Whether nobody may approve but by a signature.
    pub fn is_for_signers_alone(&self) -> bool {
        self.named.len() == self.signers.len()
    }

    /// Whether another policy's says the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let says = |it: &Self| (it.count, it.timeout, it.binding);
        says(self) == says(other) && self.named == other.named
    }
}

/// Whether a signer is called as a user is, with or without a domain: nobody approves for themselves.
pub fn is_own(signer: &str, user: &str) -> bool {
    signer.split('@').next() == Some(user)
}

/// What a yes is a yes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// This very command: its file, arguments, folder and environment.
    Digest,
    /// Whatever the rule permits to this user, as this target.
    Rule,
}

impl Core {
    /// Whether an account is among those who may approve. That nobody approves for themselves is for the caller to see to.
    pub(crate) fn is_approver(
        &self,
        approval: &Approval,
        account: &Account,
        directory: &dyn Directory,
    ) -> Result<bool, LookupFailed> {
        self.is_one_of(account, &approval.approvers, directory)
    }
}
