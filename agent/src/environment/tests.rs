use jit_policy::{AsWritten, Policy, Rule, Source};
use jit_protocol::request::Mode;

use super::*;

/// One rule's `restrict` and one request, as short texts.
struct Case {
    policy: Policy,
    request: Elevate,
    all: bool,
    shell: Option<(Shell, Bytes)>,
    arguments: Vec<Vec<u8>>,
}

fn pairs(list: &[(&str, &str)]) -> Vec<(Bytes, Bytes)> {
    list.iter().map(|(name, value)| (Bytes::from(*name), Bytes::from(*value))).collect()
}

impl Case {
    fn new(restrict: &str, environment: &[(&str, &str)]) -> Self {
        let text = format!(
            "[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n[rule.restrict]\n{restrict}"
        );
        let text = format!("schema = 1\n{text}");
        let policy =
            Policy::load(&[Source { name: "r.toml".into(), path: "r.toml".into(), text }], &AsWritten)
                .unwrap();
        let request = Elevate {
            mode: Mode::Run,
            command: vec!["id".into()],
            edit: None,
            shell: None,
            path: None,
            detailed: false,
            other_user: None,
            user: None,
            group: None,
            folder: None,
            timeout: None,
            preserve_groups: false,
            background: false,
            environment: pairs(environment),
            assignments: vec![],
            preserve_environment: false,
            preserve_names: vec![],
            reason: None,
            duration: None,
            rule: None,
            token: None,
            non_interactive: false,
            ignore_record: false,
            no_update: false,
            prompt: None,
            can_ask: false,
            terminal: None,
            cwd: "/".into(),
            ignored_signals: vec![],
        };
        Self { policy, request, all: false, shell: None, arguments: ["-u", "a b"].map(Vec::from).into() }
    }

    /// `-E`.
    fn everything(mut self) -> Self {
        self.request.preserve_environment = true;
        self
    }

    /// `--preserve-env=LIST`.
    fn named(mut self, names: &[&str]) -> Self {
        self.request.preserve_names = names.iter().map(|name| Bytes::from(*name)).collect();
        self
    }

    fn assigned(mut self, assignments: &[(&str, &str)]) -> Self {
        self.request.assignments = pairs(assignments);
        self
    }

    /// By a rule for any command.
    fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// `-s` and `-i`.
    fn shell(mut self, shell: Shell, path: &str) -> Self {
        self.shell = Some((shell, path.into()));
        self
    }

    fn build(&self) -> Result<Vec<String>, Refusal> {
        let account = |name: &str, uid, home: &str| Account {
            name: name.into(),
            uid,
            gid: uid,
            groups: vec![uid],
            home: home.into(),
            shell: "/bin/bash".into(),
        };
        let (alice, root) = (account("alice", 1000, "/home/alice"), account("root", 0, "/root"));
        let origin = Origin {
            invoking: &alice,
            target: &root,
            path: b"/usr/bin/id",
            arguments: &self.arguments,
            shell: self.shell.as_ref().map(|(shell, path)| (*shell, path)),
            tty: Some("pts/0"),
        };
        let rule: &Rule = self.policy.rule("r").unwrap();
        let built = build(&self.request, &rule.restrict, self.all, &origin)?;
        Ok(built
            .into_iter()
            .map(|(n, v)| format!("{}={}", n.to_string_lossy(), v.to_string_lossy()))
            .collect())
    }

    /// What is there besides what always is.
    fn more(&self) -> Vec<String> {
        let mut built = self.build().unwrap();
        built.retain(|variable| !ALWAYS.contains(&variable.as_str()));
        built
    }
}

const ALWAYS: [&str; 13] = [
    "HOME=/root",
    "LOGNAME=root",
    "MAIL=/var/mail/root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL=/bin/bash",
    "SUDO_COMMAND=/usr/bin/id -u a b",
    "SUDO_GID=1000",
    "SUDO_HOME=/home/alice",
    "SUDO_TTY=/dev/pts/0",
    "SUDO_UID=1000",
    "SUDO_USER=alice",
    "TERM=unknown",
    "USER=root",
];

const NOTHING: [String; 0] = [];

