//! Who asks for what, resolved and decided: the part of an elevation that may block on NSS and file systems.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use jit_policy::{AuthenticateAs, Authentication, Decision, Denial, Missing, Resolved, Rule, Why, choose};
use jit_protocol::Bytes;
use jit_protocol::request::Elevate;
use jit_sys::account::{self, Account, GroupEntry, NameOrId, parse_name_or_id};
use jit_sys::path::{Found, PathError, resolve};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::environment;
use crate::grants::Purpose;
use crate::live::Session;
use crate::policy::Loaded;
use crate::refusal::Refusal;
use crate::scope::{Keys, Scope};
use crate::translate::{self, Subject};

/// What is asked, and what the kernel says of who asks.
pub struct Question {
    /// The request.
    pub asked: Elevate,
    /// The invoking user.
    pub uid: u32,
    /// Keys of scopes: the peer's own, or those of the session it is nested in.
    pub keys: Keys,
    /// Terminal of the invoking user.
    pub tty: Option<String>,
    /// The session it comes from inside of.
    pub nested: Option<Session>,
    /// The host's root folder.
    pub root: Arc<OwnedFd>,
    /// Now.
    pub now: Moment,
}

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

/// A command that a rule permits, with what is still to be done before it runs.
pub struct Plan {
    /// The policy it was decided by.
    pub loaded: Arc<Loaded>,
    /// The rule's id.
    pub rule: String,
    /// What was decided upon.
    pub subject: Subject,
    /// Who.
    pub people: People,
    /// The file.
    pub found: Found,
    /// The rule permits any command.
    pub command_is_all: bool,
    /// What a grant for it is a grant for.
    pub purpose: Purpose,
    /// Whose password is still to be asked for.
    pub authenticate: Option<Account>,
    /// Uid of the one whose password counts, asked for now or not.
    pub whose: u32,
    /// The reason that was given, or is to be asked for.
    pub reason: Option<String>,
    /// A reason is still to be asked for.
    pub ask_reason: bool,
}

impl Plan {
    /// The rule itself.
    pub fn rule(&self) -> Option<&Rule> {
        self.loaded.policy.rule(&self.rule)
    }
}

/// One way to run it: a file, and what policy says of it.
struct Way {
    found: Found,
    subject: Subject,
    rule: String,
    arguments: Option<Vec<Vec<u8>>>,
    command_is_all: bool,
    missing: Missing,
}

