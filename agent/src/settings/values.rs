//! How single values of the settings are read.

use std::time::Duration;

use jit_sys::account::parse_name_or_id;
use serde::{Deserialize, Deserializer, de};

use super::Keep;

/// A smaller file of the audit log would be rotated all the time.
const SMALLEST: u64 = 64 * 1024;

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    jit_policy::parse_duration(&text)
        .map_err(|why| de::Error::custom(format!("{why}, such as \"90s\" or \"1h30m\"")))
}

/// Users and groups, as policy names them; no sets.
pub(super) fn administrators<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let is_one = |name: &&String| {
        let own = name.strip_prefix('%').unwrap_or(name);
        own != "ALL" && !own.starts_with(['@', '%']) && parse_name_or_id(own).is_some()
    };
    match names.iter().find(|name| !is_one(name)) {
        None => Ok(names),
        Some(name) => Err(de::Error::custom(format!(
            "{name:?} is no user's or group's name, such as \"alice\", \"#1000\", \"%wheel\" or \"%#990\""
        ))),
    }
}

/// Bytes: `64K`, `100M`, `1G`, in powers of 1024.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = |unit: char, shift: u32| {
        let digits =
            text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()?.checked_mul(1 << shift)
    };
    let size = bytes('K', 10).or_else(|| bytes('M', 20)).or_else(|| bytes('G', 30));
    match size {
        Some(size) if size >= SMALLEST => Ok(size),
        Some(_) => Err(de::Error::custom("at least 64K")),
        None => Err(de::Error::custom(format!("{text:?} is not a size, such as \"100M\" or \"1G\""))),
    }
}

/// How many files, or `"all"`.
pub(super) fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keep, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Word(String),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::Word(word)) if word == "all" => Ok(Keep::All),
        Ok(Written::Number(number)) => match usize::try_from(number) {
            Ok(count) if count > 0 => Ok(Keep::Files(count)),
            _ => Err(de::Error::custom("at least 1 file, or \"all\"")),
        },
        _ => Err(de::Error::custom("a number of files, or \"all\"")),
    }
}
