//! `[[rule]]`: keys, then the file's defaults, then the defaults of all.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::Loader;
use super::approval::Wanted;
use super::keys::{Keys, filled, shared};
use super::known;
use super::reader::{Reader, Value};
use crate::diagnostics::Place;
use crate::login_session::FromLogin;
use crate::pattern::{Folders, HostPattern, Hosts, Principal, Principals};
use crate::rule::{
    AllowCwd, AuthenticateAs, Authentication, Cwd, Effect, Grant, Leftover, OnExpiry, Reason, Require,
    Restrict, Rule, Umask,
};

const AUTHENTICATION_TIMEOUT: Duration = Duration::from_mins(5);
const DURATION: Duration = Duration::from_mins(15);
const GRACE: Duration = Duration::from_secs(10);
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const UMASK: u32 = 0o022;

impl Loader<'_> {
    /// `[defaults]`
    pub(super) fn defaults(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Keys> {
        let table = reader.table(value, "defaults")?;
        for key in table.keys().filter(|key| known::NOT_IN_DEFAULTS.contains(&&**key.get_ref())) {
            reader.mistake(
                key.span(),
                format!("`{}` can't have a default", key.get_ref()),
                "each rule has its own",
            );
        }
        Some(self.keys(reader, table, "`[defaults]`", Effect::Allow))
    }

    /// One `[[rule]]`; `None` if it has a mistake, which is noted.
    pub(super) fn rule(
        &mut self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        defaults: &Keys,
    ) -> Option<Rule> {
        let before = reader.found.len();
        let table = reader.table(value, "rule")?;
        let effects = [("allow", Effect::Allow), ("deny", Effect::Deny)];
        let effect = match table.get("effect") {
            None => Effect::Allow,
            Some(effect) => reader.one_of(effect, "effect", &effects)?,
        };
        let keys = self.keys(reader, table, "a rule", effect);
        let header = header(reader, table, value);
        let id = self.rule_id(reader, table, &header)?;
        let line = reader.line(header.start);
        let description = description(reader, table);
        let empty = Keys::default();
        let defaults = if effect == Effect::Allow { defaults } else { &empty };
        for (key, missing) in [
            ("users", keys.users.is_none() && defaults.users.is_none()),
            ("commands", keys.commands.is_none() && defaults.commands.is_none()),
        ] {
            if missing && !table.contains_key(key) {
                let hint = format!("add {key} = [\"…\"], or [\"ALL\"]");
                reader.mistake(header.clone(), format!("the rule `{id}` has no `{key}`"), hint);
            }
        }
        if effect == Effect::Deny && keys.run_as_groups.as_ref().is_some_and(|groups| groups.is_empty()) {
            let hint = "leave it out to deny whatever group is asked for";
            reader.mistake(header.clone(), format!("the deny `{id}` has an empty `run_as_groups`"), hint);
        }
        let edit_check_at = keys.edit_check_at.clone();
        let rule = self.filled_in(keys, defaults, effect, &reader.path);
        if let Some(at) = edit_check_at {
            self.note_edit_check(reader, at, &rule.commands);
        }
        let rule = Rule { id, description, line, ..rule };
        check_times(reader, &header, &rule);
        (reader.found.len() == before).then_some(rule)
    }

    fn filled_in(&mut self, keys: Keys, defaults: &Keys, effect: Effect, file: &Arc<str>) -> Rule {
        let deny = effect == Effect::Deny;
        let all_hosts = || -> Hosts { [HostPattern::All].into() };
        let root = || {
            let target = if deny { Principal::All } else { Principal::User(self.symbols.intern("root")) };
            Principals::new(vec![target])
        };
        let run_as = filled(keys.run_as, defaults.run_as.as_ref()).unwrap_or_else(root);
        let no_groups = || if deny { None } else { Some(Box::default()) };
        let restrict = Restrict {
            env_keep: filled(keys.env_keep, defaults.env_keep.as_ref()).unwrap_or_default(),
            env_set: filled(keys.env_set, defaults.env_set.as_ref()).unwrap_or_default(),
            secure_path: filled(keys.secure_path, defaults.secure_path.as_ref())
                .unwrap_or_else(|| SECURE_PATH.to_owned()),
            umask: keys.umask.or(defaults.umask).map_or(Umask::UnionWith(UMASK), Umask::Exactly),
            cwd: filled(keys.cwd, defaults.cwd.as_ref()).unwrap_or(Cwd::Caller),
            allow_cwd: filled(keys.allow_cwd, defaults.allow_cwd.as_ref())
                .unwrap_or(AllowCwd(Folders::These(Vec::new()))),
            timeout: keys.timeout.or(defaults.timeout),
            edit_check: filled(keys.edit_check, defaults.edit_check.as_ref()),
        };
        let from_login = FromLogin {
            origin: filled(keys.origin, defaults.origin.as_ref()).unwrap_or_default(),
            remote: filled(keys.remote, defaults.remote.as_ref()).unwrap_or_default(),
            session: filled(keys.session, defaults.session.as_ref()).unwrap_or_default(),
        };
        let from_login =
            (from_login != FromLogin::default()).then(|| shared(&mut self.from_logins, from_login));
        let duration = keys.duration.or(defaults.duration).unwrap_or(DURATION);
        Rule {
            id: String::new(),
            description: None,
            effect,
            file: Arc::clone(file),
            line: 0,
            trusted_path: keys.trusted_path.or(defaults.trusted_path).unwrap_or(true),
            nested: keys.nested.or(defaults.nested).unwrap_or(true),
            when: keys.when.or_else(|| defaults.when.clone()),
            from_login,
            not_before: keys.not_before.or(defaults.not_before),
            not_after: keys.not_after.or(defaults.not_after),
            require: Require {
                reason: filled(keys.reason, defaults.reason.as_ref()).unwrap_or(Reason::No),
                authentication: keys
                    .authentication
                    .or(defaults.authentication)
                    .unwrap_or(Authentication::Password),
                authenticate_as: keys
                    .authenticate_as
                    .or(defaults.authenticate_as)
                    .unwrap_or(AuthenticateAs::Invoking),
                authentication_timeout: keys
                    .authentication_timeout
                    .or(defaults.authentication_timeout)
                    .unwrap_or(AUTHENTICATION_TIMEOUT),
                approval: filled(keys.approval, defaults.approval.as_ref()).and_then(Wanted::approval),
            },
            grant: Grant {
                duration,
                max_duration: keys.max_duration.or(defaults.max_duration).unwrap_or(duration),
                uses: keys.uses.or(defaults.uses),
                scope: keys.scope.or(defaults.scope),
                on_expiry: keys.on_expiry.or(defaults.on_expiry).unwrap_or(OnExpiry::Terminate),
                grace: keys.grace.or(defaults.grace).unwrap_or(GRACE),
                leftover: keys.leftover.or(defaults.leftover).unwrap_or(Leftover::Keep),
            },
            restrict: shared(&mut self.restricts, restrict),
            users: filled(keys.users, defaults.users.as_ref()).unwrap_or_default(),
            except_users: filled(keys.except_users, defaults.except_users.as_ref()).unwrap_or_default(),
            hosts: filled(keys.hosts, defaults.hosts.as_ref()).unwrap_or_else(all_hosts),
            except_hosts: filled(keys.except_hosts, defaults.except_hosts.as_ref()).unwrap_or_default(),
            run_as,
            except_run_as: filled(keys.except_run_as, defaults.except_run_as.as_ref()).unwrap_or_default(),
            run_as_groups: filled(keys.run_as_groups, defaults.run_as_groups.as_ref()).or_else(no_groups),
            commands: filled(keys.commands, defaults.commands.as_ref()).unwrap_or_default(),
            except_commands: filled(keys.except_commands, defaults.except_commands.as_ref())
                .unwrap_or_default(),
        }
    }

    fn rule_id(
        &mut self,
        reader: &mut Reader<'_>,
        table: &DeTable<'_>,
        header: &Range<usize>,
    ) -> Option<String> {
        let (id, span) = id(reader, table, header, "rule")?;
        let known = self.rule_ids.get(&id).map(|(file, span)| self.place_of(*file, span.clone(), reader));
        if let Some(first) = known {
            let hint = "an id is unique over all files: audit and messages name the rule by it";
            reader.clash(span, format!("the id `{id}` is used twice"), hint, first, "first here");
            return None;
        }
        self.rule_ids.insert(id.clone(), (self.file, reader.in_file(span)));
        Some(id)
    }
}