/// Names that must come through only where an administrator named them: those of security.md, row 20, and of sudo's
/// own list.
const BAD: &str = "
    LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_DEBUG LD_DEBUG_OUTPUT LD_PROFILE LD_PROFILE_OUTPUT LD_ORIGIN_PATH
    LD_ASSUME_KERNEL LD_BIND_NOT LD_DYNAMIC_WEAK LD_HWCAP_MASK LD_POINTER_GUARD LD_SHOW_AUXV LD_USE_LOAD_BIAS
    GLIBC_TUNABLES MALLOC_CHECK_ MALLOC_PERTURB_ MALLOC_ARENA_MAX MALLOC_TRACE GCONV_PATH LOCPATH NLSPATH PATH_LOCALE
    GETCONF_DIR HOSTALIASES LOCALDOMAIN RES_OPTIONS RESOLV_HOST_CONF RESOLV_ADD_TRIM_DOMAINS NIS_PATH TZDIR TMPDIR TMP
    TEMP _RLD _RLD_LIST _RLDN32_LIST DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH SHLIB_PATH LIBPATH AUTHSTATE
    KRB5_CONFIG KRB5_KTNAME KRB5CCNAME VAR_ACE USR_ACE DLC_ACE
    TERMINFO TERMINFO_DIRS TERMPATH TERMCAP
    BASH_ENV ENV PS1 PS2 PS4 SHELLOPTS BASHOPTS GLOBIGNORE IFS CDPATH FPATH NULLCMD READNULLCMD ZDOTDIR TMPPREFIX
    PROMPT_COMMAND BASH_LOADABLES_PATH BASH_XTRACEFD HISTFILE INPUTRC
    PYTHONHOME PYTHONPATH PYTHONINSPECT PYTHONUSERBASE PYTHONSTARTUP PYTHONBREAKPOINT PYTHONWARNINGS PYTHONEXECUTABLE
    PERLLIB PERL5LIB PERL5OPT PERL5DB PERL5SHELL PERLIO_DEBUG PERL_UNICODE RUBYLIB RUBYOPT RUBYSHELL GEM_HOME GEM_PATH
    NODE_OPTIONS NODE_PATH NPM_CONFIG_PREFIX JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS JAVA_HOME CLASSPATH
    LUA_PATH LUA_CPATH LUA_INIT TCLLIBPATH PHPRC PHP_INI_SCAN_DIR R_PROFILE GUILE_LOAD_PATH ERL_LIBS OPENSSL_CONF
    OPENSSL_MODULES GIT_SSH GIT_SSH_COMMAND GIT_EDITOR GIT_PAGER GIT_CONFIG_GLOBAL GIT_EXEC_PATH GIT_EXTERNAL_DIFF
    GIT_TEMPLATE_DIR GIT_ASKPASS GIT_PROXY_COMMAND PAGER MANPAGER LESSOPEN LESSCLOSE LESS LESSKEY EDITOR VISUAL
    SUDO_EDITOR SUDO_ASKPASS BROWSER SYSTEMD_PAGER SYSTEMD_EDITOR SYSTEMD_LESS SYSTEMD_LOG_TARGET SSH_AUTH_SOCK
    SSH_ASKPASS XDG_CONFIG_HOME XDG_DATA_DIRS XDG_RUNTIME_DIR XDG_CURRENT_DESKTOP DBUS_SESSION_BUS_ADDRESS
    DBUS_SYSTEM_BUS_ADDRESS NOTIFY_SOCKET GTK_MODULES GTK_PATH GIO_EXTRA_MODULES QT_PLUGIN_PATH GST_PLUGIN_PATH
    APT_CONFIG DPKG_ROOT DPKG_ADMINDIR TAR_OPTIONS RSYNC_RSH CVS_RSH SVN_SSH MAKEFLAGS MAKEFILES GCC_EXEC_PREFIX
    VIMINIT VIMRUNTIME EXINIT MYVIMRC AWKPATH KUBECONFIG DOCKER_HOST SSL_CERT_FILE CURL_HOME WGETRC GNUPGHOME
    HOME SHELL MAIL MAILPATH";

fn bad() -> Vec<&'static str> {
    BAD.split_whitespace().collect()
}

