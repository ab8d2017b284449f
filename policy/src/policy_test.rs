//! `[[test]]`: a request written down, and what a policy has to say to it. Run for people; the agent never does.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::account::{Account, Directory, Group, Host, LookupFailed};
use crate::decision::{Decision, Missing, Why, choose};
use crate::explain::Explanation;
use crate::login_session::LoginSession;
use crate::policy::Policy;
use crate::request::{Asked, Command, EDIT, Request, Resolved, Target};
use crate::rule::{Effect, Rule};
use crate::sha256::Sha256;
use crate::when::{NoZones, Zones};

/// One `[[test]]`.
///
/// It brings its own world: accounts and groups have the names that it gives them, every path is one that only root can
/// write, and no name leads elsewhere.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// What it shows, in the administrator's words.
    pub description: Option<String>,
    /// The path of the file it stands in.
    pub file: Arc<str>,
    /// The line its `[[test]]` stands on, from 1.
    pub line: usize,
    /// `allow` or `deny`: what is expected.
    pub expect: Effect,
    pub(crate) user: Who,
    /// The user's groups.
    pub(crate) groups: Vec<Who>,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    /// The target user; without one and without a group, root.
    pub(crate) run_as: Option<Who>,
    /// The group of `-g`.
    pub(crate) run_as_group: Option<Who>,
    /// The command; its path as policy names it.
    pub(crate) command: Vec<String>,
    /// The digest of the program's file. Without one, what depends on that can't be determined.
    pub(crate) sha256: Option<Sha256>,
    pub(crate) nested: bool,
    /// The instant, and what the host's clock is ahead of UTC by. Without one, what depends on the time of the week can't
    /// be determined.
    pub(crate) time: Option<(Timestamp, Offset)>,
    /// What is known of the login session.
    pub(crate) login: LoginSession,
    /// The rule that decides.
    pub(crate) rule: Option<String>,
    /// The duties of that rule, in any order.
    pub(crate) duties: Option<Vec<String>>,
}

/// A user or group, by name or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Name(String),
    Id(u32),
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// What is not as expected; `None` if all is.
    pub failure: Option<String>,
    /// Why the policy says what it says.
    pub explanation: Explanation,
}

impl PolicyTest {
    /// The request in words.
    pub fn title(&self) -> String {
        let command: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let mut title = format!("{} runs {}", self.user.text(), command.join(" "));
        for (what, value) in [
            ("as", self.run_as.as_ref().map(Who::text)),
            ("with the group", self.run_as_group.as_ref().map(Who::text)),
            ("on", Some(self.host.clone()).filter(|host| !host.is_empty())),
        ] {
            title.extend(value.map(|value| format!(" {what} {value}")));
        }
        title
    }
}

impl Who {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Id(id) => format!("#{id}"),
        }
    }
}

fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && !word.contains([' ', '"', '\'']);
    if plain { word.to_owned() } else { format!("'{word}'") }
}

impl Policy {
    /// Runs a test; `now` counts, for `not_before` and `not_after`, where it gives no time of its own, and `zones` has the
    /// named zones.
    pub fn run(&self, test: &PolicyTest, now: Timestamp, zones: &dyn Zones) -> TestResult {
        let world = World::of(test);
        let user = world.account(&test.user, &test.groups);
        let target = match (&test.run_as, &test.run_as_group) {
            (Some(target), _) if *target == test.user => user.clone(),
            (Some(target), _) => world.account(target, &[]),
            (None, Some(_)) => user.clone(),
            (None, None) => world.account(&Who::Name("root".to_owned()), &[]),
        };
        let group =
            test.run_as_group.as_ref().map(|group| Group { gid: world.gid(group), name: group.text() });
        let (path, args) =
            test.command.split_first().map_or((&[][..], &[][..]), |(path, args)| (path.as_bytes(), args));
        let args: Vec<Vec<u8>> = args.iter().map(|word| word.as_bytes().to_vec()).collect();
        let edits = path == EDIT.as_bytes();
        let itself = |argument: &[u8]| Some(Resolved { path: argument.to_vec(), writable: false });
        let sha256 = || test.sha256.ok_or_else(|| "the test has no `sha256`".to_owned());
        let wall = test.time.map(|(_, offset)| Wall { offset, zones });
        let request = Request {
            user: &user,
            host: Host { name: &test.host, tags: &test.tags },
            target: Target { account: &target, group: group.as_ref() },
            command: Command {
                path,
                leads_to: Some(path).filter(|_| !edits),
                args: &args,
                edits,
                trusted: true,
                under: &itself,
                sha256: &sha256,
            },
            nested: test.nested,
            now: test.time.map_or(now, |(at, _)| at),
            zones: wall.as_ref().map_or(&NoZones, |wall| wall),
            login: &test.login,
            asked: Asked::default(),
        };
        match (self.evaluate(&request, &world), self.explain(&request, &world)) {
            (Ok(decision), Ok(explanation)) => {
                let (rule, failure) = compare(test, &decision);
                TestResult { rule: rule.map(|rule| rule.id.clone()), failure, explanation }
            }
            (Err(failed), _) | (_, Err(failed)) => TestResult {
                rule: None,
                failure: Some(failed.to_string()),
                explanation: Explanation::default(),
            },
        }
    }
}

