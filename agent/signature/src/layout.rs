//! The layout of signatures (`PROTOCOL.sshsig`) and keys: each length is that of what it stands before, and nothing follows. The
//! crate that reads them asks this of numbers and texts, and not of all that hold them.

use pem_rfc7468::Decoder;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// How long ssh-keygen makes a line.
const LINE: usize = 70;

const MAGIC: &[u8] = b"SSHSIG";
/// The first byte of a point that is written with both coordinates (SEC 1).
const UNCOMPRESSED: u8 = 4;
/// Flags and counter, behind what a hardware key has signed.
const FLAGS_AND_COUNTER: usize = 5;

/// A public key as OpenSSH writes it, with or without a comment.
pub(crate) fn public_key(line: &str) -> Option<KeyData> {
    let key = PublicKey::from_openssh(line).ok()?.key_data().clone();
    let again = PublicKey::from(key.clone()).to_openssh().ok()?;
    let is_same = again.split(' ').eq(line.split_ascii_whitespace().take(2));
    (is_same && is_uncompressed(&key)).then_some(key)
}

/// A point of a curve could be shortened, and would then be another key to who compares them.
fn is_uncompressed(key: &KeyData) -> bool {
    let point = match key {
        KeyData::Ecdsa(key) => key.as_sec1_bytes(),
        KeyData::SkEcdsaSha2NistP256(key) => key.ec_point().as_bytes(),
        _ => return true,
    };
    point.first() == Some(&UNCOMPRESSED)
}

/// Whether a signature has one meaning to everyone.
pub(crate) fn is_exact(pem: &str) -> bool {
    let mut bytes = Vec::new();
    let decoded = Decoder::new_wrapped(pem.as_bytes(), LINE)
        .and_then(|mut pem| pem.decode_to_end(&mut bytes).map(drop));
    // Texts before it and other ends of lines are allowed to PEM, and not to ssh-keygen.
    pem.starts_with("-----BEGIN") && !pem.contains('\r') && decoded.is_ok() && whole(&bytes).is_some()
}

fn whole(bytes: &[u8]) -> Option<()> {
    let (_version, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(4)?;
    let (key, rest) = part(rest)?;
    PublicKey::from_bytes(key).ok()?.to_bytes().ok().filter(|again| again == key)?;
    let (_namespace, rest) = part(rest)?;
    let (_reserved, rest) = part(rest)?;
    let (_hash, rest) = part(rest)?;
    let (signature, rest) = part(rest)?;
    let (algorithm, signed) = part(signature)?;
    let (_, tail) = part(signed)?;
    let is_right = tail.len() == if algorithm.starts_with(b"sk-") { FLAGS_AND_COUNTER } else { 0 };
    (rest.is_empty() && is_right).then_some(())
}

/// A part with its length before it, and what follows.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
