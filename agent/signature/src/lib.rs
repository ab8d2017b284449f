//! Who signed a text: OpenSSH's signatures (`PROTOCOL.sshsig`) by keys of an `allowed_signers` file (ssh-keygen(1), ALLOWED
//! SIGNERS), and the bundles of policy files that are signed so. Pure: files and the time are handed in.
//!
//! ```text
//! ssh-keygen -Y sign -n jit-policy@jit-sudo -f KEY BUNDLE
//! ```
//! What OpenSSH would let pass in silence is narrower here: an entry has to name the namespaces that it is good for, a
//! hardware key must have been touched, and what is not understood in the file makes the whole file worth nothing.
#![forbid(unsafe_code)]

pub mod bundle;
mod layout;
mod line;
mod pattern;
mod revoked;
mod signers;

use std::fmt;

use jiff::Timestamp;
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use pattern::list_matches;
pub use revoked::Revoked;
pub use signers::Signers;

/// What a bundle of policy files is signed for.
pub const POLICY: &str = "jit-policy@jit-sudo";

/// What a token is signed for.
pub const GRANT: &str = "jit-grant@jit-sudo";

/// The longest signature that is read, in bytes: those of the keys we know take some 300.
pub const MAX_SIGNATURE: usize = 8 * 1024;

/// The flag of a hardware key that somebody touched it (`PROTOCOL.u2f`).
const TOUCHED: u8 = 0x01;

/// A flaw of a file, by its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, for people.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The principals of the entry, as they are written.
    pub principals: String,
    /// The key's fingerprint: `SHA256:…`.
    pub key: String,
}

/// Who signed, of some who are asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAs<'n> {
    /// Those of the names that the key stands for; may be none.
    pub names: Vec<&'n str>,
    /// The principals of all its entries, each as it is written.
    pub principals: Vec<String>,
    /// The key's fingerprint: `SHA256:…`.
    pub key: String,
}

/// Why a signature counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It is none, or of a form or version that is not known.
    Malformed,
    /// It is of a kind of key that can't be checked here.
    KeyType,
    /// It is good for something else.
    Namespace,
    /// It is not one of this text: one of the two was changed.
    Altered,
    /// The key was revoked.
    Revoked,
    /// No entry has this key for this purpose.
    Unknown,
    /// All entries that have the key begin later.
    NotYetValid,
    /// All entries that have the key are over.
    Expired,
    /// Nobody touched the hardware key.
    NotTouched,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is no signature of a form that is known",
            Self::KeyType => {
                "its kind of key can't be checked here (ed25519, ecdsa-p256 and their sk forms can)"
            }
            Self::Namespace => "it was made for another purpose",
            Self::Altered => "it does not fit: what was signed is another text",
            Self::Revoked => "its key is revoked",
            Self::Unknown => "its key may not sign this",
            Self::NotYetValid => "its key may not sign yet",
            Self::Expired => "its key may not sign any more",
            Self::NotTouched => "nobody touched its hardware key",
        })
    }
}

/// Who signed this text for this purpose.
///
/// # Errors
/// Why the signature counts for nothing.
pub fn verify(
    text: &[u8],
    signature: &str,
    namespace: &str,
    signers: &Signers,
    revoked: &Revoked,
    now: Timestamp,
) -> Result<Signed, Rejection> {
    let signature = check(text, signature, namespace, revoked)?;
    let key = PublicKey::from(signature.public_key().clone());
    let principals = *signers.find(key.key_data(), namespace, now)?.first().ok_or(Rejection::Unknown)?;
    must_be_touched(&signature)?;
    Ok(Signed { principals: principals.to_owned(), key: key.fingerprint(HashAlg::Sha256).to_string() })
}

/// As [`verify`], and for which of these names its key stands: those that the principals of any of its entries match.
///
/// # Errors
/// Why the signature counts for nothing.
pub fn verify_names<'n>(
    text: &[u8],
    signature: &str,
    namespace: &str,
    (signers, revoked): (&Signers, &Revoked),
    now: Timestamp,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<SignedAs<'n>, Rejection> {
    let signature = check(text, signature, namespace, revoked)?;
    let key = PublicKey::from(signature.public_key().clone());
    let principals = signers.find(key.key_data(), namespace, now)?;
    must_be_touched(&signature)?;
    let stands_for = |name: &&str| principals.iter().any(|list| list_matches(list, name));
    let names = names.into_iter().filter(stands_for).collect();
    let principals = principals.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    Ok(SignedAs { names, principals, key: key.fingerprint(HashAlg::Sha256).to_string() })
}

/// The signature, of this text for this purpose, by a key that is not revoked.
fn check(text: &[u8], signature: &str, namespace: &str, revoked: &Revoked) -> Result<SshSig, Rejection> {
    if signature.len() > MAX_SIGNATURE {
        return Err(Rejection::Malformed);
    }
    // Many tools end a file with a line's end; PEM has none of its own.
    let pem = signature.trim_end_matches('\n');
    let signature = SshSig::from_pem(pem).map_err(|error| unreadable(&error))?;
    if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() || !layout::is_exact(pem) {
        return Err(Rejection::Malformed);
    }
    if signature.namespace() != namespace {
        return Err(Rejection::Namespace);
    }
    let key = PublicKey::from(signature.public_key().clone());
    if !signers::can_be_checked(key.key_data()) {
        return Err(Rejection::KeyType);
    }
    // Whether there are flags is told by the signature, and how they are checked by the key.
    if signature.algorithm() != key.algorithm() {
        return Err(Rejection::Malformed);
    }
    key.verify(namespace, text, &signature).map_err(|error| match unreadable(&error) {
        Rejection::KeyType => Rejection::KeyType,
        _ => Rejection::Altered,
    })?;
    if revoked.contains(key.key_data()) {
        return Err(Rejection::Revoked);
    }
    Ok(signature)
}

fn unreadable(error: &ssh_key::Error) -> Rejection {
    match error {
        ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. } => Rejection::KeyType,
        _ => Rejection::Malformed,
    }
}

fn must_be_touched(signature: &SshSig) -> Result<(), Rejection> {
    if needs_touch(signature) && !was_touched(signature) {
        return Err(Rejection::NotTouched);
    }
    Ok(())
}

fn needs_touch(signature: &SshSig) -> bool {
    matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

/// A hardware key's signature ends in a byte of flags and four of a counter.
fn was_touched(signature: &SshSig) -> bool {
    let bytes = signature.signature_bytes();
    bytes.len().checked_sub(5).and_then(|at| bytes.get(at)).is_some_and(|flags| flags & TOUCHED != 0)
}

#[cfg(test)]
mod tests;
