//! What must hold of requests and tokens: what the agent says of them, and what the log does.

use std::collections::HashSet;

use serde_json::Value;

use crate::ledger::Ledger;

impl Ledger {
    /// Ids of the requests that were filed for this command, as the log has them.
    pub(crate) fn asked(&mut self, name: &str) -> Vec<String> {
        self.read_log(&mut Vec::new());
        let filed = |records: &Vec<Value>| {
            records.iter().any(|it| it["event"] == "approval.requested" && it["command"][1] == name)
        };
        self.requests.iter().filter(|(_, records)| filed(records)).map(|(id, _)| id.clone()).collect()
    }

    /// What does not agree between requests as they are and their records.
    pub(crate) fn check_requests(&mut self, requests: &[Value]) -> Vec<String> {
        let mut wrong = Vec::new();
        self.read_log(&mut wrong);
        for request in requests {
            let id = request["id"].as_str().unwrap();
            let state = request["state"].as_str().unwrap();
            let answer = &request["answer"];
            let issued = |it: &Value| it["event"] == "grant.issued" && it["grant"] == request["grant"];
            let said = |it: &Value| it["event"] == "approval.refused" && it["result"] == *answer;
            let holds = self.count(id, "approval.requested") == 1
                && self.says_each_no_once(id)
                && match state {
                    "pending" => self.count(id, "grant.issued") == 0 && answer.is_null(),
                    "approved" => {
                        self.count(id, "approval.given") > 0
                            && self.matching(id, issued) == 1
                            && self.count(id, "grant.issued") == 1
                    }
                    "refused" | "withdrawn" => {
                        self.matching(id, said) == 1 && self.count(id, "grant.issued") == 0
                    }
                    _ => false,
                };
            if !holds {
                let records = self.requests.get(id);
                wrong.push(format!("request {request} is {state}, and these are its records: {records:?}"));
            }
        }
        wrong
    }

    /// What does not agree of a token for this command: it was accepted once if that ran, and at most once.
    pub(crate) fn check_token(&mut self, nonce: &str, name: &str) -> Option<String> {
        self.read_log(&mut Vec::new());
        let ran = usize::from(self.marks.contains_key(name));
        let records = || format!("token {nonce} has these records: {:?}", self.requests.get(nonce));
        ["token.accepted", "grant.issued", "session.started"]
            .iter()
            .any(|event| !(ran..=1).contains(&self.count(nonce, event)))
            .then(records)
    }

    fn says_each_no_once(&self, request: &str) -> bool {
        let records = self.requests.get(request).into_iter().flatten();
        let mut nos =
            records.filter(|it| it["event"] == "approval.refused").map(|it| it["result"].to_string());
        let mut said = HashSet::new();
        nos.all(|no| said.insert(no))
    }

    fn count(&self, request: &str, event: &str) -> usize {
        self.matching(request, |it| it["event"] == event)
    }

    fn matching(&self, request: &str, which: impl Fn(&Value) -> bool) -> usize {
        self.requests.get(request).into_iter().flatten().filter(|it| which(it)).count()
    }
}
