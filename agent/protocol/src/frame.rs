//! Frames between helper and monitor (and the agent's short answers to the helper): fixed layout, bounded, and legal
//! per phase by a table, because a root process without a sandbox parses them.
//!
//! ```text
//! 0      4     5     6       8        12            16             20
//! "JITF" ver   kind  0 0     value    first length  second length  first… second…     little endian
//! ```

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::VERSION;

/// Largest frame in bytes; a longer message is refused.
pub const MAX_FRAME: usize = 16 * 1024;
/// Largest answer to a prompt in bytes (`PAM_MAX_RESP_SIZE` is 512; longer passwords exist in other stacks).
pub const MAX_ANSWER: usize = 1024;
const MAGIC: [u8; 4] = *b"JITF";
const HEADER: usize = 20;

/// What a frame means. The number is the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// To the helper: ask the person. `first`: the prompt. `value` 0: without echo, 1: with echo, 2: without echo, and the
    /// prompt is the person's own (`-p`), shown as it is. Followed by `Answer`.
    Prompt = 1,
    /// To the helper: a line from PAM for stderr. `value` 0: information, 1: error. `first`: text.
    Message = 2,
    /// To the helper, last: `first`: what, `second`: hint (may be empty). The helper exits with 1.
    Refused = 3,
    /// To the helper: the command runs. `value` 1: a stream descriptor for its terminal comes along.
    Started = 4,
    /// To the helper: the command stopped. `value`: the signal.
    Stopped = 5,
    /// To the helper, last: the command ended. `value` ≥ 0: exit status; < 0: minus the signal that killed it.
    Ended = 6,
    /// To the helper: `first` for stdout, `second` for stderr. `value` ≥ 0: exit status, and this is the last; < 0: more
    /// of it follows.
    Output = 7,
    /// To the helper: `first`: a line for stderr (expiry near, left-over processes). `value` 1: for a person alone.
    Notice = 8,
    /// To the helper, first: `first`: a nonce that the request must carry (kernels without `SO_PEERPIDFD`).
    Challenge = 9,
    /// To the helper, last: somebody else has to approve. `first`: the request's id, `second`: what is told.
    Pending = 10,
    /// To the monitor: descriptors of stdin, stdout, stderr and the working folder come along.
    Descriptors = 16,
    /// To the monitor: `first`: the answer to the prompt. `value` 1: the person gave up (end of file, Ctrl-C).
    Answer = 17,
    /// To the monitor: the terminal's size. `value`: rows in the upper 16 bits, columns in the lower.
    Window = 18,
    /// To the monitor: deliver a signal to the command. `value`: its number.
    Signal = 19,
    /// To the monitor: the helper was continued. `value` 1: it is in the foreground of its terminal.
    Continue = 20,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Prompt,
        Self::Message,
        Self::Refused,
        Self::Started,
        Self::Stopped,
        Self::Ended,
        Self::Output,
        Self::Notice,
        Self::Challenge,
        Self::Pending,
        Self::Descriptors,
        Self::Answer,
        Self::Window,
        Self::Signal,
        Self::Continue,
    ];

    fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Where the monitor is, for what it accepts from the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The order is here, the descriptors are not.
    Begin,
    /// PAM asked, the answer is awaited.
    Asked,
    /// PAM works, or the session is being set up.
    Working,
    /// The command runs.
    Running,
}

/// Which frames the monitor takes from the helper in which phase; everything else ends the session.
pub fn is_legal(phase: Phase, kind: Kind) -> bool {
    match phase {
        Phase::Begin => matches!(kind, Kind::Descriptors),
        Phase::Asked => matches!(kind, Kind::Answer | Kind::Window | Kind::Signal),
        Phase::Working => matches!(kind, Kind::Window | Kind::Signal),
        Phase::Running => matches!(kind, Kind::Window | Kind::Signal | Kind::Continue),
    }
}

/// One frame. Its contents are wiped when it is dropped, for an answer is a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it means.
    pub kind: Kind,
    /// See [`Kind`].
    pub value: i32,
    /// See [`Kind`].
    pub first: Vec<u8>,
    /// See [`Kind`].
    pub second: Vec<u8>,
}

impl Frame {
    /// A frame without contents.
    pub fn new(kind: Kind, value: i32) -> Self {
        Self { kind, value, first: Vec::new(), second: Vec::new() }
    }

    /// A frame with contents; what does not fit into [`MAX_FRAME`] is cut.
    pub fn with(kind: Kind, value: i32, first: impl AsRef<[u8]>, second: impl AsRef<[u8]>) -> Self {
        let room = MAX_FRAME - HEADER;
        let first: Vec<u8> = first.as_ref().iter().take(room).copied().collect();
        let second = second.as_ref().iter().take(room - first.len()).copied().collect();
        Self { kind, value, first, second }
    }

    /// A refusal: what happened, and what to do.
    pub fn refused(what: &str, hint: &str) -> Self {
        Self::with(Kind::Refused, 0, what, hint)
    }

