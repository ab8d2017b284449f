//! What people do besides running commands, each under a fault; and what has to hold after it, for them.

use std::thread::JoinHandle;

use jit_tests::Outcome;
use serde_json::Value;

use crate::people;
use crate::play::Play;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Alice runs a command.
    Elevate,
    /// She asks for what somebody has to approve.
    Ask,
    /// Bob approves it.
    Approve,
    /// The same, while she waits for that, to run it then.
    Wait,
    /// The same, and the agent is killed before that it issues the grant is in the log; then the next one is started.
    Open,
    /// Bob says no.
    Deny,
    /// She takes it back.
    TakeBack,
    /// She runs what was approved.
    Use,
    /// She runs what carol has signed.
    Spend,
}

/// One of them, for a command of its own.
pub(crate) struct Scene {
    deed: Deed,
    name: String,
    /// What waits, or is approved.
    request: Value,
    /// Of the token.
    nonce: String,
    waiting: Option<JoinHandle<Outcome>>,
}

impl Scene {
    /// All that comes before the deed.
    pub(crate) fn set(deed: Deed, name: String) -> Self {
        let mut scene = Self { deed, name, request: Value::Null, nonce: String::new(), waiting: None };
        let name = &scene.name;
        match deed {
            Deed::Elevate | Deed::Ask => {}
            Deed::Spend => scene.nonce = people::make_token(name),
            Deed::Wait => {
                let waiting = people::ask_and_wait(name);
                scene.request = loop {
                    match people::waiting_for(name) {
                        Some(request) => break request,
                        None => assert!(!waiting.is_finished(), "it does not wait"),
                    }
                };
                scene.waiting = Some(waiting);
            }
            Deed::Approve | Deed::Open | Deed::Deny | Deed::TakeBack | Deed::Use => {
                people::ask(name).exits(1);
                scene.request = people::waiting_for(name).expect("it waits");
                if deed == Deed::Use {
                    people::approve(&scene.request).success();
                }
            }
        }
        scene
    }

    fn id(&self) -> &str {
        self.request["id"].as_str().unwrap_or_default()
    }

    /// The deed itself.
    pub(crate) fn act(&self) -> Outcome {
        match self.deed {
            Deed::Elevate | Deed::Ask | Deed::Use => people::ask(&self.name),
            Deed::Approve | Deed::Open | Deed::Wait => people::approve(&self.request),
            Deed::Deny => people::deny(self.id()),
            Deed::TakeBack => people::take_back(self.id()),
            Deed::Spend => people::spend(&self.name),
        }
    }

