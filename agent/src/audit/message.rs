//! What the journal is told of a record: a line for people, and fields for programs.

use std::fmt::Write as _;

use jit_audit::{Event, Exit, Head, Record};
use jit_protocol::escape;

/// Identifies the lines that are no records.
const HEAD: &str = "5198809c48fc475b96662832607bbb0f";
const FAILURE: &str = "b245508c42de4180819932c693d06514";
/// Longest message in bytes: a longer one is cut, for a datagram must hold it. The audit log has all of it.
const LONGEST: usize = 16 * 1024;

/// How much it matters: syslog's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// One line of the journal.
pub(super) struct Entry {
    pub(super) message_id: &'static str,
    pub(super) severity: Severity,
    /// Escaped: one line.
    pub(super) message: String,
    /// Escaped as well.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Entry {
    /// A record, with its place in the chain.
    pub(super) fn of_record(record: &Record, head: &Head) -> Self {
        let (message_id, severity) = identity(record.event);
        let texts = [
            ("JIT_GRANT", &record.grant),
            ("JIT_REQUEST", &record.request),
            ("JIT_SESSION", &record.session),
            ("JIT_RULE", &record.rule),
            ("JIT_REASON", &record.reason),
            ("JIT_RESULT", &record.result),
        ];
        let mut fields = vec![("JIT_EVENT", record.event.name().to_owned())];
        fields.extend(texts.into_iter().filter_map(|(key, text)| Some((key, short(&shown(text.as_ref()?))))));
        fields.extend(place(head));
        Self { message_id, severity, message: short(&message(record)), fields }
    }

    /// How far the chain goes: a log that was cut is found with it.
    pub(super) fn of_head(head: &Head) -> Self {
        let message = format!("audit.head seq={} hash={}", head.seq, head.hash);
        let fields = place(head).into();
        Self { message_id: HEAD, severity: Severity::Info, message, fields }
    }

    /// The log can't be written.
    pub(super) fn of_failure(why: &str) -> Self {
        let message = short(&format!("{}: commands are refused until it can", shown(why)));
        Self { message_id: FAILURE, severity: Severity::Critical, message, fields: Vec::new() }
    }
}

