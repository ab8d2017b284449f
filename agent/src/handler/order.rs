//! The order for a planned command.

use jit_protocol::Bytes;
use jit_protocol::order::{Account, Authenticate, Cwd, Order, Restrictions, Umask};
use jit_protocol::request::{Mode, Shell};

use super::edit;
use super::plan::{Plan, Question};
use crate::agent::Agent;
use crate::environment;
use crate::identifier;
use crate::refusal::Refusal;
use crate::settings::ForeignMountNamespace;
use crate::translate;

/// Wrong passwords that are taken (sudoers(5), `passwd_tries`).
pub const TRIES: u32 = 3;
/// Signals that a helper may have found ignored: HUP, INT, QUIT (`nohup`, a background job).
const MAY_BE_IGNORED: [i32; 3] = [1, 2, 3];

/// Everything that the monitor needs.
///
/// # Errors
/// A variable that may not be set.
pub fn order(agent: &Agent, plan: &Plan, question: &Question) -> Result<Order, Refusal> {
    let (asked, tty) = (&question.asked, question.tty.clone());
    let nested_in = question.nested.as_ref().and_then(|session| session.cgroup.clone());
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let invoking = translate::order_account(&plan.people.invoking, None);
    let group = plan.people.group.as_ref().map(|group| group.gid);
    let target = if asked.preserve_groups {
        translate::with_groups_of(&plan.people.target, &plan.people.invoking, group)
    } else {
        translate::order_account(&plan.people.target, group)
    };
    let origin = environment::Origin {
        invoking: &invoking,
        target: &target,
        path: &plan.subject.path,
        arguments: &plan.subject.arguments,
        shell: asked.shell.map(|shell| (shell, &plan.wanted.name)),
        tty: tty.as_deref(),
    };
    let mut environment = environment::build(asked, &rule.restrict, plan.command_is_all, &origin)?;
    if plan.wanted.edits {
        edit::tell_check(&mut environment, &rule.restrict);
    }
    let login = asked.shell == Some(Shell::Login);
    let mut restrictions = translate::restrictions(&rule.restrict, &plan.subject, login);
    restrictions.folder = plan.binding.as_ref().map(|binding| translate::folder_facts(&binding.folder));
    Ok(Order {
        session: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        mode: Mode::Run,
        authenticate: plan.authenticate.as_ref().map(|whose| Authenticate {
            user: whose.name.clone(),
            tries: TRIES,
            prompt: asked.prompt.clone(),
        }),
        ask_reason: plan.ask_reason,
        program: Some(translate::program(&plan.found, plan.subject.sha256)),
        restrictions,
        terminal: asked.terminal.clone(),
        background: asked.background,
        ignored_signals: asked
            .ignored_signals
            .iter()
            .copied()
            .filter(|number| MAY_BE_IGNORED.contains(number))
            .collect(),
        host: question.host.clone(),
        argv: plan.wanted.argv(&plan.subject.arguments),
        shell: asked.shell,
        edit: plan.wanted.edits,
        environment,
        invoking,
        target,
        nested_in,
        foreign_mounts: foreign_mounts(agent, question),
        tty,
    })
}

/// For a monitor that asks the person something, and starts nothing: its mode and what it asks is for the caller to say.
///
/// # Errors
/// If the kernel gives no random bits.
pub fn nothing_to_run(
    agent: &Agent,
    question: &Question,
    invoking: Account,
    target: Account,
) -> Result<Order, Refusal> {
    Ok(Order {
        session: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        mode: Mode::Validate,
        target,
        invoking,
        authenticate: None,
        ask_reason: false,
        program: None,
        argv: Vec::new(),
        shell: None,
        edit: false,
        environment: Vec::new(),
        restrictions: Restrictions { umask: Umask::CallersAnd(0o022), cwd: Cwd::Caller, folder: None },
        terminal: None,
        background: false,
        ignored_signals: Vec::new(),
        nested_in: None,
        foreign_mounts: foreign_mounts(agent, question),
        tty: question.tty.clone(),
        host: question.host.clone(),
    })
}

/// What a monitor needs to serve a peer in another mount namespace, if that is wanted.
pub fn foreign_mounts(agent: &Agent, question: &Question) -> Option<Bytes> {
    match agent.settings.sessions.foreign_mount_namespace {
        ForeignMountNamespace::Refuse => None,
        ForeignMountNamespace::Host => Some(question.asked.cwd.clone()),
    }
}
