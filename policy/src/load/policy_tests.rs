//! `[[test]]`, in policy files and in files of their own.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use toml::de::{DeTable, DeValue};

use super::Loader;
use super::known;
use super::login_session;
use super::names;
use super::pins::pin;
use super::reader::{Reader, Value};
use super::rules::{description, header};
use crate::pattern::is_normal;
use crate::policy_test::{PolicyTest, Who};
use crate::request::EDIT;
use crate::rule::Effect;

impl Loader<'_> {
    /// Every `[[test]]` of a file.
    pub(super) fn policy_tests(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>) {
        for value in table.get("test").and_then(|tests| reader.array(tests, "test")).into_iter().flatten() {
            let test = self.policy_test(reader, value);
            self.tests.extend(test);
        }
    }

    fn policy_test(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<PolicyTest> {
        let before = reader.found.len();
        let table = reader.table(value, "test")?;
        reader.only(table, "a test", &known::TEST, &[]);
        let header = header(reader, table, value);
        for (key, hint) in [
            ("user", "add user = \"…\""),
            ("command", "add command = [\"/path/of/command\", \"argument\"]"),
            ("expect", "add expect = \"allow\" or \"deny\""),
        ] {
            if !table.contains_key(key) {
                reader.mistake(header.clone(), format!("this test has no `{key}`"), hint);
            }
        }
        let effects = [("allow", Effect::Allow), ("deny", Effect::Deny)];
        let expect = table.get("expect").and_then(|expect| reader.one_of(expect, "expect", &effects));
        if let (Some(Effect::Deny), Some((key, _))) = (expect, table.get_key_value("duties")) {
            reader.mistake(key.span(), "a denial has no duties", "remove `duties`");
        }
        let text = |reader: &mut Reader<'_>, key: &str| {
            table.get(key).and_then(|value| reader.string(value, key)).map(str::to_owned)
        };
        let one = |reader: &mut Reader<'_>, key: &str| {
            let value = table.get(key)?;
            let text = reader.string(value, key)?;
            who(reader, text, value, key)
        };
        let test = PolicyTest {
            description: description(reader, table),
            file: std::sync::Arc::clone(&reader.path),
            line: reader.line(header.start),
            expect: expect.unwrap_or(Effect::Deny),
            user: one(reader, "user").unwrap_or(Who::Id(u32::MAX)),
            groups: table.get("groups").and_then(|value| groups(reader, value)).unwrap_or_default(),
            host: text(reader, "host").unwrap_or_default(),
            tags: table.get("tags").and_then(|value| strings(reader, value, "tags")).unwrap_or_default(),
            run_as: one(reader, "run_as"),
            run_as_group: one(reader, "run_as_group"),
            command: table.get("command").and_then(|value| self.command(reader, value)).unwrap_or_default(),
            sha256: table.get("sha256").and_then(|value| pin(reader, value)),
            nested: table.get("nested").and_then(|value| reader.boolean(value, "nested")).unwrap_or(false),
            time: table.get("time").and_then(|value| time(reader, value)),
            login: login_session::of_test(
                reader,
                table.get("origin"),
                table.get("remote"),
                table.get("session"),
            ),
            rule: text(reader, "rule"),
            duties: table.get("duties").and_then(|value| duties(reader, value)),
        };
        (reader.found.len() == before).then_some(test)
    }

    /// `["/usr/bin/systemctl", "restart", "nginx.service"]` or `["sudoedit", "/etc/motd"]`; the folders of the program's path, or
    /// of the files', resolved as in a rule.
    fn command(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<String>> {
        let mut command = strings(reader, value, "command")?;
        let edits = command.first().is_some_and(|name| name == EDIT) && command.len() > 1;
        let (skip, take) = if edits { (1, usize::MAX) } else { (0, 1) };
        let mut are_paths = !command.is_empty();
        for path in command.iter_mut().skip(skip).take(take) {
            let plain = is_normal(path.as_bytes()) && *path != "/";
            match path.rsplit_once('/').filter(|_| plain) {
                Some(("", _)) => {}
                Some((folder, name)) => *path = format!("{}/{name}", self.canonical(folder)),
                None => are_paths = false,
            }
        }
        if are_paths {
            return Some(command);
        }
        let hint = "its first word is an absolute path without `.`, `..`, `//` and without a `/` at its end";
        reader.mistake(value.span(), "this is not a command", hint);
        None
    }
}

fn strings(reader: &mut Reader<'_>, value: &Value<'_>, key: &str) -> Option<Vec<String>> {
    Some(reader.strings(value, key)?.into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// A name, or `#` and a number.
fn who(reader: &mut Reader<'_>, text: &str, value: &Value<'_>, key: &str) -> Option<Who> {
    if text.starts_with(['%', '@']) || text == "ALL" {
        let hint = "write a name or \"#id\": no `%`, no set and no \"ALL\"";
        reader.mistake(value.span(), format!("`{key}` in a test holds what is no name"), hint);
        return None;
    }
    match text.strip_prefix('#') {
        Some(digits) => names::id(reader, digits, value.span()).map(Who::Id),
        None => names::name(reader, text, value.span()).map(|name| Who::Name(name.to_owned())),
    }
}

fn groups(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Who>> {
    let array = reader.array(value, "groups")?;
    let group = |reader: &mut Reader<'_>, one: &Value<'_>| {
        let text = reader.string(one, "groups")?;
        who(reader, text, one, "groups")
    };
    Some(array.iter().filter_map(|one| group(reader, one)).collect())
}

fn duties(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<String>> {
    let words = [("reason", "reason"), ("authentication", "authentication"), ("approval", "approval")];
    let array = reader.array(value, "duties")?;
    Some(array.iter().filter_map(|one| reader.one_of(one, "duties", &words)).map(str::to_owned).collect())
}

/// An instant with the offset of the host's clock, with or without quotes.
fn time(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(Timestamp, Offset)> {
    let written = match value.get_ref() {
        DeValue::Datetime(datetime) => Some(datetime.to_string()),
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    let parsed = written.and_then(|text| {
        let offset = Pieces::parse(text.as_str()).ok()?.to_numeric_offset()?;
        Some((text.parse::<Timestamp>().ok()?, offset))
    });
    if parsed.is_none() {
        let hint = "write it as 2027-01-31T18:00:00+01:00: then the host's clock shows 18:00";
        reader.mistake(value.span(), "`time` is not a time with an offset", hint);
    }
    parsed
}
