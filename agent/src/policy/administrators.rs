//! Whether a policy leaves any of the administrators a way to root on this host: a push that locks all of them out is not taken
//! without `--force`.

use jiff::Timestamp;
use jit_policy::{
    Account, Asked, Command, Decision, Directory, Host, NoZones, Policy, Request, Surroundings, Target, Why,
};
use jit_sys::account::{self, NameOrId, parse_name_or_id};

use crate::lookup::CachedDirectory;
use crate::translate::policy_account;

/// Shells that are a way to root, beside root's own.
const SHELLS: [&str; 2] = ["/usr/bin/bash", "/usr/bin/sh"];
/// What no rule names, so that only one for any command permits it.
const ANYTHING: &str = "/anything at all";
/// A member of a group who is nobody in particular.
const MEMBER: u32 = u32::MAX - 1;

/// Where it is asked.
pub(super) struct Place<'p> {
    pub(super) host: Host<'p>,
    pub(super) folders: &'p dyn Surroundings,
    pub(super) now: Timestamp,
}

impl Place<'_> {
    /// Whether any of the administrators may run any command, or a shell, as root: now, or at another time of the week.
    /// For a group it is whether a member could.
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
            let ways = account_of(name).and_then(|account| {
                let Some(account) = account else { return Ok(false) };
                let may = |path: &str| self.may_run(policy, &directory, &account, &root, path);
                let mut paths = std::iter::once(ANYTHING).chain(shells.iter().map(String::as_str));
                paths.try_fold(false, |way, path| Ok(way || may(path)?))
            });
            match ways {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(why) => answer = Err(why),
            }
        }
        answer
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
            },
            nested: false,
            now: self.now,
            zones: &NoZones,
            asked: Asked::default(),
        };
        let decision = policy.evaluate(&request, directory).map_err(|failed| failed.to_string())?;
        // What depends on the time of the week is there at another time.
        Ok(match decision {
            Decision::Permit(_) => true,
            Decision::Deny(denial) => match denial.why {
                Why::Time(_) => true,
                Why::DeniedBy(rule) => !policy.text_of(rule).when.is_empty(),
                _ => false,
            },
        })
    }

    /// A path as rules have it.
    fn resolved(&self, path: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(path).ok()?;
        let (folder, name) = path.rsplit_once('/')?;
        let folder = self.folders.canonical_folder(folder).unwrap_or_else(|| folder.to_owned());
        Some(format!("{}/{name}", folder.trim_end_matches('/')))
    }
}

/// The account of `name` or `#uid`, or of a member of `%group` or `%#gid`; none if there is no such.
fn account_of(name: &str) -> Result<Option<Account>, String> {
    let failed = |failed: account::LookupFailed| failed.to_string();
    if let Some(group) = name.strip_prefix('%') {
        let gid = match parse_name_or_id(group) {
            Some(NameOrId::Name(name)) => {
                account::group_by_name(&name).map_err(failed)?.map(|group| group.gid)
            }
            Some(NameOrId::Id(gid)) => Some(gid),
            None => None,
        };
        let member = |gid| Account { uid: MEMBER, gid, names: Vec::new(), groups: vec![gid] };
        return Ok(gid.map(member));
    }
    let found = match parse_name_or_id(name) {
        Some(NameOrId::Name(name)) => account::by_name(&name).map_err(failed)?,
        Some(NameOrId::Id(uid)) => account::by_uid(uid).map_err(failed)?,
        None => None,
    };
    let Some(found) = found else { return Ok(None) };
    let aliases = account::aliases(found.uid, &found.name).map_err(failed)?;
    Ok(Some(policy_account(&found, aliases)))
}

#[cfg(test)]
mod tests;
