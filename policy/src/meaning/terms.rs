//! The terms on which an allow permits: duties, grant, restrictions.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::approval::Approval;
use crate::duration::format_duration;
use crate::pattern::Folders;
use crate::policy::{Core, Policy};
use crate::rule::{AllowCwd, Cwd, EnvPattern, Grant, Reason, Require, Restrict, Rule, Umask};
use crate::source::{AsWritten, Source};

/// What each key says, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Terms(pub(crate) BTreeMap<&'static str, String>);

impl Terms {
    /// Each part is named here, so that a new one can't be forgotten.
    pub(crate) fn of(rule: &Rule, core: &Core) -> Self {
        let Require { reason, authentication, authenticate_as, authentication_timeout, approval } =
            &rule.require;
        let Grant { duration, max_duration, uses, scope, on_expiry, grace, leftover } = &rule.grant;
        let Restrict { env_keep, env_set, secure_path, umask, cwd, allow_cwd, timeout, edit_check } =
            &*rule.restrict;
        let reason = match reason {
            Reason::No => "false".to_owned(),
            Reason::Any => "true".to_owned(),
            Reason::Matching(regex) => format!("'{}'", super::command::regex_text(regex)),
        };
        let mut kept: Vec<&str> = env_keep.iter().map(EnvPattern::as_str).collect();
        kept.sort_unstable();
        kept.dedup();
        let umask = match umask {
            Umask::Exactly(mask) => format!("{mask:04o}"),
            Umask::UnionWith(mask) => format!("the caller's and {mask:04o}"),
        };
        let cwd = match cwd {
            Cwd::Caller => "caller".to_owned(),
            Cwd::Folder(folder) => folder.clone(),
        };
        let AllowCwd(folders) = allow_cwd;
        let folders = match folders {
            Folders::All => "ALL".to_owned(),
            Folders::These(words) => {
                let mut words: Vec<String> = words.iter().map(super::word_text).collect();
                words.sort_unstable();
                words.dedup();
                words.join(", ")
            }
        };
        Self(BTreeMap::from([
            ("require.reason", reason),
            ("require.authentication", word(authentication)),
            ("require.authenticate_as", word(authenticate_as)),
            ("require.authentication_timeout", format_duration(*authentication_timeout)),
            (
                "require.approval",
                approval.as_deref().map_or_else(|| "false".to_owned(), |it| core.approval_text(it)),
            ),
            ("grant.duration", format_duration(*duration)),
            ("grant.max_duration", format_duration(*max_duration)),
            ("grant.uses", uses.map_or_else(|| "no limit".to_owned(), |uses| uses.to_string())),
            (
                "grant.scope",
                scope.as_ref().map_or_else(|| "terminal, or user once approved".to_owned(), word),
            ),
            ("grant.on_expiry", word(on_expiry)),
            ("grant.grace", format_duration(*grace)),
            ("grant.leftover", word(leftover)),
            ("restrict.env_keep", kept.join(", ")),
            ("restrict.env_set", format!("{env_set:?}")),
            ("restrict.secure_path", secure_path.clone()),
            ("restrict.umask", umask),
            ("restrict.cwd", cwd),
            ("restrict.allow_cwd", folders),
            (
                "restrict.edit_check",
                edit_check.as_ref().map_or_else(String::new, |words| format!("{words:?}")),
            ),
            ("restrict.timeout", timeout.map_or_else(|| "no limit".to_owned(), format_duration)),
        ]))
    }

    /// The keys that differ, with both values.
    pub(crate) fn differences<'t>(&'t self, other: &'t Self) -> Vec<(&'static str, &'t str, &'t str)> {
        let value = |terms: &'t Self, key: &str| terms.0.get(key).map_or("", String::as_str);
        self.0
            .keys()
            .map(|key| (*key, value(self, key), value(other, key)))
            .filter(|(_, own, others)| own != others)
            .collect()
    }
}

impl Terms {
    /// The grant and the restrictions that are not as they are where a rule says nothing.
    pub(crate) fn beyond_defaults(&self) -> BTreeMap<&'static str, String> {
        let kept = |key: &str| !key.starts_with("require.");
        let Some(plain) = Self::where_nothing_is_written() else { return self.0.clone() };
        let differ = self.differences(&plain).into_iter().filter(|(key, _, _)| kept(key));
        differ.map(|(key, own, _)| (key, own.to_owned())).collect()
    }

    fn where_nothing_is_written() -> Option<Self> {
        let text = "schema = 1\n[[rule]]\nid = \"a\"\nusers = []\ncommands = []\n".to_owned();
        let source = Source { name: String::new(), path: String::new(), text };
        let policy = Policy::load(&[source], &AsWritten).ok()?;
        policy.rules().next().map(|rule| Self::of(rule, &policy.core))
    }
}

impl Core {
    /// As a policy writes it, with all its keys, and names in the place of sets.
    fn approval_text(&self, approval: &Approval) -> String {
        let Approval { named: _, signers, count, timeout, binding, approvers } = approval;
        let (mut named, timeout) = (self.names_of(approvers), format_duration(*timeout));
        named.extend(signers.iter().map(|signer| format!("signer:{signer}")));
        format!(
            "{{ approvers = {named:?}, count = {count}, timeout = {timeout:?}, for = {:?} }}",
            word(binding)
        )
    }
}

/// A word of the policy: the name of a variant, in lower case.
fn word(variant: &impl Debug) -> String {
    format!("{variant:?}").to_lowercase()
}
