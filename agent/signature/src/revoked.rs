//! Keys that count no more: a file with one public key or fingerprint a line.

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, Fingerprint, HashAlg};

use crate::Mistake;
use crate::layout::public_key;
use crate::line::lines;

/// Keys that count no more, whatever an `allowed_signers` file says.
#[derive(Debug, Clone, Default)]
pub struct Revoked(Vec<Fingerprint>);

impl Revoked {
    /// Reads a list: public keys (`ssh-ed25519 AAAA…`) or fingerprints (`SHA256:…`), `#` for comments. ssh-keygen's binary
    /// lists (KRL) are refused.
    ///
    /// # Errors
    /// The first line that is neither.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut keys = Vec::new();
        for (line, content) in lines(text) {
            let found = match content.split_ascii_whitespace().next() {
                Some(word) if word.starts_with("SHA256:") => word.parse().ok(),
                _ => key(content),
            };
            let mistake =
                || Mistake { line, what: "this is neither a public key nor its fingerprint".to_owned() };
            keys.push(found.ok_or_else(mistake)?);
        }
        Ok(Self(keys))
    }

    pub(crate) fn contains(&self, key: &KeyData) -> bool {
        self.0.contains(&key.fingerprint(HashAlg::Sha256))
    }
}

/// The fingerprint of a public key. Neither a certificate nor a kind of key that is not known is one: what it stands for would not
/// be found.
fn key(line: &str) -> Option<Fingerprint> {
    let key = public_key(line).filter(|key| !matches!(key.algorithm(), Algorithm::Other(_)))?;
    Some(key.fingerprint(HashAlg::Sha256))
}
