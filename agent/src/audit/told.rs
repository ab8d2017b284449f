//! What the log has already: an agent that ended between log and store must not have the next one say it again.

use std::collections::HashSet;

use jit_audit::{Event, Record};

/// Ends, and grants that were issued, that the last records of the log tell of: all since the store last kept its head, and at least those in its last
/// 64 KiB.
#[derive(Debug, Default)]
pub struct Told(HashSet<(Event, String)>);

impl Told {
    pub(super) fn note(&mut self, record: &Record) {
        let about = match record.event {
            Event::SessionExpired | Event::SessionEnded | Event::SessionRefused => &record.session,
            Event::GrantIssued | Event::GrantExpired => &record.grant,
            _ => &None,
        };
        self.0.extend(about.clone().map(|id| (record.event, id)));
    }

    pub(super) fn add(&mut self, earlier: Self) {
        self.0.extend(earlier.0);
    }

    /// Whether the log has this event of the session or grant.
    pub fn has(&self, event: Event, id: &str) -> bool {
        self.0.contains(&(event, id.to_owned()))
    }
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
        ];
        let mut told = Told::default();
        for record in &records {
            told.note(record);
        }
        assert!(told.has(Event::SessionExpired, "b") && told.has(Event::GrantExpired, "h"));
        assert!(told.has(Event::GrantIssued, "i") && !told.has(Event::GrantIssued, "h"));
        for (event, id) in
            [(Event::SessionStarted, "a"), (Event::SessionEnded, "b"), (Event::GrantExpired, "g")]
        {
            assert!(!told.has(event, id), "{event} {id}");
        }
    }
}