// Row 20: "send 120 known-bad names … -> `env` in child prints exactly the allowed set"
#[test]
fn no_dangerous_name_comes_through_without_being_named() {
    let bad = bad();
    assert!(bad.len() >= 120, "{}", bad.len());
    let environment: Vec<_> = bad.iter().map(|name| (*name, "/tmp/evil")).collect();
    for restrict in [
        "",
        "env_keep = [\"*\"]",
        "env_keep = [\"LD_*\", \"*_*\", \"GLIBC*\", \"*PATH\", \"PYTHON*\", \"*S*\"]",
    ] {
        let case = || Case::new(restrict, &environment);
        assert_eq!(case().more(), NOTHING, "{restrict}");
        assert_eq!(case().everything().more(), NOTHING, "{restrict}, -E");
        assert_eq!(case().named(&bad).more(), NOTHING, "{restrict}, --preserve-env=");
        assert_eq!(case().everything().named(&bad).all().more(), NOTHING, "{restrict}, any command");
    }
    for name in bad {
        let refusal =
            Case::new("env_keep = [\"*\"]", &[]).assigned(&[(name, "x")]).all().build().unwrap_err();
        assert!(refusal.what.ends_with(name), "{name}: {}", refusal.what);
        let value = format!("{name}=/tmp/x");
        let exactly = Case::new(&format!("env_keep = [\"{name}\"]"), &[(name, "/tmp/x")]);
        assert_eq!(exactly.more(), [value], "an administrator may know better");
    }
}

#[test]
fn nothing_is_there_but_what_is_set_or_kept() {
    let environment = [
        ("FOO", "1"),
        ("LANG", "de_DE.UTF-8"),
        ("LC_TIME", "C"),
        ("LC_ALL", "C"),
        ("DISPLAY", ":0"),
        ("TERM", "xterm"),
    ];
    for (restrict, more) in [
        ("", &[][..]),
        ("env_keep = [\"FOO\"]", &["FOO=1"]),
        ("env_set = { FOO = \"set\", TERM = \"dumb\" }", &["FOO=set", "TERM=dumb"]),
    ] {
        // What sudo keeps is kept, unless it is set.
        let kept = ["DISPLAY=:0", "LANG=de_DE.UTF-8", "LC_ALL=C", "LC_TIME=C", "TERM=xterm"];
        let is_set = |pair: &&str| more.iter().any(|set| set.split('=').next() == pair.split('=').next());
        let mut wanted: Vec<&str> =
            kept.iter().copied().filter(|pair| !is_set(pair)).chain(more.iter().copied()).collect();
        wanted.sort_unstable();
        assert_eq!(Case::new(restrict, &environment).more(), wanted, "{restrict}");
    }
    assert_eq!(Case::new("", &[]).build().unwrap(), ALWAYS);
}

#[test]
fn what_is_asked_for_is_kept_only_if_it_is_on_sudos_lists_or_any_command_is_permitted() {
    let environment =
        [("FOO", "1"), ("DISPLAY", ":0"), ("LANG", "C.UTF-8"), ("COLORS", "x"), ("TZ", "Europe/Rome")];
    let case = || Case::new("", &environment);
    assert_eq!(case().everything().more(), ["COLORS=x", "DISPLAY=:0", "LANG=C.UTF-8", "TZ=Europe/Rome"]);
    assert_eq!(case().named(&["LANG", "FOO", "BAR"]).more(), case().more());
    assert_eq!(case().everything().all().more(), case().everything().more(), "-E names nothing");
    assert_eq!(case().named(&["FOO", "BAR"]).all().more().iter().filter(|pair| *pair == "FOO=1").count(), 1);
}

#[test]
fn an_assignment_that_is_not_allowed_is_refused_by_name() {
    let case = |assignments: &[(&str, &str)]| {
        Case::new("env_keep = [\"FOO\", \"A_*\"]", &[("FOO", "old")]).assigned(assignments)
    };
    assert_eq!(case(&[("FOO", "1"), ("A_B", "2"), ("LANG", "C")]).more(), ["A_B=2", "FOO=1", "LANG=C"]);
    let refusal =
        case(&[("FOO", "1"), ("BAR", "2"), ("LD_PRELOAD", "3"), ("E\n\x1b[2J", "4")]).build().unwrap_err();
    assert_eq!(
        refusal.what,
        "sorry, you are not allowed to set the following environment variables: BAR, LD_PRELOAD, E\\n\\x1b[2J"
    );
    for (name, value) in [
        ("PATH", "/tmp"),
        ("USER", "x"),
        ("LOGNAME", "x"),
        ("SUDO_USER", "root"),
        ("SUDO_UID", "0"),
        ("JIT_GRANT_ID", "x"),
        ("BASH_FUNC_id%%", "() { :; }"),
        ("A-B", "x"),
        ("1A", "x"),
        ("LANG", "../../x"),
        ("FOO", "() { :; }"),
    ] {
        let case = Case::new("env_keep = [\"*\", \"FOO\", \"PATH\", \"SUDO_USER\", \"USER\"]", &[]).all();
        assert!(case.assigned(&[(name, value)]).build().is_err(), "{name}={value}");
    }
}

