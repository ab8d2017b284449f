//! The keys of a `[[rule]]` and of `[defaults]`, read but not yet filled in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::Loader;
use super::approval;
use super::commands::Bare;
use super::edits;
use super::known;
use super::names::Among;
use super::reader::{Reader, Value};
use super::sets::Use;
use crate::login_session::{Network, Origin, State};
use crate::pattern::{Commands, Folders, Groups, Hosts, Principals, Word, alternatives, is_normal, one_word};
use crate::rule::{
    AllowCwd, AuthenticateAs, Authentication, Cwd, Effect, EnvPattern, Leftover, OnExpiry, Reason, Scope,
};
use crate::when::When;

/// The keys of one table; `None` where a key is not there.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) users: Option<Principals>,
    pub(super) except_users: Option<Principals>,
    pub(super) hosts: Option<Hosts>,
    pub(super) except_hosts: Option<Hosts>,
    pub(super) run_as: Option<Principals>,
    pub(super) except_run_as: Option<Principals>,
    pub(super) run_as_groups: Option<Groups>,
    pub(super) commands: Option<Commands>,
    pub(super) except_commands: Option<Commands>,
    pub(super) nested: Option<bool>,
    pub(super) trusted_path: Option<bool>,
    pub(super) when: Option<Arc<When>>,
    pub(super) origin: Option<Box<[Origin]>>,
    pub(super) remote: Option<Box<[Network]>>,
    pub(super) session: Option<Box<[State]>>,
    pub(super) not_before: Option<jiff::Timestamp>,
    pub(super) not_after: Option<jiff::Timestamp>,
    pub(super) reason: Option<Reason>,
    pub(super) authentication: Option<Authentication>,
    pub(super) authenticate_as: Option<AuthenticateAs>,
    pub(super) authentication_timeout: Option<Duration>,
    pub(super) approval: Option<approval::Wanted>,
    pub(super) duration: Option<Duration>,
    pub(super) max_duration: Option<Duration>,
    pub(super) uses: Option<u32>,
    pub(super) scope: Option<Scope>,
    pub(super) on_expiry: Option<OnExpiry>,
    pub(super) grace: Option<Duration>,
    pub(super) leftover: Option<Leftover>,
    pub(super) env_keep: Option<Vec<EnvPattern>>,
    pub(super) env_set: Option<BTreeMap<String, String>>,
    pub(super) secure_path: Option<String>,
    pub(super) umask: Option<u32>,
    pub(super) cwd: Option<Cwd>,
    pub(super) allow_cwd: Option<AllowCwd>,
    pub(super) timeout: Option<Duration>,
    pub(super) edit_check: Option<Vec<String>>,
    /// Where that stands.
    pub(super) edit_check_at: Option<Range<usize>>,
}

