//! Why a request is permitted or denied, in words.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use crate::account::{Directory, LookupFailed};
use crate::decision::{Decision, Denial, Why};
use crate::evaluate::{Question, sides};
use crate::pattern::Matched;
use crate::policy::Core;
use crate::request::Request;
use crate::rule::{Effect, Rule};

/// Why a request is permitted or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether any rule permits (duties may remain).
    pub permitted: bool,
    /// Whether the user has any allow rule on this host, now.
    pub has_rules: bool,
    /// What decided, in one sentence.
    pub summary: String,
    /// The rules that permit, by ascending id.
    pub permitting: Vec<Considered>,
    /// The rules that deny, by ascending id.
    pub denying: Vec<Considered>,
    /// Rules that came near, the nearest first.
    pub near: Vec<Considered>,
}

/// One rule, and what it made of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The rule's id.
    pub rule: String,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
    /// The duties of an allow rule, in their order.
    pub duties: Vec<&'static str>,
    /// What did not hold: the key of the policy, and a sentence.
    pub failed: Vec<Failure>,
}

/// One key that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The key, for example `except_users`.
    pub key: &'static str,
    /// In words.
    pub why: String,
}

impl Explanation {
    /// For the user: what to do, and nothing about files. A person without any rule learns nothing.
    pub fn for_user(&self) -> String {
        if !self.has_rules {
            return "you have no rule for this\n".to_owned();
        }
        let mut text = format!("{}\n", self.summary);
        for rule in &self.permitting {
            let _ = writeln!(text, "  {}: {}", rule.rule, rule.duties_text());
        }
        let own =
            |rule: &&Considered| rule.effect == "allow" && rule.failed.iter().all(|one| one.key != "users");
        for rule in self.near.iter().filter(own) {
            for failure in &rule.failed {
                let _ = writeln!(text, "  {}: {}", rule.rule, failure.why);
            }
        }
        text
    }

    /// For an administrator: every rule that came near, with file and line.
    pub fn for_administrator(&self) -> String {
        let mut text = format!("{}\n", self.summary);
        for (title, rules) in
            [("denies", &self.denying), ("permits", &self.permitting), ("came near", &self.near)]
        {
            for rule in rules {
                let Considered { rule: id, effect, file, line, .. } = rule;
                let _ = writeln!(text, "{title}: {id} ({effect}, {file}:{line})");
                if effect == &"allow" && rule.failed.is_empty() {
                    let _ = writeln!(text, "  {}", rule.duties_text());
                }
                for failure in &rule.failed {
                    let _ = writeln!(text, "  {}: {}", failure.key, failure.why);
                }
            }
        }
        text
    }
}

impl Considered {
    fn new(rule: &Rule, failed: Vec<Failure>) -> Self {
        let effect = if rule.effect == Effect::Allow { "allow" } else { "deny" };
        let duties = if rule.effect == Effect::Allow { rule.duties() } else { Vec::new() };
        Self { rule: rule.id.clone(), effect, file: rule.file.to_string(), line: rule.line, duties, failed }
    }

    fn duties_text(&self) -> String {
        if self.duties.is_empty() {
            "no duties".to_owned()
        } else {
            format!("duties: {}", self.duties.join(", "))
        }
    }

    /// How far the rule is from matching: another program is further away than another argument.
    fn distance(&self) -> usize {
        self.failed.iter().map(|failure| if failure.why == PROGRAM { 2 } else { 1 }).sum()
    }
}

const PROGRAM: &str = "names other programs";
/// A rule this far away is not near any more.
const FAR: usize = 3;
/// How many rules that came near are shown.
const MOST: usize = 10;

impl Core {
    /// Looks at every rule: for people, who can wait for it.
    pub(crate) fn explain(
        &self,
        denies: &[Arc<Self>],
        request: &Request<'_>,
        directory: &dyn Directory,
    ) -> Result<Explanation, LookupFailed> {
        let (mut permitting, mut denying, mut near) = (Vec::new(), Vec::new(), Vec::new());
        for core in [self].into_iter().chain(denies.iter().map(|core| &**core)) {
            let question = Question::new(core, request, directory);
            for rule in &core.rules {
                let considered = Considered::new(rule, question.failures(rule));
                match (considered.failed.is_empty(), rule.effect) {
                    (true, Effect::Allow) => permitting.push(considered),
                    (true, Effect::Deny) => denying.push(considered),
                    (false, _) if considered.distance() < FAR => near.push(considered),
                    (false, _) => {}
                }
            }
        }
        for list in [&mut permitting, &mut denying, &mut near] {
            list.sort_by(|a, b| (a.distance(), &a.rule).cmp(&(b.distance(), &b.rule)));
        }
        near.truncate(MOST);
        let decision = self.evaluate(denies, request, directory)?;
        let (permitted, has_rules, summary) = match decision {
            Decision::Permit(_) => {
                (true, true, "permitted, once the duties of one of these rules are done".to_owned())
            }
            Decision::Deny(denial) => (false, denial.has_rules, summary(&denial)),
        };
        Ok(Explanation { permitted, has_rules, summary, permitting, denying, near })
    }
}

