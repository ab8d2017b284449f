//! Single settings that are rarely meant.

use super::Findings;
use super::code::Code;
use super::places::Subject;
use crate::policy::Core;
use crate::rule::{Authentication, Effect, Rule};
use crate::variables::is_dangerous_variable;

impl Core {
    pub(super) fn check_settings<'p>(&'p self, rule: &'p Rule, found: &mut Findings<'p>) {
        if rule.effect == Effect::Deny {
            return;
        }
        if !rule.trusted_path {
            let hint = "remove it, and let only root write the program and its folders";
            let message =
                "with `trusted_path = false` whoever can write the program's path becomes its target user";
            found.add(Code::UntrustedPath, Subject::key(rule, "trusted_path"), message, hint);
        }
        let all = rule.commands.all
            || rule
                .commands
                .sets
                .iter()
                .any(|set| self.command_sets.get(*set as usize).is_some_and(|set| set.commands.all));
        let users = self.names_of(&rule.users);
        let only_root = users.iter().all(|user| matches!(user.as_str(), "#0" | "root"));
        if all && rule.require.authentication == Authentication::None && !only_root && self.runs_as_root(rule)
        {
            let hint = "remove `authentication = \"none\"`: an unlocked terminal is enough to become root";
            let message = "any command runs as root, and nobody is asked for a password";
            found.add(Code::NoAuthentication, Subject::key(rule, "require.authentication"), message, hint);
        }
        for pattern in &rule.restrict.env_keep {
            let name = pattern.as_str();
            if !rule.commands.all && is_dangerous_variable(name.trim_end_matches('*').as_bytes()) {
                let hint = "set it to a fixed value in `env_set`, or leave it out";
                let message = if name.contains('*') {
                    format!("`{name}` keeps none of the variables that make programs load or run something")
                } else {
                    format!("`{name}` of the caller's can make the command load or run something")
                };
                found.add(
                    Code::DangerousVariable,
                    Subject::item(rule, "restrict.env_keep", name),
                    message,
                    hint,
                );
            }
        }
    }
}
