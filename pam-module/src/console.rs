//! Root at the machine itself: the way in that a broken agent must not close.

use crate::account::Login;

/// Whether this is root, by `login`, on a local terminal, with no remote host.
///
/// All of it is claimed by the host process, which is root's when it can log anybody in at all; nothing here can be
/// said by the person who logs in (telnetd's `login` names the remote host, and gives a pseudo-terminal).
pub fn is_root_at_the_machine(login: &Login) -> bool {
    login.user == "root"
        && login.service.eq_ignore_ascii_case("login")
        && login.rhost.as_deref().is_none_or(str::is_empty)
        && login.tty.as_deref().is_some_and(is_local)
}

/// `console`, a virtual (`tty1`), serial (`ttyS0`, `ttyAMA0`) or hypervisor (`hvc0`) console. Not a pseudo-terminal:
/// `pts/3`, or BSD's `ttyp3`, which is why no lower case may follow `tty`.
fn is_local(tty: &str) -> bool {
    let name = tty.strip_prefix("/dev/").unwrap_or(tty);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name == "console"
        || name.strip_prefix("hvc").is_some_and(is_number)
        || name.strip_prefix("tty").is_some_and(|rest| {
            is_number(rest.trim_start_matches(|letter: char| letter.is_ascii_uppercase()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_terminals_are_told_from_all_others() {
        for tty in ["tty1", "/dev/tty1", "tty63", "ttyS0", "/dev/ttyAMA0", "ttyUSB1", "hvc0", "console"] {
            assert!(is_local(tty), "{tty}");
        }
        for tty in [
            "",
            "tty",
            "ttyS",
            "pts/0",
            "/dev/pts/0",
            "ttyp0",
            "ttyq1",
            "tty1x",
            "../tty1",
            "tty/1",
            "ssh",
            ":0",
            "hvc",
            "consoles",
            "/dev//tty1",
            "TTY1",
            "tty1 ",
            "tty١",
        ] {
            assert!(!is_local(tty), "{tty}");
        }
    }

    #[test]
    fn every_one_of_the_four_facts_is_needed() {
        let root = Login {
            user: "root".into(),
            service: "login".into(),
            tty: Some("/dev/tty1".into()),
            rhost: None,
        };
        assert!(is_root_at_the_machine(&root));
        assert!(is_root_at_the_machine(&Login { rhost: Some(String::new()), ..root.clone() }));
        for other in [
            Login { user: "alice".into(), ..root.clone() },
            Login { user: "ROOT".into(), ..root.clone() },
            Login { service: "sshd".into(), ..root.clone() },
            Login { tty: Some("pts/0".into()), ..root.clone() },
            Login { tty: None, ..root.clone() },
            Login { rhost: Some("10.0.0.1".into()), ..root.clone() },
        ] {
            assert!(!is_root_at_the_machine(&other), "{other:?}");
        }
    }
}
