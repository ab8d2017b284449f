//! `-l` and `-v`: nothing runs, but the person proves who they are as for a command.

use std::fmt::Write;
use std::sync::Arc;

use jit_policy::{Authentication, Policy, Rule, format_duration};
use jit_protocol::escape;
use jit_protocol::link::ToMonitor;
use jit_protocol::order::{Authenticate, Cwd, Order, Restrictions, Umask};
use jit_protocol::request::Mode;
use tokio::time::timeout;

use super::case::{Case, deny, record_denial};
use super::elevate::hand_over;
use super::follow::Link;
use super::fulfil::{Stopped, await_acceptance, await_duties};
use super::order::TRIES;
use super::people::{People, people};
use super::plan::{Question, plan};
use crate::agent::Agent;
use crate::conversation::Conversation;
use crate::identifier;
use crate::refusal::Refusal;
use crate::scope::Keys;
use crate::translate;

/// Bytes of the answer in one message.
const MOST: usize = 16 * 1024;

/// The answer, once the person has proven who they are.
pub struct Report {
    stdout: String,
    stderr: String,
    status: i32,
    keys: Keys,
    ignore_record: bool,
}

/// Serves `-l` and `-v`.
pub async fn list(agent: &Arc<Agent>, conversation: Conversation, question: Question, mut case: Case) {
    let (task, uid) = (Arc::clone(agent), question.uid);
    let work = move || Ok(answer(&task, &question));
    let answer = agent.lookup.run(uid, work).await.map_err(|error| Refusal::failure(error.to_string()));
    let (order, report) = match answer.and_then(|answer| answer) {
        Ok(answer) => answer,
        Err(refusal) => return deny(agent, &conversation, &case, &refusal).await,
    };
    case.know_user(&order.invoking.name);
    let Some(_place) = agent.session_places.admit(uid) else {
        let refusal = Refusal::new("too many commands run for you already", "jitctl sessions");
        return deny(agent, &conversation, &case, &refusal).await;
    };
    let Some(mut link) = hand_over(agent, conversation, &order).await else { return };
    let fulfilled = match await_duties(agent, &mut link, &case, order.authenticate.is_some()).await {
        Ok(fulfilled) => await_acceptance(agent, &mut link, &case).await.map(|()| fulfilled),
        Err(stopped) => Err(stopped),
    };
    match fulfilled {
        Ok(fulfilled) => {
            if fulfilled.authenticated && !report.ignore_record {
                agent.records.add(uid, report.keys.terminal(), order.invoking.uid, agent.clock.now());
            }
            give(agent, &mut link, &report).await;
        }
        Err(Stopped::Told) => {}
        Err(Stopped::Refused(refusal)) => {
            let Refusal { what, hint, .. } = refusal.clone();
            link.send(&ToMonitor::Refuse { what, hint }).await;
            record_denial(agent, &case, &refusal).await;
        }
    }
}

/// The answer, in pieces that a message takes.
async fn give(agent: &Agent, link: &mut Link, report: &Report) {
    let mut rest = report.stdout.as_str();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(MOST));
        link.send(&ToMonitor::Part { stdout: part.to_owned() }).await;
        rest = after;
    }
    let Report { stderr, status, .. } = report;
    link.send(&ToMonitor::Finish { stdout: String::new(), stderr: stderr.clone(), status: *status }).await;
    let _ = timeout(agent.settings.limits.request, link.receive()).await; // Gone
}

