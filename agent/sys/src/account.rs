//! Accounts and groups as NSS tells them: glibc's look-ups, so that SSSD, LDAP and systemd's own are asked too.
//!
//! Every call may block (a directory server that does not answer): call it off the event loop, with a deadline.
//! "Does not exist" (`Ok(None)`) and "could not be looked up" (`Err`) are different answers, and only the first one
//! may ever be read as "is not a member". glibc reports the second by an error number; every number counts, for
//! modules disagree about which of them mean what (nslcd says ENOENT when its server is away).

use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

mod aliases;

/// The id that the kernel takes for "no change".
pub const NO_CHANGE: u32 = u32::MAX;

/// An account with all its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its canonical name: what NSS answers, which may differ in case from what was asked.
    pub name: String,
    /// Its uid; never [`NO_CHANGE`].
    pub uid: u32,
    /// Its primary gid.
    pub gid: u32,
    /// All its groups, however many, the primary one among them; sorted, each once.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: Vec<u8>,
    /// Login shell; `/bin/sh` if the entry has none.
    pub shell: Vec<u8>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Its name.
    pub name: String,
    /// Its gid.
    pub gid: u32,
}

/// A look-up that could not be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupFailed {
    /// What was looked up: `user alice`.
    pub what: String,
    /// Why it failed.
    pub why: String,
}

impl LookupFailed {
    fn new(what: impl Into<String>, errno: Errno) -> Self {
        Self { what: what.into(), why: errno.desc().to_owned() }
    }
}

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the look-up of {} failed: {}", self.what, self.why)
    }
}

impl std::error::Error for LookupFailed {}

/// The account of this name, with its groups.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn by_name(name: &str) -> Result<Option<Account>, LookupFailed> {
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    let what = || format!("user {name}");
    User::from_name(name).map_err(|errno| LookupFailed::new(what(), errno))?.map(with_groups).transpose()
}

/// The account of this uid, with its groups.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn by_uid(uid: u32) -> Result<Option<Account>, LookupFailed> {
    if uid == NO_CHANGE {
        return Ok(None);
    }
    let what = || format!("user #{uid}");
    User::from_uid(Uid::from_raw(uid))
        .map_err(|errno| LookupFailed::new(what(), errno))?
        .map(with_groups)
        .transpose()
}

/// The uid of a name, without the groups.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn uid_of(name: &str) -> Result<Option<u32>, LookupFailed> {
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    let user = User::from_name(name).map_err(|errno| LookupFailed::new(format!("user {name}"), errno))?;
    Ok(user.map(|user| user.uid.as_raw()).filter(|uid| *uid != NO_CHANGE))
}

/// The group of this name. Its members are not looked at, so that it may have any number of them.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn group_by_name(name: &str) -> Result<Option<GroupEntry>, LookupFailed> {
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    let group = Group::from_name(name).map_err(|errno| LookupFailed::new(format!("group {name}"), errno))?;
    Ok(group.and_then(entry))
}

/// The group of this gid.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn group_by_gid(gid: u32) -> Result<Option<GroupEntry>, LookupFailed> {
    if gid == NO_CHANGE {
        return Ok(None);
    }
    let group = Group::from_gid(Gid::from_raw(gid))
        .map_err(|errno| LookupFailed::new(format!("group #{gid}"), errno))?;
    Ok(group.and_then(entry))
}

/// The names of those whom the entry of this group lists: those whose primary group it is are not among them, and a directory may
/// list nobody. Nobody of a group that does not exist.
///
/// # Errors
/// [`LookupFailed`] if NSS could not answer.
pub fn members(gid: u32) -> Result<Vec<String>, LookupFailed> {
    let group = Group::from_gid(Gid::from_raw(gid))
        .map_err(|errno| LookupFailed::new(format!("group #{gid}"), errno))?;
    Ok(group.map(|group| group.mem).unwrap_or_default())
}

/// Other names of this uid in `/etc/passwd` (NSS cannot be asked for them), without `canonical`.
///
/// # Errors
/// [`LookupFailed`] if the file cannot be read.
pub fn aliases(uid: u32, canonical: &str) -> Result<Vec<String>, LookupFailed> {
    aliases::of(uid, canonical)
}