fn place(head: &Head) -> [(&'static str, String); 2] {
    [("JIT_SEQ", head.seq.to_string()), ("JIT_HASH", head.hash.clone())]
}

/// `MESSAGE_ID` and level of an event. Ids are fixed for ever: people filter by them.
fn identity(event: Event) -> (&'static str, Severity) {
    match event {
        Event::AgentStarted => ("1ac37ddf823c4d718b2492ee056b0039", Severity::Notice),
        Event::AgentStopped => ("58d3e6d7e98c401eb13d0dfad0dd8770", Severity::Notice),
        Event::PolicyLoaded => ("6f4885c50be744d78a692fad88255d35", Severity::Notice),
        Event::PolicyRejected => ("9a1f45fb5a41400f96e13a6bf53ebcc3", Severity::Error),
        Event::RequestDenied => ("a9b4237e31be4d08931d3435ed28504e", Severity::Warning),
        Event::AuthenticationSucceeded => ("b968811b97954824acacfcb8254677a1", Severity::Info),
        Event::AuthenticationFailed => ("48763871ef9446cf9a7cca796d64e109", Severity::Warning),
        Event::ApprovalRequested => ("da24102eb73346948950605479d305ef", Severity::Notice),
        Event::ApprovalGiven => ("e40612f0feb64c9cbc8f0ba9dbf16dcc", Severity::Notice),
        Event::ApprovalRefused => ("9097fcfb83aa46dcb3e04d47d3f76cf8", Severity::Notice),
        Event::ApprovalExpired => ("608624c4b744431c811ea5dab08c1814", Severity::Notice),
        Event::GrantIssued => ("942362c5fd2b40559291a689c520f445", Severity::Notice),
        Event::GrantUsed => ("a6c3eb3f60b4464d91844998cacc2979", Severity::Info),
        Event::GrantExpired => ("d3de4528306e49f0853e8c14b7dc5f64", Severity::Notice),
        Event::GrantExhausted => ("b405c71a4f004ce384e96861318b9b62", Severity::Notice),
        Event::GrantRevoked => ("8d8bb88984694d07b26c93a28dfe4f4e", Severity::Notice),
        Event::TokenAccepted => ("2907b8c621f6f1c1660640cbb8e06c12", Severity::Notice),
        Event::TokenRejected => ("5dc0338fa7bef456e7c247c694f1871c", Severity::Warning),
        Event::SessionStarted => ("cae0414f96174082921f78b82f7429c7", Severity::Notice),
        Event::SessionRefused => ("07e93b57a67041e787bb3aeaed2794de", Severity::Warning),
        Event::SessionEnded => ("e264b94642ab479fb5b95b06515efe97", Severity::Info),
        Event::SessionExpired => ("4e6402b62d64429bbcded1b081ed546b", Severity::Notice),
        Event::ElevationOutside => ("d7749fe535454e1f9a8a442073384bea", Severity::Warning),
        Event::LoginAllowed => ("dcbec2510e124636be283173dfd78ff0", Severity::Info),
        Event::LoginDenied => ("019216816cdf4667a2eaf578c16d7897", Severity::Warning),
        Event::AuditGap => ("f2d47e5d7eb34573b400c01303799b39", Severity::Error),
        Event::AuditRotated => ("84a9697b734647b49f7a9a663503ef01", Severity::Info),
    }
}

fn message(record: &Record) -> String {
    match record.event {
        Event::SessionStarted if !record.command.is_empty() => as_sudo(record, ""),
        Event::RequestDenied | Event::TokenRejected if !record.command.is_empty() => {
            as_sudo(record, "command not allowed ; ")
        }
        Event::SessionRefused if !record.command.is_empty() => as_sudo(record, "command not run ; "),
        _ => as_pairs(record),
    }
}

/// sudo's line, which every SIEM parses. The command comes last and is the only part that may hold a semicolon, so that no
/// folder's name can look like another field.
fn as_sudo(record: &Record, remark: &str) -> String {
    let field = |text: &str| shown(text).replace(';', "\\x3b");
    let bytes = |text: &[u8]| escape(text).replace(';', "\\x3b");
    let mut line = record.user.as_ref().map_or_else(|| "unknown".to_owned(), |user| field(&user.name));
    let _ = write!(line, " : {remark}"); // writing to a String cannot fail
    if let Some(count) = record.count.filter(|count| *count > 1) {
        let _ = write!(line, "COUNT={count} ; ");
    }
    let _ = write!(line, "TTY={} ; ", record.tty.as_deref().map_or_else(|| "unknown".to_owned(), field));
    if let Some(cwd) = &record.cwd {
        let _ = write!(line, "PWD={} ; ", bytes(cwd.as_bytes()));
    }
    if let Some(target) = &record.target {
        let _ = write!(line, "USER={} ; ", field(&target.user));
        if let Some(group) = &target.group {
            let _ = write!(line, "GROUP={} ; ", field(group));
        }
    }
    line + "COMMAND=" + &command(record)
}

/// `event key=value …`.
fn as_pairs(record: &Record) -> String {
    let mut line = record.event.name().to_owned();
    let mut pair = |key: &str, value: String| {
        let _ = write!(line, " {key}={}", quoted(value));
    };
    if let Some(user) = &record.user {
        pair("user", shown(&user.name));
    }
    if let Some(target) = &record.target {
        pair("target", shown(&target.user));
    }
    if !record.command.is_empty() {
        pair("command", command(record));
    }
    for (key, text) in [
        ("tty", &record.tty),
        ("origin", &record.origin),
        ("rule", &record.rule),
        ("grant", &record.grant),
        ("request", &record.request),
        ("session", &record.session),
        ("nested_in", &record.nested_in),
        ("reason", &record.reason),
        ("approver", &record.approver),
        ("policy", &record.policy),
        ("result", &record.result),
    ] {
        if let Some(text) = text {
            pair(key, shown(text));
        }
    }
    match record.exit {
        Some(Exit::Status(status)) => pair("status", status.to_string()),
        Some(Exit::Signal(signal)) => pair("signal", signal.to_string()),
        None => {}
    }
    if let Some(count) = record.count {
        pair("count", count.to_string());
    }
    line
}

fn command(record: &Record) -> String {
    let words: Vec<String> = record.command.iter().map(|word| escape(word.as_bytes())).collect();
    words.join(" ")
}

fn shown(text: &str) -> String {
    escape(text.as_bytes())
}

/// In quotation marks if it could be taken for more than one value.
fn quoted(value: String) -> String {
    if !value.is_empty() && !value.contains([' ', '=', '"']) {
        return value;
    }
    format!("\"{}\"", value.replace('"', "\\\""))
}

/// Cut, visibly.
fn short(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jit_audit::{Target, Text, User};

    use super::*;

    fn record(event: Event) -> Record {
        let mut record = Record::new(event, "2026-01-01T00:00:00Z".into(), "host".into(), "boot".into());
        record.user = Some(User { name: "alice".into(), uid: 1000 });
        record.tty = Some("pts/0".into());
        record.cwd = Some(Text::Utf8("/home/alice".into()));
        record.target = Some(Target { user: "root".into(), uid: 0, group: None });
        record.command = vec![Text::from(&b"/usr/bin/id"[..]), Text::from(&b"-u"[..])];
        record
    }

    fn line(record: &Record) -> String {
        Entry::of_record(record, &Head::default()).message
    }

    // interface.md: "the line for a command has sudo's shape, which every SIEM parses"
    #[test]
    fn a_command_has_sudos_line() {
        let rest = "TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id -u";
        assert_eq!(line(&record(Event::SessionStarted)), format!("alice : {rest}"));
        assert_eq!(line(&record(Event::RequestDenied)), format!("alice : command not allowed ; {rest}"));
        assert_eq!(line(&record(Event::SessionRefused)), format!("alice : command not run ; {rest}"));
        let mut group = record(Event::SessionStarted);
        group.tty = None;
        group.target = Some(Target { user: "bob".into(), uid: 7, group: Some("web".into()) });
        let rest = "PWD=/home/alice ; USER=bob ; GROUP=web ; COMMAND=/usr/bin/id -u";
        assert_eq!(line(&group), format!("alice : TTY=unknown ; {rest}"));
        let mut flood = record(Event::RequestDenied);
        flood.count = Some(70);
        assert!(line(&flood).starts_with("alice : command not allowed ; COUNT=70 ; TTY=pts/0 ; "));
    }

    #[test]
    fn other_events_are_pairs_that_cannot_be_taken_for_others() {
        let mut issued = record(Event::GrantIssued);
        (issued.grant, issued.rule) = (Some("g1".into()), Some("restart-web".into()));
        issued.reason = Some("it \"burns\" rule=other".into());
        assert_eq!(
            line(&issued),
            "grant.issued user=alice target=root command=\"/usr/bin/id -u\" tty=pts/0 rule=restart-web grant=g1 \
             reason=\"it \\\"burns\\\" rule=other\""
        );
        let mut ended = Record::new(Event::SessionEnded, String::new(), String::new(), String::new());
        ended.exit = Some(Exit::Signal(15));
        assert_eq!(line(&ended), "session.ended signal=15");
    }

    // CVE-2023-28486: control characters in the log.
    #[test]
    fn control_characters_are_escaped_and_no_folder_looks_like_a_field() {
        let mut record = record(Event::SessionStarted);
        record.cwd = Some(Text::Utf8("/tmp ; USER=nobody ; COMMAND=/bin/true".into()));
        record.command.push(Text::from(&b"a\nb\x1b[2J\xff\xe2\x80\xae"[..]));
        record.rule = Some("x\nMESSAGE=forged".into());
        let entry = Entry::of_record(&record, &Head::default());
        assert_eq!(
            entry.message,
            "alice : TTY=pts/0 ; PWD=/tmp \\x3b USER=nobody \\x3b COMMAND=/bin/true ; USER=root ; \
             COMMAND=/usr/bin/id -u a\\nb\\x1b[2J\\xff\\u{202e}"
        );
        assert!(entry.fields.contains(&("JIT_RULE", "x\\nMESSAGE=forged".to_owned())));
    }

    #[test]
    fn what_is_too_long_is_cut_and_that_is_seen() {
        let mut record = record(Event::SessionStarted);
        record.command.push(Text::Utf8("ü".repeat(1_000_000)));
        record.reason = Some("x".repeat(1_000_000));
        let entry = Entry::of_record(&record, &Head::default());
        assert!(entry.message.len() <= LONGEST + 3 && entry.message.ends_with("ü…"));
        assert!(entry.fields.iter().all(|(_, value)| value.len() <= LONGEST + 3));
    }

    #[test]
    fn every_event_has_an_id_of_its_own() {
        let ids: BTreeSet<&str> =
            Event::ALL.iter().map(|event| identity(*event).0).chain([HEAD, FAILURE]).collect();
        assert_eq!(ids.len(), Event::ALL.len() + 2);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}