/// What is to be answered, and whether a password is asked for first.
fn answer(agent: &Agent, question: &Question) -> Result<(Order, Report), Refusal> {
    let loaded = agent.policy.current();
    let asked = &question.asked;
    let people = people(agent, &loaded, question)?;
    let now = question.now.timestamp();
    let rules = loaded
        .policy
        .eligible(&people.user, agent.policy_host(&question.host), now, &*agent.directory)
        .map_err(|error| Refusal::failure(error.to_string()))?;
    let (stdout, stderr, status) = match asked.mode {
        Mode::List if !asked.command.is_empty() => match plan(agent, &permissive(question)) {
            Ok(plan) => {
                let words = plan.subject.arguments.iter().map(|word| format!(" {}", escape(word)));
                (format!("{}{}\n", escape(&plan.found.path), words.collect::<String>()), String::new(), 0)
            }
            Err(refusal) => (String::new(), refusal.what, 1),
        },
        Mode::List => (table(&loaded.policy, &rules, &people, &question.host), String::new(), 0),
        _ => (String::new(), String::new(), 0),
    };
    let wanted = authentication(agent, question, &rules, &people);
    if wanted && asked.non_interactive {
        return Err(Refusal::password_required());
    }
    if wanted && !asked.can_ask {
        let hint = "use -S to read it from standard input";
        return Err(Refusal::new("a terminal is required to read the password", hint));
    }
    let name = people.invoking.name.clone();
    let authenticate =
        wanted.then(|| Authenticate { user: name.clone(), tries: TRIES, prompt: asked.prompt.clone() });
    let invoking = translate::order_account(&people.invoking, None);
    let order = Order {
        session: identifier::new().map_err(|error| Refusal::failure(error.to_string()))?,
        mode: asked.mode,
        target: translate::order_account(&people.target, None),
        invoking,
        authenticate,
        ask_reason: false,
        program: None,
        argv: Vec::new(),
        shell: None,
        environment: Vec::new(),
        restrictions: Restrictions { umask: Umask::CallersAnd(0o022), cwd: Cwd::Caller },
        terminal: None,
        ignored_signals: Vec::new(),
        nested_in: None,
        tty: question.tty.clone(),
        host: question.host.clone(),
    };
    let report =
        Report { stdout, stderr, status, keys: question.keys.clone(), ignore_record: asked.ignore_record };
    Ok((order, report))
}

/// `-l COMMAND` asks whether it could run, not whether it could run without a person.
fn permissive(question: &Question) -> Question {
    let mut asked = question.asked.clone();
    asked.non_interactive = false;
    asked.can_ask = true;
    Question {
        asked,
        uid: question.uid,
        keys: question.keys.clone(),
        tty: question.tty.clone(),
        nested: question.nested.clone(),
        root: Arc::clone(&question.root),
        now: question.now,
        host: question.host.clone(),
    }
}

/// As sudoers(5) has it: `listpw = any`, `verifypw = all`: a list needs no password if any of the rules needs none, a
/// validation only if all need none.
fn authentication(agent: &Agent, question: &Question, rules: &[&Rule], people: &People) -> bool {
    let needs = |rule: &&&Rule| rule.require.authentication == Authentication::Password;
    let wanted = match question.asked.mode {
        Mode::List => rules.iter().all(|rule| needs(&rule)),
        _ => rules.iter().any(|rule| needs(&rule)),
    };
    let longest = rules.iter().filter(needs).map(|rule| rule.require.authentication_timeout).max();
    let live = !question.asked.ignore_record
        && longest.is_some_and(|longest| {
            let terminal = question.keys.terminal();
            agent.records.is_live(question.uid, terminal, people.invoking.uid, longest, question.now)
        });
    wanted && !live
}

fn table(policy: &Policy, rules: &[&Rule], people: &People, host: &str) -> String {
    let mut text =
        format!("{} may run on {}:\n", escape(people.invoking.name.as_bytes()), escape(host.as_bytes()));
    for rule in rules {
        let said = policy.text_of(rule);
        let _ = write!(text, "  {}", rule.id);
        if let Some(description) = &rule.description {
            let _ = write!(text, " ({})", escape(description.as_bytes()));
        }
        let mut duties = Vec::new();
        if !matches!(rule.require.reason, jit_policy::Reason::No) {
            duties.push("reason");
        }
        if rule.require.authentication == Authentication::Password {
            duties.push("authentication");
        }
        let duties = if duties.is_empty() { "none".to_owned() } else { duties.join(", ") };
        let (run_as, time) = (said.run_as.join(", "), format_duration(rule.grant.duration));
        let _ = write!(text, "\n    as {run_as}; duties: {duties}; for {time}\n");
        for command in &said.commands {
            let _ = writeln!(text, "    {command}");
        }
        for command in &said.except_commands {
            let _ = writeln!(text, "    not {command}");
        }
    }
    text
}
