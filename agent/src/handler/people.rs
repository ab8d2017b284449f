//! Who asks, and whom it is for, as NSS knows them.

use jit_sys::account::{self, Account, GroupEntry, NameOrId, parse_name_or_id};

use super::plan::Question;
use crate::agent::Agent;
use crate::policy::Loaded;
use crate::refusal::Refusal;
use crate::translate;

/// Who asks, and whom it is for.
pub struct People {
    /// The invoking user.
    pub invoking: Account,
    /// The invoking user, with all names.
    pub user: jit_policy::Account,
    /// The target user.
    pub target: Account,
    /// The target user, with all names: a deny of `root` is one of `toor` too, if that is uid 0 as well.
    pub run_as: jit_policy::Account,
    /// The group of `-g`.
    pub group: Option<GroupEntry>,
}

/// The invoking user, the target user and the group, as NSS knows them.
///
/// # Errors
/// A target that does not exist is told only to those with a rule.
pub fn people(agent: &Agent, loaded: &Loaded, question: &Question) -> Result<People, Refusal> {
    let failed = |error: account::LookupFailed| Refusal::failure(error.to_string());
    let asked = &question.asked;
    let invoking = account::by_uid(question.uid)
        .map_err(failed)?
        .ok_or_else(|| Refusal::without_rule().because("the invoking user has no account"))?;
    let aliases = account::aliases(invoking.uid, &invoking.name).map_err(failed)?;
    let user = translate::policy_account(&invoking, aliases);
    let now = question.now.timestamp();
    let has_rules =
        loaded.policy.has_any_rule(&user, agent.policy_host(&question.host), now, &*agent.directory);
    if !has_rules.map_err(|error| Refusal::failure(error.to_string()))? {
        return Err(Refusal::without_rule());
    }
    let unknown = |what: &str, name: &str| {
        Refusal::new(format!("unknown {what} {}", jit_protocol::escape(name.as_bytes())), "")
    };
    let target = match &asked.user {
        None if asked.group.is_some() => Some(invoking.clone()),
        None => account::by_uid(0).map_err(failed)?,
        Some(name) => match parse_name_or_id(name) {
            Some(NameOrId::Name(name)) => account::by_name(&name).map_err(failed)?,
            Some(NameOrId::Id(uid)) => account::by_uid(uid).map_err(failed)?,
            None => None,
        },
    };
    let target = target.ok_or_else(|| unknown("user", asked.user.as_deref().unwrap_or("root")))?;
    let aliases = account::aliases(target.uid, &target.name).map_err(failed)?;
    let run_as = translate::policy_account(&target, aliases);
    let group = match asked.group.as_deref().map(|name| (name, parse_name_or_id(name))) {
        None => None,
        Some((name, parsed)) => {
            let found = match parsed {
                Some(NameOrId::Name(name)) => account::group_by_name(&name).map_err(failed)?,
                Some(NameOrId::Id(gid)) => account::group_by_gid(gid).map_err(failed)?,
                None => None,
            };
            Some(found.ok_or_else(|| unknown("group", name))?)
        }
    };
    Ok(People { invoking, user, target, run_as, group })
}
