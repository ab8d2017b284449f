//! Keys that count no more: a file with one public key or fingerprint a line.

use ssh_key::public::KeyData;
use ssh_key::{Fingerprint, HashAlg, PublicKey};

use crate::Mistake;
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
            let mistake =
                |_| Mistake { line, what: "this is neither a public key nor its fingerprint".to_owned() };
            keys.push(match content.split_ascii_whitespace().next() {
                Some(word) if word.starts_with("SHA256:") => word.parse().map_err(mistake)?,
                _ => PublicKey::from_openssh(content).map_err(mistake)?.fingerprint(HashAlg::Sha256),
            });
        }
        Ok(Self(keys))
    }

    pub(crate) fn contains(&self, key: &KeyData) -> bool {
        self.0.contains(&key.fingerprint(HashAlg::Sha256))
    }
}
