//! What of a rule does not hold, and what exactly it holds against the request.

use super::Failure;
use crate::account::LookupFailed;
use crate::evaluate::{Named, Question, sides};
use crate::meaning::regex_text;
use crate::pattern::{ArgPattern, HostPattern, Matched, Mismatch};
use crate::rule::{Effect, Rule};

/// How many entries of a list are told.
const MOST: usize = 4;

/// The keys that fail, and what is told of each.
struct Failures {
    /// Texts are made for the few rules that are shown.
    told: bool,
    failed: Vec<Failure>,
}

impl Failures {
    fn check(&mut self, key: &'static str, holds: bool, why: impl FnOnce() -> String) {
        self.look_up(key, Ok(holds), why);
    }

    /// A look-up that failed is told as such.
    fn look_up(
        &mut self,
        key: &'static str,
        holds: Result<bool, LookupFailed>,
        why: impl FnOnce() -> String,
    ) {
        let why = match holds {
            Ok(true) => return,
            Ok(false) if self.told => why(),
            Ok(false) => String::new(),
            Err(failure) => failure.to_string(),
        };
        self.failed.push(Failure { key, why, weight: 1, told_to_person: None });
    }
}

/// How far a rule is from matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance {
    /// It is for others.
    is_of_others: bool,
    /// Nothing if it matches.
    pub(super) weight: usize,
}

impl Question<'_, '_> {
    /// How far a rule is from matching: another program is further away than another argument; and nothing is as far as
    /// somebody else's rule.
    pub(super) fn distance(&self, rule: &Rule) -> Distance {
        let failures = self.find(rule, false);
        Distance {
            is_of_others: failures.iter().any(Failure::is_of_others),
            weight: failures.iter().map(|failure| failure.weight).sum(),
        }
    }

    /// Every key of a rule that does not hold.
    pub(super) fn failures(&self, rule: &Rule) -> Vec<Failure> {
        self.find(rule, true)
    }

    fn find(&self, rule: &Rule, told: bool) -> Vec<Failure> {
        let (core, request) = (self.core, self.request);
        let mut failures = Failures { told, failed: Vec::new() };
        let (user, target) = (|| request.user.name(), || request.target.account.name());
        let said = |list: fn(crate::RuleText) -> Vec<String>| some_of(&list(core.text_of(rule)));
        failures.look_up("users", core.is_one_of(request.user, &rule.users, self.directory), || {
            format!("{} is not {}", user(), said(|text| text.users))
        });
        let excepted = self.is_excepted_user(rule).map(|is| !is);
        failures.look_up("except_users", excepted, || format!("excepts {}", user()));
        let host = || shown(request.host.name.as_bytes());
        let is_here =
            |hosts: &[HostPattern]| HostPattern::any(hosts, request.host, &core.symbols, &core.host_sets);
        failures.check("hosts", is_here(&rule.hosts), || {
            format!("host {} is not {}", host(), said(|text| text.hosts))
        });
        failures.check("except_hosts", !is_here(&rule.except_hosts), || format!("excepts host {}", host()));
        failures.check("nested", self.nesting_holds(rule), || {
            "does not hold inside another elevated session".to_owned()
        });
        let (before, after) = (rule.not_before, rule.not_after);
        failures.check("not_before", before.is_none_or(|from| from <= request.now), || {
            format!("holds only from {} on", before.unwrap_or_default())
        });
        failures.check("not_after", after.is_none_or(|end| request.now < end), || {
            format!("ended at {}", after.unwrap_or_default())
        });
        failures.check("when", self.when_holds(rule), || self.when_fails(rule));
        let from = rule.from_login.as_ref().filter(|_| !self.login_holds(rule));
        failures.check("when", from.is_none(), || {
            from.map(|from| from.failures(request.login).join("; ")).unwrap_or_default()
        });
        failures.look_up("run_as", self.target_holds(rule), || {
            format!("target {} is not {}", target(), said(|text| text.run_as))
        });
        let excepted = self.is_excepted_target(rule).map(|is| !is);
        failures.look_up("except_run_as", excepted, || format!("excepts target {}", target()));
        failures.look_up("run_as_groups", self.group_holds(rule), || self.group_fails(rule));
        let usable = self.find_commands(rule, &mut failures);
        if rule.effect == Effect::Allow {
            let is_asked_for = request.asked.rule.is_none_or(|id| id == rule.id);
            failures.check("id", is_asked_for, || "is not the rule that was asked for".to_owned());
        }
        if failures.failed.is_empty() {
            self.find_digest(rule, usable, &mut failures);
        }
        failures.failed
    }