/// Plans a command: the rule with the fewest duties missing.
///
/// # Errors
/// What the person is told: the same for everyone without a rule, whatever was asked for.
pub fn plan(agent: &Agent, question: &Question) -> Result<Plan, Refusal> {
    let loaded = agent.policy.current();
    let people = people(agent, &loaded, question)?;
    let way = permitted_way(agent, &loaded, question, &people)?;
    let rule = loaded.policy.rule(&way.rule).ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let whose = whose_password(rule, &people)?;
    let purpose = purpose(rule, question, &people);
    let mut subject = way.subject;
    if let Some(arguments) = way.arguments {
        subject.arguments = arguments; // `under` has resolved them: what is checked is what runs
    }
    if question.asked.non_interactive && !way.missing.is_nothing() {
        return Err(if way.missing.authentication {
            Refusal::password_required()
        } else {
            reason_required()
        });
    }
    if way.missing.authentication && !question.asked.can_ask {
        let hint = "use -S to read it from standard input";
        return Err(Refusal::new("a terminal is required to read the password", hint));
    }
    let reason = question.asked.reason.clone();
    if reason.is_some() && !rule.require.reason.accepts(reason.as_deref()) {
        return Err(super::reason::not_accepted());
    }
    Ok(Plan {
        rule: way.rule,
        subject,
        found: way.found,
        command_is_all: way.command_is_all,
        purpose,
        whose: whose.uid,
        authenticate: way.missing.authentication.then_some(whose),
        reason,
        ask_reason: way.missing.reason,
        people,
        loaded,
    })
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
    let has_rules = loaded.policy.has_any_rule(&user, agent.policy_host(), now, &*agent.directory);
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

/// Looks for the command in all places where a rule of the user's would look, and takes the permitting rule with the
/// fewest duties missing.
fn permitted_way(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
) -> Result<Way, Refusal> {
    let name = question.asked.command.first().ok_or_else(|| Refusal::protocol("no command"))?;
    let mut ways: Vec<Way> = Vec::new();
    let mut denied = None;
    for (found, secure_path) in places(agent, loaded, question, people, name)? {
        let subject = subject(agent, question, people, &found);
        let under = |path: &[u8]| resolve_under(question, path);
        let decision = subject
            .decide(
                &loaded.policy,
                &agent.settings.host.tags,
                &*agent.directory,
                question.now.timestamp(),
                &under,
            )
            .map_err(|error| Refusal::failure(error.to_string()))?;
        match decision {
            Decision::Deny(denial) => denied = denied.or(Some(denial_refusal(&denial))),
            Decision::Permit(mut candidates) => {
                // A rule permits the file that its own secure_path leads to.
                candidates.retain(|candidate| {
                    secure_path.as_deref().is_none_or(|path| candidate.rule.restrict.secure_path == path)
                });
                let missing =
                    |candidate: &jit_policy::Candidate<'_>| missing(agent, question, people, candidate.rule);
                if let Some((candidate, missing)) = choose(&candidates, missing) {
                    ways.push(Way {
                        rule: candidate.rule.id.clone(),
                        arguments: candidate.arguments.clone(),
                        command_is_all: candidate.command_is_all,
                        missing,
                        subject,
                        found,
                    });
                }
            }
        }
    }
    let best =
        ways.into_iter().min_by(|one, other| (one.missing, &one.rule).cmp(&(other.missing, &other.rule)));
    best.ok_or_else(|| denied.unwrap_or_else(|| not_found(name)))
}

/// Why, for the person who asks; and whether it is permitted.
///
/// # Errors
/// As [`plan`].
pub fn explanation(agent: &Agent, question: &Question) -> Result<(String, bool), Refusal> {
    let loaded = agent.policy.current();
    let people = people(agent, &loaded, question)?;
    let name = question.asked.command.first().ok_or_else(|| Refusal::protocol("no command"))?;
    let subjects: Vec<(Subject, Option<Refusal>)> = match places(agent, &loaded, question, &people, name) {
        Ok(places) => {
            places.iter().map(|(found, _)| (subject(agent, question, &people, found), None)).collect()
        }
        // As with one that is there, but for those who may run it.
        Err(refusal) => match &question.asked.path {
            Some(path) if base(path) == base(name) => {
                vec![(absent(agent, question, &people, path), Some(refusal))]
            }
            _ => return Err(refusal),
        },
    };
    let mut text = String::new();
    let mut permitted = false;
    for (subject, absent) in subjects {
        let under = |path: &[u8]| resolve_under(question, path);
        let request = subject.request(&agent.settings.host.tags, question.now.timestamp(), &under);
        let explained = loaded.policy.explain(&request, &*agent.directory);
        let explained = explained.map_err(|error| Refusal::failure(error.to_string()))?;
        if let Some(refusal) = absent.filter(|_| explained.permitted) {
            return Err(refusal);
        }
        permitted |= explained.permitted;
        text.push_str(&explained.for_user());
    }
    Ok((text, permitted))
}

/// The files that the name may mean, each with the `secure_path` that leads there.
fn places(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
    name: &Bytes,
) -> Result<Vec<(Found, Option<String>)>, Refusal> {
    if let Some(path) = &question.asked.path {
        if base(path) != base(name) {
            // argv[0] chooses what a program with many names does: as `lvs`, lvm must not be told that it is `lvremove`.
            return Err(Refusal::protocol("the command's name is not that of its path"));
        }
        // Whether there is a file is told only to those who may run it: to others it is one answer.
        return match resolve(question.root.as_fd(), path.as_slice()) {
            Ok(found) if found.is_executable() => Ok(vec![(found, None)]),
            Ok(_) | Err(PathError::NotFound) => Err(nothing_there(agent, loaded, question, people, path)),
            Err(error) => {
                Err(nothing_there(agent, loaded, question, people, path).because(error.to_string()))
            }
        };
    }
    if name.as_slice().is_empty() || name.as_slice().contains(&b'/') {
        return Err(Refusal::protocol("a command without its path"));
    }
    let now = question.now.timestamp();
    let rules = loaded
        .policy
        .eligible(&people.user, agent.policy_host(), now, &*agent.directory)
        .map_err(|error| Refusal::failure(error.to_string()))?;
    let mut paths: Vec<&str> = rules.iter().map(|rule| rule.restrict.secure_path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut found = Vec::new();
    for path in paths {
        found.extend(search(question, path, name)?.map(|file| (file, Some(path.to_owned()))));
    }
    if found.is_empty() { Err(not_found(name)) } else { Ok(found) }
}

/// The first executable of this name. A folder that cannot be read is no reason to take a program further on: another
/// one than the person means.
fn search(question: &Question, secure_path: &str, name: &Bytes) -> Result<Option<Found>, Refusal> {
    for folder in secure_path.split(':').filter(|folder| folder.starts_with('/')) {
        let mut path = folder.as_bytes().to_vec();
        path.push(b'/');
        path.extend_from_slice(name.as_slice());
        match resolve(question.root.as_fd(), &path) {
            Ok(found) if found.is_executable() => return Ok(Some(found)),
            Ok(_) | Err(PathError::NotFound | PathError::Invalid) => {}
            Err(error) => return Err(Refusal::failure(format!("{folder}: {error}"))),
        }
    }
    Ok(None)
}

/// What was typed, without its folder.
fn base(path: &Bytes) -> Option<&[u8]> {
    path.as_slice().rsplit(|byte| *byte == b'/').next()
}

/// A path that leads to nothing that can run: "not found" for those whom policy lets run anything there.
fn nothing_there(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
    path: &Bytes,
) -> Refusal {
    let subject = absent(agent, question, people, path);
    let under = |path: &[u8]| resolve_under(question, path);
    let tags = &agent.settings.host.tags;
    let now = question.now.timestamp();
    match subject.decide(&loaded.policy, tags, &*agent.directory, now, &under) {
        Ok(Decision::Permit(_)) => not_found(path),
        Ok(Decision::Deny(denial)) => denial_refusal(&denial),
        Err(error) => Refusal::failure(error.to_string()),
    }
}

/// As if there were a file.
fn absent(agent: &Agent, question: &Question, people: &People, path: &Bytes) -> Subject {
    Subject {
        path: path.0.clone(),
        leads_to: Some(path.0.clone()),
        trusted: true,
        ..subject_of(agent, question, people)
    }
}

fn not_found(name: &Bytes) -> Refusal {
    Refusal::new(format!("{}: command not found", jit_protocol::escape(name.as_slice())), "")
}

fn reason_required() -> Refusal {
    Refusal::new("a reason is required", "give one with --reason TEXT")
}

/// What a denial tells: nothing to a person without any rule.
pub fn denial_refusal(denial: &Denial<'_>) -> Refusal {
    if !denial.has_rules {
        return Refusal::without_rule();
    }
    let explain = "jit-sudo --explain COMMAND tells why";
    match &denial.why {
        Why::DeniedBy(rule) => Refusal::new(format!("denied by the rule {}", rule.id), explain)
            .because(format!("deny rule {}", rule.id)),
        Why::RuleDoesNotPermit => Refusal::new("the rule that was asked for does not permit this", explain),
        Why::UntrustedPath(_) => Refusal::new(
            "others than root can change this command or its folders",
            "use a command that only root can change",
        ),
        Why::Options(_) => Refusal::new("no rule lets you run this with these options", explain),
        Why::InvalidId | Why::NoRuleMatches => Refusal::not_permitted(explain),
    }
}

fn subject_of(agent: &Agent, question: &Question, people: &People) -> Subject {
    let asked = &question.asked;
    Subject {
        user: people.user.clone(),
        target: people.run_as.clone(),
        group: people.group.clone().map(translate::policy_group),
        host: agent.host.clone(),
        path: Vec::new(),
        leads_to: None,
        trusted: false,
        arguments: asked.command.iter().skip(1).map(|word| word.as_slice().to_vec()).collect(),
        nested: question.nested.is_some(),
        cwd: None,
        timeout: None,
        duration: asked.duration.map(Duration::from_secs),
        assignments: names_to_set(asked),
        rule: asked.rule.clone(),
        non_interactive: asked.non_interactive,
    }
}

/// Names of `VAR=value` that a rule has to allow: all but those that anyone may set.
fn names_to_set(asked: &Elevate) -> Vec<Vec<u8>> {
    let names = asked.assignments.iter().map(|(name, _)| name.as_slice());
    names.filter(|name| !environment::is_kept_by_default(name)).map(<[u8]>::to_vec).collect()
}

fn subject(agent: &Agent, question: &Question, people: &People, found: &Found) -> Subject {
    Subject {
        path: found.path.clone(),
        leads_to: Some(found.leads_to.clone()),
        trusted: found.is_trusted(),
        ..subject_of(agent, question, people)
    }
}

fn resolve_under(question: &Question, path: &[u8]) -> Option<Resolved> {
    resolve(question.root.as_fd(), path).ok().map(|found| translate::resolved(&found, question.uid))
}

/// The duties that neither a record nor a live grant has fulfilled.
fn missing(agent: &Agent, question: &Question, people: &People, rule: &Rule) -> Missing {
    let authentication = rule.require.authentication == Authentication::Password
        && (question.asked.ignore_record
            || whose_password(rule, people).map_or(true, |whose| {
                let timeout = rule.require.authentication_timeout;
                !agent.records.is_live(
                    question.uid,
                    question.keys.terminal(),
                    whose.uid,
                    timeout,
                    question.now,
                )
            }));
    // `--for` asks for a new grant: the reason of another one is not its own.
    let has_one = || agent.grants.find(&purpose(rule, question, people), question.now);
    let given = question.asked.reason.is_some()
        || question.asked.duration.is_none() && has_one().is_some_and(|grant| grant.reason.is_some());
    let reason = !matches!(rule.require.reason, jit_policy::Reason::No) && !given;
    Missing { approvals: 0, authentication, reason }
}

fn whose_password(rule: &Rule, people: &People) -> Result<Account, Refusal> {
    match rule.require.authenticate_as {
        AuthenticateAs::Invoking => Ok(people.invoking.clone()),
        AuthenticateAs::Target => Ok(people.target.clone()),
        AuthenticateAs::Root => account::by_uid(0)
            .map_err(|error| Refusal::failure(error.to_string()))?
            .ok_or_else(|| Refusal::failure("root has no account")),
    }
}

fn purpose(rule: &Rule, question: &Question, people: &People) -> Purpose {
    let scope: Scope = translate::scope(rule);
    Purpose {
        rule: rule.id.clone(),
        uid: question.uid,
        target_uid: people.target.uid,
        group: people.group.as_ref().map(|group| group.gid),
        scope,
        key: question.keys.key(scope).to_owned(),
    }
}
