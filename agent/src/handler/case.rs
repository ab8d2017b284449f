//! What the audit log is told of one request, as far as it is known; and every no, told and recorded.

use jit_audit::record::{Event, Record, Target, Text, User};
use jit_protocol::Bytes;
use jit_protocol::binding::Binding;
use jit_protocol::frame::Frame;
use jit_protocol::order::{Cwd, Order};
use jit_protocol::request::{Elevate, Shell};

use super::plan::Plan;
use crate::agent::Agent;
use crate::conversation::Conversation;
use crate::grants::Grant;
use crate::live::Session;
use crate::peer::Peer;
use crate::process::Process;
use crate::refusal::Refusal;
use crate::requests::Request;

/// Most bytes of each: command and folder, but where they are whole; result of what was not permitted.
const MOST: usize = 2048;

/// What the audit log is told of one request, as far as it is known.
#[derive(Debug, Clone)]
pub struct Case(Record);

impl Case {
    /// Nothing is known but who.
    pub fn of(agent: &Agent, peer: &Peer) -> Self {
        let mut record = agent.record(Event::RequestDenied);
        record.user = Some(User { name: format!("#{}", peer.uid()), uid: peer.uid() });
        Self(record)
    }

    /// What the log knows of a session.
    pub fn of_session(agent: &Agent, session: &Session) -> Self {
        let mut record = agent.record(Event::SessionEnded);
        record.user = Some(User { name: session.user.clone(), uid: session.uid });
        record.target = Some(Target { user: session.target.clone(), uid: session.target_uid, group: None });
        record.command = session.command.iter().map(|word| Text::from(word.as_slice())).collect();
        record.sha256 =
            session.subject.as_ref().and_then(|subject| subject.sha256).map(|sha256| sha256.to_string());
        record.tty.clone_from(&session.tty);
        record.session = Some(session.id.clone());
        record.grant = Some(session.grant.clone());
        record.rule = Some(session.rule.clone());
        Self(record)
    }

    /// What the log knows of a request.
    pub fn of_request(agent: &Agent, request: &Request) -> Self {
        let mut record = agent.record(Event::ApprovalRequested);
        let Binding { user, target, command, mode, folder, .. } = &request.binding;
        record.user = Some(User { name: user.name.clone(), uid: user.uid });
        let group = request.subject.group.as_ref().map(|group| group.name.clone());
        record.target = Some(Target { user: target.name.clone(), uid: target.uid, group });
        let arguments = command.iter().skip(1);
        let words = std::iter::once(&request.binding.program).chain(arguments);
        record.command = words.map(|word| Text::from(word.as_slice())).collect();
        record.mode.clone_from(mode);
        record.cwd = Some(Text::from(folder.path.as_slice()));
        record.rule = Some(request.purpose.rule.to_string());
        record.request = Some(request.id.clone());
        record.reason.clone_from(&request.reason);
        record.loginuid = request.loginuid;
        Self(record)
    }

    /// The same, where somebody answers it: whose password it is, and whose no.
    pub fn of_answer(agent: &Agent, request: &Request, approver: &str) -> Self {
        let Self(mut record) = Self::of_request(agent, request);
        record.approver = Some(approver.to_owned());
        Self(record)
    }

    /// A record of an event now. The command is whole where its session starts, and cut elsewhere: who may nothing must
    /// not fill the disk, and who may run one thing not write the past out of a log of which so much is kept.
    pub fn record(&self, agent: &Agent, event: Event) -> Record {
        let now = agent.audit.record(event);
        let mut record = Record { time: now.time, event, ..self.0.clone() };
        if event != Event::SessionStarted {
            record.command = cut(record.command);
            record.cwd = record.cwd.map(|cwd| cut_word(&cwd, MOST));
        }
        record
    }

    /// What the kernel says of the peer, and what it asks for.
    pub fn know_request(&mut self, facts: &Process, asked: &Elevate) {
        self.0.loginuid = facts.loginuid;
        self.0.tty = facts.tty.as_ref().map(|tty| tty.name.clone());
        let words = asked.command.iter().map(|word| Text::from(word.as_slice()));
        self.0.command = match &asked.edit {
            None => words.collect(),
            // What is asked about, whatever else was typed.
            Some(files) => [jit_policy::EDIT.as_bytes()]
                .into_iter()
                .chain(files.iter().map(Bytes::as_slice))
                .map(Text::from)
                .collect(),
        };
        self.0.mode = match (asked.shell, &asked.edit) {
            (Some(Shell::Plain), _) => Some("shell".to_owned()),
            (Some(Shell::Login), _) => Some("login".to_owned()),
            (None, Some(_)) => Some("edit".to_owned()),
            (None, None) => None,
        };
        self.0.cwd = Some(Text::from(asked.cwd.as_slice()));
        self.0.reason.clone_from(&asked.reason);
    }