    /// What does not hold after it: what was told is so; what was not is so, too, or not at all; and whatever was approved
    /// can be run, once.
    pub(crate) fn aftermath(mut self, play: &mut Play, outcome: &Outcome) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.deed {
            Deed::Elevate => {}
            Deed::Ask => self.after_asking(play, outcome, &mut wrong),
            Deed::Approve | Deed::Open => {
                self.must_be("approved", outcome, &mut wrong);
                self.is_run_once(play, &mut wrong);
            }
            Deed::Wait => {
                play.stage.revive();
                self.must_be("approved", outcome, &mut wrong);
                self.is_approved(&mut wrong);
                let waited = self.waiting.take().unwrap().join().unwrap();
                wrong.extend(play.ledger.check(&self.name, &waited));
                self.runs_no_more(play, &waited, &mut wrong);
            }
            Deed::Deny | Deed::TakeBack => {
                let deny = self.deed == Deed::Deny;
                let state = if deny { "refused" } else { "withdrawn" };
                self.must_be(state, outcome, &mut wrong);
                if people::waiting_for(&self.name).is_some() {
                    let again = if deny { people::deny(self.id()) } else { people::take_back(self.id()) };
                    self.must_be(state, &again.success(), &mut wrong);
                }
                self.must_not_run(play, &self.name, &mut wrong);
            }
            Deed::Use => {
                wrong.extend(play.ledger.check(&self.name, outcome));
                self.runs_no_more(play, outcome, &mut wrong);
            }
            Deed::Spend => {
                wrong.extend(play.ledger.check(&self.name, outcome));
                self.after_spending(play, outcome, &mut wrong);
            }
        }
        wrong.extend(play.ledger.check_requests(&people::requests()));
        wrong
    }

    fn after_asking(&mut self, play: &mut Play, outcome: &Outcome, wrong: &mut Vec<String>) {
        let told = people::told(outcome);
        let there: Vec<Value> = people::requests_for(&self.name);
        let ids: Vec<&str> = there.iter().filter_map(|request| request["id"].as_str()).collect();
        match &told {
            Some(id) if ids != [id] => wrong.push(format!("{id} was told, and there is {ids:?}")),
            None if ids.len() > usize::from(!is_no(outcome)) => {
                wrong.push(format!("none was told, and there is {ids:?}"));
            }
            _ => {}
        }
        if play.ledger.asked(&self.name) != ids {
            wrong.push(format!("there is {ids:?}, and the log has {:?}", play.ledger.asked(&self.name)));
        }
        let again = people::told(&people::ask(&self.name));
        if again.is_none() || ids.first().is_some_and(|first| Some(*first) != again.as_deref()) {
            wrong.push(format!("there is {ids:?}, and asked for again it is {again:?}"));
        }
        match people::waiting_for(&self.name) {
            Some(request) => self.request = request,
            None => return wrong.push("it does not wait".to_owned()),
        }
        self.is_run_once(play, wrong);
    }

    /// If it was told to be so it is; if not it is, or still waits; and if that was refused it still waits.
    fn must_be(&self, state: &str, outcome: &Outcome, wrong: &mut Vec<String>) {
        let requests = people::requests_for(&self.name);
        let is = requests.iter().find(|request| request["id"] == self.id());
        let is = is.map_or("gone", |request| request["state"].as_str().unwrap());
        let holds =
            if outcome.is_ok() { is == state } else { is == "pending" || is == state && !is_no(outcome) };
        if !holds {
            wrong.push(format!("the request is {is}, and what was told of `{state}` is {outcome}"));
        }
    }

    /// Bob says yes, if he has to say it once more.
    fn is_approved(&self, wrong: &mut Vec<String>) {
        if people::waiting_for(&self.name).is_some() {
            let yes = people::approve(&self.request);
            self.must_be("approved", &yes, wrong);
            if !yes.is_ok() {
                wrong.push(format!("it cannot be approved: {yes}"));
            }
        }
    }

    /// It is approved; she runs it, once, and nothing else.
    fn is_run_once(&self, play: &mut Play, wrong: &mut Vec<String>) {
        self.is_approved(wrong);
        let other = play.stage.next_name();
        self.must_not_run(play, &other, wrong);
        let runs = people::ask(&self.name);
        wrong.extend(play.ledger.check(&self.name, &runs));
        if !runs.is_ok() {
            wrong.push(format!("what was approved does not run: {runs}"));
        }
        self.must_not_run(play, &self.name, wrong);
    }

    /// It ran; or it did not, and does so now, or was counted.
    fn runs_no_more(&self, play: &mut Play, outcome: &Outcome, wrong: &mut Vec<String>) {
        if !outcome.is_ok() {
            let again = people::ask(&self.name);
            wrong.extend(play.ledger.check(&self.name, &again));
            take_back_all(wrong);
        }
        self.must_not_run(play, &self.name, wrong);
    }

    /// Nobody has approved it, or it has run already; that she asked for it is taken back.
    fn must_not_run(&self, play: &mut Play, name: &str, wrong: &mut Vec<String>) {
        let outcome = people::ask(name);
        wrong.extend(play.ledger.check(name, &outcome));
        if outcome.is_ok() || people::told(&outcome).is_none() {
            wrong.push(format!("nobody has approved {name}, and it is not asked for: {outcome}"));
        }
        take_back_all(wrong);
    }

    /// Whatever became of it, the token is spent once it is presented again, and it has run at most once.
    fn after_spending(&self, play: &mut Play, outcome: &Outcome, wrong: &mut Vec<String>) {
        let again = people::spend(&self.name);
        if is_no_record(outcome) && !is_spent(&again) {
            wrong.push(format!("there is no record, and the token is good again: {again}"));
        }
        wrong.extend(play.ledger.check(&self.name, &again));
        let replayed = people::spend(&self.name);
        wrong.extend(play.ledger.check(&self.name, &replayed));
        if !is_spent(&replayed) {
            wrong.push(format!("the token is not spent: {replayed}"));
        }
        wrong.extend(play.ledger.check_token(&self.nonce, &self.name));
        self.must_not_run(play, &self.name, wrong);
    }
}

/// It was told that it is not so, and why: not that the agent was gone.
fn is_no(outcome: &Outcome) -> bool {
    is_no_record(outcome) || outcome.stderr.contains("cannot be stored")
}

fn is_no_record(outcome: &Outcome) -> bool {
    outcome.stderr.contains("the audit log cannot be written")
}

fn is_spent(outcome: &Outcome) -> bool {
    !outcome.is_ok() && outcome.stderr.contains("the token was spent already")
}

fn take_back_all(wrong: &mut Vec<String>) {
    for request in people::requests().iter().filter(|request| request["state"] == "pending") {
        let done = people::take_back(request["id"].as_str().unwrap());
        if !done.is_ok() {
            wrong.push(format!("it cannot be taken back: {done}"));
        }
    }
}
