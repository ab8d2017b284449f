//! Logins: what `pam_jit.so` asks, and who is named at all.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::pattern::{Hosts, Principals};

/// One `[[login]]`.
#[derive(Debug)]
pub struct LoginRule {
    /// Unique over all files.
    pub id: String,
    /// What it is for, in the administrator's words.
    pub description: Option<String>,
    /// The path of the file it stands in.
    pub file: Arc<str>,
    /// The line its `[[login]]` stands on, from 1.
    pub line: usize,
    /// What it says.
    pub access: Access,
    /// For which PAM services.
    pub services: Vec<String>,
    pub(crate) users: Principals,
    pub(crate) hosts: Hosts,
}

/// What a `[[login]]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only with a grant: not built yet, so that it denies.
    Grant,
    /// The user may log in.
    Allow,
    /// The user may not, whatever else allows.
    Deny,
}

/// Whether a user may log in.
#[derive(Clone, Copy, Debug)]
pub enum LoginDecision<'a> {
    /// No `[[login]]` names this user for this service: the module does not touch the login.
    NotNamed,
    /// Allowed, by this one.
    Allowed(&'a LoginRule),
    /// Denied, by this one.
    Denied {
        /// By which.
        rule: &'a LoginRule,
        /// Why, for the audit log.
        why: &'static str,
    },
}

/// Who is named for which services: the `gated` file.
///
/// Its [`Display`](fmt::Display) is that file. The first line is `# jit-sudo gated 1`. Each further line is a
/// service, one blank, and to the end of the line one of: a user name, `#uid`, `%group`, `%#gid`, `ALL` (which
/// does not include uid 0). Lines are sorted, each stands once, and ends with a newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gated {
    /// Pairs of service and user, group or `ALL`.
    pub entries: BTreeSet<(String, String)>,
}

impl fmt::Display for Gated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("# jit-sudo gated 1\n")?;
        self.entries.iter().try_for_each(|(service, who)| writeln!(formatter, "{service} {who}"))
    }
}