fn summary(denial: &Denial<'_>) -> String {
    match &denial.why {
        Why::InvalidId => "denied: an id is 4294967295, which is no id".to_owned(),
        Why::DeniedBy(rule) => format!("denied by the rule `{}`", rule.id),
        Why::RuleDoesNotPermit => "denied: the rule that was asked for does not permit this".to_owned(),
        Why::UntrustedPath(_) => "denied: others than root can write to the path of this command".to_owned(),
        Why::Options(_) => "denied: no rule permits this with these options".to_owned(),
        Why::Time(_) => "denied: no rule permits this at this time".to_owned(),
        Why::NoRuleMatches => "denied: no rule permits this".to_owned(),
    }
}

impl Question<'_, '_> {
    /// Why `when` does not hold, if it does not.
    fn when_fails(&self, rule: &Rule) -> Option<String> {
        let when = rule.when.as_ref().filter(|_| !self.when_holds(rule))?;
        let unknown = when.unknown_zones(&self.zones);
        Some(match unknown.first() {
            None => format!("outside {}", when.texts().join(", ")),
            Some(None) => "the local time of the host can't be told".to_owned(),
            Some(Some(zone)) => format!("the time zone {zone} is not known here"),
        })
    }

    /// Every key of a rule that does not hold.
    fn failures(&self, rule: &Rule) -> Vec<Failure> {
        let (ours, theirs) = sides(rule);
        let (core, request) = (self.core, self.request);
        let mut failed = Vec::new();
        let mut check = |key: &'static str, holds: Result<bool, LookupFailed>, why: &str| {
            let why = match holds {
                Ok(true) => return,
                Ok(false) => why.to_owned(),
                Err(failure) => failure.to_string(),
            };
            failed.push(Failure { key, why });
        };
        check(
            "users",
            core.is_one_of(request.user, &rule.users, self.directory),
            "does not name the invoking user",
        );
        check("except_users", self.is_excepted_user(rule).map(|is| !is), "excepts the invoking user");
        check("hosts", Ok(self.host_holds(rule)), "does not hold on this host");
        check("nested", Ok(self.nesting_holds(rule)), "does not hold inside another elevated session");
        let times =
            if rule.not_before.is_some_and(|from| request.now < from) { "not_before" } else { "not_after" };
        let why = if times == "not_before" { "holds only later" } else { "holds no more" };
        check(times, Ok(self.time_holds(rule)), why);
        check("when", Ok(self.when_fails(rule).is_none()), &self.when_fails(rule).unwrap_or_default());
        check("run_as", self.target_holds(rule), "does not name the target user");
        check("except_run_as", self.is_excepted_target(rule).map(|is| !is), "excepts the target user");
        check("run_as_groups", self.group_holds(rule), "does not name the group");
        let matched = self.command(rule, ours);
        let has_program =
            rule.commands.has_program(&request.command, ours, &core.symbols, &core.command_sets);
        let others = match (has_program, request.command.edits) {
            (false, _) => PROGRAM,
            (true, false) => "names other arguments",
            (true, true) => "names other files to edit",
        };
        check("commands", Ok(matched.is_some()), others);
        check("except_commands", Ok(!self.is_excepted_command(rule, theirs)), "excepts this command");
        let any_command = matched == Some(Matched::All);
        if let (Effect::Allow, Some(matched)) = (rule.effect, matched) {
            let why = "others than root can write to the path of this command";
            check("trusted_path", Ok(!self.is_untrusted(rule, &matched)), why);
        }
        if rule.effect == Effect::Allow {
            check(
                "id",
                Ok(request.asked.rule.is_none_or(|id| id == rule.id)),
                "is not the rule that was asked for",
            );
            if let Some(why) = self.unserved(rule, any_command) {
                check("options", Ok(false), why);
            }
        }
        failed
    }
}
