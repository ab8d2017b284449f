//! The text of a token. It has one form, so that what was signed is what is read: whatever else is near it is refused, or was not
//! signed.

use jit_protocol::token::{Malformed, Signed};
use jit_signature::{GRANT, Revoked, Signers, verify_names};

use crate::world::now;

/// What the signatures of the corpus sign. Their keys were thrown away.
const ASKED: &str = include_str!("../corpus/token/01");
/// The keys that signed it.
const SIGNERS: &str = "\
bob@example.com namespaces=\"jit-grant@jit-sudo\" ssh-ed25519 \
AAAAC3NzaC1lZDI1NTE5AAAAIF8mVGEDRf+7t4W3EToeIJaECyZvdO6qWzAoNyOfZv+g
carol@example.com namespaces=\"jit-grant@jit-sudo\" ecdsa-sha2-nistp256 \
AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBE/ic7Mca5W3jq8j3jqQoFNZKX/j3kJ7uMiphdta+WB3bL07ntp2IelVBrPhIFP2z0+R69J1Mt4iSAE1bwxXer0=
";

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let signed = match Signed::parse(text) {
        Err(why) => return assert!(!why.to_string().is_empty()),
        Ok(signed) => signed,
    };
    has_one_form(text, &signed);
    let (signers, revoked) = (Signers::parse(SIGNERS).expect("two keys"), Revoked::default());
    let counts = |text: &str, signature: &str, purpose: &str| {
        verify_names(text.as_bytes(), signature, purpose, (&signers, &revoked), now(), []).is_ok()
    };
    let asked = signed.token.text();
    for signature in &signed.signatures {
        assert!(asked == ASKED || !counts(&asked, signature, GRANT), "{text} was not signed");
        assert!(!counts(&asked, signature, "file"), "it is for another purpose");
    }
}

/// Read and written it is the same, but for the end of its last line; with one letter less it is something else.
fn has_one_form(text: &str, signed: &Signed) {
    let written = signed.text();
    assert_eq!(text.strip_suffix('\n').unwrap_or(text), written.trim_end_matches('\n'));
    assert!(
        signed.token.text().bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
        "it steers no terminal"
    );
    assert_eq!(Signed::parse(&written).as_ref(), Ok(signed));
    let cut = written.get(..written.len().saturating_sub(2)).unwrap_or_default();
    assert_eq!(Signed::parse(cut), Err(Malformed::Truncated));
}
