//! `when.origin`, `when.remote` and `when.session`; and the same in a test, which says what is known.

use std::net::IpAddr;
use std::ops::Range;

use super::reader::{Reader, Value, did_you_mean};
use crate::login_session::{LoginSession, Network, Origin, Remote, State};

const ORIGINS: [(&str, Origin); 2] = [("local", Origin::Local), ("ssh", Origin::Ssh)];
const STATES: [(&str, State); 2] = [("active", State::Active), ("unlocked", State::Unlocked)];
const ADDRESSES: &str =
    "write networks as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address; names are not looked up";

/// `["local", "ssh"]`
pub(super) fn origins(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Box<[Origin]>> {
    list(reader, value, "origin", |reader, text, span| word(reader, text, span, "origin", &ORIGINS))
}

/// `["active", "unlocked"]`
pub(super) fn states(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Box<[State]>> {
    list(reader, value, "session", |reader, text, span| word(reader, text, span, "session", &STATES))
}

/// `["10.0.0.0/8", "2001:db8::1"]`
pub(super) fn networks(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Box<[Network]>> {
    list(reader, value, "remote", |reader, text, span| {
        Network::parse(text).map_err(|why| reader.mistake(span, why, ADDRESSES)).ok()
    })
}

/// What a test says of the login session; without any of it nothing can be told.
pub(super) fn of_test(
    reader: &mut Reader<'_>,
    origin: Option<&Value<'_>>,
    remote: Option<&Value<'_>>,
    session: Option<&Value<'_>>,
) -> LoginSession {
    let address = remote.and_then(|value| {
        let text = reader.string(value, "remote")?;
        let parsed: Result<IpAddr, _> = text.parse();
        parsed
            .map_err(|_| {
                reader.mistake(value.span(), format!("`{text}` is no address"), "write one IP address");
            })
            .ok()
    });
    let origin = origin.and_then(|value| reader.one_of(value, "origin", &ORIGINS));
    let states = session.and_then(|value| {
        let texts = reader.strings(value, "session")?;
        let state = |(text, span): (&str, Range<usize>)| word(reader, text, span, "session", &STATES);
        Some(texts.into_iter().filter_map(state).collect::<Vec<_>>())
    });
    let is = |state| states.as_ref().map(|states| states.contains(&state));
    let missing =
        [("origin", origin.is_none()), ("remote", remote.is_none()), ("session", session.is_none())];
    let missing: Vec<String> =
        missing.iter().filter(|(_, is)| *is).map(|(key, _)| format!("`{key}`")).collect();
    LoginSession {
        origin,
        remote: match address {
            Some(address) => Remote::Address(address),
            // Who sits in front of it comes from nowhere.
            None if origin == Some(Origin::Local) => Remote::None,
            None => Remote::Unknown,
        },
        active: is(State::Active),
        unlocked: is(State::Unlocked),
        unknown: format!("the test has no {}", missing.join(", ")),
    }
}

/// Sorted, each once.
fn list<T: Ord>(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    key: &str,
    one: impl Fn(&mut Reader<'_>, &str, Range<usize>) -> Option<T>,
) -> Option<Box<[T]>> {
    let texts = reader.strings(value, key)?;
    if texts.is_empty() {
        reader.mistake(value.span(), format!("`{key}` is empty, so that it would never hold"), "remove it");
    }
    let mut all: Vec<T> = texts.into_iter().filter_map(|(text, span)| one(reader, text, span)).collect();
    all.sort_unstable();
    all.dedup();
    Some(all.into())
}

fn word<T: Copy>(
    reader: &mut Reader<'_>,
    text: &str,
    span: Range<usize>,
    key: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
        reader.mistake(span, format!("`{key}` may have {}", names.join(", ")), hint.unwrap_or_default());
    }
    found
}
