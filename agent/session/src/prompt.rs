//! How the person is asked.

use std::fmt::Write;

use jit_protocol::escape::escape;
use jit_protocol::frame::MAX_FRAME;
use jit_protocol::order::{Authenticate, Order};
use jit_protocol::request::Shell;

/// Characters of a command shown before the prompt; what is longer is cut and its length told.
const SHOWN: usize = 160;

/// The prompt for a password, in the place of PAM's own `Password:`.
///
/// With `-p` its text with sudo's escapes (sudo(8), `-p`): `%H` and `%h` the host, `%p` whose password, `%U` the
/// target user, `%u` the invoking user, `%%`. Without, ours names the command and the target.
pub fn password(order: &Order, authenticate: &Authenticate) -> Vec<u8> {
    if let Some(prompt) = &authenticate.prompt {
        return expand(prompt.as_slice(), order, &authenticate.user);
    }
    let mut text = String::new();
    if order.program.is_some() {
        text = format!("[jit-sudo] {} as {}\n", command(order), escape(order.target.name.as_bytes()));
    }
    let _ = write!(text, "Password for {}: ", escape(authenticate.user.as_bytes()));
    text.into_bytes()
}

/// The prompt for a reason.
pub fn reason(order: &Order) -> Vec<u8> {
    format!("[jit-sudo] {} as {}\nReason: ", command(order), escape(order.target.name.as_bytes()))
        .into_bytes()
}

/// Whether PAM asks for *the* password, and not for a code or a new one, as sudo tells them apart.
pub fn is_standard(prompt: &[u8], user: &str) -> bool {
    let prompt = prompt.trim_ascii();
    prompt == b"Password:" || prompt == format!("{user}'s Password:").as_bytes()
}

/// The command as it will run, escaped, one line.
fn command(order: &Order) -> String {
    let path = order.program.as_ref().map(|program| program.path.as_slice()).unwrap_or_default();
    let mut line = if order.shell == Some(Shell::Login) { "login shell ".to_owned() } else { String::new() };
    line.push_str(&if order.edit { "sudoedit".to_owned() } else { escape(path) });
    for argument in order.argv.iter().skip(1) {
        line.push(' ');
        line.push_str(&quoted(&escape(argument.as_slice())));
    }
    let length = line.chars().count();
    if length > SHOWN {
        line = line.chars().take(SHOWN).collect();
        let _ = write!(line, "… (+{} characters)", length - SHOWN);
    }
    line
}

/// An argument with blanks in it, or none at all, in quotes: so that where it begins and ends is seen.
fn quoted(argument: &str) -> String {
    if argument.is_empty() || argument.contains([' ', '\'', '"']) {
        format!("'{argument}'")
    } else {
        argument.to_owned()
    }
}

