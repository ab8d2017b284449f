//! Checksums of sudoers, in hex or base64.

use super::ast::Digest;
use crate::sha256::Sha256;

/// Each kind, and how many bytes it has.
const KINDS: [(&str, usize); 4] = [("sha224", 28), ("sha256", 32), ("sha384", 48), ("sha512", 64)];

/// The kind with this name.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    KINDS.into_iter().map(|(kind, _)| kind).find(|kind| *kind == name)
}

/// A checksum of this kind; `None` if the text is none.
pub(super) fn digest(kind: &'static str, text: &str) -> Option<Digest> {
    let (_, length) = KINDS.into_iter().find(|(name, _)| *name == kind)?;
    // As sudo tells them apart.
    let bytes = if text.len() == 2 * length { hex(text)? } else { base64(text)? };
    if bytes.len() != length {
        return None;
    }
    let sha256 = <[u8; 32]>::try_from(bytes).ok().filter(|_| kind == "sha256");
    Some(sha256.map_or(Digest::Other(kind), |bytes| Digest::Sha256(Sha256::new(bytes))))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |char: char| u8::try_from(char.to_digit(16)?).ok();
    let digits: Vec<u8> = text.chars().map(digit).collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// With or without its `=` at the end.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for char in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|digit| *digit == char)?;
        held = held << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, 10; and an empty file's.
    #[test]
    fn both_forms_are_read() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9vYmE", b"fooba")]
        {
            assert_eq!(base64(text).unwrap(), bytes);
        }
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let same = Some(Digest::Sha256(Sha256::parse(hex).unwrap()));
        assert_eq!(digest("sha256", hex), same);
        assert_eq!(digest("sha256", &hex.to_uppercase()), same);
        assert_eq!(digest("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), same);
        assert_eq!(
            digest("sha224", "0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ=="),
            Some(Digest::Other("sha224"))
        );
        for wrong in ["", "abc", &hex[1..], "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF!="] {
            assert_eq!(digest("sha256", wrong), None, "{wrong}");
        }
        assert_eq!(digest("sha512", hex), None);
    }
}
