//! Who is gated: the text the agent leaves for the time when it cannot be asked.
//!
//! ```text
//! # jit-sudo gated 1
//! login root
//! sshd #1005
//! sshd %dba
//! sshd ALL
//! ```
//! The first line is this one; each further line is a PAM service, one blank, and to the end of the line a user's name,
//! `#uid`, `%group`, `%#gid`, or `ALL`, which is everybody but uid 0. Every line ends with a newline, so that a text that
//! was cut short shows it. Written by `jit_policy::Gated`.

use std::io;
use std::time::Instant;

use crate::account::Login;
use crate::accounts::{Account, Accounts};

/// The first line.
pub const FIRST_LINE: &str = "# jit-sudo gated 1";

/// The parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gated<'a> {
    entries: Vec<(&'a str, Subject<'a>)>,
}

/// Whether the text names a user for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It does not.
    No,
    /// It does: by this entry.
    Yes(String),
    /// By number or group it may, and there is no such account.
    NoSuchUser,
    /// A look-up failed, or took too long.
    CannotTell(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject<'a> {
    All,
    User(&'a str),
    Uid(u32),
    Group(&'a str),
    Gid(u32),
}

impl<'a> Gated<'a> {
    /// Reads the text.
    ///
    /// # Errors
    /// `InvalidData` for any line that is not as described above: half a list would let in those it no longer names.
    pub fn parse(text: &'a [u8]) -> io::Result<Self> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let text = std::str::from_utf8(text).map_err(|_| bad("the list is not UTF-8"))?;
        let lines = text.strip_suffix('\n').ok_or_else(|| bad("the list is cut short"))?;
        let mut lines = lines.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(bad("the list is of an unknown version"));
        }
        let entries = lines
            .map(|line| {
                let (service, who) = line.split_once(' ')?;
                let is_clean = !service.is_empty() && !line.contains(char::is_control);
                Some((service, Subject::parse(who)?)).filter(|_| is_clean)
            })
            .collect::<Option<_>>();
        Ok(Self { entries: entries.ok_or_else(|| bad("the list has a line that means nothing"))? })
    }

    /// Whether it names this user for this service. Looks up no more than it needs: nothing if no line is for the
    /// service or one has the name itself, groups only if a line names one.
    pub fn names(&self, login: &Login, accounts: &impl Accounts, deadline: Instant) -> Match {
        let subjects: Vec<Subject<'_>> = self
            .entries
            .iter()
            .filter(|(service, _)| service.eq_ignore_ascii_case(&login.service))
            .map(|(_, subject)| *subject)
            .collect();
        if subjects.is_empty() {
            return Match::No;
        }
        if let Some(named) = subjects.iter().find(|subject| **subject == Subject::User(&login.user)) {
            return Match::Yes(named.to_string());
        }
        let account = match accounts.find(&login.user) {
            Ok(Some(account)) => account,
            Ok(None) => return Match::NoSuchUser,
            Err(failed) => return Match::CannotTell(failed.to_string()),
        };
        if let Some(named) = subjects.iter().find(|subject| subject.is_user(&account)) {
            return Match::Yes(named.to_string());
        }
        let groups: Vec<Subject<'_>> = subjects.into_iter().filter(Subject::is_group).collect();
        if groups.is_empty() {
            return Match::No;
        }
        match find_group(&groups, &login.user, &account, accounts, deadline) {
            Ok(Some(named)) => Match::Yes(named.to_string()),
            Ok(None) => Match::No,
            Err(failed) => Match::CannotTell(failed.to_string()),
        }
    }
}

/// The first of these groups that the user is in.
fn find_group<'a>(
    groups: &[Subject<'a>],
    user: &str,
    account: &Account,
    accounts: &impl Accounts,
    deadline: Instant,
) -> io::Result<Option<Subject<'a>>> {
    let gids = accounts.groups_of(user, account.gid)?;
    for &group in groups {
        let gid = match group {
            Subject::Gid(gid) => Some(gid),
            Subject::Group(name) => {
                if Instant::now() >= deadline {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "looking up groups took too long"));
                }
                accounts.gid_of(name)?
            }
            Subject::All | Subject::User(_) | Subject::Uid(_) => None,
        };
        if gid.is_some_and(|gid| gid == account.gid || gids.contains(&gid)) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

impl<'a> Subject<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        if text == "ALL" {
            Some(Self::All)
        } else if let Some(gid) = text.strip_prefix("%#") {
            number(gid).map(Self::Gid)
        } else if let Some(uid) = text.strip_prefix('#') {
            number(uid).map(Self::Uid)
        } else if let Some(group) = text.strip_prefix('%') {
            Some(Self::Group(group)).filter(|_| !group.is_empty())
        } else {
            Some(Self::User(text)).filter(|_| !text.is_empty())
        }
    }

    fn is_group(&self) -> bool {
        matches!(self, Self::Group(_) | Self::Gid(_))
    }

    /// Users match by uid: another name of the same uid is the same user.
    fn is_user(&self, account: &Account) -> bool {
        match self {
            Self::All => account.uid != 0,
            Self::Uid(uid) => *uid == account.uid,
            Self::User(name) => account.canonical_name.as_deref() == Some(name),
            Self::Group(_) | Self::Gid(_) => false,
        }
    }
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::User(name) => f.write_str(name),
            Self::Uid(uid) => write!(f, "#{uid}"),
            Self::Group(name) => write!(f, "%{name}"),
            Self::Gid(gid) => write!(f, "%#{gid}"),
        }
    }
}

#[cfg(test)]
mod tests;
