//! `[[login]]` and `[login_defaults]`.

use toml::de::DeTable;

use super::Loader;
use super::known;
use super::names::Among;
use super::reader::{Reader, Value};
use super::rules::{description, header, id};
use super::sets::Use;
use crate::login::{Access, LoginRule};
use crate::pattern::{HostPattern, Hosts, Principals};

const UNBUILT: [&str; 4] = ["require", "grant", "when", "groups"];
const SERVICES: [&str; 3] = ["sshd", "login", "gdm-password"];
/// Services that are never gated: a mistake here would lock everyone out.
const NEVER: [&str; 3] = ["jit-sudo", "systemd-user", "other"];

/// The keys of a login, read but not yet filled in.
#[derive(Default)]
pub(super) struct LoginKeys {
    users: Option<Principals>,
    hosts: Option<Hosts>,
    services: Option<Vec<String>>,
    access: Option<Access>,
}

impl Loader<'_> {
    /// `[login_defaults]`
    pub(super) fn login_defaults(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<LoginKeys> {
        let table = reader.table(value, "login_defaults")?;
        for key in table.keys().filter(|key| known::NOT_IN_LOGIN_DEFAULTS.contains(&&**key.get_ref())) {
            let message = format!("`{}` can't have a default", key.get_ref());
            reader.mistake(key.span(), message, "each login has its own");
        }
        reader.only(table, "`[login_defaults]`", &known::LOGIN, &UNBUILT);
        Some(self.login_keys(reader, table))
    }

    /// One `[[login]]`; `None` if it has a mistake, which is noted.
    pub(super) fn login(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        defaults: &LoginKeys,
    ) -> Option<LoginRule> {
        let before = reader.found.len();
        let table = reader.table(value, "login")?;
        reader.only(table, "a login", &known::LOGIN, &UNBUILT);
        let header = header(reader, table, value);
        let keys = self.login_keys(reader, table);
        let (id, span) = id(reader, table, &header, "login")?;
        if !self.login_ids.insert(id.clone()) {
            let hint = "an id is unique over all files: audit and messages name the login by it";
            reader.mistake(span, format!("the id `{id}` is used twice"), hint);
        }
        let users = keys.users.or_else(|| defaults.users.clone());
        let access = keys.access.or(defaults.access);
        for (key, missing) in [("users", users.is_none()), ("access", access.is_none())] {
            if missing && !table.contains_key(key) {
                let hint = if key == "users" {
                    "add users = [\"…\"]"
                } else {
                    "add access = \"allow\" or \"deny\""
                };
                reader.mistake(header.clone(), format!("the login `{id}` has no `{key}`"), hint);
            }
        }
        let services = keys.services.or_else(|| defaults.services.clone());
        let login = LoginRule {
            id,
            description: description(reader, table),
            file: std::sync::Arc::clone(&reader.path),
            line: reader.line(header.start),
            access: access.unwrap_or(Access::Deny),
            services: services.unwrap_or_else(|| SERVICES.map(str::to_owned).to_vec()),
            users: users.unwrap_or_default(),
            hosts: keys.hosts.or_else(|| defaults.hosts.clone()).unwrap_or_else(|| [HostPattern::All].into()),
        };
        (reader.found.len() == before).then_some(login)
    }

    fn login_keys(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>) -> LoginKeys {
        let accesses = [("grant", Access::Grant), ("allow", Access::Allow), ("deny", Access::Deny)];
        let mut keys = LoginKeys::default();
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "users" => keys.users = self.principals(reader, value, name, Among::Users),
                "hosts" => keys.hosts = self.hosts(reader, value, name, Use::Plain),
                "services" => keys.services = services(reader, value),
                "access" => keys.access = reader.one_of(value, name, &accesses),
                _ => {}
            }
        }
        keys
    }
}

fn services(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<String>> {
    let mut services = Vec::new();
    for (text, span) in reader.strings(value, "services")? {
        let plain = |char: char| char.is_ascii_alphanumeric() || "-_.+".contains(char);
        if NEVER.contains(&text) {
            let hint = format!("{} are never gated", NEVER.join(", "));
            reader.mistake(span, format!("logins through `{text}` can't be gated"), hint);
        } else if text.is_empty() || !text.chars().all(plain) {
            reader.mistake(
                span,
                "this is not the name of a PAM service",
                "it is a file's name in /etc/pam.d",
            );
        } else {
            services.push(text.to_owned());
        }
    }
    services.sort_unstable();
    services.dedup();
    Some(services)
}