// Facts about who asks, and where programs are found, are not the invoking user's to state.
#[test]
fn what_the_command_relies_on_cannot_be_kept() {
    let environment = [
        ("PATH", "/tmp"),
        ("USER", "x"),
        ("LOGNAME", "x"),
        ("SUDO_USER", "root"),
        ("SUDO_UID", "0"),
        ("JIT_TOKEN", "secret"),
    ];
    let keep =
        "env_keep = [\"*\", \"PATH\", \"USER\", \"LOGNAME\", \"SUDO_USER\", \"SUDO_UID\", \"JIT_TOKEN\"]";
    assert_eq!(Case::new(keep, &environment).everything().build().unwrap(), ALWAYS);
    let set = "env_set = { PATH = \"/opt/bin\", SUDO_USER = \"nobody\" }";
    assert_eq!(
        Case::new(set, &environment).more(),
        ["PATH=/opt/bin", "SUDO_USER=nobody"],
        "the rule's word is the last"
    );
    assert_eq!(Case::new("secure_path = \"/opt/bin\"", &[]).more(), ["PATH=/opt/bin"]);
}

// sudoers(5), "Command environment": with -i HOME, MAIL, SHELL, USER and LOGNAME are the target's in any case.
#[test]
fn a_login_shell_has_the_targets_home_and_shell_whatever_the_rule_keeps() {
    let environment = [("HOME", "/home/alice"), ("SHELL", "/bin/zsh"), ("MAIL", "/tmp/m"), ("FOO", "1")];
    let case = || Case::new("env_keep = [\"HOME\", \"SHELL\", \"MAIL\", \"FOO\"]", &environment);
    assert_eq!(case().more(), ["FOO=1", "HOME=/home/alice", "MAIL=/tmp/m", "SHELL=/bin/zsh"]);
    let login = || case().shell(Shell::Login, "/bin/bash");
    assert_eq!(login().more(), ["FOO=1"]);
    assert_eq!(login().build().unwrap().len(), ALWAYS.len() + 1);
    let set = Case::new("env_set = { HOME = \"/srv\" }", &[]).shell(Shell::Login, "/bin/bash");
    assert_eq!(set.more(), ["HOME=/srv"], "the rule's word is the last");
}

// As sudo -s: programs in it start the shell that the person is in.
#[test]
fn in_a_shell_of_the_persons_own_choice_shell_names_that_one() {
    assert_eq!(Case::new("", &[]).shell(Shell::Plain, "/bin/zsh").more(), ["SHELL=/bin/zsh"]);
}

/// What sudo 1.9.16 on Debian 13 leaves of a variable under its defaults, and what we do: a dash for nothing.
const AS_SUDO: [(&str, &str, &str, &str); 31] = [
    ("COLORS", "x", "x", "x"),
    ("DISPLAY", ":0", ":0", ":0"),
    ("HOSTNAME", "box", "box", "box"),
    ("LS_COLORS", "di=1", "di=1", "di=1"),
    ("XAUTHORITY", "/home/alice/.Xauthority", "/home/alice/.Xauthority", "/home/alice/.Xauthority"),
    ("XAUTHORIZATION", "x", "x", "x"),
    ("COLORTERM", "truecolor", "truecolor", "truecolor"),
    ("COLORTERM", "a/b", "-", "-"),
    ("LANG", "de_DE.UTF-8", "de_DE.UTF-8", "de_DE.UTF-8"),
    ("LANG", "a/b", "-", "-"),
    ("LANG", "%s", "-", "-"),
    ("LANGUAGE", "de:en", "de:en", "de:en"),
    ("LC_ALL", "%s", "-", "-"),
    ("LC_TIME", "C", "C", "C"),
    ("LINGUAS", "de en", "de en", "de en"),
    ("TERM", "xterm-256color", "xterm-256color", "xterm-256color"),
    ("TERM", "a/b", "unknown", "unknown"),
    ("TERM", "() { x", "unknown", "unknown"),
    ("TZ", "Europe/Rome", "Europe/Rome", "Europe/Rome"),
    ("TZ", "/etc/passwd", "-", "-"),
    ("TZ", "a b", "-", "-"),
    ("COLORS", "() { x", "-", "-"),
    ("FOO", "x", "-", "-"),
    ("LD_PRELOAD", "x", "-", "-"),
    ("SUDO_PS1", "# ", "-", "-"),
    ("PATH", "/tmp", "-", "-"),
    ("HOME", "/home/alice", "-", "-"),
    // Ours keeps less: they name files, or are programs for a shell (docs/decisions/0016).
    ("KRB5CCNAME", "k", "k", "-"),
    ("PS1", "a", "a", "-"),
    ("PS2", "b", "b", "-"),
    ("XDG_CURRENT_DESKTOP", "KDE", "KDE", "-"),
];

