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

/// What makes programs load code, run other programs, or read and write files of the invoking user's choice; `*` at the
/// end: all that begin so. No default and no pattern keeps them. A list of forbidden names is never complete
/// (CVE-2014-0106, CVE-2006-0151 and others), so this one only narrows what a pattern of the administrator's allows.
const DANGEROUS: [&str; 174] = [
    // the dynamic loader and libc
    "AUTHSTATE",
    "DYLD_*",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "GMON_OUT_PREFIX",
    "HOSTALIASES",
    "LDR_*",
    "LD_*",
    "LIBPATH",
    "LOCALDOMAIN",
    "LOCPATH",
    "MALLOC_*",
    "MEMUSAGE*",
    "NIS_PATH",
    "NLSPATH",
    "PATH_LOCALE",
    "PCPROFILE_OUTPUT",
    "RESOLV_*",
    "RES_OPTIONS",
    "SEGFAULT_*",
    "SHLIB_PATH",
    "SOTRUSS_*",
    "TZDIR",
    "_RLD*",
    // authentication
    "DLC_ACE",
    "KRB5*",
    "KRBTKFILE",
    "SSH_*",
    "SUDO_*",
    "USR_ACE",
    "VAR_ACE",
    // terminals
    "TERMCAP",
    "TERMINFO*",
    "TERMPATH",
    // who one is: the target's, unless the rule names them
    "HOME",
    "MAIL*",
    "SHELL",
    // shells
    "BASHOPTS",
    "BASH_*",
    "CDPATH",
    "ENV",
    "FCEDIT",
    "FPATH",
    "GLOBIGNORE",
    "HISTFILE",
    "IFS",
    "INPUTRC",
    "KSH_*",
    "NULLCMD",
    "OLDPWD",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PWD",
    "READNULLCMD",
    "SHELLOPTS",
    "TMPPREFIX",
    "ZDOTDIR",
    "fish_*",
    // languages
    "CLASSPATH",
    "CORECLR_*",
    "COR_*",
    "DOTNET_*",
    "ERL_*",
    "GEM_*",
    "GUILE_*",
    "JAVA_*",
    "JDK_*",
    "JRE_*",
    "JULIA_*",
    "LUA_*",
    "MONO_*",
    "NODE_*",
    "NPM_CONFIG_*",
    "OCAML*",
    "OPENSSL_*",
    "PERL*",
    "PHPRC",
    "PHP_*",
    "PYTHON*",
    "RUBY*",
    "RUSTC*",
    "RUSTFLAGS",
    "R_*",
    "TCLLIBPATH",
    "_JAVA_OPTIONS",
    "npm_config_*",
    // build tools
    "CARGO_*",
    "CC",
    "CFLAGS",
    "COMPILER_PATH",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CXX",
    "C_INCLUDE_PATH",
    "GCC_EXEC_PREFIX",
    "GOFLAGS",
    "LDFLAGS",
    "LIBRARY_PATH",
    "MAKEFILES",
    "MAKEFLAGS",
    "PKG_CONFIG_*",
    // programs that run programs
    "ANSIBLE_*",
    "APT_CONFIG",
    "AWKLIBPATH",
    "AWKPATH",
    "BROWSER",
    "CVS_RSH",
    "DEBUGINFOD_*",
    "DIFF_OPTIONS",
    "DOCKER_*",
    "DPKG_*",
    "EDITOR",
    "EMACSLOADPATH",
    "EXINIT",
    "GIT_*",
    "GNUPGHOME",
    "GREP_OPTIONS",
    "GROFF_*",
    "GZIP",
    "HGRCPATH",
    "HG_*",
    "INFOPATH",
    "KUBECONFIG",
    "LESS*",
    "LS_OPTIONS",
    "MANOPT",
    "MANPAGER",
    "MANPATH",
    "MANROFFOPT",
    "MORE",
    "MYVIMRC",
    "MYSQL_*",
    "NETRC",
    "NEEDRESTART_*",
    "PAGER",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
    "PSQL*",
    "RIPGREP_CONFIG_PATH",
    "RPM_*",
    "RSYNC_*",
    "SCREENRC",
    "SELINUX_*",
    "SVN_*",
    "SYSTEMD_*",
    "TAR_OPTIONS",
    "TAPE",
    "TMUX*",
    "UNZIP",
    "VIM*",
    "VISUAL",
    "WGETRC",
    "XZ_DEFAULTS",
    "XZ_OPT",
    "ZIPOPT",
    // the desktop and the bus
    "DBUS_*",
    "G_*",
    "GIO_*",
    "GST_*",
    "GTK*",
    "NOTIFY_SOCKET",
    "QML*",
    "QT_*",
    "XDG_*",
    // where files are put, and what tools trust
    "CURL_*",
    "SSL*",
    "TEMP",
    "TMP*",
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

/// Whether an administrator must name it.
pub(super) fn is_dangerous(name: &[u8]) -> bool {
    is_on(&DANGEROUS, name)
}

pub(super) fn is_on(list: &[&str], name: &[u8]) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => entry.as_bytes() == name,
    })
}