/// What follows `-u` or `-g`: a name, or `#` and an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    /// A name; not checked to exist.
    Name(String),
    /// An id; never [`NO_CHANGE`].
    Id(u32),
}

/// Reads `-u` and `-g`: `#` and decimal digits alone are an id; signs, blanks, `0x`, 4294967295 and more are refused,
/// as is an empty name, or one with a slash, a colon or a control character. `None`: invalid.
pub fn parse_name_or_id(text: &str) -> Option<NameOrId> {
    if let Some(digits) = text.strip_prefix('#') {
        if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        return digits.parse::<u32>().ok().filter(|id| *id != NO_CHANGE).map(NameOrId::Id);
    }
    let bad = |c: char| c == '/' || c == ':' || c.is_control();
    (!text.is_empty() && text.len() <= 256 && !text.contains(bad) && !text.starts_with(['-', '+']))
        .then(|| NameOrId::Name(text.to_owned()))
}

fn with_groups(user: User) -> Result<Account, LookupFailed> {
    let failed = |errno| LookupFailed::new(format!("groups of user {}", user.name), errno);
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    if uid == NO_CHANGE || gid == NO_CHANGE {
        return Err(failed(Errno::EINVAL));
    }
    let name = CString::new(user.name.as_str()).map_err(|_| failed(Errno::EINVAL))?;
    // getgrouplist keeps each gid, also those without a name, and grows to what the kernel takes (65,536).
    let mut groups: Vec<u32> =
        getgrouplist(&name, user.gid).map_err(failed)?.into_iter().map(Gid::as_raw).collect();
    groups.push(gid);
    groups.sort_unstable();
    groups.dedup();
    let shell = user.shell.into_os_string().into_vec();
    Ok(Account {
        name: user.name,
        uid,
        gid,
        groups,
        home: user.dir.into_os_string().into_vec(),
        shell: if shell.is_empty() { b"/bin/sh".to_vec() } else { shell },
    })
}

fn entry(group: Group) -> Option<GroupEntry> {
    let gid = group.gid.as_raw();
    (gid != NO_CHANGE).then_some(GroupEntry { name: group.name, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    // CVE-2019-14287: `#-1` and 4294967295 mean "no change", so root stayed root.
    #[test]
    fn an_id_is_hash_and_digits_and_never_minus_one() {
        for (text, id) in [("#0", 0), ("#1000", 1000), ("#4294967294", 4_294_967_294), ("#00", 0)] {
            assert_eq!(parse_name_or_id(text), Some(NameOrId::Id(id)), "{text}");
        }
        for text in [
            "#-1",
            "#4294967295",
            "#4294967296",
            "#99999999999",
            "#+0",
            "# 0",
            "#0 ",
            "#0x0",
            "#",
            "##0",
            "#1e3",
            "#٠",
            "",
            "-1",
            "+0",
            "a:b",
            "a/b",
            "a\nb",
            "\u{1b}[0m",
        ] {
            assert_eq!(parse_name_or_id(text), None, "{text:?}");
        }
        assert_eq!(parse_name_or_id("alice"), Some(NameOrId::Name("alice".to_owned())));
        assert_eq!(
            parse_name_or_id("0"),
            Some(NameOrId::Name("0".to_owned())),
            "a number without # is a name"
        );
    }

    #[test]
    fn root_is_found_by_name_and_by_uid() {
        let root = by_name("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(by_uid(0).unwrap().unwrap(), root);
        assert_eq!(uid_of("root").unwrap(), Some(0));
        assert_eq!(group_by_name("root").unwrap().unwrap().gid, 0);
        assert_eq!(group_by_gid(0).unwrap().unwrap().name, "root");
    }

    #[test]
    fn what_does_not_exist_is_an_answer_not_an_error() {
        assert_eq!(by_name("no-such-user-here").unwrap(), None);
        assert_eq!(by_name("a\0b").unwrap(), None);
        assert_eq!(by_uid(4_294_967_290).unwrap(), None);
        assert_eq!(by_uid(NO_CHANGE).unwrap(), None);
        assert_eq!(group_by_name("no-such-group-here").unwrap(), None);
        assert_eq!(group_by_gid(NO_CHANGE).unwrap(), None);
        assert!(members(4_294_967_290).unwrap().is_empty());
    }
}
