//! Between the wire's types and the policy's: the one file that knows both.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use jiff::Timestamp;
use jit_policy::{
    Account, Asked, Command, Decision, Directory, Group, Host, LoginSession, LookupFailed, Policy, Request,
    Resolved, Restrict, Rule, Sha256, Target, Zones,
};
use jit_protocol::link::{Deadline, Go};
use jit_protocol::{Bytes, binding, order};
use jit_sys::{account, path};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Moment, earlier};
use crate::scope::Scope;

/// All that a decision depends on, but for the time, the directory and the file system: kept with a grant, to decide
/// again when the policy changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The invoking user.
    #[serde(with = "StoredAccount")]
    pub user: Account,
    /// The target user, as the account database has it (`-g` not applied).
    #[serde(with = "StoredAccount")]
    pub target: Account,
    /// The group of `-g`.
    #[serde(default, with = "stored_group", skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Node name of the host.
    pub host: String,
    /// The name that was asked for, absolute: folder resolved, last component not.
    #[serde(with = "stored_bytes")]
    pub path: Vec<u8>,
    /// The file it leads to; none if there is none.
    #[serde(default, with = "stored_some_bytes", skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Vec<u8>>,
    /// Every component of the way is root's, and nobody else can write it.
    pub trusted: bool,
    /// What is in the file, if it was decided upon for that alone.
    #[serde(default, with = "stored_digest", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The arguments after the program's name.
    #[serde(default, with = "stored_list", skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Vec<u8>>,
    /// These are files to edit (`-e`), and [`jit_policy::EDIT`] is the path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edits: bool,
    /// It was asked for inside of another session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
    /// `-D`, resolved.
    #[serde(default, with = "stored_some_bytes", skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Vec<u8>>,
    /// It is the folder that the invoking user is in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cwd_is_callers: bool,
    /// `-P`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preserve_groups: bool,
    /// `-T`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// `--for`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Names of all `VAR=value`.
    #[serde(default, with = "stored_list", skip_serializing_if = "Vec::is_empty")]
    pub assignments: Vec<Vec<u8>>,
    /// `--rule`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `-n`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub non_interactive: bool,
    /// logind's name for the login session that it was asked for in, where that was of interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_id: Option<String>,
    /// What was known of that; to decide again, it is asked for anew.
    #[serde(skip)]
    pub login: LoginSession,
}

/// What a decision asks of the file system; may block.
#[derive(Clone, Copy)]
pub struct Files<'f> {
    /// Resolves one argument (see [`resolved`]).
    pub under: &'f dyn Fn(&[u8]) -> Option<Resolved>,
    /// SHA-256 of the program's file; else why that can't be told.
    pub sha256: &'f dyn Fn() -> Result<Sha256, String>,
}

impl Subject {
    /// The digest that it was decided upon for, to decide again.
    ///
    /// # Errors
    /// In words, that it did not depend on one.
    pub fn known_digest(&self) -> Result<Sha256, String> {
        self.sha256.ok_or_else(|| "it was not asked for when this was decided upon".to_owned())
    }

    /// The question to the policy: for [`Policy::explain`]; to decide, [`Self::decide`].
    ///
    /// `tags` are the host's, from the settings; `zones` its own, but in tests.
    pub fn request<'s>(
        &'s self,
        tags: &'s [String],
        now: Timestamp,
        zones: &'s dyn Zones,
        files: Files<'s>,
    ) -> Request<'s> {
        Request {
            user: &self.user,
            host: Host { name: &self.host, tags },
            target: Target { account: &self.target, group: self.group.as_ref() },
            command: Command {
                path: &self.path,
                leads_to: self.leads_to.as_deref(),
                args: &self.arguments,
                edits: self.edits,
                trusted: self.trusted,
                under: files.under,
                sha256: files.sha256,
            },
            nested: self.nested,
            now,
            zones,
            login: &self.login,
            asked: Asked {
                cwd: self.cwd.as_deref(),
                cwd_is_callers: self.cwd_is_callers,
                preserve_groups: self.preserve_groups,
                timeout: self.timeout,
                duration: self.duration,
                assignments: &self.assignments,
                rule: self.rule.as_deref(),
                non_interactive: self.non_interactive,
            },
        }
    }

    /// Asks the policy. `files` may block on a file system, `directory` on NSS: call it inside a look-up.
    ///
    /// # Errors
    /// [`LookupFailed`] if the answer depends on a look-up that failed: refuse.
    pub fn decide<'p>(
        &self,
        policy: &'p Policy,
        tags: &[String],
        directory: &dyn Directory,
        now: Timestamp,
        zones: &dyn Zones,
        files: Files<'_>,
    ) -> Result<Decision<'p>, LookupFailed> {
        policy.evaluate(&self.request(tags, now, zones, files), directory)
    }
}

