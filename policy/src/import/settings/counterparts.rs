//! Settings of sudo that none of ours stands for.

use super::Fate;

/// Settings that none of ours stands for.
pub(super) fn without(name: &str, on: bool) -> Fate {
    const RECORDS: [&str; 6] =
        ["log_input", "log_output", "log_stdin", "log_stdout", "log_stderr", "log_subcmds"];
    match name {
        "requiretty" if on => Fate::Lost("a terminal is not required"),
        "root_sudo" if !on => Fate::Lost("root may run anything by another rule"),
        "runas_check_shell" if on => Fate::Lost("the target's shell is not looked at"),
        "exempt_group" => Fate::Lost("nobody is exempt from authentication by this"),
        "env_reset" if !on => Fate::Lost("the environment is always reset"),
        "env_check" | "env_delete" => Fate::Lost("variables are kept by name, whatever their values"),
        "setenv" if on => Fate::Lost("`VAR=value` is for variables in `env_keep` and rules for ALL commands"),
        "env_file" | "restricted_env_file" => Fate::Lost("write variables to `env_set`"),
        "fqdn" if on => Fate::Lost("hosts are known by the kernel's node name, never by DNS"),
        "case_insensitive_user" | "case_insensitive_group" if !on => Fate::Applied,
        "runas_allow_unknown_id" if on => Fate::Lost("targets have accounts"),
        "preserve_groups" if on => Fate::Lost("`-P` asks for it"),
        "sudoedit_follow" if on => Fate::Lost("links are not followed"),
        "use_netgroups" | "netgroup_tuple" | "group_plugin" | "always_query_group_plugin" => {
            Fate::Lost("netgroups and plugins for groups have no counterpart")
        }
        "runas_default" => {
            Fate::Lost("rules without targets name it now, but without `-u` the target is root")
        }
        name if RECORDS.contains(&name) && on => Fate::Lost("sessions are not recorded yet"),
        name if name.starts_with("iolog_") && on => Fate::Lost("sessions are not recorded yet"),
        name if name.starts_with("rlimit_") => Fate::Lost("limits are PAM's"),
        name if name.starts_with("pam_") => Fate::Lost("the PAM service is always `jit-sudo`"),
        name if NEEDLESS.contains(&name)
            || RECORDS.contains(&name)
            || ["mail", "syslog", "log_", "lecture", "badpass", "passwd_", "passprompt", "iolog_"]
                .iter()
                .any(|start| name.starts_with(start)) =>
        {
            Fate::Needless
        }
        _ => Fate::Unknown,
    }
}

/// Off, or of no use to ours, or always so.
const NEEDLESS: [&str; 68] = [
    "admin_flag",
    "always_set_home",
    "authfail_message",
    "bindings",
    "case_insensitive_group",
    "case_insensitive_user",
    "closefrom",
    "closefrom_override",
    "cmddenial_message",
    "compress_io",
    "editor",
    "env_editor",
    "env_reset",
    "event_log_format",
    "exec_background",
    "fast_glob",
    "fdexec",
    "fqdn",
    "ignore_audit_errors",
    "ignore_dot",
    "ignore_iolog_errors",
    "ignore_local_sudoers",
    "ignore_logfile_errors",
    "ignore_unknown_defaults",
    "insults",
    "intercept_allow_setid",
    "intercept_authenticate",
    "intercept_type",
    "intercept_verify",
    "legacy_group_processing",
    "listpw",
    "logfile",
    "loglinelen",
    "long_otp_prompt",
    "match_group_by_gid",
    "maxseq",
    "noninteractive_auth",
    "path_info",
    "preserve_groups",
    "prompt_override",
    "pwfeedback",
    "requiretty",
    "root_sudo",
    "runas_allow_unknown_id",
    "runas_check_shell",
    "selinux",
    "server_timeout",
    "set_home",
    "set_logname",
    "set_utmp",
    "setenv",
    "shell_noargs",
    "stay_setuid",
    "sudoedit_checkdir",
    "sudoedit_follow",
    "sudoers_locale",
    "timestamp_owner",
    "timestampdir",
    "timestampowner",
    "lecture_file",
    "lecture_status_dir",
    "use_loginclass",
    "use_pty",
    "user_command_timeouts",
    "utmp_runas",
    "verifypw",
    "visiblepw",
    "log_servers",
];
