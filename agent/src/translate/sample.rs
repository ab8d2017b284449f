//! What tests decide upon, where it does not matter what that is.

use jit_policy::{Account, LoginSession};

use super::Subject;

/// Somebody runs `id` as root.
pub(crate) fn subject() -> Subject {
    let account = |uid| Account { uid, gid: uid, names: vec!["a".into()], groups: vec![uid] };
    Subject {
        user: account(1000),
        target: account(0),
        group: None,
        host: "h".into(),
        path: b"/usr/bin/id".to_vec(),
        leads_to: None,
        trusted: true,
        sha256: None,
        arguments: Vec::new(),
        edits: false,
        nested: false,
        cwd: None,
        cwd_is_callers: false,
        preserve_groups: false,
        timeout: None,
        duration: None,
        assignments: Vec::new(),
        rule: None,
        non_interactive: false,
        login_id: None,
        login: LoginSession::default(),
    }
}
