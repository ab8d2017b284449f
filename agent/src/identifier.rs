//! Identifiers of grants, sessions and nonces: random, so that none can be guessed.

use std::fmt::Write as _;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// 128 random bits.
///
/// # Errors
/// If the kernel gives none.
pub fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let filled = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if filled == bytes.len() { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A new identifier: 32 hex digits.
///
/// # Errors
/// If the kernel gives no random bits.
pub fn new() -> io::Result<String> {
    Ok(random()?.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_identifier_is_32_hex_digits_and_new_each_time() {
        let (one, other) = (super::new().unwrap(), super::new().unwrap());
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
