//! The order for a planned command.

use jit_protocol::order::{Authenticate, Order};
use jit_protocol::request::{Mode, Shell};

use super::plan::{Plan, Question};
use crate::environment;
use crate::identifier;
use crate::refusal::Refusal;
use crate::translate;

/// Wrong passwords that are taken (sudoers(5), `passwd_tries`).
pub const TRIES: u32 = 3;
/// Signals that a helper may have found ignored: HUP, INT, QUIT (`nohup`, a background job).
const MAY_BE_IGNORED: [i32; 3] = [1, 2, 3];

/// Everything that the monitor needs.
///
/// # Errors
/// A variable that may not be set.
pub fn order(plan: &Plan, question: &Question) -> Result<Order, Refusal> {
    let (asked, tty) = (&question.asked, question.tty.clone());
    let nested_in = question.nested.as_ref().and_then(|session| session.cgroup.clone());
    let rule = plan.rule().ok_or_else(|| Refusal::failure("a rule without its policy"))?;
    let invoking = translate::order_account(&plan.people.invoking, None);
    let target =
        translate::order_account(&plan.people.target, plan.people.group.as_ref().map(|group| group.gid));
    let origin = environment::Origin {
        invoking: &invoking,
        target: &target,
        path: &plan.found.path,
        arguments: &plan.subject.arguments,
        shell: asked.shell.map(|shell| (shell, &plan.wanted.name)),
        tty: tty.as_deref(),
    };
    let environment = environment::build(asked, &rule.restrict, plan.command_is_all, &origin)?;
    Ok(Order {
        session: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        mode: Mode::Run,
        authenticate: plan.authenticate.as_ref().map(|whose| Authenticate {
            user: whose.name.clone(),
            tries: TRIES,
            prompt: asked.prompt.clone(),
        }),
        ask_reason: plan.ask_reason,
        program: Some(translate::program(&plan.found)),
        restrictions: translate::restrictions(&rule.restrict, None, asked.shell == Some(Shell::Login)),
        terminal: asked.terminal.clone(),
        ignored_signals: asked
            .ignored_signals
            .iter()
            .copied()
            .filter(|number| MAY_BE_IGNORED.contains(number))
            .collect(),
        host: question.host.clone(),
        argv: plan.wanted.argv(&plan.subject.arguments),
        shell: asked.shell,
        environment,
        invoking,
        target,
        nested_in,
        tty,
    })
}