    /// What was decided.
    pub fn know_plan(&mut self, plan: &Plan, order: &Order) {
        let people = &plan.people;
        self.0.user = Some(User { name: people.invoking.name.clone(), uid: people.invoking.uid });
        let group = people.group.as_ref().map(|group| group.name.clone());
        self.0.target = Some(Target { user: people.target.name.clone(), uid: people.target.uid, group });
        let path = Text::from(plan.subject.path.as_slice());
        let arguments = plan.subject.arguments.iter().map(|word| Text::from(word.as_slice()));
        self.0.command = [path].into_iter().chain(arguments).collect();
        self.0.sha256 = plan.subject.sha256.map(|sha256| sha256.to_string());
        // Where it starts, as sudo's log has it; the caller's folder is the helper's word, which is there already.
        self.0.cwd = match &order.restrictions.cwd {
            Cwd::Caller => self.0.cwd.take(),
            Cwd::Home => Some(Text::from(order.target.home.as_slice())),
            Cwd::Path(folder) | Cwd::Asked(folder) => Some(Text::from(folder.as_slice())),
        };
        self.0.rule = Some(plan.rule.clone());
        // A token may have brought one along.
        self.0.reason.clone_from(&plan.reason);
        self.0.session = Some(order.session.clone());
    }

    /// The name of who asks.
    pub fn know_user(&mut self, name: &str) {
        if let Some(user) = &mut self.0.user {
            name.clone_into(&mut user.name);
        }
    }

    /// The session around this one.
    pub fn know_nesting(&mut self, outer: Option<&Session>) {
        self.0.nested_in = outer.map(|session| session.id.clone());
    }

    /// The reason, once the person has typed it.
    pub fn know_reason(&mut self, reason: &str) {
        self.0.reason = Some(reason.to_owned());
    }

    /// The grant it runs on, and whose yes that came from.
    pub fn know_grant(&mut self, grant: &Grant) {
        self.0.grant = Some(grant.id.clone());
        if let Some(approved) = &grant.approved {
            self.0.request = Some(approved.request.clone());
            self.0.approver = Some(approved.by.join(", "));
        }
    }

    /// The token that was presented for it.
    pub fn know_token(&mut self, nonce: &str) {
        self.0.request = Some(nonce.to_owned());
    }

    /// The request that was filed for it.
    pub fn know_asked(&mut self, request: &Request) {
        self.0.request = Some(request.id.clone());
        self.0.reason.clone_from(&request.reason);
        self.0.session = None;
    }
}

/// Tells the helper no, and the log why.
pub async fn deny(agent: &Agent, conversation: &Conversation, case: &Case, refusal: &Refusal) {
    record_denial(agent, case, refusal).await;
    let _ = conversation.send_frame(&Frame::refused(&refusal.what, &refusal.hint)).await; // one that left
}

/// A denial in the log; under a flood it is counted.
pub async fn record_denial(agent: &Agent, case: &Case, refusal: &Refusal) {
    let uid = case.0.user.as_ref().map_or(u32::MAX, |user| user.uid);
    if agent.denials.count(uid, agent.clock.now()) {
        let event = if refusal.of_token { Event::TokenRejected } else { Event::RequestDenied };
        let mut record = case.record(agent, event);
        record.session = None;
        record.result = Some(cut_text(&refusal.why, MOST));
        let _ = agent.audit.append(record).await; // a log that can't be written shows in `status`
    }
}

/// The beginning of a command; then how many words were left out.
fn cut(command: Vec<Text>) -> Vec<Text> {
    let (mut kept, mut room, all) = (Vec::new(), MOST, command.len());
    for word in command {
        if room == 0 {
            kept.push(Text::Utf8(format!("… {} more", all - kept.len())));
            break;
        }
        kept.push(cut_word(&word, room));
        room = room.saturating_sub(word.as_bytes().len() + 1);
    }
    kept
}

fn cut_word(word: &Text, most: usize) -> Text {
    match word {
        Text::Utf8(text) => Text::Utf8(cut_text(text, most)),
        Text::Bytes(bytes) => Text::Bytes(bytes.iter().take(most).copied().collect()),
    }
}

/// The beginning of a text, and a sign if that is not all of it.
pub(super) fn cut_text(text: &str, most: usize) -> String {
    match text.get(..text.floor_char_boundary(most)) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}
