//! Every key that can be read, by its table: in the order of the guide, in which `format` writes them, too.

/// `[[rule]]`; `[defaults]` has the same.
pub(crate) const RULE: [&str; 20] = [
    "id",
    "description",
    "effect",
    "users",
    "hosts",
    "run_as",
    "run_as_groups",
    "commands",
    "except_users",
    "except_hosts",
    "except_run_as",
    "except_commands",
    "nested",
    "trusted_path",
    "not_before",
    "not_after",
    "when",
    "require",
    "grant",
    "restrict",
];
/// Of these, what only a rule has.
pub(super) const NOT_IN_DEFAULTS: [&str; 3] = ["id", "description", "effect"];
/// Of these, what only an allow has.
pub(super) const NOT_IN_DENY: [&str; 6] =
    ["trusted_path", "not_before", "not_after", "require", "grant", "restrict"];

pub(crate) const WHEN: [&str; 4] = ["time", "origin", "remote", "session"];
pub(crate) const REQUIRE: [&str; 5] =
    ["reason", "authentication", "authenticate_as", "authentication_timeout", "approval"];
pub(crate) const GRANT: [&str; 7] =
    ["duration", "max_duration", "uses", "scope", "on_expiry", "grace", "leftover"];
pub(crate) const RESTRICT: [&str; 8] =
    ["env_keep", "env_set", "secure_path", "umask", "cwd", "allow_cwd", "timeout", "edit_check"];

/// `[[login]]`; `[login_defaults]` has the same.
pub(crate) const LOGIN: [&str; 6] = ["id", "description", "users", "hosts", "services", "access"];
/// Of these, what only a login has.
pub(super) const NOT_IN_LOGIN_DEFAULTS: [&str; 2] = ["id", "description"];

/// `[[test]]`
pub(crate) const TEST: [&str; 17] = [
    "description",
    "user",
    "groups",
    "host",
    "tags",
    "run_as",
    "run_as_group",
    "command",
    "sha256",
    "nested",
    "time",
    "origin",
    "remote",
    "session",
    "expect",
    "rule",
    "duties",
];
