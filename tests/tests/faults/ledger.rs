//! What must hold, whatever failed: read from outside, from the audit log, the grants and the command's marks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use jit_tests::Outcome;
use jit_tests::process::run;
use serde_json::Value;

use crate::stage::{AUDIT, MARKS, as_user, jitctl, shell};

/// How often the policy lets a grant of this rule be used.
fn uses_of(rule: &str) -> usize {
    if rule == "let" { 1 } else { 2 }
}

/// Everything that was seen, from the first point to the last.
#[derive(Default)]
pub(crate) struct Ledger {
    /// How much of the audit log was read, in bytes.
    read: u64,
    /// Events of each session, in their order.
    sessions: BTreeMap<String, Vec<String>>,
    /// Events of each grant.
    grants: BTreeMap<String, Vec<String>>,
    /// The session that each elevation began, by the name of its mark.
    starts: HashMap<String, Vec<String>>,
    /// Marks by name: the grant.
    pub(crate) marks: HashMap<String, String>,
    /// Marks that were read.
    lines: usize,
    /// When each grant ends, as its first record says.
    ends: HashMap<String, String>,
    /// The rule of each grant.
    rules: HashMap<String, String>,
    /// Records of each request, and of each token, by its nonce.
    pub(crate) requests: BTreeMap<String, Vec<Value>>,
    /// The grant that nobody touches.
    bystander: String,
    /// Sessions of each grant.
    users: HashMap<String, HashSet<String>>,
    /// Grants that are gone although no record says so: since which mark.
    gone: BTreeMap<String, String>,
}

impl Ledger {
    /// With a grant of a user who does nothing from now on.
    pub(crate) fn open() -> Self {
        let mut command = as_user("bob");
        command.args(["jit-sudo", "-n", "/usr/bin/true"]);
        run(command, b"", Duration::from_secs(10)).success();
        let grants = jitctl(&["grants", "--all"]).unwrap();
        let bystander = grants.as_array().unwrap().iter().find(|grant| grant["user"] == "bob").unwrap();
        let mut ledger = Self { bystander: bystander["id"].as_str().unwrap().to_owned(), ..Self::default() };
        ledger.read_log(&mut Vec::new());
        assert!(ledger.ends.contains_key(&ledger.bystander), "its record tells its end");
        ledger
    }

    /// What does not hold after an elevation under a fault.
    pub(crate) fn check(&mut self, name: &str, outcome: &Outcome) -> Vec<String> {
        let mut wrong = Vec::new();
        // One that did not get so far may be tried again, if it was given back.
        let starts_before = self.starts.get(name).map_or(0, Vec::len);
        self.read_log(&mut wrong);
        self.read_marks(name, starts_before, &mut wrong);
        self.check_grants(name, &mut wrong);
        let ran = self.marks.contains_key(name);
        if outcome.is_ok() && !ran {
            wrong.push("the helper says that it ran, and it did not".to_owned());
        }
        if outcome.status.is_none() {
            wrong.push("the helper did not end".to_owned());
        }
        // A helper that was killed, or whose command was, says so by its own end, which setsid(1) tells.
        let told = ["jit-sudo: ", "did not exit normally"].iter().any(|text| outcome.stderr.contains(text));
        if !ran && !told {
            wrong.push("nothing ran, and nobody was told why".to_owned());
        }
        wrong
    }

    /// What does not hold once all is over: each session has ended, and a grant that is gone was used up. (A use that was
    /// durable stays taken when the agent is killed before its session has begun; that session is recorded as lost.)
    pub(crate) fn check_end(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.read_log(&mut wrong);
        let verified = run(shell("jitctl audit verify"), b"", Duration::from_mins(1));
        if !verified.is_ok() {
            wrong.push(format!("the audit log is not sound: {verified}"));
        }
        for (grant, name) in &self.gone {
            let uses = self.users.get(grant).map_or(0, HashSet::len);
            if uses != self.uses(grant) {
                wrong.push(format!("since {name} grant {grant} is gone without a record after {uses} uses"));
            }
        }
        for (session, events) in &self.sessions {
            let ends = events.iter().filter(|event| is_end(event)).count();
            if ends != 1 {
                wrong.push(format!("session {session} has {ends} ends: {events:?}"));
            }
        }
        wrong
    }

