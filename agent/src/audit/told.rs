//! What the log has already: an agent that ended between log and store must not have the next one say it again.

use std::collections::HashSet;

use jit_audit::{Event, Record};

/// Ends, grants that were issued, and what became of requests, that the last records of the log tell of: all since the
/// store last kept its head, and at least those in its last 64 KiB.
#[derive(Debug, Default)]
pub struct Told(HashSet<(Event, String)>);

impl Told {
    pub(super) fn note(&mut self, record: &Record) {
        let about = match record.event {
            Event::SessionExpired | Event::SessionEnded | Event::SessionRefused => record.session.clone(),
            Event::GrantIssued | Event::GrantExpired | Event::GrantRevoked => record.grant.clone(),
            Event::ApprovalRequested | Event::ApprovalExpired => record.request.clone(),
            Event::ApprovalRefused => record.request.as_deref().zip(record.result.as_deref()).map(answer),
            _ => None,
        };
        self.0.extend(about.map(|id| (record.event, id)));
    }

    pub(super) fn add(&mut self, earlier: Self) {
        self.0.extend(earlier.0);
    }

    /// Whether the log has this event of the session, grant or request.
    pub fn has(&self, event: Event, id: &str) -> bool {
        self.0.contains(&(event, id.to_owned()))
    }

    /// Whether the log has this very no to a request: that a yes did not count is told by the same event.
    pub fn has_answer(&self, request: &str, words: &str) -> bool {
        self.has(Event::ApprovalRefused, &answer((request, words)))
    }
}

fn answer((request, words): (&str, &str)) -> String {
    format!("{request} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_known_by_its_event_and_whose_it_is() {
        let record = |event, session: &str, grant: &str| Record {
            session: Some(session.to_owned()),
            grant: Some(grant.to_owned()),
            ..Record::new(event, String::new(), String::new(), String::new())
        };
        let records = [
            record(Event::SessionStarted, "a", "g"),
            record(Event::SessionExpired, "b", "g"),
            record(Event::GrantExpired, "", "h"),
            record(Event::GrantIssued, "", "i"),
            record(Event::GrantRevoked, "", "j"),
        ];
        let mut told = Told::default();
        for record in &records {
            told.note(record);
        }
        assert!(told.has(Event::SessionExpired, "b") && told.has(Event::GrantExpired, "h"));
        assert!(
            told.has(Event::GrantRevoked, "j")
                && told.has(Event::GrantIssued, "i")
                && !told.has(Event::GrantIssued, "h")
        );
        for (event, id) in
            [(Event::SessionStarted, "a"), (Event::SessionEnded, "b"), (Event::GrantExpired, "g")]
        {
            assert!(!told.has(event, id), "{event} {id}");
        }
    }

    #[test]
    fn a_no_to_a_request_is_known_by_its_words() {
        let record = |event, words: &str| Record {
            request: Some("r".to_owned()),
            result: Some(words.to_owned()),
            ..Record::new(event, String::new(), String::new(), String::new())
        };
        let mut told = Told::default();
        told.note(&record(Event::ApprovalRequested, ""));
        told.note(&record(Event::ApprovalRefused, "the approval does not count: no space"));
        assert!(told.has(Event::ApprovalRequested, "r") && !told.has(Event::ApprovalExpired, "r"));
        assert!(!told.has_answer("r", "bob said no"));
        told.note(&record(Event::ApprovalRefused, "bob said no"));
        assert!(told.has_answer("r", "bob said no") && !told.has_answer("q", "bob said no"));
    }
}
