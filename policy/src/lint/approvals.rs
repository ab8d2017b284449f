//! Approvals that nobody can give.

use super::Findings;
use super::code::Code;
use super::places::Subject;
use crate::approval::is_own;
use crate::policy::Core;
use crate::rule::Rule;

impl Core {
    /// Where all who may approve are named one by one, there must be enough of them for each user: nobody approves for
    /// themselves. Users answer a request and signers sign a token: they are not added up.
    pub(super) fn check_approval<'p>(&'p self, rule: &'p Rule, found: &mut Findings<'p>) {
        let Some(approval) = rule.require.approval.as_deref() else { return };
        let is_many = |name: &str| name.starts_with(['%', '@']);
        if approval.named.iter().any(|name| is_many(name)) {
            return;
        }
        let is_signer = |name: &str| name.starts_with("signer:");
        let others = |user: &str| {
            let people = approval.named.iter().filter(|name| !is_signer(name) && ***name != *user).count();
            let signers = approval.signers.iter().filter(|name| !is_own(name, user)).count();
            people.max(signers)
        };
        let users = self.names_of(&rule.users);
        let stuck = users.iter().find(|user| !is_many(user) && others(user) < approval.count as usize);
        if let Some(user) = stuck {
            let message = format!("`{user}` can't get the approval that the rule `{}` asks for", rule.id);
            let hint =
                "nobody approves for themselves: name more people, or a group, or ask for a lower `count`";
            found.add(Code::NeverApproved, Subject::key(rule, "require.approval"), message, hint);
        }
    }
}
