//! The agent's settings, `/etc/jit-sudo/agent.toml`: every key has a default, an unknown one is refused, and so is
//! what is not built yet.

mod values;

use std::time::Duration;

use serde::Deserialize;

use self::values::{administrators, duration, keep, size};

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// About this host.
    pub host: Host,
    /// What each may take.
    pub limits: Limits,
    /// About policy.
    pub policy: Policy,
    /// About the audit log.
    pub audit: Audit,
    /// About sessions.
    pub sessions: Sessions,
    /// About accounts and paths.
    pub lookup: Lookup,
}

/// About this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// What `tag:…` in a policy's hosts names.
    pub tags: Vec<String>,
}

/// What each may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of one user that have not been handed over to a monitor.
    pub connections_per_user: usize,
    /// Connections of all users together.
    pub connections: usize,
    /// How many of those are kept free for uid 0.
    pub reserved_for_root: usize,
    /// Connections on the PAM module's socket, counted apart.
    pub login_connections: usize,
    /// Of those, connections of one user that is not root.
    pub login_connections_per_user: usize,
    /// Commands of one user at a time.
    pub sessions_per_user: usize,
    /// Commands of all users together.
    pub sessions: usize,
    /// Requests of one user that wait for somebody else's approval.
    pub pending_per_user: usize,
    /// Look-ups of one user at a time, those that hang included.
    pub lookups_per_user: usize,
    /// From the connection to the first message.
    #[serde(deserialize_with = "duration")]
    pub first_message: Duration,
    /// From the connection to the whole request.
    #[serde(deserialize_with = "duration")]
    pub request: Duration,
    /// From the order to the last duty fulfilled: prompts included.
    #[serde(deserialize_with = "duration")]
    pub duties: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_user: 32,
            connections: 512,
            reserved_for_root: 32,
            login_connections: 256,
            login_connections_per_user: 8,
            sessions_per_user: 128,
            sessions: 1024,
            pending_per_user: 3,
            lookups_per_user: 16,
            first_message: Duration::from_secs(2),
            request: Duration::from_secs(10),
            duties: Duration::from_mins(10),
        }
    }
}

/// About policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How long the last good policy decides after the files were rejected.
    #[serde(deserialize_with = "duration")]
    pub last_good_for: Duration,
    /// The administrator's files count only as a signed bundle.
    pub require_signed: bool,
    /// Users (`alice`, `#1000`) and groups (`%wheel`, `%#990`): a policy must leave one of them a way to root.
    #[serde(deserialize_with = "administrators")]
    pub administrators: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            last_good_for: Duration::from_hours(7 * 24),
            require_signed: false,
            administrators: Vec::new(),
        }
    }
}

/// About the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// What a failed write means.
    pub on_failure: OnFailure,
    /// The log goes on in a new file once one has this many bytes.
    #[serde(deserialize_with = "size")]
    pub rotate_size: u64,
    /// The log goes on in a new file once the first record of one is this old.
    #[serde(deserialize_with = "duration")]
    pub rotate_age: Duration,
    /// How many of the files before are kept.
    #[serde(deserialize_with = "keep")]
    pub keep: Keep,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::Deny,
            rotate_size: 100 * 1024 * 1024,
            rotate_age: Duration::from_hours(30 * 24),
            keep: Keep::Files(12),
        }
    }
}

/// How many rotated files of the audit log are kept; the oldest are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// This many, at least 1.
    Files(usize),
}

/// What a failed audit write means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// No record, no command.
    #[default]
    Deny,
}

/// About sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// What happens to a peer in another mount namespace.
    pub foreign_mount_namespace: ForeignMountNamespace,
}

/// What happens to a peer in another mount namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignMountNamespace {
    /// It is refused, by the monitor.
    #[default]
    Refuse,
    /// It is served in the host's, if its root folder is the host's: a service under `PrivateTmp=`.
    Host,
}

/// About accounts and paths.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lookup {
    /// How long accounts, groups and paths may take, for one request.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5) }
    }
}

impl Settings {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// What is wrong, with line and column, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| not_built(&error.to_string()))?;
        let limits = &settings.limits;
        if limits.connections <= limits.reserved_for_root {
            return Err("limits.connections must be more than limits.reserved_for_root".to_owned());
        }
        let smallest = [
            limits.connections_per_user,
            limits.login_connections,
            limits.login_connections_per_user,
            limits.sessions,
            limits.sessions_per_user,
            limits.pending_per_user,
            limits.lookups_per_user,
        ];
        if smallest.contains(&0) {
            return Err("a limit of 0 would refuse everyone; at least 1".to_owned());
        }
        Ok(settings)
    }
}

