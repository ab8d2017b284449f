//! Names of variables: which may stay when a person asks for it, and which must be named by an administrator.

/// What is kept where no rule says more, and `VAR=value` may carry: sudo's lists, without those that
/// make programs run or read something: `KRB5CCNAME`, `PATH`, `PS1`, `PS2` (shells expand them), `XDG_CURRENT_DESKTOP`.
const KEPT: [&str; 6] = ["COLORS", "DISPLAY", "HOSTNAME", "LS_COLORS", "XAUTHORITY", "XAUTHORIZATION"];
/// The same, with values that are checked (`values.rs`).
pub(super) const CHECKED: [&str; 7] = ["COLORTERM", "LANG", "LANGUAGE", "LC_*", "LINGUAS", "TERM", "TZ"];
/// Facts that the command may rely on, and things that are only for us: nobody but us and `env_set` sets them.
const OURS: [&str; 10] = [
    "JIT_*",
    "LOGNAME",
    "PATH",
    "SUDO_COMMAND",
    "SUDO_GID",
    "SUDO_HOME",
    "SUDO_TTY",
    "SUDO_UID",
    "SUDO_USER",
    "USER",
];

/// Letters, digits and `_`, not a digit first: no exported function of a shell, nothing that a shell would take apart.
pub(super) fn is_sane(name: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(is_word)
}

/// Whether a person may have it without a word of the rule's.
pub(super) fn is_on_sudos_lists(name: &[u8]) -> bool {
    is_on(&KEPT, name) || is_on(&CHECKED, name)
}

/// Whether only we and `env_set` set it.
pub(super) fn is_ours(name: &[u8]) -> bool {
    is_on(&OURS, name)
}

pub(super) fn is_on(list: &[&str], name: &[u8]) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => entry.as_bytes() == name,
    })
}