/// An account for the policy, with its other names (see [`account::aliases`]).
pub fn policy_account(account: &account::Account, aliases: Vec<String>) -> Account {
    let mut names = vec![account.name.clone()];
    names.extend(aliases);
    Account { uid: account.uid, gid: account.gid, names, groups: account.groups.clone() }
}

/// The target user for the monitor, with the groups of the invoking user (`-P`).
pub fn with_groups_of(
    target: &account::Account,
    invoking: &account::Account,
    group: Option<u32>,
) -> order::Account {
    let mut groups = invoking.groups.clone();
    groups.push(group.unwrap_or(target.gid));
    groups.sort_unstable();
    groups.dedup();
    order::Account { groups, ..order_account(target, group) }
}

/// An account for the monitor. With `-g` that group is the primary one, and the account keeps its others.
pub fn order_account(account: &account::Account, group: Option<u32>) -> order::Account {
    let mut groups = account.groups.clone();
    if let Some(gid) = group
        && !groups.contains(&gid)
    {
        groups.push(gid);
        groups.sort_unstable();
    }
    order::Account {
        name: account.name.clone(),
        uid: account.uid,
        gid: group.unwrap_or(account.gid),
        groups,
        home: Bytes(account.home.clone()),
        shell: Bytes(account.shell.clone()),
    }
}

/// A group for the policy.
pub fn policy_group(group: account::GroupEntry) -> Group {
    Group { gid: group.gid, name: group.name }
}

/// What an argument resolves to, for `{ under = "…" }`; `user` is the invoking user's uid.
pub fn resolved(found: &path::Found, user: u32) -> Resolved {
    Resolved { path: found.leads_to.clone(), writable: found.is_writable_by(user) }
}

/// SHA-256 of a program's file; else why that can't be told.
///
/// # Errors
/// In words.
pub fn digest(root: BorrowedFd<'_>, found: &path::Found) -> Result<Sha256, String> {
    jit_sys::digest::of(root, found).map(Sha256::new).map_err(|error| error.to_string())
}

/// The file that was decided upon, for the monitor to compare before exec; with what must be in it.
pub fn program(found: &path::Found, sha256: Option<Sha256>) -> order::Program {
    let pin = sha256.map(|sha256| order::Pin { sha256: sha256.to_string(), copy: !found.is_trusted() });
    let path::FileFacts { device, inode, size, modified, changed, .. } = found.file;
    order::Program { path: Bytes(found.path.clone()), device, inode, size, modified, changed, pin }
}

/// Where a rule's grants count: if it does not say, on the terminal; for the user where somebody else has to approve, who may
/// take a while, and where it is asked for ahead.
pub fn scope(rule: &Rule, ahead: bool) -> Scope {
    match rule.grant.scope {
        None if ahead || rule.require.approval.is_some() => Scope::User,
        None | Some(jit_policy::Scope::Terminal) => Scope::Terminal,
        Some(jit_policy::Scope::Session) => Scope::Session,
        Some(jit_policy::Scope::User) => Scope::User,
    }
}

/// How a command must run. The folder of `-D` is one that the policy has allowed; a login shell starts at home unless the
/// rule says where.
pub fn restrictions(restrict: &Restrict, subject: &Subject, login: bool) -> order::Restrictions {
    let cwd = match (&subject.cwd, &restrict.cwd) {
        (Some(_), jit_policy::Cwd::Caller) if subject.cwd_is_callers => order::Cwd::Caller,
        (Some(folder), _) => order::Cwd::Asked(Bytes::from(folder.as_slice())),
        (None, jit_policy::Cwd::Caller) if login => order::Cwd::Home,
        (None, jit_policy::Cwd::Caller) => order::Cwd::Caller,
        (None, jit_policy::Cwd::Folder(folder)) => order::Cwd::Path(Bytes::from(folder.as_str())),
    };
    let umask = match restrict.umask {
        jit_policy::Umask::Exactly(mask) => order::Umask::Exactly(mask),
        jit_policy::Umask::UnionWith(mask) => order::Umask::CallersAnd(mask),
    };
    order::Restrictions { umask, cwd, folder: None }
}

