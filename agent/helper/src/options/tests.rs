//! The grammar as tables: what sudo(8) says of an option; clients.rs has what sudo's clients call.

mod approvals;
mod clients;
mod edits;

use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::table::TABLE;
use super::*;

fn words(line: &[&str]) -> Vec<OsString> {
    line.iter().map(OsString::from).collect()
}

fn read(line: &[&str]) -> Result<Action, Mistake> {
    parse("jit-sudo", &words(line), |_| None)
}

fn asked(line: &[&str]) -> Asked {
    match read(line) {
        Ok(Action::Elevate(asked)) => *asked,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn run(command: &[&str]) -> Asked {
    Asked {
        mode: Mode::Run,
        command: words(command),
        shell: None,
        edit: false,
        edit_is_command: false,
        detailed: false,
        other_user: None,
        assignments: Vec::new(),
        user: None,
        group: None,
        preserve_environment: false,
        preserve_names: Vec::new(),
        reason: None,
        duration: None,
        rule: None,
        folder: None,
        timeout: None,
        preserve_groups: false,
        background: false,
        non_interactive: false,
        ignore_record: false,
        no_update: false,
        stdin: false,
        askpass: false,
        bell: false,
        prompt: None,
        token: None,
        make: None,
        wait: None,
        json: false,
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(Bytes, Bytes)> {
    all.iter().map(|(name, value)| (Bytes::from(*name), Bytes::from(*value))).collect()
}

// What the client needs is not built yet: it is told so, by the option's name.
#[test]
fn a_client_that_needs_what_is_not_built_is_told_so() {
    for (line, option) in [(&["-r", "x", "id"][..], "-r"), (&["-t", "x", "id"], "-t")] {
        assert_eq!(read(line), Err(Mistake::NotBuilt(option.to_owned())), "{line:?}");
    }
}

// interface.md: "--token FILE|-", also from JIT_TOKEN.
#[test]
fn a_token_is_for_a_command_alone() {
    assert_eq!(asked(&["--token", "file", "id"]).token, Some("file".into()));
    assert_eq!(asked(&["--token=-", "-e", "file"]).token, Some("-".into()));
    for line in [
        &["--token", "file", "-v"][..],
        &["--token", "file", "-l", "id"],
        &["--token", "file", "--explain", "id"],
        &["--token", "file", "--make-token", "id"],
        &["--token", "-", "-S", "id"],
        &["--make-token-valid", "1h", "id"],
        &["--make-token-from", "x", "id"],
        &["--make-token"],
        &["--make-token", "--wait", "id"],
    ] {
        assert!(read(line).is_err(), "{line:?}: {:?}", read(line));
    }
    let outside = |line: &[&str]| match parse("jit-sudo", &words(line), |name| {
        (name == "JIT_TOKEN").then(|| "file".into())
    }) {
        Ok(Action::Elevate(asked)) => asked.token,
        other => panic!("{other:?}"),
    };
    assert_eq!(outside(&["id"]), Some("file".into()));
    for line in [&["-v"][..], &["--explain", "id"], &["--make-token", "id"]] {
        assert_eq!(outside(line), None, "{line:?}");
    }
    let made = asked(&[
        "--make-token",
        "--make-token-from",
        "2026-01-01T00:00:00Z",
        "--make-token-valid=2h",
        "-u",
        "bob",
        "id",
    ]);
    let not_before = Some("2026-01-01T00:00:00Z".to_owned());
    assert_eq!(made.make, Some(Make::Token { not_before, valid: Some(7200) }));
    assert_eq!((made.mode, made.user.as_deref()), (Mode::Run, Some("bob")));
    for line in [
        &["--make-request", "--token", "file", "id"][..],
        &["--make-request", "--make-token", "id"],
        &["--make-request", "--wait", "id"],
        &["--make-request"],
        &["--make-request-from", "22:00", "id"],
    ] {
        assert!(read(line).is_err(), "{line:?}: {:?}", read(line));
    }
    let made = asked(&["--make-request", "--make-request-from=22:00", "--for", "1h", "id"]);
    assert_eq!((made.make, made.mode), (Some(Make::Request { from: Some("22:00".to_owned()) }), Mode::Run));
    assert_eq!(made.duration, Some(3600));
    assert_eq!(asked(&["--make-request", "id"]).make, Some(Make::Request { from: None }));
    assert!(asked(&["--valid", "-n"]).mode == Mode::Validate, "sudo's name is cut as ever");
}

// sudo(8): "-i, -s"; parse_args.c allows -i with a list of variables, but not with all.
#[test]
fn a_shell_is_asked_for_with_and_without_a_command() {
    for (line, shell, command) in [
        (&["-i"][..], Shell::Login, &[][..]),
        (&["--login"], Shell::Login, &[]),
        (&["-s"], Shell::Plain, &[]),
        (&["--shell", "-n"], Shell::Plain, &[]),
        (&["-Hi", "-u", "bob", "id", "-u"], Shell::Login, &["id", "-u"]),
        (&["-ki"], Shell::Login, &[]),
        (&["-s", "--", "-x", ""], Shell::Plain, &["-x", ""]),
        (&["-s", ""], Shell::Plain, &[""]),
        (&["-i", "--preserve-env=A", "B=1", "id"], Shell::Login, &["id"]),
        (&["--explain", "-i"], Shell::Login, &[]),
    ] {
        let asked = asked(line);
        assert_eq!((asked.shell, asked.command), (Some(shell), words(command)), "{line:?}");
    }
    assert!(asked(&["-ki"]).ignore_record);
    assert_eq!(asked(&["id", "-i"]).shell, None);
    let reason = parse("jit-sudo", &words(&["-i"]), |name| (name == "JIT_REASON").then(|| "x".into()));
    let Ok(Action::Elevate(asked)) = reason else { panic!("a shell is something to run") };
    assert_eq!(asked.reason.as_deref(), Some("x"));
}

// CVE-2025-32462 (-h with a command) and CVE-2025-32463 (-R): refused with the reason, in every form.
#[test]
fn another_host_and_another_root_folder_are_refused() {
    for line in [
        &["-h", "web-1", "id"][..],
        &["-hweb-1", "id"],
        &["--host", "web-1", "id"],
        &["--host=web-1", "id"],
        &["-nh", "x"],
    ] {
        let mistake = read(line).unwrap_err();
        assert!(matches!(mistake, Mistake::Refused(..)), "{line:?}: {mistake:?}");
        assert!(mistake.to_string().contains("this host"), "{mistake}");
    }
    for line in [&["-R", "/x", "id"][..], &["-R/x", "id"], &["--chroot=/x", "id"], &["--chroot"]] {
        assert!(matches!(read(line), Err(Mistake::Refused(..))), "{line:?}");
    }
}

#[test]
fn a_value_follows_in_every_form_that_getopt_knows() {
    for line in [
        &["-u", "root", "id"][..],
        &["-uroot", "id"],
        &["-nuroot", "id"],
        &["--user=root", "id"],
        &["--user", "root", "id"],
    ] {
        assert_eq!(asked(line).user.as_deref(), Some("root"), "{line:?}");
        assert_eq!(asked(line).command, words(&["id"]), "{line:?}");
    }
    assert_eq!(asked(&["-u", "#1000", "id"]).user.as_deref(), Some("#1000"));
    assert_eq!(asked(&["-u-n", "id"]).user.as_deref(), Some("-n"));
    assert_eq!(asked(&["--user=a=b", "id"]).user.as_deref(), Some("a=b"));
    assert_eq!(asked(&["-g", "#0", "-u", "bob", "id"]).group.as_deref(), Some("#0"));
}

// sudo allows each option with a value once (sudo 1.9.x, parse_args.c; CVE class: the last one wins over the checked one).
#[test]
fn a_value_option_twice_is_refused() {
    for option in ["-u", "-g", "-p", "-U", "-D", "-T", "-C", "--reason", "--for", "--rule"] {
        let mistake = read(&[option, "1h", option, "1h", "id"]).unwrap_err();
        assert_eq!(mistake, Mistake::Twice(option.to_owned()));
    }
    assert_eq!(read(&["-u", "a", "--user=b", "id"]), Err(Mistake::Twice("--user".to_owned())));
}

// sudo(8): "VAR=value … environment variables to be set for the command may also be passed", before `--` only.
#[test]
fn variables_mix_with_options_and_end_with_them() {
    let mixed = asked(&["A=1", "-n", "B=x=y", "-u", "bob", "id", "C=3"]);
    assert_eq!(mixed.assignments, pairs(&[("A", "1"), ("B", "x=y")]));
    assert_eq!(mixed.command, words(&["id", "C=3"]));
    assert_eq!(asked(&["--", "A=1"]).command, words(&["A=1"]));
    assert_eq!(asked(&["/opt/a=b", "x"]).command, words(&["/opt/a=b", "x"]));
    assert_eq!(asked(&["./a=b", "id"]).assignments, pairs(&[("./a", "b")]));
    assert_eq!(read(&["=x", "id"]), Err(Mistake::NoVariable));
}

#[test]
fn options_after_the_command_are_the_commands() {
    let asked = asked(&["-n", "ls", "-u", "root", "--", "-V"]);
    assert_eq!(asked.command, words(&["ls", "-u", "root", "--", "-V"]));
    assert_eq!(asked.user, None);
    assert_eq!(self::asked(&["-"]).command, words(&["-"]));
    assert_eq!(self::asked(&["--", "-n"]).command, words(&["-n"]));
}

// sudo(8): "-k: when used without a command, invalidates the user's cached credentials"; with one, ignores them.
#[test]
fn forgetting_is_alone_and_ignoring_is_beside_something() {
    for line in [&["-k"][..], &["-kn"], &["-k", "-S"], &["--reset-timestamp"], &["-k", "--"]] {
        assert_eq!(read(line), Ok(Action::Forget { all: false }), "{line:?}");
    }
    for line in [&["-K"][..], &["-nK"], &["--remove-timestamp"]] {
        assert_eq!(read(line), Ok(Action::Forget { all: true }), "{line:?}");
    }
    assert!(asked(&["-k", "id"]).ignore_record);
    assert_eq!((asked(&["-kv"]).mode, asked(&["-kv"]).ignore_record), (Mode::Validate, true));
    assert_eq!((asked(&["-kl"]).mode, asked(&["-kl"]).ignore_record), (Mode::List, true));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for line in [
        &["-v", "-l"][..],
        &["-i", "-s"],
        &["-is", "id"],
        &["-i", "-E"],
        &["-i", "-l"],
        &["-s", "-l", "id"],
        &["-s", "-v"],
        &["-K", "-i"],
        &["-v", "-K"],
        &["-l", "-K"],
        &["-k", "-K"],
        &["-k", "-N", "id"],
        &["-KN"],
        &["-A", "-S", "id"],
        &["-K", "id"],
        &["-v", "id"],
        &["-v", "A=1"],
        &["-v", "-E"],
        &["-l", "-E", "id"],
        &["-l", "-u", "bob"],
        &["-l", "-g", "web"],
        &["-l", "A=1"],
        &["-l", "--rule", "x"],
        &["-v", "--reason", "x"],
        &["-v", "--for", "1h"],
        &["-k", "-u", "bob"],
        &["-k", "A=1"],
        &["-K", "--rule", "x"],
        &["-v", "-P"],
        &["-l", "-b"],
        &["-l", "-P", "id"],
        &["-v", "-D", "/"],
        &["-l", "-T", "5"],
        &["-l", "-C", "5", "id"],
        &["-k", "-D", "/"],
        &["-b"],
        &["-kb"],
        &["--explain", "-v"],
        &["--explain", "-l", "id"],
        &["--explain"],
        &[],
        &["-n"],
        &["-u", "root"],
        &["A=1"],
        &["--"],
        &[""],
        &["--", "", "x"],
    ] {
        assert!(read(line).is_err(), "{line:?}: {:?}", read(line));
    }
}

#[test]
fn what_is_unknown_or_incomplete_is_refused_by_name() {
    for (line, mistake) in [
        (&["-z", "id"][..], Mistake::Unknown("-z".to_owned())),
        (&["-nz", "id"], Mistake::Unknown("-z".to_owned())),
        (&["--nope", "id"], Mistake::Unknown("--nope".to_owned())),
        (&["--us-er=x", "id"], Mistake::Unknown("--us-er".to_owned())),
        (&["--pre", "id"], Mistake::Ambiguous("--pre".to_owned())),
        (&["-U", "bob", "id"], Mistake::OnlyWithList),
        (&["-U", "bob", "-v"], Mistake::OnlyWithList),
        (&["-U", "bob"], Mistake::NoCommand),
        (&["--=x", "id"], Mistake::Unknown("--".to_owned())),
        (&["-\u{1b}", "id"], Mistake::Unknown("-\\x1b".to_owned())),
        (&["--\u{1b}[2J", "id"], Mistake::Unknown("--\\x1b[2J".to_owned())),
        (&["--stdin=x", "id"], Mistake::TakesNoValue("--stdin".to_owned())),
        (&["-u"], Mistake::NeedsValue("-u".to_owned())),
        (&["--reason"], Mistake::NeedsValue("--reason".to_owned())),
        (&["-u", "", "id"], Mistake::NeedsValue("-u".to_owned())),
        (&["--rule=", "id"], Mistake::NeedsValue("--rule".to_owned())),
        (&["--for", "soon", "id"], Mistake::Duration("--for")),
        (&["--preserve-env=A,B=1", "id"], Mistake::NotAName("--preserve-env".to_owned())),
    ] {
        assert_eq!(read(line), Err(mistake), "{line:?}");
    }
    let not_text = vec![OsString::from("-u"), OsString::from_vec(b"\xff".to_vec()), OsString::from("id")];
    assert_eq!(parse("jit-sudo", &not_text, |_| None), Err(Mistake::NotText("-u")));
}

// sudo(8), -C: "Values less than three are not permitted."
#[test]
fn where_and_how_long_it_runs_is_read_as_sudo_reads_it() {
    let given = asked(&["-D", "/srv", "-T1h", "-C3", "-Pb", "id"]);
    assert_eq!((given.folder, given.timeout), (Some("/srv".into()), Some(3600)));
    assert!(given.preserve_groups && given.background);
    assert_eq!(asked(&["--chdir=.", "--command-timeout", "90", "id"]).timeout, Some(90));
    assert_eq!(asked(&["-T0", "id"]).timeout, None);
    assert_eq!(read(&["-T", "soon", "id"]), Err(Mistake::Timeout));
    for number in ["2", "0", "-3", "x", "3x", "99999999999"] {
        assert_eq!(read(&["-C", number, "id"]), Err(Mistake::Descriptor), "{number}");
    }
    assert_eq!(asked(&["-l", "-D", "/srv", "id"]).folder, Some("/srv".into()));
}

// sudo(8), -l: "If this option is specified multiple times … a longer list format is used." -U: "Used in conjunction with -l".
#[test]
fn a_list_may_be_longer_and_another_users() {
    for line in [&["-ll"][..], &["-l", "-l"], &["--list", "-nl"]] {
        assert!(asked(line).detailed && asked(line).mode == Mode::List, "{line:?}");
    }
    let given = asked(&["-lU", "bob", "-u", "www", "id"]);
    assert_eq!((given.other_user.as_deref(), given.user.as_deref()), (Some("bob"), Some("www")));
    assert_eq!((given.detailed, asked(&["-l", "--other-user=#5"]).command.len()), (false, 0));
}

// getopt_long(3): "may be abbreviated, as long as the abbreviation is unique"; scripts do so.
#[test]
fn a_long_name_may_be_cut_while_only_one_begins_so() {
    assert!(asked(&["--non-int", "id"]).non_interactive);
    assert_eq!(asked(&["--us=bob", "id"]).user.as_deref(), Some("bob"));
    assert_eq!(asked(&["--preserve-e=A", "id"]).preserve_names, [Bytes::from("A")]);
    assert!(asked(&["--preserve-g", "id"]).preserve_groups);
    assert_eq!(read(&["--vers"]), Ok(Action::Version));
    assert!(matches!(read(&["--chr=/x", "id"]), Err(Mistake::Refused(..))));
}

#[test]
fn kept_variables_add_up() {
    let asked = asked(&["--preserve-env=A,,B", "--preserve-env=C", "id"]);
    assert_eq!(asked.preserve_names, ["A", "B", "C"].map(Bytes::from));
    assert!(!asked.preserve_environment);
    assert!(self::asked(&["--preserve-env", "id"]).preserve_environment);
}

// interface.md: "Also from the environment: JIT_REASON, JIT_FOR, JIT_RULE"; features.md: "SUDO_PROMPT".
#[test]
fn the_environment_fills_what_the_command_line_leaves_open() {
    let variable = |name: &str| match name {
        "JIT_REASON" => Some("from outside".into()),
        "JIT_FOR" => Some("1h30m".into()),
        "JIT_RULE" => Some("web".into()),
        "SUDO_PROMPT" => Some("%p: ".into()),
        _ => None,
    };
    let read = |line: &[&str]| match parse("jit-sudo", &words(line), variable) {
        Ok(Action::Elevate(asked)) => (asked.reason, asked.duration, asked.rule, asked.prompt),
        other => panic!("{other:?}"),
    };
    let outside = Some("from outside".to_owned());
    assert_eq!(read(&["id"]), (outside, Some(5400), Some("web".to_owned()), Some(b"%p: ".to_vec())));
    let given = read(&["--reason", "mine", "--for=7d", "--rule", "x", "-p", "", "id"]);
    assert_eq!(given, (Some("mine".to_owned()), Some(604_800), Some("x".to_owned()), Some(Vec::new())));
    // Set for a whole session, it must not make `-v` a usage error.
    assert_eq!(read(&["-v"]), (None, None, None, Some(b"%p: ".to_vec())));
    assert_eq!(
        parse("jit-sudo", &words(&["id"]), |name| (name == "JIT_FOR").then(|| "soon".into())),
        Err(Mistake::Duration("JIT_FOR"))
    );
    assert_eq!(
        parse("jit-sudo", &words(&["id"]), |name| (name == "JIT_FOR").then(OsString::new)),
        Ok(Action::Elevate(Box::new(run(&["id"]))))
    );
}

#[test]
fn help_and_version_need_nothing_else() {
    for line in [&["-h"][..], &["--help"], &["-n", "--help", "-z"], &["-h", "-n"], &["-nh"]] {
        assert_eq!(read(line), Ok(Action::Help), "{line:?}");
    }
    for line in [&["-V"][..], &["--version"]] {
        assert_eq!(read(line), Ok(Action::Version));
    }
    let text = help("sudo");
    assert!(text.starts_with("usage: sudo "));
    for option in ["-n, --non-interactive", "--preserve-env[=NAMES]", "--for DURATION", "--explain"] {
        assert!(text.contains(option), "{option}");
    }
    assert!(text.contains("--token FILE") && !text.contains("--make-"), "what is for jitctl is not offered");
}

#[test]
fn messages_carry_the_name_that_sudos_clients_look_for() {
    for (called_as, name) in [
        ("sudo", "sudo"),
        ("/usr/local/bin/sudo", "sudo"),
        ("/usr/bin/jit-sudo", "jit-sudo"),
        ("sudoedit", "sudoedit"),
        ("/usr/bin/sudoedit.distrib", "sudoedit"),
        ("sudo.distrib", "jit-sudo"),
        ("evil\u{1b}[2J", "jit-sudo"),
        ("", "jit-sudo"),
    ] {
        assert_eq!(program_name(Some(OsStr::new(called_as))), name);
    }
    assert_eq!(program_name(None), "jit-sudo");
}

#[test]
fn each_option_stands_in_the_table_once() {
    for (at, entry) in TABLE.iter().enumerate() {
        for other in &TABLE[at + 1..] {
            assert_ne!(entry.long, other.long);
            assert!(entry.short.is_none() || entry.short != other.short, "{}", entry.long);
        }
    }
}

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(line in prop::collection::vec(prop::collection::vec(1_u8.., 0..12), 0..8)) {
        let line: Vec<OsString> = line.into_iter().map(OsString::from_vec).collect();
        if let Err(mistake) = parse("jit-sudo", &line, |_| None) {
            prop_assert!(!mistake.to_string().chars().any(char::is_control));
        }
    }

    #[test]
    fn whatever_follows_two_dashes_is_the_command(command in prop::collection::vec("[^\0]{1,8}", 1..5)) {
        let mut line = words(&["-n", "--"]);
        line.extend(command.iter().map(OsString::from));
        let Ok(Action::Elevate(asked)) = parse("jit-sudo", &line, |_| None) else { panic!() };
        prop_assert_eq!(asked.command, command.iter().map(OsString::from).collect::<Vec<_>>());
    }

    #[test]
    fn options_of_the_table_in_any_order_never_panic(
        picks in prop::collection::vec((0..TABLE.len(), any::<bool>(), "[a-z0-9=,-]{0,4}"), 0..6)
    ) {
        let mut line = Vec::new();
        for (at, long, value) in picks {
            let entry = &TABLE[at];
            match entry.short.filter(|_| !long) {
                Some(letter) => line.push(format!("-{}{value}", char::from(letter)).into()),
                None => line.push(format!("--{}={value}", entry.long).into()),
            }
        }
        line.push("id".into());
        let _ = parse("jit-sudo", &line, |_| None);
    }
}
