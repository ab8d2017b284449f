//! What our programs' own `--help` says, as data. Manual pages and completions are made of it: neither can say anything
//! else than the program that is packed with them.

use std::path::Path;

use crate::cargo::{Done, command, read};

/// A program, or one of its commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Help {
    /// Its words, as `["jitctl", "policy", "check"]`.
    pub(crate) words: Vec<String>,
    /// What it does, in one line, and whatever else is said on it.
    pub(crate) about: String,
    /// How it is called.
    pub(crate) usage: Vec<String>,
    /// Its arguments, as `[FILE]...`, and their meaning.
    pub(crate) arguments: Vec<(String, String)>,
    /// Its options.
    pub(crate) options: Vec<Opt>,
    /// Its own commands.
    pub(crate) commands: Vec<Help>,
}

/// One option.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    /// `-u`.
    pub(crate) short: Option<char>,
    /// `user`, of `--user`.
    pub(crate) long: Option<String>,
    /// What follows it.
    pub(crate) value: Option<Value>,
    /// What it does.
    pub(crate) text: String,
}

/// What follows an option.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Value {
    /// What the help calls it, as `USER`.
    pub(crate) name: String,
    /// It may be left out, and is joined with `=` else.
    pub(crate) optional: bool,
}

/// What a value is: so far as completions can help with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
    Folder,
    File,
    Other,
}

/// By the name that all help texts use for it.
pub(crate) fn kind(name: &str) -> Kind {
    match name.trim_matches(|char: char| !char.is_ascii_alphabetic()) {
        "USER" => Kind::User,
        "GROUP" => Kind::Group,
        "FOLDER" | "DIR" => Kind::Folder,
        "FILE" => Kind::File,
        _ => Kind::Other,
    }
}

/// The helper's.
///
/// # Errors
/// It can't be asked, or says it in another way than it did.
pub(crate) fn of_helper(program: &Path) -> Done<Help> {
    let text = read(command(&[&program.display().to_string(), "--help"]))?;
    parse(vec!["jit-sudo".to_owned()], &text)
}

/// That of `jitctl`, and of all its commands.
///
/// # Errors
/// It can't be asked, or says it in another way than it did.
pub(crate) fn of_control(program: &Path) -> Done<Help> {
    of_command(program, &["jitctl".to_owned()])
}

fn of_command(program: &Path, words: &[String]) -> Done<Help> {
    let ask = |option: &str| {
        let mut command = command(&[&program.display().to_string()]);
        read({
            command.args(words.iter().skip(1)).arg(option);
            command
        })
    };
    // The short one has a line for each option, the long one all that is said on the command.
    let mut help = parse(words.to_vec(), &ask("-h")?)?;
    let long = ask("--help")?;
    long.split("\n\nUsage:").next().unwrap_or_default().clone_into(&mut help.about);
    for command in &mut help.commands {
        *command = of_command(program, &command.words)?;
    }
    Ok(help)
}

/// Reads one help text: words on it, `usage:` with lines, then parts of lines `  NAME  meaning`.
fn parse(words: Vec<String>, text: &str) -> Done<Help> {
    let mut help = Help { words, ..Help::default() };
    let mut part = "";
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let failed =
            || format!("the help of {} has a line that is not understood: {line}", help.words.join(" "));
        if let Some(usage) = line.strip_prefix("Usage: ").or_else(|| line.strip_prefix("usage: ")) {
            part = "usage";
            help.usage.push(usage.to_owned());
        } else if !line.starts_with(' ') {
            part = match line {
                "Commands:" => "commands",
                "Arguments:" => "arguments",
                "Options:" | "options:" => "options",
                about if part.is_empty() => {
                    about.clone_into(&mut help.about);
                    ""
                }
                _ => return Err(failed()),
            };
        } else if part == "usage" {
            help.usage.push(line.trim().to_owned());
        } else {
            let (name, text) = line.trim().split_once("  ").ok_or_else(failed)?;
            let (name, text) = (name.to_owned(), text.trim().to_owned());
            match part {
                "commands" => {
                    let words = help.words.iter().cloned().chain([name]).collect();
                    help.commands.push(Help { words, ..Help::default() });
                }
                "arguments" => help.arguments.push((name, text)),
                "options" => help.options.push(option(&name, text).ok_or_else(failed)?),
                _ => return Err(failed()),
            }
        }
    }
    if help.usage.is_empty() || help.options.is_empty() {
        return Err(format!("the help of {} has no usage or no options:\n{text}", help.words.join(" ")));
    }
    Ok(help)
}

/// `-u, --user USER`, `--user <USER>`, `-n`, `--preserve-env[=NAMES]`.
fn option(names: &str, text: String) -> Option<Opt> {
    let mut option = Opt { short: None, long: None, value: None, text };
    for word in names.split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some(long) = word.strip_prefix("--") {
            let (long, value) = long.split_once("[=").unwrap_or((long, ""));
            option.long = Some(long.to_owned());
            if let Some(name) = value.strip_suffix(']') {
                option.value = Some(Value { name: name.to_owned(), optional: true });
            }
        } else if let Some(short) = word.strip_prefix('-') {
            option.short = short.chars().next();
        } else {
            let name = word.trim_matches(['<', '>']).to_owned();
            option.value = Some(Value { name, optional: false });
        }
    }
    (option.short.is_some() || option.long.is_some()).then_some(option)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cargo::{cargo, run};

    /// What our programs say, as they are now: the helper's, and that of `jitctl`.
    pub(crate) fn of_ours() -> (Help, Help) {
        run(cargo(&["build", "--quiet", "--package", "jit-sudo", "--package", "jitctl"])).unwrap();
        let folder = jit_tests::image::target().join("debug");
        (of_helper(&folder.join("jit-sudo")).unwrap(), of_control(&folder.join("jitctl")).unwrap())
    }

    fn opt(short: Option<char>, long: &str, value: Option<(&str, bool)>, text: &str) -> Opt {
        let long = (!long.is_empty()).then(|| long.to_owned());
        let value = value.map(|(name, optional)| Value { name: name.to_owned(), optional });
        Opt { short, long, value, text: text.to_owned() }
    }

    #[test]
    fn a_help_text_is_read_whole() {
        let text = "Do it\n\nUsage: x [OPTIONS] [FILE]...\n       x -i\n\nArguments:\n  [FILE]...  What to read\n\n\
                    Commands:\n  go  Go\n\nOptions:\n  -u, --user USER   whom\n      --for <TIME>  how long\n  \
                    -n <NUMBER>       some\n  -E, --keep[=NAMES]  keep\n";
        let help = parse(vec!["x".to_owned()], text).unwrap();
        assert_eq!((help.about.as_str(), help.usage.len()), ("Do it", 2));
        assert_eq!(help.arguments, [("[FILE]...".to_owned(), "What to read".to_owned())]);
        assert_eq!(help.commands[0].words, ["x", "go"]);
        assert_eq!(
            help.options,
            [
                opt(Some('u'), "user", Some(("USER", false)), "whom"),
                opt(None, "for", Some(("TIME", false)), "how long"),
                opt(Some('n'), "", Some(("NUMBER", false)), "some"),
                opt(Some('E'), "keep", Some(("NAMES", true)), "keep"),
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_a_mistake_and_not_left_out() {
        for text in ["", "usage: x\n", "usage: x\noptions:\n  -n no meaning\n", "usage: x\nnews\n  -n  x\n"] {
            assert!(parse(vec!["x".to_owned()], text).is_err(), "{text}");
        }
    }
}