    /// `commands`, and what depends on how they matched: how they do without a look at the file.
    fn find_commands(&self, rule: &Rule, failures: &mut Failures) -> Option<Matched> {
        let (ours, theirs) = sides(rule);
        let (core, request) = (self.core, self.request);
        let Named { plain, pinned } = self.named(rule, ours);
        let matches = plain.is_some() || pinned;
        let nearest = || rule.commands.nearest(&request.command, ours, &core.symbols, &core.command_sets);
        let other_program = !matches && nearest().is_none();
        failures.check("commands", matches, || match nearest() {
            // Not by name: it is resolved, and where links lead is not everybody's to know.
            Some(mismatch) if request.command.edits => {
                format!("file {} is not among the files to edit", mismatch.at)
            }
            Some(mismatch) => mismatch_text(&mismatch),
            None => "names other programs".to_owned(),
        });
        if other_program && let Some(failure) = failures.failed.last_mut() {
            failure.weight = 2;
        }
        failures.check("except_commands", !self.is_excepted_command(rule, theirs), || {
            "excepts this command".to_owned()
        });
        let any_command = plain == Some(Matched::All);
        let is_usable = |matched: &Matched| rule.effect == Effect::Deny || !self.is_untrusted(rule, matched);
        let usable = plain.filter(is_usable);
        failures.check("trusted_path", !matches || pinned || usable.is_some(), || {
            "others than root can write to the path of this command".to_owned()
        });
        let unserved = self.unserved(rule, any_command).filter(|_| rule.effect == Effect::Allow);
        failures.check("options", unserved.is_none(), || unserved.unwrap_or_default().to_owned());
        usable
    }

    /// What depends on the file itself.
    fn find_digest(&self, rule: &Rule, usable: Option<Matched>, failures: &mut Failures) {
        let (ours, theirs) = sides(rule);
        let digest = |end: &str| match (self.request.command.sha256)() {
            Ok(digest) => format!("its SHA-256 is {digest}, {end}"),
            Err(why) => format!("its SHA-256 can't be told: {why}"),
        };
        let matched = usable.or_else(|| self.pinned_by(&rule.commands, ours));
        failures.check("sha256", matched.is_some(), || digest("not one of the pinned"));
        let excepted = matched.is_some() && self.pinned_by(&rule.except_commands, theirs).is_some();
        failures.check("sha256", !excepted, || digest("which is excepted"));
        // What is in a file is not everybody's to know.
        if let (Some(failure), Ok(_)) = (failures.failed.last_mut(), (self.request.command.sha256)()) {
            failure.told_to_person = Some("the file is not one that is pinned");
        }
    }

    fn when_fails(&self, rule: &Rule) -> String {
        let Some(when) = &rule.when else { return String::new() };
        match when.unknown_zones(&self.zones).first() {
            None => format!("outside {}", when.texts().join(", ")),
            Some(None) => "the local time of the host can't be told".to_owned(),
            Some(Some(zone)) => format!("the time zone {zone} is not known here"),
        }
    }

    fn group_fails(&self, rule: &Rule) -> String {
        let groups = self.core.text_of(rule).run_as_groups;
        let named = if groups.is_empty() { "there are none".to_owned() } else { some_of(&groups) };
        match self.request.target.group {
            Some(group) if group.name.is_empty() => format!("group #{} is not named: {named}", group.gid),
            Some(group) => format!("group {} is not named: {named}", shown(group.name.as_bytes())),
            None => format!("the groups of the invoking user are not all named: {named}"),
        }
    }
}

fn mismatch_text(mismatch: &Mismatch<'_>) -> String {
    let at = mismatch.at;
    match (mismatch.given, mismatch.wanted) {
        (Some(given), None) => format!("argument {at} `{}` is one too many", shown(given)),
        (None, wanted) => {
            format!("argument {at} is missing: {}", wanted.map(pattern_text).unwrap_or_default())
        }
        (Some(given), Some(pattern)) => {
            let given = shown(given);
            match pattern {
                ArgPattern::Word(_) => format!("argument {at} `{given}` is not {}", pattern_text(pattern)),
                ArgPattern::Regex(_) => {
                    format!("argument {at} `{given}` does not match {}", pattern_text(pattern))
                }
                ArgPattern::Under(_) => {
                    format!(
                        "argument {at} `{given}` does not lead to something {} on a path that is safe",
                        pattern_text(pattern)
                    )
                }
            }
        }
    }
}

fn pattern_text(pattern: &ArgPattern) -> String {
    match pattern {
        ArgPattern::Word(words) => {
            let words: Vec<String> = words.iter().map(crate::meaning::word_text).collect();
            if let [word] = words.as_slice() {
                format!("`{word}`")
            } else {
                format!("`{{{}}}`", words.join(","))
            }
        }
        ArgPattern::Regex(regex) => format!("`{}`", regex_text(regex)),
        ArgPattern::Under(folder) => format!("below {folder}"),
    }
}

/// As text that steers no terminal.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let escaped =
        |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    text.chars().map(escaped).collect()
}

/// The first few of a list.
fn some_of(list: &[String]) -> String {
    let more = if list.len() > MOST { ", …" } else { "" };
    format!("{}{more}", list.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))
}
