//! Signed policy: `signature NUL allowed_signers NUL revoked keys NUL bundle`. Whatever was changed, one key's signature of
//! one text counts for nothing else.

use jit_signature::bundle::Bundle;
use jit_signature::{POLICY, Revoked, Signers, verify};

use crate::world::now;

/// What the signatures of the corpus sign. Their keys were thrown away.
const TEXT: &[u8] = b"what is signed\n";
/// The keys that signed it.
const KEYS: [&str; 2] = [
    "SHA256:USe3+RKuL8bptQfs/Mz7UBPZHhYogrRWPKw0E3G9cTk",
    "SHA256:9VSThGMD1WRGCbCLaof7tGXlPLCspFkXWAZ68wnS5Vc",
];

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut parts = text.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    let (signature, signers, revoked, bundle) = (next(), next(), next(), next());
    if let Ok(read) = Bundle::parse(bundle) {
        assert_eq!(read.to_string(), bundle, "what is signed has one form");
    }
    let signers = Signers::parse(signers).unwrap_or_default();
    let revoked = Revoked::parse(revoked).unwrap_or_default();
    let check = |text: &[u8], purpose: &str| verify(text, signature, purpose, &signers, &revoked, now());
    if let Ok(signed) = check(TEXT, POLICY) {
        assert!(KEYS.contains(&signed.key.as_str()), "{signed:?} did not sign it");
    }
    assert!(check(b"what is signed", POLICY).is_err(), "it is another text");
    assert!(check(TEXT, "file").is_err(), "it is for another purpose");
}
