//! SHA-256 of a file, as a policy pins it.

use std::fmt;

/// A SHA-256. Shown as 64 hex digits, as sha256sum(1) prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The one with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From its 64 hex digits; `None` if it is anything else.
    pub fn parse(hex: &str) -> Option<Self> {
        let digit = |char: char| u8::try_from(char.to_digit(16)?).ok();
        let digits: Vec<u8> = hex.chars().map(digit).collect::<Option<_>>()?;
        let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
        bytes.try_into().ok().filter(|_| digits.len() == 64).map(Self)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hex_digits_and_is_shown_in_lower_case() {
        let hex = "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::parse(hex).unwrap().to_string(), hex.to_lowercase());
        let odd = format!("{}0", &hex[..62]);
        for wrong in
            ["", "00", &hex[1..], &odd, &format!("{hex}00"), &hex.replace('E', "g"), &hex.replace("E3", "+3")]
        {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
    }
}
