//! Requests and responses in messages that a socket takes: the JSON text in chunks.
//!
//! ```text
//! 0      4     5      6     8
//! "JITR" ver   more   0 0   up to 64 KiB of JSON        more: 1 if another chunk follows, else 0
//! ```

use std::fmt;

use crate::VERSION;

/// Largest text of one request or response in bytes, all chunks together (`execve(2)` itself takes 2 MiB of
/// arguments and environment by default, a quarter of the 8 MiB stack limit).
pub const MAX_TEXT: usize = 3 * 1024 * 1024;
/// Largest payload of one message in bytes: below the 208 KiB that an unprivileged socket takes.
pub const MAX_CHUNK: usize = 64 * 1024;
/// Bytes before the payload.
pub const HEADER: usize = 8;
/// Largest message in bytes.
pub const MAX_MESSAGE: usize = HEADER + MAX_CHUNK;
const MAGIC: [u8; 4] = *b"JITR";

/// The messages of a text. At least one.
///
/// # Errors
/// [`BadChunk::TooLong`] if the text is longer than [`MAX_TEXT`].
pub fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, BadChunk> {
    if text.len() > MAX_TEXT {
        return Err(BadChunk::TooLong);
    }
    let chunks: Vec<&[u8]> = if text.is_empty() { vec![text] } else { text.chunks(MAX_CHUNK).collect() };
    let last = chunks.len() - 1;
    let message = |(at, chunk): (usize, &[u8])| {
        let mut message = Vec::with_capacity(HEADER + chunk.len());
        message.extend_from_slice(&MAGIC);
        message.extend_from_slice(&[VERSION, u8::from(at < last), 0, 0]);
        message.extend_from_slice(chunk);
        message
    };
    Ok(chunks.into_iter().enumerate().map(message).collect())
}

/// Puts the messages of one text together again.
#[derive(Debug, Default)]
pub struct Joiner {
    text: Vec<u8>,
}

impl Joiner {
    /// Takes the next message; the whole text once the last one is here.
    ///
    /// # Errors
    /// [`BadChunk`] for a message that is no chunk of this version, or too much text.
    pub fn push(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, BadChunk> {
        let (magic, rest) = message.split_first_chunk::<4>().ok_or(BadChunk::NotOurs)?;
        let (&[version, more, zero, zero2], payload) =
            rest.split_first_chunk::<4>().ok_or(BadChunk::NotOurs)?;
        if *magic != MAGIC || zero != 0 || zero2 != 0 || more > 1 {
            return Err(BadChunk::NotOurs);
        }
        if version != VERSION {
            return Err(BadChunk::Version(version));
        }
        if self.text.len() + payload.len() > MAX_TEXT || payload.len() > MAX_CHUNK {
            return Err(BadChunk::TooLong);
        }
        if more == 1 && payload.is_empty() {
            return Err(BadChunk::NotOurs); // an endless stream of nothing
        }
        self.text.extend_from_slice(payload);
        Ok((more == 0).then(|| std::mem::take(&mut self.text)))
    }
}

/// Why a message is no chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadChunk {
    /// No magic, or reserved bytes in use.
    NotOurs,
    /// Another version.
    Version(u8),
    /// More than [`MAX_TEXT`].
    TooLong,
}

impl fmt::Display for BadChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("the message is not of this protocol"),
            Self::Version(version) => {
                write!(f, "the message is of version {version}, this is version {VERSION}")
            }
            Self::TooLong => write!(f, "the request is longer than {MAX_TEXT} bytes"),
        }
    }
}

impl std::error::Error for BadChunk {}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(messages: &[Vec<u8>]) -> Result<Option<Vec<u8>>, BadChunk> {
        let mut joiner = Joiner::default();
        for (at, message) in messages.iter().enumerate() {
            match joiner.push(message)? {
                Some(text) => {
                    assert_eq!(at, messages.len() - 1, "whole before its last chunk");
                    return Ok(Some(text));
                }
                None => assert!(at < messages.len() - 1),
            }
        }
        Ok(None)
    }

    #[test]
    fn a_text_of_any_length_survives() {
        for length in [0, 1, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, MAX_TEXT] {
            let text = vec![b'x'; length];
            assert_eq!(join(&split(&text).unwrap()).unwrap().unwrap(), text);
        }
    }

    #[test]
    fn too_much_text_is_refused_at_both_ends() {
        assert_eq!(split(&vec![0; MAX_TEXT + 1]), Err(BadChunk::TooLong));
        let mut joiner = Joiner::default();
        let mut message = b"JITR\x01\x01\0\0".to_vec();
        message.resize(MAX_MESSAGE, b'x');
        let refused = (0..=MAX_TEXT / MAX_CHUNK).map(|_| joiner.push(&message)).find(Result::is_err);
        assert_eq!(refused, Some(Err(BadChunk::TooLong)));
    }

    #[test]
    fn foreign_truncated_and_endless_messages_are_refused() {
        let mut joiner = Joiner::default();
        for bad in [
            &b""[..],
            b"JITR",
            b"JITR\x02\0\0\0{}",
            b"JITR\x01\x02\0\0{}",
            b"JITR\x01\0\x01\0{}",
            b"GET / HTTP",
        ] {
            assert!(joiner.push(bad).is_err(), "{bad:?}");
        }
        assert_eq!(joiner.push(b"JITR\x01\x01\0\0"), Err(BadChunk::NotOurs));
    }
}
