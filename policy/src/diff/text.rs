//! A difference in words.

use std::fmt;

use super::{Change, Difference};

/// Lines: the first begins with `+`, `-` or `~`, what belongs to it is indented; no newline at the end.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.users.join(", ");
        let (sign, verb) = match (self.change, self.sure) {
            (Change::Gains, true) => ("+", "gains"),
            (Change::Gains, false) => ("+", "may gain"),
            (Change::Loses, true) => ("-", "loses"),
            (Change::Loses, false) => ("-", "may lose"),
            (Change::Terms, true) => ("~", "has on other terms"),
            (Change::Terms, false) => ("~", "may have on other terms"),
            (Change::Login, _) if self.rule.new => ("+", "is named for logins through"),
            (Change::Login, _) => ("-", "is no longer named for logins through"),
        };
        write!(formatter, "{sign} {users} {verb}: {}", self.commands.join(", "))?;
        if !self.run_as.is_empty() {
            write!(formatter, "; as {}", self.run_as.join(", "))?;
        }
        if self.hosts != ["ALL"] {
            write!(formatter, "; on {}", self.hosts.join(", "))?;
        }
        for rule in [Some(&self.rule), self.other.as_ref()].into_iter().flatten() {
            let side = if rule.new { "new" } else { "old" };
            write!(formatter, "\n    {side}: {} `{}`, {}:{}", rule.effect, rule.id, rule.file, rule.line)?;
        }
        for key in &self.keys {
            write!(formatter, "\n    {}: {} -> {}", key.key, shown(&key.from), shown(&key.to))?;
        }
        Ok(())
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}
