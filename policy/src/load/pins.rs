//! `sha256` of a command.

use toml::de::{DeTable, DeValue};

use super::reader::{Reader, Value};
use crate::sha256::Sha256;

const HINT: &str = "write the 64 hex digits that `sha256sum FILE` prints, or a list of such";

/// `sha256 = "…"` or `["…", "…"]`: sorted, each once; none without the key.
pub(super) fn pins(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<Box<[Sha256]>> {
    let Some(value) = table.get("sha256") else { return Some(Box::default()) };
    let mut pins = match value.get_ref() {
        DeValue::Array(list) if list.is_empty() => {
            reader.mistake(value.span(), "`sha256` names no digest", HINT);
            return None;
        }
        DeValue::Array(list) => {
            let found: Vec<Option<Sha256>> = list.iter().map(|one| pin(reader, one)).collect();
            found.into_iter().collect::<Option<Vec<_>>>()?
        }
        _ => vec![pin(reader, value)?],
    };
    pins.sort_unstable();
    pins.dedup();
    Some(pins.into())
}

/// One digest.
pub(super) fn pin(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Sha256> {
    let pin = value.get_ref().as_str().and_then(Sha256::parse);
    if pin.is_none() {
        reader.mistake(value.span(), "this is not a SHA-256", HINT);
    }
    pin
}
