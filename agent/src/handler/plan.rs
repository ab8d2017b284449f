//! Who asks for what, resolved and decided: the part of an elevation that may block on NSS and file systems.

use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use jiff::Timestamp;
use jit_policy::{AuthenticateAs, Authentication, Candidate, Decision, Missing, Rule, Sha256, choose};
use jit_protocol::binding::Binding;
use jit_protocol::request::Elevate;
use jit_sys::account::{self, Account};
use jit_sys::path::Found;

use super::bind::bind;
use super::edit;
use super::people::{People, people};
use super::place::{absent, base, denial_refusal, no_file, not_found, places, resolve_under, subject};
use super::wanted::Wanted;
use crate::agent::Agent;
use crate::clock::Moment;
use crate::grants::{Purpose, Serving};
use crate::identities::Identities;
use crate::live::Session;
use crate::logind::Login;
use crate::policy::Loaded;
use crate::refusal::Refusal;
use crate::scope::{Keys, Scope};
use crate::translate::{self, Files, Subject};
use crate::zones::{HostZones, on_the_wall};

/// What is asked, and what the kernel says of who asks.
pub struct Question {
    /// The request.
    pub asked: Elevate,
    /// The invoking user.
    pub uid: u32,
    /// Keys of scopes: the peer's own, or those of the session it is nested in.
    pub keys: Keys,
    /// Its login uid, if it has one.
    pub loginuid: Option<u32>,
    /// Terminal of the invoking user.
    pub tty: Option<String>,
    /// The session it comes from inside of.
    pub nested: Option<Session>,
    /// The login session that it comes from.
    pub login: Login,
    /// The host's root folder.
    pub root: Arc<OwnedFd>,
    /// Now.
    pub now: Moment,
    /// When it is to begin, if it is asked for ahead.
    pub from: Option<Timestamp>,
    /// Node name of this host.
    pub host: String,
}

impl Question {
    /// What policy is asked about: it decides on what is asked for ahead as it would then.
    pub fn time(&self) -> Timestamp {
        self.from.unwrap_or_else(|| self.now.timestamp())
    }

    /// Whoever asks: the user, the login, and those whose sessions it is inside of, however deep.
    pub fn person(&self, agent: &Agent) -> Identities {
        let inside = self.nested.as_ref().and_then(|session| session.cgroup.as_deref());
        let around = inside.map_or_else(Vec::new, |cgroup| agent.live.around(cgroup));
        Identities::new(self.uid, self.loginuid, around.iter().map(|session| session.uid))
    }
}

/// A command that a rule permits, with what is still to be done before it runs.
pub struct Plan {
    /// The policy it was decided by.
    pub loaded: Arc<Loaded>,
    /// The rule's id.
    pub rule: String,
    /// What is to run, as it was asked for.
    pub wanted: Wanted,
    /// What was decided upon.
    pub subject: Subject,
    /// Who.
    pub people: People,
    /// The file.
    pub found: Found,
    /// The rule permits any command.
    pub command_is_all: bool,
    /// When the permission ends by the times that rules name.
    pub until: Option<Timestamp>,
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
    /// What a yes of somebody else's is bound to, where the rule wants one.
    pub binding: Option<Box<Binding>>,
    /// How many have still to say yes.
    pub approvals: u32,
    /// When it is to begin, if it is asked for ahead.
    pub from: Option<Timestamp>,
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
    sha256: Option<Sha256>,
    until: Option<Timestamp>,
    missing: Missing,
    binding: Option<Box<Binding>>,
}

/// Plans a command: the rule with the fewest duties missing.
///
/// # Errors
/// What the person is told: the same for everyone without a rule, whatever was asked for.
pub fn plan(agent: &Agent, question: &Question) -> Result<Plan, Refusal> {
    let loaded = agent.policy.current();
    let people = people(agent, &loaded, question)?;
    let wanted = Wanted::of(question, &people)?;
    let way = permitted_way(agent, &loaded, question, &people, &wanted)?;
    let rule = loaded.policy.rule(&way.rule).ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    if let Some(refusal) = &wanted.not_editable {
        return Err(refusal.clone());
    }
    if wanted.edits {
        edit::check_the_check(question, &rule.restrict)?;
    }
    let whose = whose_password(rule, &people)?;
    let purpose = purpose(rule, question, &people);
    let is_new = way.missing.approvals > 0 && question.from.is_none();
    if let Some(binding) = way.binding.as_ref().filter(|_| is_new) {
        begins_later(agent, question, &purpose, serving(rule, Some(binding)))?;
        changed_since_approval(agent, question, &purpose, binding)?;
    }
    // What was approved is what is in the file, as with a digest that policy names.
    let approved = way.binding.as_ref().filter(|_| asks_for_this_alone(rule));
    let approved = approved.and_then(|binding| Sha256::parse(&binding.sha256));
    if way.sha256.is_some() && approved.is_some() && way.sha256 != approved {
        return Err(Refusal::new("the file was changed while it was looked at", "try again"));
    }
    let sha256 = approved.or(way.sha256);
    let mut subject = Subject { sha256, ..way.subject };
    if let Some(arguments) = way.arguments {
        subject.arguments = arguments; // `under` has resolved them: what is checked is what runs
    }
    let asks_approval = way.missing.approvals > 0;
    // Somebody else has to be asked first: nobody's password is asked for before that.
    let authenticates = way.missing.authentication && !asks_approval;
    if question.asked.non_interactive && authenticates {
        return Err(Refusal::password_required());
    }
    if way.missing.reason && (question.asked.non_interactive || asks_approval && !question.asked.can_ask) {
        return Err(reason_required());
    }
    if authenticates && !question.asked.can_ask {
        let hint = "use -S to read it from standard input, or set SUDO_ASKPASS";
        return Err(Refusal::new("a terminal is required to read the password", hint));
    }
    let reason = question.asked.reason.clone();
    if reason.is_some() && !rule.require.reason.accepts(reason.as_deref()) {
        return Err(super::reason::not_accepted());
    }
    Ok(Plan {
        rule: way.rule,
        wanted,
        subject,
        found: way.found,
        command_is_all: way.command_is_all,
        until: way.until,
        purpose,
        whose: whose.uid,
        authenticate: authenticates.then_some(whose),
        reason,
        ask_reason: way.missing.reason,
        binding: way.binding,
        approvals: way.missing.approvals,
        from: question.from,
        people,
        loaded,
    })
}

