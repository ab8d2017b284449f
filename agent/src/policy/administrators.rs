//! Whether a policy leaves any of the administrators a way to root on this host: a push that locks all of them out is not taken
//! without `--force`.

use jiff::Timestamp;
use jit_policy::{
    Account, Asked, Command, Directory, Host, LoginSession, Policy, Request, Surroundings, Target, Zones,
};
use jit_sys::account::{self, LookupFailed, NameOrId, parse_name_or_id};

use crate::lookup::CachedDirectory;
use crate::translate::policy_account;

/// Shells that are a way to root, beside root's own.
const SHELLS: [&str; 2] = ["/usr/bin/bash", "/usr/bin/sh"];
/// What no rule names, so that only one for any command, or any program there, permits it: and no deny for all programs leaves it.
const ANYTHING: &str = "/usr/bin/anything at all";
/// A member of a group who is nobody in particular.
const MEMBER: u32 = u32::MAX - 1;

/// How many members of a group are asked for: if none of so many has a way, one has to be named.
const MOST_MEMBERS: usize = 100;

/// Where it is asked.
pub(super) struct Place<'p> {
    pub(super) host: Host<'p>,
    pub(super) folders: &'p dyn Surroundings,
    pub(super) now: Timestamp,
    pub(super) zones: &'p dyn Zones,
    /// Whom a group lists.
    pub(super) members: fn(u32) -> Result<Vec<String>, LookupFailed>,
}

impl Place<'_> {
    /// Whether any of the administrators may run any command, or a shell, as root: now, or at another time of the week.
    /// For a group it is whether one of those whom it lists may; of one that lists nobody, whether a member could.
    ///
    /// # Errors
    /// The look-up that failed, if nobody else has a way.
    pub(super) fn has_way(&self, policy: &Policy, administrators: &[String]) -> Result<bool, String> {
        let root = account::by_uid(0).map_err(|failed| failed.to_string())?.ok_or("root has no account")?;
        let mut shells: Vec<String> = SHELLS.map(str::to_owned).to_vec();
        shells.extend(self.resolved(&root.shell));
        let root = policy_account(&root, Vec::new());
        let directory = CachedDirectory::default();
        let mut answer = Ok(false);
        for name in administrators {
            let may = |account: &Account| {
                let may = |path: &str| self.may_run(policy, &directory, account, &root, path);
                let mut paths = std::iter::once(ANYTHING).chain(shells.iter().map(String::as_str));
                paths.try_fold(false, |way, path| Ok::<_, String>(way || may(path)?))
            };
            match self.any(name, may) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(why) => answer = Err(why),
            }
        }
        answer
    }

    /// Whether it is so for the account of `name` or `#uid`, or for any of those whom `%group` or `%#gid` lists.
    fn any(&self, name: &str, is_so: impl Fn(&Account) -> Result<bool, String>) -> Result<bool, String> {
        let failed = |failed: LookupFailed| failed.to_string();
        let Some(group) = name.strip_prefix('%') else {
            return account_of(name).map_err(failed)?.map_or(Ok(false), |account| is_so(&account));
        };
        let Some(gid) = gid_of(group).map_err(failed)? else { return Ok(false) };
        let members = (self.members)(gid).map_err(failed)?;
        if members.is_empty() {
            return is_so(&Account { uid: MEMBER, gid, names: Vec::new(), groups: vec![gid] });
        }
        // One who can't be looked up ends it: a directory that is away would be waited for a hundred times.
        for member in members.iter().take(MOST_MEMBERS) {
            if let Some(account) = account_of(member).map_err(failed)?
                && is_so(&account)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn may_run(
        &self,
        policy: &Policy,
        directory: &dyn Directory,
        user: &Account,
        root: &Account,
        path: &str,
    ) -> Result<bool, String> {
        let path = path.as_bytes();
        let request = Request {
            user,
            host: self.host,
            target: Target { account: root, group: None },
            command: Command {
                path,
                leads_to: Some(path),
                args: &[],
                edits: false,
                trusted: true,
                under: &|_| None,
                // What depends on what is in a file is no way to count on.
                sha256: &|| Err(String::new()),
            },
            nested: false,
            now: self.now,
            zones: self.zones,
            // Nobody knows where they will log in from: a rule that depends on it is no way to count on.
            login: &LoginSession::default(),
            asked: Asked::default(),
        };
        policy.permits_sometime(&request, directory).map_err(|failed| failed.to_string())
    }

    /// A path as rules have it.
    fn resolved(&self, path: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(path).ok()?;
        let (folder, name) = path.rsplit_once('/')?;
        let folder = self.folders.canonical_folder(folder).unwrap_or_else(|| folder.to_owned());
        Some(format!("{}/{name}", folder.trim_end_matches('/')))
    }
}

/// The account of `name` or `#uid`; none if there is no such.
fn account_of(name: &str) -> Result<Option<Account>, LookupFailed> {
    let found = match parse_name_or_id(name) {
        Some(NameOrId::Name(name)) => account::by_name(&name)?,
        Some(NameOrId::Id(uid)) => account::by_uid(uid)?,
        None => None,
    };
    let Some(found) = found else { return Ok(None) };
    let aliases = account::aliases(found.uid, &found.name)?;
    Ok(Some(policy_account(&found, aliases)))
}

/// The gid of `name` or `#gid`; none if there is no such.
fn gid_of(group: &str) -> Result<Option<u32>, LookupFailed> {
    Ok(match parse_name_or_id(group) {
        Some(NameOrId::Name(name)) => account::group_by_name(&name)?.map(|group| group.gid),
        Some(NameOrId::Id(gid)) => Some(gid),
        None => None,
    })
}

#[cfg(test)]
mod tests;
