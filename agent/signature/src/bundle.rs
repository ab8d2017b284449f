//! A bundle: a list of the files of a policy with their SHA-256, and a number that only grows. It is signed as a whole.
//!
//! ```text
//! jit-policy-bundle 1
//! number 2026112201
//! 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  50-web.toml
//! ```

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::Mistake;

/// Name of the list, in the policy's folder.
pub const NAME: &str = "BUNDLE";
/// Name of its signature, there.
pub const SIGNATURE: &str = "BUNDLE.sig";

const HEAD: &str = "jit-policy-bundle 1";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// A bundle with a smaller one is older.
    pub number: u64,
    /// SHA-256 by file name.
    files: BTreeMap<String, [u8; 32]>,
}

impl Bundle {
    /// Of these files, by name.
    pub fn of<'a>(number: u64, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let files = files.into_iter().map(|(name, text)| (name.to_owned(), Sha256::digest(text).into()));
        Self { number, files: files.collect() }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// The first line that is not as [`fmt::Display`] writes it: what is signed has one form.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mistake = |line: usize, what: &str| Mistake { line, what: what.to_owned() };
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(mistake(1, "this is not the head of a bundle of version 1"));
        }
        let number = lines.next().and_then(|line| line.strip_prefix("number "));
        let number =
            number.filter(|number| !number.starts_with(['0', '+'])).and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| mistake(2, "the bundle has no number"))?;
        let mut files = BTreeMap::new();
        for (at, line) in lines.enumerate() {
            let (digest, name) =
                entry(line).ok_or_else(|| mistake(at + 3, "this is not a SHA-256 and the name of a file"))?;
            if files.insert(name.to_owned(), digest).is_some() {
                return Err(mistake(at + 3, "this file stands twice"));
            }
        }
        let bundle = Self { number, files };
        if bundle.to_string() != text {
            return Err(mistake(
                3,
                "this is not as `jitctl policy bundle` writes it: in the order of the names, one line each",
            ));
        }
        Ok(bundle)
    }

    /// Whether these are its files: all of them, and no other.
    ///
    /// # Errors
    /// For people: the first that is another one, missing, or not in it.
    pub fn covers<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<(), String> {
        let mut missing = self.files.clone();
        for (name, text) in files {
            let digest: [u8; 32] = Sha256::digest(text).into();
            match missing.remove(name) {
                None => return Err(format!("{name} is not in the bundle")),
                Some(signed) if signed != digest => {
                    return Err(format!("{name} is not the file that was signed"));
                }
                Some(_) => {}
            }
        }
        match missing.keys().next() {
            Some(name) => Err(format!("{name} is in the bundle, and not in the folder")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nnumber {}", self.number)?;
        for (name, digest) in &self.files {
            for byte in digest {
                write!(f, "{byte:02x}")?;
            }
            writeln!(f, "  {name}")?;
        }
        Ok(())
    }
}

/// As sha256sum(1) writes it.
fn entry(line: &str) -> Option<([u8; 32], &str)> {
    let (hex, name) = line.split_once("  ")?;
    let is_name = !name.is_empty() && !name.contains(['/', '\0', '\r', '\\']);
    if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) || !is_name {
        return None;
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some((digest, name))
}