/// The `id` of a rule or login, and where it stands.
pub(super) fn id(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    header: &Range<usize>,
    what: &str,
) -> Option<(String, Range<usize>)> {
    let Some(value) = table.get("id") else {
        let hint = "add id = \"…\": audit and messages name it";
        reader.mistake(header.clone(), format!("this {what} has no `id`"), hint);
        return None;
    };
    let text = reader.string(value, "id")?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.:@/+".contains(char);
    if !text.chars().all(plain)
        || !text.starts_with(|char: char| char.is_ascii_alphanumeric())
        || text.len() > 128
    {
        let hint = "up to 128 letters, digits and `-_.:@/+`, the first a letter or digit";
        reader.mistake(value.span(), "this can't be an id", hint);
        return None;
    }
    Some((text.to_owned(), value.span()))
}

/// The `description` of a rule or login.
pub(super) fn description(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<String> {
    let value = table.get("description")?;
    reader.string(value, "description").map(str::to_owned)
}

/// Where a rule or login begins: its `[[…]]`, or what stands there for an inline table.
pub(super) fn header(reader: &Reader<'_>, table: &DeTable<'_>, value: &Value<'_>) -> Range<usize> {
    let _ = (reader, table);
    value.span()
}

fn check_times(reader: &mut Reader<'_>, header: &Range<usize>, rule: &Rule) {
    let id = &rule.id;
    if rule.grant.max_duration < rule.grant.duration {
        let hint = "`max_duration` is how far --for may go: at least `duration`";
        reader.mistake(
            header.clone(),
            format!("the rule `{id}` has a `max_duration` below its `duration`"),
            hint,
        );
    }
    if let (Some(from), Some(to)) = (rule.not_before, rule.not_after)
        && from >= to
    {
        let hint = "it would never hold";
        reader.mistake(header.clone(), format!("the rule `{id}` ends before it begins"), hint);
    }
}

impl Loader<'_> {
    /// A place in a file that may already be done with.
    fn place_of(&self, file: usize, span: Range<usize>, reader: &Reader<'_>) -> Place {
        if file == self.file {
            return reader.place_in_file(span);
        }
        self.sources
            .get(file)
            .map_or_else(|| reader.place_in_file(0..0), |source| Reader::new(source).place_in_file(span))
    }
}