    pub(crate) fn read_log(&mut self, wrong: &mut Vec<String>) {
        let mut file = fs::File::open(AUDIT).unwrap();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        self.read += text.len() as u64;
        for line in text.lines() {
            // What a crash cut is told by the next record, and found by `verify`.
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let (event, session, grant) = (field("event"), field("session"), field("grant"));
            if event.starts_with("session.") {
                self.users.entry(grant.clone()).or_default().insert(session.clone());
                let events = self.sessions.entry(session.clone()).or_default();
                if events.contains(&event) || (is_end(&event) && events.iter().any(|event| is_end(event))) {
                    wrong.push(format!("{event} of session {session} is there again, after {events:?}"));
                }
                events.push(event.clone());
            }
            if event == "grant.issued"
                && let Some(end) = field("result").strip_prefix("until ")
            {
                self.ends.insert(grant.clone(), end.to_owned());
            }
            if !grant.is_empty() {
                self.rules.entry(grant.clone()).or_insert_with(|| field("rule"));
            }
            if let Some(request) = record["request"].as_str() {
                self.requests.entry(request.to_owned()).or_default().push(record.clone());
            }
            if event == "session.started" {
                let name = record["command"][1].as_str().unwrap_or_default().to_owned();
                self.starts.entry(name).or_default().push(session.clone());
            }
            // A revocation tells of the sessions it ends as well.
            if event.starts_with("grant.") && (event != "grant.revoked" || session.is_empty()) {
                let events = self.grants.entry(grant.clone()).or_default();
                if events.contains(&event) && event != "grant.used" {
                    wrong.push(format!("{event} of grant {grant} is there again, after {events:?}"));
                }
                events.push(event);
            }
        }
    }

    /// Elevations with the name of the one that was just tried had so many starts before.
    fn read_marks(&mut self, tried: &str, starts_before: usize, wrong: &mut Vec<String>) {
        let text = fs::read_to_string(MARKS).unwrap_or_default();
        for line in text.lines().skip(self.lines) {
            self.lines += 1;
            let [name, grant, records] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let starts_before = if name == tried { starts_before } else { 0 };
            if records != (starts_before + 1).to_string() {
                wrong.push(format!("it ran with {records} records of its start, after {starts_before}"));
            }
            if self.marks.insert(name.to_owned(), grant.to_owned()).is_some() {
                wrong.push("it ran twice".to_owned());
            }
            let uses = self.marks.values().filter(|used| *used == grant).count();
            if uses > self.uses(grant) {
                wrong.push(format!("grant {grant} for {} uses was used {uses} times", self.uses(grant)));
            }
            if self.starts.get(name).map_or(0, Vec::len) != starts_before + 1 {
                wrong.push(format!("it has these starts: {:?}", self.starts.get(name)));
            }
        }
    }

    fn uses(&self, grant: &str) -> usize {
        uses_of(self.rules.get(grant).map_or("", String::as_str))
    }

    fn check_grants(&mut self, name: &str, wrong: &mut Vec<String>) {
        let Some(Value::Array(listed)) = jitctl(&["grants", "--all"]) else {
            return wrong.push("the grants cannot be listed".to_owned());
        };
        for grant in &listed {
            let (id, end) = (grant["id"].as_str().unwrap(), grant["expires"].as_str().unwrap());
            match self.ends.get(id) {
                Some(first) if end > first.as_str() => {
                    wrong.push(format!("grant {id} ends at {end}, and first at {first}"));
                }
                Some(_) => {}
                None => wrong.push(format!("grant {id} is there, and no record tells of it")),
            }
        }
        let is_listed = |id: &str| listed.iter().any(|grant| grant["id"] == id);
        if !is_listed(&self.bystander) {
            wrong.push("the bystander's grant is lost".to_owned());
        }
        for (id, events) in &self.grants {
            let is_void = events
                .iter()
                .any(|event| ["grant.revoked", "grant.expired", "grant.exhausted"].contains(&event.as_str()));
            if !is_void && !is_listed(id) {
                self.gone.entry(id.clone()).or_insert_with(|| name.to_owned());
            }
        }
    }
}

fn is_end(event: &str) -> bool {
    ["session.ended", "session.refused"].contains(&event)
}