#[test]
fn what_sudo_keeps_is_kept_but_for_what_names_files_and_programs() {
    for (name, value, sudos, ours) in AS_SUDO {
        let case = Case::new("", &[(name, value)]);
        let kept = if ours == "-" || ours == "unknown" { vec![] } else { vec![format!("{name}={ours}")] };
        assert_eq!(case.more(), kept, "{name}={value}");
        assert!(sudos == ours || ours == "-", "{name}: never more than sudo");
    }
}

// sudo(8): "PS1 … set to SUDO_PS1". In `$(…)` of it a shell runs what it likes.
#[test]
fn a_prompt_of_ones_own_is_for_a_shell_of_ones_own() {
    let case = || Case::new("", &[("SUDO_PS1", "# ")]);
    assert_eq!(case().more(), NOTHING);
    assert_eq!(case().all().more(), ["PS1=# "]);
    let shell = |words: &[&str]| {
        let mut case = case().shell(Shell::Login, "/bin/bash");
        case.arguments = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        case.build().unwrap().contains(&"PS1=# ".to_owned())
    };
    assert_eq!((shell(&[]), shell(&["-c", "id"])), (true, false));
    assert_eq!(Case::new("", &[("SUDO_PS1", "() { x")]).all().more(), NOTHING);
    let set = Case::new("env_set = { PS1 = \"root> \" }", &[("SUDO_PS1", "# ")]).all();
    assert_eq!(set.more(), ["PS1=root> "], "the rule's word is the last");
}

// CVE-2010-1646: PATH twice.
#[test]
fn a_name_that_stands_twice_or_cannot_be_one_is_refused() {
    for environment in [
        &[("PATH", "a"), ("PATH", "b")][..],
        &[("FOO", "1"), ("FOO", "1")],
        &[("A=B", "x")],
        &[("", "x")],
        &[("A\0", "x")],
    ] {
        assert!(Case::new("", environment).build().is_err(), "{environment:?}");
        assert!(Case::new("", &[]).assigned(environment).all().build().is_err(), "{environment:?}");
    }
    let said = Case::new("", &[("A\x1b", "1"), ("A\x1b", "2")]).build().unwrap_err().what;
    assert_eq!(said, "the variable \"A\\x1b\" stands twice in your environment");
    let functions =
        [("BASH_FUNC_x%%", "() { :; }"), ("x()", "y"), ("FOO", "() { :; }"), ("TERM", "() { :; }")];
    assert_eq!(
        Case::new("env_keep = [\"*\", \"FOO\"]", &functions).everything().more(),
        NOTHING,
        "dropped, for bash exports them"
    );
    // The list has `LC_*`. A script that reads the lines of env(1) would see two variables.
    let names = [
        ("LC_A\nLD_PRELOAD", "x.so"),
        ("LC_$(id)", "x"),
        ("LC_%s", "x"),
        ("LC_\u{e9}", "x"),
        ("LC_\x1b[2J", "x"),
    ];
    assert_eq!(Case::new("", &names).more(), NOTHING);
    assert_eq!(Case::new("env_keep = [\"*\"]", &names).everything().all().more(), NOTHING);
}

/// It is read before the person has proven anything.
#[test]
fn many_names_for_many_variables_are_not_compared_one_by_one() {
    let names: Vec<String> = (0..40_000).map(|number| format!("N{number}")).collect();
    let environment: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let listed: Vec<String> = names.iter().map(|name| format!("{name}_")).collect();
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let work = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
    let before = work();
    assert_eq!(Case::new("", &environment).named(&listed).all().more(), NOTHING);
    assert!(work() - before < 5, "{} seconds of work", work() - before);
}

