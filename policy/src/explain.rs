//! Why a request is permitted or denied, in words.

use serde::Serialize;

/// Why a request is permitted or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether any rule permits (duties may remain).
    pub permitted: bool,
    /// Whether the user has any allow rule on this host, now.
    pub has_rules: bool,
    /// What decided, in one sentence.
    pub summary: String,
    /// The rules that permit, by ascending id.
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
}

impl Explanation {
    /// For the user: what to do, and nothing about files. Nothing at all for a person without any rule.
    pub fn for_user(&self) -> String {
        String::new()
    }

    /// For an administrator: every rule that came near, with file and line.
    pub fn for_administrator(&self) -> String {
        String::new()
    }
}

impl crate::policy::Core {
    pub(crate) fn explain(
        &self,
        denies: &[std::sync::Arc<Self>],
        request: &crate::request::Request<'_>,
        directory: &dyn crate::account::Directory,
    ) -> Result<Explanation, crate::account::LookupFailed> {
        let _ = (denies, request, directory);
        Ok(Explanation::default())
    }
}
