//! What is wanted: the command of the command line, or a shell (`-s`, `-i`) that may be told what to run.
//!
//! Of a shell policy is asked its path and its arguments, as of any other program: so a rule for a named command never
//! permits that command by way of a shell.

use jit_protocol::request::{Elevate, Shell};
use jit_protocol::{Bytes, escape};

use super::edit;
use super::people::People;
use super::place::base;
use super::plan::Question;
use crate::environment;
use crate::refusal::Refusal;
use crate::translate;

/// A program by name, and its arguments.
#[derive(Debug)]
pub struct Wanted {
    /// As it was typed, or the shell's path.
    pub name: Bytes,
    /// Absolute, if the name has a slash in it; else it is looked for.
    pub path: Option<Bytes>,
    /// After the name.
    pub arguments: Vec<Vec<u8>>,
    /// Files are wanted, to edit.
    pub edits: bool,
    /// Why they can't be edited: for those who may.
    pub not_editable: Option<Refusal>,
    login: bool,
}

impl Wanted {
    /// By the request of these people.
    ///
    /// # Errors
    /// If nothing is wanted, or the shell has no absolute path.
    pub fn of(question: &Question, people: &People) -> Result<Self, Refusal> {
        let asked = &question.asked;
        if let Some(files) = &asked.edit {
            let edit::Files { paths, refusal } = edit::look_for(question, people, files)?;
            return Ok(Self {
                name: jit_policy::EDIT.into(),
                path: None,
                arguments: paths,
                edits: true,
                not_editable: refusal,
                login: false,
            });
        }
        let Some(shell) = asked.shell else {
            let (name, arguments) =
                asked.command.split_first().ok_or_else(|| Refusal::protocol("no command"))?;
            return Ok(Self {
                name: name.clone(),
                path: asked.path.clone(),
                arguments: arguments.iter().map(|word| word.as_slice().to_vec()).collect(),
                edits: false,
                not_editable: None,
                login: false,
            });
        };
        let path = match shell {
            Shell::Login => environment::shell_of(&translate::order_account(&people.target, None)),
            Shell::Plain => variable(asked, b"SHELL")
                .unwrap_or_else(|| environment::shell_of(&translate::order_account(&people.invoking, None))),
        };
        if !path.as_slice().starts_with(b"/") {
            let what = format!("the shell \"{}\" is not an absolute path", escape(path.as_slice()));
            return Err(Refusal::new(what, "set SHELL to one, or use -i"));
        }
        Ok(Self {
            name: path.clone(),
            path: Some(path),
            arguments: match asked.command.as_slice() {
                [] => Vec::new(),
                words => vec![b"-c".to_vec(), joined(words)],
            },
            edits: false,
            not_editable: None,
            login: shell == Shell::Login,
        })
    }

    /// `argv` for these arguments, which policy may have resolved. A login shell's name begins with a dash; bash
    /// reads its login files before `-c` only if it is told to in words, too.
    pub fn argv(&self, arguments: &[Vec<u8>]) -> Vec<Bytes> {
        let arguments = arguments.iter().map(|word| Bytes::from(word.as_slice()));
        if !self.login {
            return [self.name.clone()].into_iter().chain(arguments).collect();
        }
        let name = base(&self.name).unwrap_or_default();
        let told = (name == b"bash" && !self.arguments.is_empty()).then(|| Bytes::from("--login"));
        [Bytes::from([b"-", name].concat())].into_iter().chain(told).chain(arguments).collect()
    }
}

/// A variable of the invoking user's environment that says something.
fn variable(asked: &Elevate, name: &[u8]) -> Option<Bytes> {
    let found = asked.environment.iter().find(|(known, _)| known.as_slice() == name);
    found.map(|(_, value)| value.clone()).filter(|value| !value.as_slice().is_empty())
}

/// One line for a shell's `-c`: the words, joined by blanks, and a backslash before all that is not a letter, a digit,
/// `_`, `-` or `$` (sudo(8), `-i` and `-s`).
fn joined(words: &[Bytes]) -> Vec<u8> {
    let escaped = |word: &Bytes| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        let each = |byte: &u8| [b'\\', *byte].into_iter().skip(usize::from(is_plain(*byte)));
        word.as_slice().iter().flat_map(each).collect::<Vec<u8>>()
    };
    words.iter().map(escaped).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn shell(name: &str, words: &[&str], login: bool) -> Wanted {
        let words: Vec<Bytes> = words.iter().map(|word| Bytes::from(*word)).collect();
        let arguments = if words.is_empty() { vec![] } else { vec![b"-c".to_vec(), joined(&words)] };
        Wanted {
            name: name.into(),
            path: Some(name.into()),
            arguments,
            edits: false,
            not_editable: None,
            login,
        }
    }

    fn argv(wanted: &Wanted) -> Vec<String> {
        wanted.argv(&wanted.arguments).iter().map(Bytes::to_string_lossy).collect()
    }

    // sudo(8), -s: "escaped, except for alphanumerics, underscores, hyphens, and dollar signs".
    #[test]
    fn what_a_shell_could_take_for_its_own_is_escaped() {
        for (words, line) in [
            (&["id"][..], "id"),
            (&["echo", "a b", "$HOME", "x_y-z"], "echo a\\ b $HOME x_y-z"),
            (&["echo", "*;|&<>()'\"`\\!#~"], "echo \\*\\;\\|\\&\\<\\>\\(\\)\\'\\\"\\`\\\\\\!\\#\\~"),
            (&["./x=1"], "\\.\\/x\\=1"),
            (&["a", "", "b"], "a  b"),
            (&[""], ""),
        ] {
            let words: Vec<Bytes> = words.iter().map(|word| Bytes::from(*word)).collect();
            assert_eq!(joined(&words), line.as_bytes(), "{words:?}");
        }
        assert_eq!(joined(&[Bytes::from(&b"\xff\n"[..])]), b"\\\xff\\\n");
    }

    #[test]
    fn shells_give_back_each_word_as_it_was() {
        let words = [
            "a b", "*", "?[a]", "'", "\"", "`id`", "(id)", "\\", "~", "#x", "!x", ";", "&&", "|", "<x",
            "{a,b}", "=", "x=y", "Straße", "\t", "-n", "%s",
        ];
        let line = joined(&["printf", "%s|"].into_iter().chain(words).map(Bytes::from).collect::<Vec<_>>());
        for shell in ["/bin/dash", "/bin/bash"] {
            let output =
                std::process::Command::new(shell).arg("-c").arg(std::ffi::OsStr::from_bytes(&line)).output();
            let expected = words.join("|") + "|";
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), expected, "{shell}");
        }
    }

    #[test]
    fn a_login_shells_name_begins_with_a_dash_and_bash_is_told() {
        assert_eq!(argv(&shell("/bin/bash", &[], true)), ["-bash"]);
        assert_eq!(argv(&shell("/bin/bash", &["id"], true)), ["-bash", "--login", "-c", "id"]);
        assert_eq!(argv(&shell("/bin/dash", &["id"], true)), ["-dash", "-c", "id"]);
        assert_eq!(argv(&shell("/bin/bash", &["id"], false)), ["/bin/bash", "-c", "id"]);
    }
}
