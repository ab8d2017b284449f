//! A token: a request that is approved by a signature, wherever its approver is. One text, which is asked for, signed and spent
//! as it is; docs/tokens.md describes it for those who write or read it with other programs.
//!
//! ```text
//! -----BEGIN JIT-SUDO TOKEN-----
//! { … }                                  JSON in ASCII, indented by two, keys in the order of Token
//! -----END JIT-SUDO TOKEN-----
//! -----BEGIN SSH SIGNATURE-----          one for each who signed: ssh-keygen -Y sign, of all lines above
//! …
//! -----END SSH SIGNATURE-----
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::escape::ascii_json;

/// Longest text in bytes, with its signatures.
pub const MAX_TOKEN: usize = 1024 * 1024;

/// Most signatures: each takes a moment to check.
pub const MAX_SIGNATURES: usize = 16;

/// Longest time between `not_before` and `not_after`, in seconds.
pub const MAX_VALID: u64 = 24 * 60 * 60;

const BEGIN: &str = "-----BEGIN JIT-SUDO TOKEN-----\n";
const END: &str = "-----END JIT-SUDO TOKEN-----\n";
const BEGIN_SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END_SIGNATURE: &str = "-----END SSH SIGNATURE-----\n";

/// What is asked for, and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Form of the text: 1.
    pub version: u8,
    /// The host's own random id, 32 hex digits: its name, which others may have too, is in the binding.
    pub host: String,
    /// 32 hex digits: it is good once.
    pub nonce: String,
    /// From when on it may be spent: RFC 3339, UTC, whole seconds.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
    /// How long the grant lives that it becomes, in seconds, from when it is spent.
    pub duration: u64,
    /// What a yes is a yes to.
    pub covers: Covers,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What exactly is asked for.
    pub binding: Binding,
}

/// What a yes is a yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// The binding, all of it.
    Command,
    /// Whatever the binding's rule permits to its user as its target, on its host.
    Rule,
}

/// A token and its signatures, as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub token: Token,
    /// Not checked yet.
    pub signatures: Vec<String>,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin as one, or there is something in it that is none of it.
    NotAToken,
    /// It ends too early.
    Truncated,
    /// A version that this program does not know.
    Version,
    /// It says what a token could say, but not in the one form that there is.
    Recoded,
    /// Longer, or with more signatures, than is read.
    TooLong,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAToken => "this is no token",
            Self::Truncated => "the token is cut off",
            Self::Version => "the token is of a version that is not known here",
            Self::Recoded => "the token was written anew: it is not in its one form",
            Self::TooLong => "the token is too long",
        })
    }
}

impl Token {
    /// The form of this version.
    pub const VERSION: u8 = 1;

    /// The text that is signed, with its last line's end.
    pub fn text(&self) -> String {
        let json = serde_json::to_string_pretty(self).unwrap_or_default(); // strings, numbers and lists always become JSON
        format!("{BEGIN}{}\n{END}", ascii_json(&json))
    }
}

impl Signed {
    /// The whole text.
    pub fn text(&self) -> String {
        self.token.text() + &self.signatures.concat()
    }

    /// Reads a text: a token, and the signatures that it has by now. The end of the last line may be missing.
    ///
    /// # Errors
    /// If it is not as [`Self::text`] writes it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_TOKEN {
            return Err(Malformed::TooLong);
        }
        let mut text = text.to_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let rest = text.strip_prefix(BEGIN).ok_or(if BEGIN.starts_with(text.trim_end()) {
            Malformed::Truncated
        } else {
            Malformed::NotAToken
        })?;
        let (json, mut rest) = rest.split_once(END).ok_or(Malformed::Truncated)?;
        let token = read(json)?;
        if format!("{BEGIN}{json}{END}") != token.text() {
            return Err(Malformed::Recoded);
        }
        let mut signatures = Vec::new();
        while !rest.is_empty() {
            let begins = rest.starts_with(BEGIN_SIGNATURE);
            let Some(at) = rest.find(END_SIGNATURE).filter(|_| begins) else {
                let start = rest.strip_suffix('\n').filter(|start| !start.is_empty());
                let is_cut = begins || start.is_some_and(|start| BEGIN_SIGNATURE.starts_with(start));
                return Err(if is_cut { Malformed::Truncated } else { Malformed::NotAToken });
            };
            let (signature, after) = rest.split_at(at + END_SIGNATURE.len());
            if signatures.len() == MAX_SIGNATURES {
                return Err(Malformed::TooLong);
            }
            signatures.push(signature.to_owned());
            rest = after;
        }
        Ok(Self { token, signatures })
    }
}

/// The version first: another one's fields are not known.
fn read(json: &str) -> Result<Token, Malformed> {
    #[derive(Deserialize)]
    struct Version {
        version: serde_json::Number,
    }
    let Version { version } = serde_json::from_str(json).map_err(|_| Malformed::NotAToken)?;
    if version.as_u64() != Some(u64::from(Token::VERSION)) {
        return Err(Malformed::Version);
    }
    serde_json::from_str(json).map_err(|_| Malformed::NotAToken)
}

#[cfg(test)]
mod tests;
