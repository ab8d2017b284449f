//! Rules that do nothing, and denies that do not hold.

use super::Findings;
use super::code::{Code, Severity};
use super::places::Subject;
use crate::meaning::{
    Argument, CommandMeaning, Meaning, Near, ProgramMeaning, Region, commands_cover, hosts_cover, names_cover,
};
use crate::pattern::Word;
use crate::policy::Core;
use crate::rule::{Effect, Rule};

impl Core {
    pub(super) fn check_reach<'p>(&'p self, now: jiff::Timestamp, found: &mut Findings<'p>) {
        let (allows, denies) = (self.meanings(Effect::Allow), self.meanings(Effect::Deny));
        let (by_allows, by_denies) = (Near::new(&allows), Near::new(&denies));
        for (meanings, index) in [(&allows, &by_allows), (&denies, &by_denies)] {
            for meaning in meanings {
                let rule = meaning.rule;
                if let Some((key, why)) = nothing(&meaning.region) {
                    let hint = "remove the rule, or name who, where, as whom and what it is for";
                    found.add(Code::NeverMatches, Subject::key(rule, key), why, hint);
                } else if rule.not_after.is_some_and(|end| end <= now) {
                    let message = format!("the rule `{}` holds no more", rule.id);
                    found.add(Code::Expired, Subject::key(rule, "not_after"), message, "remove it");
                } else if let Some(other) =
                    index.covering(&meaning.region).into_iter().find(|other| makes_redundant(other, meaning))
                {
                    let message = format!("the rule `{}` says all that `{}` says", other.rule.id, rule.id);
                    found.add(Code::Redundant, Subject::of_rule(rule), message, "remove this one");
                }
            }
        }
        for allow in &allows {
            let takes_back = |deny: &&Meaning<'_>| {
                deny.region.run_as_groups.is_none() && deny.region.covers(&allow.region)
            };
            if let Some(deny) = by_denies.covering(&allow.region).into_iter().find(takes_back) {
                let message = format!("the deny `{}` takes back all of `{}`", deny.rule.id, allow.rule.id);
                let hint = "remove the rule, or except its users from the deny";
                found.add(Code::NeverPermits, Subject::of_rule(allow.rule), message, hint);
            }
            self.check_exceptions(allow, found);
        }
        for deny in &denies {
            self.check_deny(deny, &by_allows, found);
        }
    }

    /// `except_commands` against the `commands` of the same rule.
    fn check_exceptions<'p>(&'p self, allow: &Meaning<'p>, found: &mut Findings<'p>) {
        let rule = allow.rule;
        self.each_entry(rule, &rule.except_commands, "except_commands", |at, denied| {
            if let Some(finding) = against(denied, rule, &allow.region.commands).or_else(|| pinned(denied)) {
                finding.add(at, found);
            }
        });
    }

    /// A deny against all that others allow to the same people.
    fn check_deny<'p>(&'p self, deny: &Meaning<'p>, allows: &Near<'_, 'p>, found: &mut Findings<'p>) {
        let rule = deny.rule;
        self.each_entry(rule, &rule.commands, "commands", |at, denied| {
            let near = denied.iter().flat_map(|command| allows.meeting(&deny.region, command));
            let mut near = near.filter(|allow| may_meet(&deny.region, &allow.region));
            let against = near.find_map(|allow| against(denied, allow.rule, &allow.region.commands));
            if let Some(finding) = against.or_else(|| pinned(denied)) {
                finding.add(at, found);
            }
        });
    }
}

/// Why a deny does not hold.
struct NotHeld {
    severity: Severity,
    code: Code,
    message: String,
    hint: &'static str,
}

impl NotHeld {
    fn add<'p>(self, at: Subject<'p>, found: &mut Findings<'p>) {
        found.add_as(self.severity, self.code, at, self.message, self.hint);
    }
}

/// Why what is denied of these commands can be got around by what a rule allows.
fn against(denied: &[CommandMeaning], by: &Rule, allowed: &[CommandMeaning]) -> Option<NotHeld> {
    let id = &by.id;
    if allowed.iter().any(|command| command.program == ProgramMeaning::All) {
        let hint = "a copy of the program, another one or a shell does the same: allow what is needed instead of \"ALL\"";
        let message = format!("`{id}` allows any command, so that this can be got around");
        return Some(NotHeld { severity: Code::DenyOfAll.severity(), code: Code::DenyOfAll, message, hint });
    }
    let narrow = |denied, allowed| narrower(denied, allowed).map(|severity| (severity, allowed));
    let pairs = denied.iter().flat_map(|denied| allowed.iter().map(move |allowed| (denied, allowed)));
    let worst = pairs.filter_map(|(denied, allowed)| narrow(denied, allowed));
    let (severity, allowed) = worst.min_by_key(|(severity, _)| *severity)?;
    let why = match severity {
        Severity::Error => "with another spelling of the argument this is got around",
        _ => "this holds only if the program knows no other spelling",
    };
    let message = format!("`{id}` allows `{}`: {why}", allowed.text());
    let hint = "allow the arguments that are needed, and deny nothing; or deny the whole program with `**`";
    Some(NotHeld { severity, code: Code::NarrowDeny, message, hint })
}

