//! A small world: alice, who is in `web`, asks to be root on `web-1.example.com`.

use jit_policy::{
    Account, AsWritten, Asked, Command, Decision, Diagnostics, Directory, EDIT, Host, LintAccount, LintFile,
    LintHost, LookupFailed, NoZones, Policy, Request, Resolved, Sha256, Source, Target,
};

/// When all of it happens.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_305_600).expect("2026-11-22T00:00:00Z")
}

/// One file.
pub(crate) fn file(text: &str) -> [Source; 1] {
    [Source { name: "10-a.toml".into(), path: "/etc/jit-sudo/policy.d/10-a.toml".into(), text: text.into() }]
}

/// Loads a policy of one file. Whatever is told of one that is refused can be shown.
pub(crate) fn load(text: &str) -> Result<Policy, Diagnostics> {
    let loaded = Policy::load(&file(text), &AsWritten);
    if let Err(found) = &loaded {
        let shown = found.render();
        assert!(!shown.is_empty() && found.iter().all(|one| !one.message.contains(char::is_control)));
        assert!(found.iter().all(|one| one.place.line >= 1 && one.place.column >= 1));
    }
    loaded
}

/// Who may be asked for.
pub(crate) struct Names;

impl Directory for Names {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok((group == "web").then_some(33))
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok((user == "alice").then_some(1000))
    }
}

impl LintHost for Names {
    fn file(&self, path: &str) -> Option<LintFile> {
        Some(LintFile {
            leads_to: path.to_owned(),
            changeable: path.starts_with("/opt").then(|| "/opt".to_owned()),
        })
    }

    fn sha256(&self, _path: &str) -> Result<Sha256, String> {
        Err("nobody knows it".to_owned())
    }

    fn account(&self, user: &str) -> Result<Option<LintAccount>, LookupFailed> {
        Ok((user == "alice").then(|| LintAccount { uid: 1000, shell: "/usr/sbin/nologin".to_owned() }))
    }
}

/// Asks a policy, and its explanation, which must say the same; whether it is permitted.
pub(crate) fn permits(policy: &Policy, path: &[u8], args: &[Vec<u8>]) -> bool {
    let user = Account { uid: 1000, gid: 1000, names: vec!["alice".to_owned()], groups: vec![33] };
    let root = Account { uid: 0, gid: 0, names: vec!["root".to_owned()], groups: vec![0] };
    let itself = |argument: &[u8]| Some(Resolved { path: argument.to_vec(), writable: false });
    let request = Request {
        user: &user,
        host: Host { name: "web-1.example.com", tags: &["web".to_owned()] },
        target: Target { account: &root, group: None },
        command: Command {
            path,
            leads_to: None,
            args,
            edits: path == EDIT.as_bytes(),
            trusted: true,
            under: &itself,
            sha256: &|| Err("nobody knows it".to_owned()),
        },
        nested: false,
        now: now(),
        zones: &NoZones,
        login: &jit_policy::LoginSession::default(),
        asked: Asked::default(),
    };
    let decision = policy.evaluate(&request, &Names).expect("no look-up fails");
    let explained = policy.explain(&request, &Names).expect("no look-up fails");
    let permitted = matches!(decision, Decision::Permit(_));
    assert_eq!(explained.permitted, permitted, "{explained:?}");
    permitted
}

/// A TOML string, in which every letter is seen.
pub(crate) fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        _ => format!("\\U{:08X}", u32::from(letter)),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}
