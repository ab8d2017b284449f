//! The chain: each line carries the hash of the one before, and its own.

use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};

use crate::record::Record;

/// `prev` of the very first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const HASH_KEY: &str = ",\"hash\":\"";
/// Length of a hash in hex.
const HEX: usize = 64;

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// A record with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number: one more than the one before.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
    /// Hash of the line before.
    pub prev: String,
    /// Its own; empty while it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// The line that follows `head`, without its end of line, and the new head.
///
/// # Errors
/// Those of serialization, which strings and numbers do not cause.
pub fn seal(head: &Head, record: Record) -> Result<(String, Head), serde_json::Error> {
    let seq = head.seq + 1;
    let line = Line { seq, record, prev: head.hash.clone(), hash: String::new() };
    let mut canonical = Vec::new();
    line.serialize(&mut serde_json::Serializer::with_formatter(&mut canonical, Ascii))?;
    let mut text = String::from_utf8_lossy(&canonical).into_owned();
    let hash = hash(&head.hash, text.as_bytes());
    text.pop(); // the closing brace
    text.push_str(HASH_KEY);
    text.push_str(&hash);
    text.push_str("\"}");
    Ok((text, Head { seq, hash }))
}

/// Reads a line as it stands in the log; `None` unless every byte of it is as it was written.
pub fn open(line: &str) -> Option<Line> {
    let body = line.strip_suffix("\"}")?;
    let (rest, claimed) = body.split_at_checked(body.len().checked_sub(HEX)?)?;
    let mut canonical = rest.strip_suffix(HASH_KEY)?.to_owned();
    canonical.push('}');
    let parsed: Line = serde_json::from_str(line).ok()?;
    (hash(&parsed.prev, canonical.as_bytes()) == claimed).then_some(parsed)
}

/// SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hash(prev: &str, canonical: &[u8]) -> String {
    hex(&Sha256::new().chain_update(prev).chain_update(canonical).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(HEX), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Compact JSON in ASCII: what could steer a terminal or look like something else is `\u` and four digits.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                writer.write_all(&[character as u8])?;
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, Text};

    fn record(argument: &[u8]) -> Record {
        let mut record =
            Record::new(Event::SessionStarted, "2026-01-01T00:00:00Z".into(), "host".into(), "boot".into());
        record.command = vec![Text::from(&b"/usr/bin/id"[..]), Text::from(argument)];
        record
    }

    #[test]
    fn a_sealed_line_opens_again() {
        let (text, head) = seal(&Head::default(), record(b"-u")).unwrap();
        let line = open(&text).unwrap();
        assert_eq!((line.seq, line.prev.as_str(), &line.hash), (1, GENESIS, &head.hash));
        assert_eq!(line.record, record(b"-u"));
        let (second, _) = seal(&head, record(b"-u")).unwrap();
        assert_eq!(open(&second).unwrap().prev, head.hash);
    }

    // CVE-2023-28486: control characters in the log.
    #[test]
    fn a_line_is_one_line_of_ascii_and_loses_no_byte() {
        for argument in [
            &b"a\nb"[..],
            b"\x1b]0;x\x07",
            b"\xc2\x9b",
            "\u{202e}\u{1f600}".as_bytes(),
            b"\xff\xfe",
            b"\"\\\x7f",
        ] {
            let (text, _) = seal(&Head::default(), record(argument)).unwrap();
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
            assert_eq!(open(&text).unwrap().record.command[1].as_bytes(), argument);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_line_is_noticed() {
        let (text, _) = seal(&Head::default(), record(b"-u")).unwrap();
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert_eq!(open(&String::from_utf8(bytes).unwrap()), None, "byte {at}, bit {bit}");
            }
        }
    }
}
