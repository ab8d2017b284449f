//! An `allowed_signers` file: whose key may sign what, and when (ssh-keygen(1), ALLOWED SIGNERS).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve};

use crate::layout::public_key;
use crate::line::{lines, parts, quoted, unquoted, word};
use crate::pattern::list_matches;
use crate::{Mistake, Rejection};

/// Whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Signers(Vec<Entry>);

/// One line.
#[derive(Debug, Clone)]
struct Entry {
    principals: String,
    /// Patterns; without any it is good for nothing here.
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    key: KeyData,
}

impl Signers {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is not understood: then nobody in the file is believed.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let entry = |(line, content)| entry(content).map_err(|what| Mistake { line, what });
        lines(text).map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The principals of the entries, one at least, that let this key sign for this purpose now.
    pub(crate) fn find(
        &self,
        key: &KeyData,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Vec<&str>, Rejection> {
        let (mut why, mut found) = (Rejection::Unknown, Vec::new());
        for entry in &self.0 {
            let is_for = |list: &String| list_matches(list, namespace);
            if entry.key != *key || !entry.namespaces.as_ref().is_some_and(is_for) {
                continue;
            }
            if entry.after.is_some_and(|after| now < after) {
                why = Rejection::NotYetValid;
            } else if entry.before.is_some_and(|before| now >= before) {
                why = Rejection::Expired;
            } else {
                found.push(entry.principals.as_str());
            }
        }
        if found.is_empty() { Err(why) } else { Ok(found) }
    }
}

/// `principals [options] type base64 [comment]`
fn entry(line: &str) -> Result<Entry, String> {
    if line.contains('\0') {
        return Err("it has a NUL, which ends it for some".to_owned());
    }
    let (principals, rest) = word(line).ok_or("there is nothing in it")?;
    let principals =
        unquoted(principals).filter(|list| !list.is_empty()).ok_or("its principals have no end")?;
    // Nobody says here who they are, so that nobody can be told from those whom it takes away.
    if principals.contains('!') {
        return Err("principals with a ! are not known here: name those whose key it is".to_owned());
    }
    let (first, after_options) = word(rest).ok_or("it has no key")?;
    let is_key = ["ssh-", "sk-", "ecdsa-", "rsa-"].iter().any(|start| first.starts_with(start));
    let (options, key) = if is_key { ("", rest) } else { (first, after_options) };
    let key = public_key(key.trim_ascii()).filter(can_be_checked);
    let key =
        key.ok_or("its key is none that can be checked (ed25519, ecdsa-p256 and their sk forms are)")?;
    let mut entry =
        Entry { principals: principals.to_owned(), namespaces: None, after: None, before: None, key };
    for option in parts(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = || quoted(value).ok_or_else(|| format!("the value of {name} does not stand in quotes"));
        match name.to_ascii_lowercase().as_str() {
            "" if options.is_empty() => {}
            "namespaces" => set(&mut entry.namespaces, name, value()?.to_owned())?,
            "valid-after" => set(&mut entry.after, name, time(value()?)?)?,
            "valid-before" => set(&mut entry.before, name, time(value()?)?)?,
            "cert-authority" => return Err("certificates are not known here: name the keys".to_owned()),
            _ => return Err(format!("{name} is no option that is known here")),
        }
    }
    Ok(entry)
}

/// Whether this program checks signatures of this kind of key.
pub(crate) fn can_be_checked(key: &KeyData) -> bool {
    matches!(
        key.algorithm(),
        Algorithm::Ed25519
            | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
    )
}

/// An option that stands twice has no meaning.
fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} stands twice")),
    }
}

/// `YYYYMMDD[HHMM[SS]]Z`. ssh-keygen takes times of the host's zone as well: what such a one means would depend on the host.
fn time(text: &str) -> Result<Timestamp, String> {
    let digits = text
        .strip_suffix(['Z', 'z'])
        .ok_or_else(|| format!("the time {text} has no zone: add a Z, for UTC"))?;
    let format = match digits.len() {
        _ if !digits.bytes().all(|byte| byte.is_ascii_digit()) => "",
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => "",
    };
    let parsed = if digits.len() == 8 {
        jiff::civil::Date::strptime(format, digits).map(|date| date.at(0, 0, 0, 0))
    } else {
        DateTime::strptime(format, digits)
    };
    let utc = parsed.and_then(|time| time.to_zoned(TimeZone::UTC));
    utc.map(|zoned| zoned.timestamp()).map_err(|_| format!("{text} is no time: write YYYYMMDDHHMMSSZ"))
}