/// The folder of an approved command, for the monitor to compare.
pub fn folder_facts(folder: &binding::Folder) -> order::FolderFacts {
    order::FolderFacts { device: folder.device, inode: folder.inode }
}

/// The end of a grant that is issued now: `--for`, else the rule's duration, and never after `until`.
pub fn expiry(rule: &Rule, asked: Option<Duration>, until: Option<Timestamp>, now: Moment) -> Deadline {
    not_after(now.after(lives(rule, asked)), until)
}

/// How long a grant lives, in nanoseconds: `--for`, else the rule's duration.
pub fn lives(rule: &Rule, asked: Option<Duration>) -> u64 {
    nanoseconds(asked.unwrap_or(rule.grant.duration).min(rule.grant.max_duration))
}

/// A deadline that is no later than when a permission ends by the times that rules name (see
/// [`jit_policy::Candidate::until`]). Those are times of the wall clock, and end as that says, however it is set.
pub fn not_after(deadline: Deadline, until: Option<Timestamp>) -> Deadline {
    let end = until.map_or(i64::MAX, realtime);
    Deadline { realtime_ns: deadline.realtime_ns.min(end), ..deadline }
}

/// What a session that starts now is told of its end.
///
/// The rule's `timeout` and that of `-T` end what runs in any case. The grant's end does with `on_expiry =
/// "terminate"`, and else not. [`crate::notices`] are still to be added.
pub fn go(rule: &Rule, grant: &str, expires: Deadline, asked: Option<Duration>, now: Moment) -> Go {
    let longest = [rule.restrict.timeout, asked].into_iter().flatten().min();
    let timeout = longest.map(|timeout| now.after(nanoseconds(timeout)));
    let deadline = match rule.grant.on_expiry {
        jit_policy::OnExpiry::Terminate => Some(timeout.map_or(expires, |timeout| earlier(timeout, expires))),
        jit_policy::OnExpiry::Finish | jit_policy::OnExpiry::Warn => timeout,
    };
    Go {
        grant: grant.to_owned(),
        begin_before: expires,
        deadline,
        notices: Vec::new(),
        grace_ms: u64::try_from(rule.grant.grace.as_millis()).unwrap_or(u64::MAX),
        kill_leftover: rule.grant.leftover == jit_policy::Leftover::Kill,
    }
}

/// For [`Moment::after`].
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// As `CLOCK_REALTIME` counts it, in nanoseconds; the first or the last that it can, for one that it can't.
pub fn realtime(timestamp: Timestamp) -> i64 {
    let nanoseconds = timestamp.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

/// How the store writes an account: a change of the policy's type does not change the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Account")]
struct StoredAccount {
    uid: u32,
    gid: u32,
    names: Vec<String>,
    groups: Vec<u32>,
}

/// As `[gid, name]`.
mod stored_group {
    use super::{Deserialize, Deserializer, Group, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(group: &Option<Group>, to: S) -> Result<S::Ok, S::Error> {
        group.as_ref().map(|group| (group.gid, &group.name)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Group>, D::Error> {
        let pair = Option::<(u32, String)>::deserialize(from)?;
        Ok(pair.map(|(gid, name)| Group { gid, name }))
    }
}

/// As [`Bytes`]: text where it is text.
mod stored_bytes {
    use super::{Bytes, Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        Bytes::from(bytes).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(Bytes::deserialize(from)?.0)
    }
}

mod stored_some_bytes {
    use super::{Bytes, Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Bytes::from).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Bytes>::deserialize(from)?.map(|bytes| bytes.0))
    }
}

/// As hex digits.
mod stored_digest {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Sha256};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(digest: &Option<Sha256>, to: S) -> Result<S::Ok, S::Error> {
        digest.map(|digest| digest.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Sha256>, D::Error> {
        let parse =
            |hex: String| Sha256::parse(&hex).ok_or_else(|| serde::de::Error::custom("not a SHA-256"));
        Option::<String>::deserialize(from)?.map(parse).transpose()
    }
}

mod stored_list {
    use super::{Bytes, Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(list: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|bytes| Bytes::from(bytes.as_slice())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Ok(Vec::<Bytes>::deserialize(from)?.into_iter().map(|bytes| bytes.0).collect())
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
