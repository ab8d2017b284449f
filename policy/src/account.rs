//! Who takes part: accounts, groups, the host, and the directory that knows group names.

use std::fmt;

/// One user, as the operating system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id. `u32::MAX` is "no change" to the kernel and is refused.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All account names of this uid, the canonical one first. Empty if the uid has no account.
    pub names: Vec<String>,
    /// All groups of the user (the primary one may be among them).
    pub groups: Vec<u32>,
}

impl Account {
    /// The canonical name, or `#uid` for a uid without an account.
    pub fn name(&self) -> String {
        self.names.first().cloned().unwrap_or_else(|| format!("#{}", self.uid))
    }

    /// Whether the user is in this group, as the primary one or another.
    pub fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group id.
    pub gid: u32,
    /// Its name, as asked for; empty if it was asked for by number and has none.
    pub name: String,
}

/// The host, as the kernel and `agent.toml` name it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// The kernel's node name.
    pub name: &'a str,
    /// `host.tags` of `agent.toml`, without the `tag:`.
    pub tags: &'a [String],
}

/// Answers which number a name has. The caller supplies it, with a cache.
pub trait Directory {
    /// The gid of a group; `None` if there is no such group.
    ///
    /// # Errors
    /// [`LookupFailed`] if the question could not be answered, which is not the same as "no such group".
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed>;

    /// The uid of a user; `None` if there is no such user. Asked only by [`crate::Policy::lint`]: accounts
    /// in a request bring all their names.
    ///
    /// # Errors
    /// [`LookupFailed`] if the question could not be answered, which is not the same as "no such user".
    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed>;
}

/// A look-up that failed by error. The request must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFailed {
    /// What was looked up, for example `group "web"`.
    pub what: String,
    /// Why it failed, in the directory's words.
    pub why: String,
}

impl fmt::Display for LookupFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the look-up of {} failed: {}", self.what, self.why)
    }
}

impl std::error::Error for LookupFailed {}