/// Which rule decided, and what is not as expected.
fn compare<'d>(test: &PolicyTest, decision: &'d Decision<'_>) -> (Option<&'d Rule>, Option<String>) {
    let (effect, rule) = match decision {
        Decision::Permit(candidates) => {
            (Effect::Allow, choose(candidates, |one| Missing::all(one.rule)).map(|(one, _)| one.rule))
        }
        Decision::Deny(denial) => match denial.why {
            Why::DeniedBy(rule) => (Effect::Deny, Some(rule)),
            _ => (Effect::Deny, None),
        },
    };
    let by = rule.map_or("as no rule permits it".to_owned(), |rule| format!("by the rule `{}`", rule.id));
    let wrong = if effect != test.expect {
        Some(if effect == Effect::Allow { format!("allowed {by}") } else { format!("denied {by}") })
    } else if let Some(expected) = &test.rule
        && rule.is_none_or(|rule| rule.id != *expected)
    {
        Some(format!("decided {by}, not by the rule `{expected}`"))
    } else {
        rule.and_then(|rule| other_duties(test, rule))
    };
    (rule, wrong)
}

fn other_duties(test: &PolicyTest, rule: &Rule) -> Option<String> {
    let mut expected = test.duties.clone()?;
    expected.sort_unstable();
    let mut duties = rule.duties();
    let shown = if duties.is_empty() { "none".to_owned() } else { duties.join(", ") };
    duties.sort_unstable();
    (duties != expected).then(|| format!("the duties of the rule `{}` are: {shown}", rule.id))
}

/// The numbers of the names in a test: they come from the top, where a host has none.
struct World {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// The group of each user's own.
const OWN_GROUP: u32 = 4_294_000_000;
const FIRST: u32 = OWN_GROUP + 1;

impl World {
    fn of(test: &PolicyTest) -> Self {
        let number = |names: Vec<&Who>| {
            let names = names.into_iter().filter_map(|who| match who {
                Who::Name(name) => Some(name.clone()),
                Who::Id(_) => None,
            });
            let mut numbers: BTreeMap<String, u32> = names.zip(FIRST..).collect();
            numbers.insert("root".to_owned(), 0);
            numbers
        };
        Self {
            users: number([&test.user].into_iter().chain(&test.run_as).collect()),
            groups: number(test.groups.iter().chain(&test.run_as_group).collect()),
        }
    }

    fn gid(&self, group: &Who) -> u32 {
        number(&self.groups, group)
    }

    fn account(&self, who: &Who, groups: &[Who]) -> Account {
        let uid = number(&self.users, who);
        let gid = if uid == 0 { 0 } else { OWN_GROUP };
        let names = match who {
            Who::Name(name) => vec![name.clone()],
            Who::Id(0) => vec!["root".to_owned()],
            Who::Id(_) => Vec::new(),
        };
        Account { uid, gid, names, groups: groups.iter().map(|group| self.gid(group)).chain([gid]).collect() }
    }
}

fn number(numbers: &BTreeMap<String, u32>, who: &Who) -> u32 {
    match who {
        Who::Id(id) => *id,
        Who::Name(name) => numbers.get(name).copied().unwrap_or(u32::MAX),
    }
}

impl Directory for World {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.groups.get(group).copied())
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.users.get(user).copied())
    }
}

/// The clock on the host's wall is as far from UTC as the test writes.
struct Wall<'z> {
    offset: Offset,
    zones: &'z dyn Zones,
}

impl Zones for Wall<'_> {
    fn zone(&self, name: &str) -> Option<TimeZone> {
        self.zones.zone(name)
    }

    fn local(&self) -> Option<TimeZone> {
        Some(TimeZone::fixed(self.offset))
    }
}