    /// The bytes for the wire, wiped when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut wire = Zeroizing::new(Vec::with_capacity(HEADER + self.first.len() + self.second.len()));
        wire.extend_from_slice(&MAGIC);
        wire.extend_from_slice(&[VERSION, self.kind as u8, 0, 0]);
        wire.extend_from_slice(&self.value.to_le_bytes());
        for part in [&self.first, &self.second] {
            wire.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        wire.extend_from_slice(&self.first);
        wire.extend_from_slice(&self.second);
        wire
    }

    /// Reads one whole message.
    ///
    /// # Errors
    /// [`BadFrame`] for anything but exactly one well-formed frame of this version.
    pub fn decode(wire: &[u8]) -> Result<Self, BadFrame> {
        if wire.len() > MAX_FRAME {
            return Err(BadFrame::TooLong);
        }
        let (magic, rest) = wire.split_first_chunk::<4>().ok_or(BadFrame::Truncated)?;
        let (&[version, kind, zero, zero2], rest) =
            rest.split_first_chunk::<4>().ok_or(BadFrame::Truncated)?;
        let (value, rest) = rest.split_first_chunk::<4>().ok_or(BadFrame::Truncated)?;
        let (first_length, rest) = rest.split_first_chunk::<4>().ok_or(BadFrame::Truncated)?;
        let (second_length, rest) = rest.split_first_chunk::<4>().ok_or(BadFrame::Truncated)?;
        if *magic != MAGIC || zero != 0 || zero2 != 0 {
            return Err(BadFrame::NotOurs);
        }
        if version != VERSION {
            return Err(BadFrame::Version(version));
        }
        let kind = Kind::from_wire(kind).ok_or(BadFrame::UnknownKind(kind))?;
        let first_length = u32::from_le_bytes(*first_length) as usize;
        let second_length = u32::from_le_bytes(*second_length) as usize;
        let (first, second) = rest.split_at_checked(first_length).ok_or(BadFrame::Truncated)?;
        if second.len() != second_length {
            return Err(BadFrame::Truncated);
        }
        Ok(Self { kind, value: i32::from_le_bytes(*value), first: first.to_vec(), second: second.to_vec() })
    }

    /// `first` as text for people; lossy, **not** escaped.
    pub fn first_text(&self) -> String {
        String::from_utf8_lossy(&self.first).into_owned()
    }

    /// `second` as text for people; lossy, **not** escaped.
    pub fn second_text(&self) -> String {
        String::from_utf8_lossy(&self.second).into_owned()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.first.zeroize();
        self.second.zeroize();
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the contents: an answer is a password.
        write!(
            f,
            "Frame({:?}, {}, {} + {} bytes)",
            self.kind,
            self.value,
            self.first.len(),
            self.second.len()
        )
    }
}

/// Why a message is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// Shorter than its header or its lengths say, or longer than they say.
    Truncated,
    /// Longer than [`MAX_FRAME`].
    TooLong,
    /// No magic, or reserved bytes in use.
    NotOurs,
    /// Another version.
    Version(u8),
    /// A kind this version does not know.
    UnknownKind(u8),
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message is cut short or its lengths are wrong"),
            Self::TooLong => f.write_str("the message is too long"),
            Self::NotOurs => f.write_str("the message is not of this protocol"),
            Self::Version(version) => {
                write!(f, "the message is of version {version}, this is version {VERSION}")
            }
            Self::UnknownKind(kind) => write!(f, "the message is of an unknown kind ({kind})"),
        }
    }
}

impl std::error::Error for BadFrame {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        for kind in Kind::ALL {
            let frame = Frame::with(kind, -11, b"first\0\xff", b"second");
            assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused() {
        let wire = Frame::with(Kind::Refused, 1, "what", "hint").encode();
        for length in 0..wire.len() {
            assert!(Frame::decode(&wire[..length]).is_err(), "{length} bytes");
        }
        let mut longer = wire.to_vec();
        longer.push(0);
        assert_eq!(Frame::decode(&longer), Err(BadFrame::Truncated));
    }

    #[test]
    fn every_changed_header_byte_is_refused_or_changes_only_the_value() {
        let frame = Frame::with(Kind::Message, 0, "text", "");
        let wire = frame.encode();
        for at in 0..HEADER {
            let mut changed = wire.to_vec();
            changed[at] ^= 0x80;
            if let Ok(other) = Frame::decode(&changed) {
                assert!((8..12).contains(&at), "byte {at} was believed");
                assert_eq!(other.first, frame.first);
            }
        }
    }

    #[test]
    fn a_believed_length_prefix_does_not_allocate() {
        let mut wire = Frame::new(Kind::Answer, 0).encode().to_vec();
        wire[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Frame::decode(&wire), Err(BadFrame::Truncated));
    }

    #[test]
    fn nothing_meant_for_the_helper_is_legal_for_the_monitor() {
        for phase in [Phase::Begin, Phase::Asked, Phase::Working, Phase::Running] {
            for kind in Kind::ALL.into_iter().filter(|kind| (*kind as u8) < 16) {
                assert!(!is_legal(phase, kind), "{kind:?} in {phase:?}");
            }
        }
    }

    #[test]
    fn an_answer_is_legal_only_after_a_prompt() {
        assert!(is_legal(Phase::Asked, Kind::Answer));
        for phase in [Phase::Begin, Phase::Working, Phase::Running] {
            assert!(!is_legal(phase, Kind::Answer));
        }
    }
}