fn expand(prompt: &[u8], order: &Order, whose: &str) -> Vec<u8> {
    let short = order.host.split('.').next().unwrap_or_default();
    let mut text = Vec::new();
    let mut rest = prompt.iter();
    // No more than a frame takes: of some bytes of a long one each can become a name.
    while let Some(byte) = rest.next().filter(|_| text.len() < MAX_FRAME) {
        if *byte != b'%' {
            text.push(*byte);
            continue;
        }
        match rest.next() {
            Some(b'H') => text.extend_from_slice(order.host.as_bytes()),
            Some(b'h') => text.extend_from_slice(short.as_bytes()),
            Some(b'p') => text.extend_from_slice(whose.as_bytes()),
            Some(b'U') => text.extend_from_slice(order.target.name.as_bytes()),
            Some(b'u') => text.extend_from_slice(order.invoking.name.as_bytes()),
            Some(b'%') | None => text.push(b'%'),
            Some(other) => text.extend_from_slice(&[b'%', *other]),
        }
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jit_protocol::Bytes;
    use jit_protocol::order::{Account, Cwd, Program, Restrictions, Umask};
    use jit_protocol::request::Mode;

    pub(crate) fn account(name: &str, uid: u32) -> Account {
        let home = Bytes::from(format!("/home/{name}"));
        Account {
            name: name.to_owned(),
            uid,
            gid: uid,
            groups: vec![uid],
            home,
            shell: Bytes::from("/bin/sh"),
        }
    }

    pub(crate) fn order(argv: &[&str]) -> Order {
        let path = Bytes::from("/usr/bin/id");
        Order {
            session: "0".repeat(32),
            mode: Mode::Run,
            invoking: account("alice", 1000),
            target: account("root", 0),
            authenticate: None,
            ask_reason: false,
            program: Some(Program { path, device: 0, inode: 0, size: 0, modified: 0, changed: 0, pin: None }),
            argv: argv.iter().map(|word| Bytes::from(*word)).collect(),
            shell: None,
            edit: false,
            environment: Vec::new(),
            restrictions: Restrictions { umask: Umask::CallersAnd(0o22), cwd: Cwd::Caller, folder: None },
            terminal: None,
            background: false,
            ignored_signals: Vec::new(),
            nested_in: None,
            foreign_mounts: None,
            tty: None,
            host: "web-1.example.com".to_owned(),
        }
    }

    fn authenticate(prompt: Option<&str>) -> Authenticate {
        Authenticate { user: "alice".to_owned(), tries: 3, prompt: prompt.map(Bytes::from) }
    }

    #[test]
    fn the_prompt_names_the_command_and_the_target() {
        let text = password(&order(&["id", "-u", "two words", "\x1b[2J"]), &authenticate(None));
        let expected = "[jit-sudo] /usr/bin/id -u 'two words' \\x1b[2J as root\nPassword for alice: ";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn the_prompt_tells_a_login_shell_from_the_same_program() {
        let mut order = order(&["-id"]);
        order.shell = Some(Shell::Login);
        let text = String::from_utf8(password(&order, &authenticate(None))).unwrap();
        assert!(text.starts_with("[jit-sudo] login shell /usr/bin/id as root\n"), "{text}");
    }

    #[test]
    fn the_prompt_says_that_files_are_edited_and_not_by_which_program_of_ours() {
        let order = Order { edit: true, ..order(&["sudoedit", "/etc/motd"]) };
        let text = String::from_utf8(password(&order, &authenticate(None))).unwrap();
        assert!(text.starts_with("[jit-sudo] sudoedit /etc/motd as root\n"), "{text}");
    }

    #[test]
    fn a_long_command_is_cut_and_says_so() {
        let text = password(&order(&["id", &"x".repeat(1000)]), &authenticate(None));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("… (+852 characters) as root\n"), "{text}");
    }

    /// sudo(8), -p: "the following percent ('%') escape sequences are supported".
    #[test]
    fn a_prompt_of_the_users_own_is_verbatim_but_for_sudos_escapes() {
        for (given, shown) in [
            ("[sudo via ansible, key=abc] password:", "[sudo via ansible, key=abc] password:"),
            ("%u@%h (%H) as %U, %p's: ", "alice@web-1 (web-1.example.com) as root, alice's: "),
            ("100%% %x %", "100% %x %"),
            ("", ""),
        ] {
            let text = password(&order(&["id"]), &authenticate(Some(given)));
            assert_eq!(String::from_utf8(text).unwrap(), shown);
        }
    }

    #[test]
    fn a_long_prompt_does_not_grow_beyond_what_is_shown() {
        let text = password(&order(&["id"]), &authenticate(Some(&"%H".repeat(1_000_000))));
        assert!(text.starts_with(b"web-1.example.comweb-1") && text.len() < MAX_FRAME + 64, "{}", text.len());
    }

    #[test]
    fn only_the_plain_password_prompt_is_replaced() {
        assert!(is_standard(b"Password: ", "alice") && is_standard(b"alice's Password: ", "alice"));
        for other in ["Verification code: ", "New password: ", "bob's Password: ", ""] {
            assert!(!is_standard(other.as_bytes(), "alice"), "{other}");
        }
    }
}