impl Loader<'_> {
    /// Reads the keys, but for those that `[defaults]` can't have.
    pub(super) fn keys(
        &mut self,
        reader: &mut Reader<'_>,
        table: &DeTable<'_>,
        what: &str,
        effect: Effect,
    ) -> Keys {
        reader.only(table, what, &known::RULE, &[]);
        if effect == Effect::Deny {
            for key in table.keys() {
                let name: &str = key.get_ref();
                if known::NOT_IN_DENY.contains(&name) {
                    let hint = "it says only who, where, whom, what, `nested`, `when` and `except_*`";
                    reader.mistake(key.span(), format!("a deny has no `{name}`"), hint);
                }
            }
        }
        let bare = if effect == Effect::Deny { Bare::Refused } else { Bare::NoArguments };
        let mut keys = Keys::default();
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "users" => keys.users = self.principals(reader, value, name, Among::Users),
                "except_users" => keys.except_users = self.principals(reader, value, name, Among::Users),
                "hosts" => keys.hosts = self.hosts(reader, value, name, Use::Plain),
                "except_hosts" => keys.except_hosts = self.hosts(reader, value, name, Use::Plain),
                "run_as" => keys.run_as = self.principals(reader, value, name, Among::Targets),
                "except_run_as" => keys.except_run_as = self.principals(reader, value, name, Among::Targets),
                "run_as_groups" => keys.run_as_groups = self.groups(reader, value, name),
                "commands" => keys.commands = self.commands(reader, value, name, bare),
                "except_commands" => keys.except_commands = self.commands(reader, value, name, Bare::Refused),
                "nested" => keys.nested = reader.boolean(value, name),
                "when" => self.when(reader, value, &mut keys).unwrap_or_default(),
                "trusted_path" => keys.trusted_path = reader.boolean(value, name),
                "not_before" => keys.not_before = reader.timestamp(value, name),
                "not_after" => keys.not_after = reader.timestamp(value, name),
                "require" => self.require(reader, value, &mut keys).unwrap_or_default(),
                "grant" => grant(reader, value, &mut keys).unwrap_or_default(),
                "restrict" => restrict(reader, value, &mut keys).unwrap_or_default(),
                _ => {}
            }
        }
        keys
    }

    fn require(&mut self, reader: &mut Reader<'_>, value: &Value<'_>, keys: &mut Keys) -> Option<()> {
        let table = reader.table(value, "require")?;
        reader.only(table, "`require`", &known::REQUIRE, &[]);
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "reason" => keys.reason = self.reason(reader, value),
                "authentication" => {
                    let words = [("none", Authentication::None), ("password", Authentication::Password)];
                    keys.authentication = reader.one_of(value, name, &words);
                }
                "authenticate_as" => {
                    let words = [
                        ("invoking", AuthenticateAs::Invoking),
                        ("target", AuthenticateAs::Target),
                        ("root", AuthenticateAs::Root),
                    ];
                    keys.authenticate_as = reader.one_of(value, name, &words);
                }
                "authentication_timeout" => keys.authentication_timeout = reader.duration(value, name, true),
                "approval" => keys.approval = self.approval(reader, value),
                _ => {}
            }
        }
        Some(())
    }

    fn reason(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Reason> {
        match value.get_ref() {
            DeValue::Boolean(false) => Some(Reason::No),
            DeValue::Boolean(true) => Some(Reason::Any),
            DeValue::String(text) => self.regex(reader, text, value.span()).map(Reason::Matching),
            _ => {
                let hint = "write true, false, or a regex that the whole text must match";
                reader.mistake(value.span(), "`reason` is none of these", hint);
                None
            }
        }
    }
}

fn grant(reader: &mut Reader<'_>, value: &Value<'_>, keys: &mut Keys) -> Option<()> {
    let table = reader.table(value, "grant")?;
    reader.only(table, "`grant`", &known::GRANT, &[]);
    for (key, value) in table {
        let name: &str = key.get_ref();
        match name {
            "duration" => keys.duration = reader.duration(value, name, false),
            "max_duration" => keys.max_duration = reader.duration(value, name, false),
            "uses" => keys.uses = positive(reader, value, name, "leave it out for no limit"),
            "scope" => {
                let words =
                    [("terminal", Scope::Terminal), ("session", Scope::Session), ("user", Scope::User)];
                keys.scope = reader.one_of(value, name, &words);
            }
            "on_expiry" => {
                let words = [
                    ("terminate", OnExpiry::Terminate),
                    ("finish", OnExpiry::Finish),
                    ("warn", OnExpiry::Warn),
                ];
                keys.on_expiry = reader.one_of(value, name, &words);
            }
            "grace" => keys.grace = reader.duration(value, name, false),
            "leftover" => {
                keys.leftover =
                    reader.one_of(value, name, &[("keep", Leftover::Keep), ("kill", Leftover::Kill)]);
            }
            _ => {}
        }
    }
    Some(())
}

/// 1 to 4294967295.
pub(super) fn positive(reader: &mut Reader<'_>, value: &Value<'_>, key: &str, hint: &str) -> Option<u32> {
    let integer = value.get_ref().as_integer();
    let number = integer
        .and_then(|integer| i128::from_str_radix(integer.as_str(), integer.radix()).ok())
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0);
    if number.is_none() {
        reader.mistake(value.span(), format!("`{key}` is a number from 1 to 4294967295"), hint);
    }
    number
}

fn restrict(reader: &mut Reader<'_>, value: &Value<'_>, keys: &mut Keys) -> Option<()> {
    const UNBUILT: [&str; 12] = [
        "record",
        "capabilities",
        "no_new_privileges",
        "no_exec",
        "read_only",
        "read_write",
        "inaccessible",
        "private_network",
        "sockets",
        "cpu_weight",
        "memory_max",
        "tasks_max",
    ];
    let table = reader.table(value, "restrict")?;
    reader.only(table, "`restrict`", &known::RESTRICT, &UNBUILT);
    for (key, value) in table {
        let name: &str = key.get_ref();
        match name {
            "env_keep" => keys.env_keep = env_keep(reader, value),
            "env_set" => keys.env_set = env_set(reader, value),
            "secure_path" => keys.secure_path = secure_path(reader, value),
            "umask" => keys.umask = umask(reader, value),
            "cwd" => keys.cwd = cwd(reader, value),
            "allow_cwd" => keys.allow_cwd = allow_cwd(reader, value),
            "timeout" => keys.timeout = reader.duration(value, name, false),
            "edit_check" => {
                keys.edit_check = edits::check(reader, value);
                keys.edit_check_at = Some(key.span());
            }
            _ => {}
        }
    }
    Some(())
}

