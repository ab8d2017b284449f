//! `-l` and `-v`: nothing runs, but the person proves who they are as for a command.

use std::sync::Arc;

use jit_policy::{Authentication, Rule};
use jit_protocol::escape;
use jit_protocol::link::ToMonitor;
use jit_protocol::order::{Authenticate, Order};
use jit_protocol::request::Mode;
use jit_sys::account::{self, Account, NameOrId, parse_name_or_id};
use tokio::time::timeout;

use super::case::{Case, deny, record_denial};
use super::elevate::{hand_over, naming_who_is_denied};
use super::follow::Link;
use super::fulfil::{Stopped, await_acceptance, await_duties};
use super::order::{TRIES, nothing_to_run};
use super::people::{People, people};
use super::plan::{Question, plan};
use super::table::{entry, table};
use crate::agent::Agent;
use crate::conversation::Conversation;
use crate::logind::Login;
use crate::policy::Loaded;
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
    makes_no_record: bool,
}

/// Serves `-l` and `-v`.
pub async fn list(agent: &Arc<Agent>, conversation: Conversation, question: Question, mut case: Case) {
    let (task, uid) = (Arc::clone(agent), question.uid);
    let work = move || Ok(naming_who_is_denied(answer(&task, &question), uid));
    let answer = agent.lookup.run(uid, work).await.map_err(|error| Refusal::failure(error.to_string()));
    let answer = answer.and_then(|answer| answer.map_err(|denied| denied.told_to(&mut case)));
    let (order, report) = match answer {
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
            if fulfilled.authenticated && !report.makes_no_record {
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
    let rules = eligible(agent, &loaded, question, &people)?;
    let (stdout, stderr, status) = match asked.mode {
        Mode::List => {
            let about = about(question, &people)?;
            match told(agent, &loaded, &permissive(question, &about)) {
                Ok(text) => (text, String::new(), 0),
                // Of one's own it is refused above.
                Err(refusal) if asked.command.is_empty() && refusal == Refusal::without_rule() => {
                    (table(&loaded.policy, &[], &about.name, &question.host, false), String::new(), 0)
                }
                Err(refusal) => (String::new(), refusal.what, 1),
            }
        }
        _ => (String::new(), String::new(), 0),
    };
    let wanted = authentication(agent, question, &rules, &people);
    if wanted && asked.non_interactive {
        return Err(Refusal::password_required());
    }
    if wanted && !asked.can_ask {
        let hint = "use -S to read it from standard input, or set SUDO_ASKPASS";
        return Err(Refusal::new("a terminal is required to read the password", hint));
    }
    let name = people.invoking.name.clone();
    let authenticate =
        wanted.then(|| Authenticate { user: name.clone(), tries: TRIES, prompt: asked.prompt.clone() });
    let invoking = translate::order_account(&people.invoking, None);
    let target = translate::order_account(&people.target, None);
    let order = nothing_to_run(agent, question, invoking, target)?;
    let order = Order { mode: asked.mode, authenticate, ..order };
    let makes_no_record = asked.ignore_record || asked.no_update;
    let report = Report { stdout, stderr, status, keys: question.keys.clone(), makes_no_record };
    Ok((order, report))
}

/// Whose rules are listed: the invoking user's, or with `-U` another's, which is for root (who could ask as that user).
fn about(question: &Question, people: &People) -> Result<Account, Refusal> {
    let Some(name) = &question.asked.other_user else { return Ok(people.invoking.clone()) };
    let failed = |error: account::LookupFailed| Refusal::failure(error.to_string());
    let found = match parse_name_or_id(name) {
        Some(NameOrId::Name(name)) => account::by_name(&name).map_err(failed)?,
        Some(NameOrId::Id(uid)) => account::by_uid(uid).map_err(failed)?,
        None => None,
    };
    if !is_shown(found.as_ref().map(|other| other.uid), question.uid) {
        let hint = "-l without -U lists your own";
        return Err(Refusal::new("only root may list what another user may run", hint));
    }
    match found {
        Some(other) => Ok(other),
        None => Err(Refusal::new(format!("unknown user {}", escape(name.as_bytes())), "")),
    }
}

/// Everyone is shown their own list, root everybody's; whether there is such a user is nobody else's business either.
fn is_shown(about: Option<u32>, to: u32) -> bool {
    to == 0 || about == Some(to)
}

/// The list, or the command with its path if it is permitted.
fn told(agent: &Agent, loaded: &Loaded, question: &Question) -> Result<String, Refusal> {
    let detailed = question.asked.detailed;
    if !question.asked.command.is_empty() {
        let plan = plan(agent, question)?;
        let words = plan.subject.arguments.iter().map(|word| format!(" {}", escape(word)));
        let mut text = format!("{}{}\n", escape(&plan.subject.path), words.collect::<String>());
        if let Some(rule) = plan.rule().filter(|_| detailed) {
            text.push_str(&entry(&plan.loaded.policy, rule, true));
        }
        return Ok(text);
    }
    let people = people(agent, loaded, question)?;
    let rules = eligible(agent, loaded, question, &people)?;
    Ok(table(&loaded.policy, &rules, &people.invoking.name, &question.host, detailed))
}

fn eligible<'l>(
    agent: &Agent,
    loaded: &'l Loaded,
    question: &Question,
    people: &People,
) -> Result<Vec<&'l Rule>, Refusal> {
    let (host, now) = (agent.policy_host(&question.host), question.now.timestamp());
    let rules = loaded.policy.eligible(&people.user, host, now, &*agent.directory);
    rules.map_err(|error| Refusal::failure(error.to_string()))
}

/// `-l COMMAND` asks whether it could run, not whether it could run without a person. Of another user it is asked as if they
/// were not in any session.
fn permissive(question: &Question, about: &Account) -> Question {
    let is_other = about.uid != question.uid;
    let mut asked = question.asked.clone();
    asked.non_interactive = false;
    asked.can_ask = true;
    Question {
        asked,
        uid: about.uid,
        keys: question.keys.clone(),
        loginuid: question.loginuid,
        tty: question.tty.clone(),
        nested: question.nested.clone().filter(|_| !is_other),
        login: if is_other { Login::default() } else { question.login.clone() },
        root: Arc::clone(&question.root),
        now: question.now,
        from: question.from,
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

#[cfg(test)]
mod tests {
    use super::is_shown;

    #[test]
    fn only_root_is_shown_what_others_may_run() {
        for (about, to, shown) in [
            (Some(1000), 1000, true),
            (Some(1001), 1000, false),
            (Some(0), 1000, false),
            (None, 1000, false),
            (Some(1000), 0, true),
            (None, 0, true),
        ] {
            assert_eq!(is_shown(about, to), shown, "{about:?} to {to}");
        }
    }
}
