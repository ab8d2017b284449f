//! `require.approval`: `{ approvers = ["%leads"], count = 1, timeout = "30m", for = "digest" }`, or `false`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::Loader;
use super::keys::positive;
use super::names::Among;
use super::reader::{Reader, Value};
use crate::approval::{Approval, Binding};
use crate::pattern::Principals;

const TIMEOUT: Duration = Duration::from_mins(30);
const KEYS: [&str; 4] = ["approvers", "count", "timeout", "for"];
/// What a principal of `allowed_signers` is written with.
const SIGNER: &str = "signer:";
const FORM: &str = "write { approvers = [\"%leads\"] }, or false for none";

/// What a rule says of approval.
#[derive(Clone)]
pub(super) enum Wanted {
    /// `false`, which switches a default off.
    No,
    Of(Arc<Approval>),
}

impl Wanted {
    pub(super) fn approval(self) -> Option<Arc<Approval>> {
        match self {
            Self::No => None,
            Self::Of(approval) => Some(approval),
        }
    }
}

impl Loader<'_> {
    /// `approval`.
    pub(super) fn approval(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Wanted> {
        let table = match value.get_ref() {
            DeValue::Boolean(false) => return Some(Wanted::No),
            DeValue::Table(table) => table,
            _ => {
                reader.mistake(value.span(), "`approval` is none of what it may be", FORM);
                return None;
            }
        };
        reader.only(table, "`approval`", &KEYS, &[]);
        let Some(approvers) = table.get("approvers") else {
            reader.mistake(value.span(), "`approval` does not say who may approve", FORM);
            return None;
        };
        let approvers = self.approvers(reader, approvers);
        let count = table.get("count").map_or(Some(1), |count| positive(reader, count, "count", ""));
        let timeout =
            table.get("timeout").map_or(Some(TIMEOUT), |value| reader.duration(value, "timeout", false));
        let bindings = [("digest", Binding::Digest), ("rule", Binding::Rule)];
        let binding =
            table.get("for").map_or(Some(Binding::Digest), |value| reader.one_of(value, "for", &bindings));
        let Approvers { named, signers, accounts } = approvers?;
        let (count, timeout, binding) = (count?, timeout?, binding?);
        Some(Wanted::Of(Arc::new(Approval { named, signers, count, timeout, binding, approvers: accounts })))
    }

    fn approvers(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Approvers> {
        let texts = reader.strings(value, "approvers")?;
        if texts.is_empty() {
            reader.mistake(value.span(), "nobody may approve, so that it would never run", FORM);
            return None;
        }
        let mut named: Vec<Arc<str>> = texts.iter().map(|(text, _)| Arc::from(*text)).collect();
        named.sort_unstable();
        named.dedup();
        let (mut signers, mut accounts) = (Vec::new(), Vec::new());
        for (text, span) in texts {
            if let Some(principal) = text.strip_prefix(SIGNER) {
                signers.extend(signer(reader, principal, span));
            } else if text == "ALL" {
                reader.mistake(span, "\"ALL\" can't approve", "name users, groups or a set of them");
            } else {
                accounts.extend(self.principal(reader, (text, span), Among::Users));
            }
        }
        signers.sort_unstable();
        signers.dedup();
        Some(Approvers { named, signers, accounts: Principals::new(accounts) })
    }
}

/// Who may approve.
struct Approvers {
    named: Vec<Arc<str>>,
    signers: Vec<Arc<str>>,
    accounts: Principals,
}

/// A principal as `allowed_signers` has it: one, not a pattern of several.
fn signer(reader: &mut Reader<'_>, principal: &str, span: Range<usize>) -> Option<Arc<str>> {
    let plain = |char: char| char.is_ascii_graphic() && !"*?!,\"\\#%".contains(char);
    if principal.is_empty() || !principal.chars().all(plain) {
        let hint = "write signer: and a principal of allowed_signers, as \"signer:bob@example.com\"; no wildcards, no blanks";
        reader.mistake(span, "this is not a signer", hint);
        return None;
    }
    Some(Arc::from(principal))
}