// Row 19 (CVE-2014-9680), A16: values that libraries turn into names of files.
#[test]
fn zones_and_locales_are_no_paths_and_no_formats() {
    let long = "x".repeat(4096);
    for (name, value, stays) in [
        ("TZ", "Europe/Rome", true),
        ("TZ", ":Europe/Rome", true),
        ("TZ", "UTC", true),
        ("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", true),
        ("TZ", "<+03>-3", true),
        ("TZ", "/usr/share/zoneinfo/UTC", true),
        ("TZ", "/dev/tty", false),
        ("TZ", ":/etc/shadow", false),
        ("TZ", "../../x", false),
        ("TZ", "a/../b", false),
        ("TZ", "/usr/share/zoneinfo/../../../etc/shadow", false),
        ("TZ", "/usr/share/zoneinfo//etc/shadow", false),
        ("TZ", "a b", false),
        ("TZ", "a\nb", false),
        ("TZ", "", false),
        ("TZ", &long, false),
        ("TZ", "/usr/share/zoneinfo", false),
        ("LANG", "de_DE.UTF-8@euro", true),
        ("LANG", "C", true),
        ("LANG", "../../x", false),
        ("LANG", "%s", false),
        ("LANG", "/tmp/x", false),
        ("LANG", "", false),
        ("LANG", "a b", false),
        ("LANG", &long, false),
        ("LC_ALL", "en_US.utf8", true),
        ("LC_MESSAGES", "/tmp", false),
        ("LC_X", "%n", false),
        ("LANGUAGE", "de:en_GB:en", true),
        ("LANGUAGE", "de:../x", false),
        ("LINGUAS", "de en", true),
        ("LINGUAS", "de /x", false),
        ("TERM", "screen.xterm-256color", true),
        ("TERM", "rxvt+pcfkeys", true),
        ("TERM", "../../tmp/x", false),
        ("TERM", "/x", false),
        ("TERM", "%x", false),
        ("COLORTERM", "truecolor", true),
        ("COLORTERM", "a/b", false),
    ] {
        let kept = if stays { vec![format!("{name}={value}")] } else { vec![] };
        let shown = value.get(..40).unwrap_or(value);
        for keep in [String::new(), format!("env_keep = [\"{name}\"]")] {
            assert_eq!(Case::new(&keep, &[(name, value)]).everything().more(), kept, "{name}={shown}");
        }
    }
}

#[test]
fn the_command_is_told_in_sudos_words_and_cut() {
    let case = Case::new("", &[]);
    let account = Account {
        name: "a".into(),
        uid: 1,
        gid: 1,
        groups: vec![],
        home: "/".into(),
        shell: "/bin/sh".into(),
    };
    let arguments = [vec![b'x'; 5000], b"\xff".to_vec()];
    let origin = Origin {
        invoking: &account,
        target: &account,
        path: b"/bin/sh",
        arguments: &arguments,
        shell: None,
        tty: None,
    };
    let built = build(&case.request, &case.policy.rule("r").unwrap().restrict, false, &origin).unwrap();
    let find = |name: &str| {
        built.iter().find(|(known, _)| known.as_slice() == name.as_bytes()).map(|(_, value)| value)
    };
    assert_eq!(find("SUDO_COMMAND").unwrap(), &Bytes::from("/bin/sh ".to_owned() + &"x".repeat(4096)));
    assert_eq!(find("SUDO_TTY"), None);
    let origin = Origin { arguments: &[], ..origin };
    assert_eq!(command(&origin), Bytes::from("/bin/sh"));
}

// "bound to … the environment asked for": what a shell would run in its prompt, too.
#[test]
fn a_prompt_is_asked_for_where_it_is_kept() {
    let Case { policy, request, .. } = Case::new("", &[("SUDO_PS1", "$(id)"), ("TERM", "xterm")]);
    let restrict = &policy.rules().next().unwrap().restrict;
    let asked = |all, bare_shell| asked_for(&request, restrict, all, bare_shell);
    assert_eq!(asked(false, false), []);
    for (all, bare_shell) in [(true, false), (false, true)] {
        assert_eq!(asked(all, bare_shell), pairs(&[("PS1", "$(id)")]));
    }
}