/// Keys of the interface that this version does not have get a message that says so.
fn not_built(message: &str) -> String {
    const LATER: [&str; 1] = ["host"];
    let later = LATER.iter().any(|key| {
        message.contains(&format!("unknown field `{key}`"))
            || message.contains(&format!("unknown variant `{key}`"))
    });
    if later {
        format!("{message}(this is not built yet, so it is refused rather than ignored)\n")
    } else {
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_empty_file_means_every_default() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
    }

    #[test]
    fn what_the_interface_names_can_be_set() {
        let text = r##"
            host.tags = ["web"]
            limits.connections_per_user = 4
            limits.sessions_per_user = 3
            policy.last_good_for = "1d"
            policy.require_signed = false
            policy.administrators = ["alice", "#1000", "%wheel", "%#990"]
            audit.on_failure = "deny"
            audit.rotate_size = "64M"
            audit.rotate_age = "7d"
            audit.keep = 52
            sessions.foreign_mount_namespace = "host"
            lookup.timeout = "3s"
        "##;
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.host.tags, ["web"]);
        assert_eq!((settings.limits.connections_per_user, settings.limits.sessions_per_user), (4, 3));
        assert_eq!(settings.policy.last_good_for, Duration::from_hours(24));
        assert_eq!(settings.lookup.timeout, Duration::from_secs(3));
        assert_eq!(settings.sessions.foreign_mount_namespace, ForeignMountNamespace::Host);
        let audit = &settings.audit;
        assert_eq!((audit.rotate_size, audit.keep), (64 << 20, Keep::Files(52)));
        assert_eq!(audit.rotate_age, Duration::from_hours(7 * 24));
        assert_eq!(Settings::parse("audit.keep = \"all\"").unwrap().audit.keep, Keep::All);
    }

    /// All keys, from what the reader itself says it expects.
    fn keys() -> Vec<String> {
        let expected = |text: &str| {
            let mistake = Settings::parse(text).expect_err(text);
            let names = mistake.split("expected").nth(1).expect(&mistake).split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let inner = |table: String| {
            let keys = expected(&format!("{table}.zz = 1"));
            keys.into_iter().map(move |key| format!("{table}.{key}")).collect::<Vec<_>>()
        };
        expected("zz = 1").into_iter().flat_map(inner).collect()
    }

    #[test]
    fn the_document_has_every_key_with_its_default_and_no_other() {
        let document = include_str!("../../docs/operations.md");
        let section = document.split("\n## Settings\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let mut written = Vec::new();
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> =
                row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [key, _, default] = cells[..] else { panic!("{row}") };
            written.push(key.to_owned());
            let value = if default == "none" { "[]" } else { default };
            assert_eq!(Settings::parse(&format!("{key} = {value}")), Ok(Settings::default()), "{row}");
        }
        assert_eq!(written.iter().collect::<BTreeSet<_>>(), keys().iter().collect());
        assert!(written.len() > 15, "{written:?}");
    }

    #[test]
    fn what_is_unknown_or_not_built_is_refused_never_ignored() {
        for (text, says) in [
            ("lookup.timeuot = \"3s\"", "timeuot"),
            ("lookup.timeout = 3", "string"),
            ("lookup.timeout = \"3\"", "not a duration"),
            ("limits.connections = -1", "limits"),
            ("limits.connections_per_user = 0", "at least 1"),
            ("limits.connections = 32", "reserved_for_root"),
            ("limits.pending_per_user = 0", "at least 1"),
            ("policy.require_signed = \"yes\"", "boolean"),
            ("policy.administrators = [\"@admins\"]", "no user's"),
            ("policy.administrators = [\"%\"]", "no user's"),
            ("policy.administrators = [\"ALL\"]", "no user's"),
            ("audit.rotate_size = \"1X\"", "not a size"),
            ("audit.rotate_size = \"1.5G\"", "not a size"),
            ("audit.rotate_size = \"99999999999G\"", "not a size"),
            ("audit.rotate_size = \"M\"", "not a size"),
            ("audit.rotate_size = \"+1M\"", "not a size"),
            ("audit.rotate_size = 1048576", "string"),
            ("audit.rotate_size = \"63K\"", "at least 64K"),
            ("audit.rotate_age = \"0s\"", "rotate_age"),
            ("audit.keep = 0", "at least 1"),
            ("audit.keep = -1", "at least 1"),
            ("audit.keep = \"none\"", "\"all\""),
            ("audit.on_failure = \"allow\"", "allow"),
            ("sessions.foreign_mount_namespace = \"guest\"", "guest"),
            ("x = 1\nx = 2", "duplicate"),
        ] {
            let mistake = Settings::parse(text).expect_err(text);
            assert!(mistake.contains(says), "{text}: {mistake}");
        }
    }
}