/// Why what is denied for its digest alone can be got around.
fn pinned(denied: &[CommandMeaning]) -> Option<NotHeld> {
    let pinned = denied.iter().find(|command| command.is_pinned())?;
    let program = CommandMeaning { sha256: Vec::new(), ..pinned.clone() }.text();
    let message =
        format!("`{program}` with another byte, or in its next version, is another file: it is not denied");
    let hint = "allow the program by its `sha256`, or deny it whatever is in it";
    Some(NotHeld { severity: Code::PinnedDeny.severity(), code: Code::PinnedDeny, message, hint })
}

/// The key for which a rule matches nothing.
fn nothing(region: &Region) -> Option<(&'static str, &'static str)> {
    let empty = [
        ("users", region.users.is_empty()),
        ("hosts", region.hosts.is_empty()),
        ("run_as", region.run_as.is_empty()),
        ("commands", region.commands.is_empty()),
    ];
    let excepted = [
        ("except_users", names_cover(&region.except_users, &region.users)),
        ("except_hosts", hosts_cover(&region.except_hosts, &region.hosts)),
        ("except_run_as", names_cover(&region.except_run_as, &region.run_as)),
        ("except_commands", commands_cover(&region.except_commands, &region.commands)),
    ];
    let empty = empty
        .into_iter()
        .find(|(_, is)| *is)
        .map(|(key, _)| (key, "this list is empty: the rule matches nothing"));
    let excepted = excepted
        .into_iter()
        .find(|(_, is)| *is)
        .map(|(key, _)| (key, "this excepts all that the rule names: it matches nothing"));
    empty.or(excepted)
}

/// Whether a rule says all that another says. Of two that say the same, the one with the greater id is too much.
fn makes_redundant(other: &Meaning<'_>, rule: &Meaning<'_>) -> bool {
    other.rule.id != rule.rule.id
        && other.terms == rule.terms
        && other.region.covers(&rule.region)
        && (other.rule.id < rule.rule.id || !rule.region.covers(&other.region))
}

/// Whether anybody but root may be meant by both.
fn may_meet(deny: &Region, allow: &Region) -> bool {
    let only_root = allow.users.iter().all(|user| matches!(user.as_str(), "root" | "#0"));
    let plain = |names: &[String]| names.iter().all(|name| name != "ALL" && !name.starts_with(['%', '#']));
    let strangers = plain(&deny.users)
        && plain(&allow.users)
        && !allow.users.iter().any(|name| deny.users.contains(name));
    !only_root
        && !strangers
        && !names_cover(&deny.except_users, &allow.users)
        && !names_cover(&allow.except_users, &deny.users)
}

/// How bad it is that a deny is narrower than what is allowed of the same program; `None` if it is not.
fn narrower(denied: &CommandMeaning, allowed: &CommandMeaning) -> Option<Severity> {
    let has_another = allowed.is_pinned() && !denied.sha256.iter().any(|pin| allowed.sha256.contains(pin));
    let is_apart = denied.is_apart_from(allowed) || (denied.is_pinned() && has_another);
    let is_same = !is_apart && !denied.is_edit() && !allowed.is_edit();
    let open = |arg: &Argument| !matches!(arg, Argument::Words(words) if words.iter().all(|word| matches!(word, Word::Literal(_))));
    let is_open = allowed.rest || allowed.args.iter().any(open);
    if !is_same
        || !is_open
        || denied.covers(allowed)
        || (denied.args.is_empty() && denied.rest)
        || !overlap(denied, allowed)
    {
        return None;
    }
    let free = |arg: &Argument| match arg {
        Argument::Words(words) => words.iter().any(|word| {
            let Word::Glob(glob) = word else { return false };
            glob.contains(&b'/') || word.matches(b"--x") || word.matches(b"-x")
        }),
        Argument::Regex(regex) => {
            ["--x", "-x", "/x/./y", "x/y"].iter().any(|text| regex.is_match(text.as_bytes()))
        }
        Argument::Under(_) => false,
    };
    let is_free = allowed.rest || allowed.args.iter().any(free);
    Some(if is_free { Severity::Error } else { Severity::Warning })
}

/// Whether any arguments may be matched by both.
fn overlap(one: &CommandMeaning, other: &CommandMeaning) -> bool {
    let fits = |shorter: &CommandMeaning, longer: &CommandMeaning| {
        shorter.rest || shorter.args.len() >= longer.args.len()
    };
    let apart = |(one, other): (&Argument, &Argument)| match (one, other) {
        (Argument::Words(one), Argument::Words(other)) => !one.iter().any(|one| {
            other.iter().any(|other| match (one, other) {
                (Word::Literal(text), word) | (word, Word::Literal(text)) => word.matches(text),
                _ => true,
            })
        }),
        (Argument::Words(words), Argument::Regex(regex))
        | (Argument::Regex(regex), Argument::Words(words)) => {
            !words.iter().any(|word| if let Word::Literal(text) = word { regex.is_match(text) } else { true })
        }
        _ => false,
    };
    fits(one, other) && fits(other, one) && !one.args.iter().zip(&other.args).any(apart)
}
