//! A rule, checked and with its defaults filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

use crate::approval::Approval;
use crate::login_session::FromLogin;
use crate::pattern::{Commands, Folders, Groups, Hosts, Principals};
use crate::variables::is_dangerous_variable;
use crate::when::When;

/// One entitlement, or one deny.
#[derive(Debug)]
pub struct Rule {
    /// Unique over all files; what audit and messages name.
    pub id: String,
    /// What it is for, in the administrator's words.
    pub description: Option<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// The path of the file it stands in.
    pub file: Arc<str>,
    /// The line its `[[rule]]` stands on, from 1.
    pub line: usize,
    /// Whether a named command runs only where nobody else can write its path.
    pub trusted_path: bool,
    /// Whether the rule matches a request from inside another elevated session.
    pub nested: bool,
    /// The rule holds from this time on.
    pub not_before: Option<jiff::Timestamp>,
    /// The rule holds until, and not at, this time.
    pub not_after: Option<jiff::Timestamp>,
    /// What must happen before the command runs.
    pub require: Require,
    /// How long the grant lives, and what follows.
    pub grant: Grant,
    /// How the command must run; shared by rules that say the same.
    pub restrict: Arc<Restrict>,

    /// In which windows of the week it holds; `None` is always.
    pub(crate) when: Option<Arc<When>>,
    /// From which login sessions it holds; `None` is from any.
    pub(crate) from_login: Option<Arc<FromLogin>>,
    pub(crate) users: Principals,
    pub(crate) except_users: Principals,
    pub(crate) hosts: Hosts,
    pub(crate) except_hosts: Hosts,
    pub(crate) run_as: Principals,
    pub(crate) except_run_as: Principals,
    /// In a deny `None` is every group and no group.
    pub(crate) run_as_groups: Option<Groups>,
    pub(crate) commands: Commands,
    pub(crate) except_commands: Commands,
}

impl Rule {
    /// What has to happen before the command runs, in this order.
    pub fn duties(&self) -> Vec<&'static str> {
        let reason = (!matches!(self.require.reason, Reason::No)).then_some("reason");
        let authentication =
            (self.require.authentication == Authentication::Password).then_some("authentication");
        let approval = self.require.approval.is_some().then_some("approval");
        [reason, authentication, approval].into_iter().flatten().collect()
    }

    /// Whether the rule holds at this time: from `not_before` on, until and not at `not_after`.
    pub fn holds_at(&self, now: jiff::Timestamp) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|to| now < to)
    }
}

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It permits, once its duties are done.
    Allow,
    /// It denies, whatever else permits.
    Deny,
}

/// Duties: what must happen before the command runs.
#[derive(Clone, Debug)]
pub struct Require {
    /// Whether, and how, a reason must be given.
    pub reason: Reason,
    /// Whether a person must authenticate.
    pub authentication: Authentication,
    /// As whom.
    pub authenticate_as: AuthenticateAs,
    /// How long an authentication record stays good, absolute; zero means that none ever does.
    pub authentication_timeout: Duration,
    /// Who else has to say yes.
    pub approval: Option<Arc<Approval>>,
}

/// Whether a reason must be given.
#[derive(Clone, Debug)]
pub enum Reason {
    /// None is asked for.
    No,
    /// Any text that is not blank.
    Any,
    /// A text that matches from its first to its last byte.
    Matching(Arc<Regex>),
}

impl Reason {
    /// Whether this text fulfils the duty.
    pub fn accepts(&self, text: Option<&str>) -> bool {
        match (self, text) {
            (Self::No, _) => true,
            (Self::Any, Some(text)) => !text.trim().is_empty(),
            (Self::Matching(regex), Some(text)) => regex.is_match(text.as_bytes()),
            (_, None) => false,
        }
    }
}

/// Whether a person must authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// No.
    None,
    /// Whatever the PAM service asks.
    Password,
}

/// Whose authentication counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticateAs {
    /// The invoking user's.
    Invoking,
    /// The target user's.
    Target,
    /// Root's.
    Root,
}

/// The grant that the rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How long it lives.
    pub duration: Duration,
    /// How far `--for` may go; never less than `duration`.
    pub max_duration: Duration,
    /// How often it can be used; `None` is without limit, never zero.
    pub uses: Option<u32>,
    /// Where it counts; `None` if no rule and no default says so: then terminal, or user for a grant that came
    /// from an approved request or a token.
    pub scope: Option<Scope>,
    /// What happens to a running command when it ends.
    pub on_expiry: OnExpiry,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// What happens to processes that are left when the command exits.
    pub leftover: Leftover,
}

/// Where a grant counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On one terminal.
    Terminal,
    /// In one login session.
    Session,
    /// For the user.
    User,
}

/// What happens to a running command when the grant ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExpiry {
    /// It is ended.
    Terminate,
    /// It may end by itself, at most `restrict.timeout`.
    Finish,
    /// The user is told.
    Warn,
}

/// What happens to processes that are left when the command exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// They stay until the grant ends.
    Keep,
    /// They are killed.
    Kill,
}

/// Restrictions: how the command must run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Restrict {
    /// Which variables of the invoking user stay.
    pub env_keep: Vec<EnvPattern>,
    /// Variables that are set, over those that stay.
    pub env_set: BTreeMap<String, String>,
    /// Where a command without a slash is looked for, and the command's PATH.
    pub secure_path: String,
    /// The file mode mask.
    pub umask: Umask,
    /// The folder the command runs in.
    pub cwd: Cwd,
    /// Which folders `-D` may name.
    pub allow_cwd: AllowCwd,
    /// The longest that the command may run.
    pub timeout: Option<Duration>,
    /// What must succeed before an edited file is saved: a program by its absolute path, and its arguments. In exactly one
    /// of these `{}` stands for the path of the new contents.
    pub edit_check: Option<Vec<String>>,
}

impl Restrict {
    /// Whether a variable of the invoking user, or a `VAR=value` on the command line, stays: by its name, or by a pattern, if it is not
    /// [dangerous](is_dangerous_variable).
    pub fn keeps(&self, name: &[u8]) -> bool {
        let keeps = |pattern: &EnvPattern| {
            pattern.as_str().as_bytes() == name || (pattern.matches(name) && !is_dangerous_variable(name))
        };
        self.env_keep.iter().any(keeps)
    }
}

/// A name of environment variables, in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvPattern(pub(crate) Box<str>);

impl EnvPattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the variable's name matches. A name with a slash never does.
    pub fn matches(&self, name: &[u8]) -> bool {
        !name.contains(&b'/') && fast_glob::glob_match(self.0.as_bytes(), name)
    }
}

/// The file mode mask of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Umask {
    /// Exactly this one.
    Exactly(u32),
    /// The bits of the invoking user's mask and these.
    UnionWith(u32),
}

/// The folder the command runs in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cwd {
    /// Where the invoking user is.
    Caller,
    /// This one.
    Folder(String),
}

/// Which folders `-D` may name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowCwd(pub(crate) Folders);

impl AllowCwd {
    /// Whether `-D` may name this folder (absolute, resolved).
    pub fn allows(&self, folder: &[u8]) -> bool {
        self.0.contain(folder)
    }
}