/// Looks for the command in all places where a rule of the user's would look, and takes the permitting rule with the
/// fewest duties missing.
fn permitted_way(
    agent: &Agent,
    loaded: &Loaded,
    question: &Question,
    people: &People,
    wanted: &Wanted,
) -> Result<Way, Refusal> {
    let mut ways: Vec<Way> = Vec::new();
    let mut denied = None;
    for (found, secure_path) in places(agent, loaded, question, people, wanted)? {
        let subject = subject(question, people, wanted, &found);
        let under = |path: &[u8]| resolve_under(question, people, path);
        let digest = OnceCell::new();
        let sha256 = || digest.get_or_init(|| translate::digest(question.root.as_fd(), &found)).clone();
        let (tags, now) = (&agent.settings.host.tags, question.time());
        let files = Files { under: &under, sha256: &sha256 };
        let decision = subject
            .decide(&loaded.policy, tags, &*agent.directory, now, &HostZones, files)
            .map_err(|error| Refusal::failure(error.to_string()))?;
        match decision {
            Decision::Deny(denial) => denied = denied.or(Some(denial_refusal(&denial))),
            Decision::Permit(mut candidates) => {
                // A rule permits the file that its own secure_path leads to.
                candidates.retain(|candidate| {
                    secure_path.as_deref().is_none_or(|path| candidate.rule.restrict.secure_path == path)
                });
                let (mut bindings, unbound) =
                    bindings(question, people, wanted, &found, &subject, &candidates);
                candidates.retain(|candidate| {
                    let is_bound = || bindings.iter().any(|(id, _)| *id == candidate.rule.id);
                    candidate.rule.require.approval.is_none() && question.from.is_none() || is_bound()
                });
                denied = denied.or(unbound);
                let bound = |rule: &str| bindings.iter().find(|(id, _)| id == rule).map(|(_, it)| it);
                let missing = |candidate: &Candidate<'_>| {
                    missing(agent, question, people, candidate.rule, bound(&candidate.rule.id))
                };
                if let Some((candidate, missing)) = choose(&candidates, missing) {
                    let rule = &candidate.rule.id;
                    let at = bindings.iter().position(|(id, _)| id == rule);
                    ways.push(Way {
                        binding: at.map(|at| Box::new(bindings.swap_remove(at).1)),
                        rule: candidate.rule.id.clone(),
                        arguments: candidate.arguments.clone(),
                        command_is_all: candidate.command_is_all,
                        sha256: candidate.sha256,
                        until: candidate.until,
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
    best.ok_or_else(|| denied.unwrap_or_else(|| not_found(&wanted.name)))
}

/// Why, for the person who asks; and whether it is permitted.
///
/// # Errors
/// As [`plan`].
pub fn explanation(agent: &Agent, question: &Question) -> Result<(String, bool), Refusal> {
    let loaded = agent.policy.current();
    let people = people(agent, &loaded, question)?;
    let wanted = Wanted::of(question, &people)?;
    let subjects: Vec<(Subject, Option<Found>, Option<Refusal>)> =
        match places(agent, &loaded, question, &people, &wanted) {
            Ok(places) => {
                let not_editable = &wanted.not_editable;
                let asked = |found: Found| {
                    (subject(question, &people, &wanted, &found), Some(found), not_editable.clone())
                };
                places.into_iter().map(|(found, _)| asked(found)).collect()
            }
            // As with one that is there, but for those who may run it.
            Err(refusal) => match &wanted.path {
                Some(path) if base(path) == base(&wanted.name) => {
                    vec![(absent(question, &people, &wanted, path), None, Some(refusal))]
                }
                _ => return Err(refusal),
            },
        };
    let mut text = String::new();
    let mut permitted = false;
    for (subject, found, absent) in subjects {
        let under = |path: &[u8]| resolve_under(question, &people, path);
        let digest = OnceCell::new();
        let look = || match &found {
            Some(found) => translate::digest(question.root.as_fd(), found),
            None => no_file(),
        };
        let sha256 = || digest.get_or_init(look).clone();
        let files = Files { under: &under, sha256: &sha256 };
        let request = subject.request(&agent.settings.host.tags, question.now.timestamp(), &HostZones, files);
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

/// Nobody can be asked for a reason now.
pub fn reason_required() -> Refusal {
    Refusal::new("a reason is required", "give one with --reason TEXT")
}

/// The duties that neither a record nor a live grant has fulfilled.
fn missing(
    agent: &Agent,
    question: &Question,
    people: &People,
    rule: &Rule,
    binding: Option<&Binding>,
) -> Missing {
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
    let approval = rule.require.approval.as_deref();
    // `--for` asks for a new grant: the reason of another one is not its own. What was approved is for that duration.
    let spends = question.asked.token.is_some();
    let is_ahead = question.from.is_some();
    let asks_for_new = spends || is_ahead || question.asked.duration.is_some() && approval.is_none();
    let live = || agent.grants.find(&purpose(rule, question, people), serving(rule, binding), question.now);
    let grant = if asks_for_new { None } else { live() };
    // A token is the yes itself: whether it counts is looked at by who spends it.
    let approvals = approval.filter(|_| grant.is_none() && !spends).map_or(0, |approval| approval.count);
    let given = question.asked.reason.is_some() || grant.is_some_and(|grant| grant.reason.is_some());
    let reason = !matches!(rule.require.reason, jit_policy::Reason::No) && !given;
    Missing { approvals, authentication, reason }
}

/// What a yes of somebody else's is bound to, for each of the rules that want one, and what is asked for ahead for each; and why
/// not, if it can't be for one of them.
fn bindings(
    question: &Question,
    people: &People,
    wanted: &Wanted,
    found: &Found,
    subject: &Subject,
    candidates: &[Candidate<'_>],
) -> (Vec<(String, Binding)>, Option<Refusal>) {
    let (mut bindings, mut failed) = (Vec::new(), None);
    for Candidate { rule, arguments, command_is_all, .. } in candidates {
        if rule.require.approval.is_none() && question.from.is_none() {
            continue;
        }
        let arguments = arguments.as_ref().unwrap_or(&subject.arguments).clone();
        let subject = Subject { arguments, ..subject.clone() };
        match bind(question, people, wanted, rule, found, &subject, *command_is_all) {
            Ok(binding) => bindings.push((rule.id.clone(), binding)),
            Err(refusal) => failed = failed.or(Some(refusal)),
        }
    }
    (bindings, failed)
}

/// It may run, but not yet: that is told, and not asked for again.
fn begins_later(
    agent: &Agent,
    question: &Question,
    purpose: &Purpose,
    serving: Serving<'_>,
) -> Result<(), Refusal> {
    let Some(grant) = agent.grants.find_ahead(purpose, serving, question.now) else { return Ok(()) };
    let begins = grant.ahead.map_or(grant.issued_ns, |ahead| ahead.begins_ns);
    let what = format!("the grant for this begins at {}", on_the_wall(begins));
    Err(Refusal::new(what, format!("run it then; jitctl revoke {} gives it up", grant.id)))
}

/// Somebody approved this command, and something about it is another by now: that is told, not asked for again.
fn changed_since_approval(
    agent: &Agent,
    question: &Question,
    purpose: &Purpose,
    binding: &Binding,
) -> Result<(), Refusal> {
    for grant in agent.grants.approved(purpose, question.now) {
        let bound = grant.approved.as_ref().and_then(|approved| approved.binding.as_ref());
        let same = bound.filter(|bound| bound.is_same_command(binding));
        if let Some(difference) = same.and_then(|bound| bound.difference(binding)) {
            let what = format!("this is not what was approved: it differs in {difference}");
            return Err(Refusal::new(
                what,
                format!("jitctl revoke {} gives that up; then ask again", grant.id),
            ));
        }
    }
    Ok(())
}

/// Which grants serve, by the rule as it is now: a yes to whatever it permits is none to one command.
pub fn serving<'b>(rule: &Rule, binding: Option<&'b Binding>) -> Serving<'b> {
    match binding {
        None => Serving::Any,
        Some(binding) if asks_for_this_alone(rule) => Serving::This(binding),
        Some(binding) => Serving::Approved(binding),
    }
}

/// Whether a yes counts for one command, as it is.
fn asks_for_this_alone(rule: &Rule) -> bool {
    rule.require.approval.as_ref().is_some_and(|approval| approval.binding == jit_policy::Binding::Digest)
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
    let scope: Scope = translate::scope(rule, question.from.is_some());
    Purpose {
        rule: rule.id.as_str().into(),
        uid: question.uid,
        target_uid: people.target.uid,
        group: people.group.as_ref().map(|group| group.gid),
        scope,
        key: question.keys.key(scope).into(),
    }
}