fn env_keep(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<EnvPattern>> {
    let mut patterns = Vec::new();
    for (text, span) in reader.strings(value, "env_keep")? {
        if text.is_empty()
            || !text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '*'))
            || text.contains("**")
        {
            let hint = "a name has letters, digits and `_`; `*` stands for any characters";
            reader.mistake(span, "this is not a name of variables", hint);
        } else {
            patterns.push(EnvPattern(text.into()));
        }
    }
    Some(patterns)
}

fn env_set(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (key, value) in reader.table(value, "env_set")? {
        let name: &str = key.get_ref();
        let text = reader.string(value, name);
        let first = name.chars().next();
        if first.is_none_or(|first| first.is_ascii_digit())
            || !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
        {
            reader.mistake(
                key.span(),
                "this is not the name of a variable",
                "a name has letters, digits and `_`",
            );
        } else if text.is_some_and(|text| text.contains('\0')) {
            reader.mistake(value.span(), "a variable can't contain a NUL", "");
        } else if let Some(text) = text {
            variables.insert(name.to_owned(), text.to_owned());
        }
    }
    Some(variables)
}

fn secure_path(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let text = reader.string(value, "secure_path")?;
    if text.split(':').all(|folder| is_normal(folder.as_bytes())) && !text.contains('\0') {
        return Some(text.to_owned());
    }
    let hint = "separate them by `:`; no empty one, no `.`, `..`, `//`, no `/` at an end";
    reader.mistake(value.span(), "`secure_path` is a list of absolute folders", hint);
    None
}

/// Three octal digits, with or without a leading zero.
fn umask(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<u32> {
    let text = reader.string(value, "umask")?;
    let digits = text.len() == 3 || (text.len() == 4 && text.starts_with('0'));
    let umask =
        u32::from_str_radix(text, 8).ok().filter(|_| digits && text.chars().all(|char| char.is_digit(8)));
    if umask.is_none() {
        reader.mistake(value.span(), "this is not a umask", "write three octal digits, as in \"0022\"");
    }
    umask
}

const FOLDER: &str = "write it absolute, without `.`, `..`, `//` and without a `/` at its end";

fn cwd(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Cwd> {
    match reader.string(value, "cwd")? {
        "caller" => Some(Cwd::Caller),
        folder if is_normal(folder.as_bytes()) && !folder.contains('\0') => {
            Some(Cwd::Folder(folder.to_owned()))
        }
        _ => {
            reader.mistake(value.span(), "`cwd` is \"caller\" or the path of a folder", FOLDER);
            None
        }
    }
}

fn allow_cwd(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<AllowCwd> {
    let mut words: Vec<Word> = Vec::new();
    let mut all = false;
    for (text, span) in reader.strings(value, "allow_cwd")? {
        if text == "ALL" {
            all = true;
        } else if !is_normal(text.as_bytes()) {
            reader.mistake(span, "`allow_cwd` holds \"ALL\" or paths of folders", FOLDER);
        } else {
            match one_word(text).and_then(|pieces| alternatives(&pieces)) {
                Ok(found) => words.extend(found.iter().map(|tokens| Word::new(tokens))),
                Err(error) => reader.mistake(span, error.message, error.hint),
            }
        }
    }
    Some(AllowCwd(if all { Folders::All } else { Folders::These(words) }))
}

/// Where a value of `[defaults]` stands in.
pub(super) fn filled<T: Clone>(own: Option<T>, default: Option<&T>) -> Option<T> {
    own.or_else(|| default.cloned())
}

/// The same restrictions are kept once.
pub(super) fn shared<T: Ord>(known: &mut std::collections::BTreeSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(same) = known.get(&value) {
        return Arc::clone(same);
    }
    let value = Arc::new(value);
    known.insert(Arc::clone(&value));
    value
}
