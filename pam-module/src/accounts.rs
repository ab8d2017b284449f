//! Uids and groups from the name service, for the time when the agent cannot be asked.
//!
//! Such a look-up blocks for as long as the name service likes, and no deadline of ours can end it without a thread
//! or a signal in a process that is not ours. That is why it happens only if the list cannot be decided without, and
//! why it costs a login nothing new: the program that hosts us has looked the same user up before, and looks up
//! the same groups next. Between look-ups the deadline is kept.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// What there is to know of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its uid.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// The name its uid leads back to, if any: the same as the one asked for but where names share a uid.
    pub canonical_name: Option<String>,
}

/// The name service.
pub trait Accounts {
    /// The account of this name; none if there is no such account.
    ///
    /// # Errors
    /// If the name service cannot tell.
    fn find(&self, user: &str) -> io::Result<Option<Account>>;

    /// All groups of the user.
    ///
    /// # Errors
    /// If the name service cannot tell.
    fn groups_of(&self, user: &str, primary: u32) -> io::Result<Vec<u32>>;

    /// The gid of this group; none if there is no such group.
    ///
    /// # Errors
    /// If the name service cannot tell.
    fn gid_of(&self, group: &str) -> io::Result<Option<u32>>;
}

/// The host's, through glibc.
#[derive(Debug)]
pub struct NameService;

impl Accounts for NameService {
    fn find(&self, user: &str) -> io::Result<Option<Account>> {
        let Some(found) = User::from_name(user)? else { return Ok(None) };
        let canonical = User::from_uid(Uid::from_raw(found.uid.as_raw()))?;
        Ok(Some(Account {
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            canonical_name: canonical.map(|account| account.name),
        }))
    }

    fn groups_of(&self, user: &str, primary: u32) -> io::Result<Vec<u32>> {
        let user = CString::new(user)?;
        Ok(getgrouplist(&user, Gid::from_raw(primary))?.into_iter().map(Gid::as_raw).collect())
    }

    fn gid_of(&self, group: &str) -> io::Result<Option<u32>> {
        Ok(Group::from_name(group)?.map(|group| group.gid.as_raw()))
    }
}
