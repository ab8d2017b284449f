//! Commands, with what stands before them.

use crate::import::ast::{Arguments, CommandSpec, Digest, List, Options, Program, Tags, What};
use crate::import::digest;
use crate::import::scan::{Read, Word};
use crate::import::settings::is_timeout;
use crate::import::times::is_time;

use super::{Parser, one_line};

impl Parser<'_> {
    /// Commands with their tags, separated by commas. Each has from the one before what it does not say itself.
    pub(super) fn command_specs(&mut self) -> Read<Vec<CommandSpec>> {
        let mut specs: Vec<CommandSpec> = Vec::new();
        loop {
            let mut spec = self.command_spec()?;
            if let Some(before) = specs.last() {
                inherit(&mut spec, before);
            }
            specs.push(spec);
            self.scan.blanks();
            if !self.scan.take(",") {
                return Ok(specs);
            }
        }
    }

    fn command_spec(&mut self) -> Read<CommandSpec> {
        self.scan.blanks();
        let start = self.scan.at();
        let at = self.place(start);
        let run_as = self.run_as()?;
        let options = self.options()?;
        let tags = self.tags();
        let mut commands = self.list_of_one_command()?;
        match (commands.pop(), commands.is_empty()) {
            (Some(command), true) => {
                let text = one_line(self.scan.text_from(start));
                Ok(CommandSpec { at, text, run_as, options, tags, command })
            }
            _ => Err(self.scan.expected("a command")),
        }
    }

    fn list_of_one_command(&mut self) -> Read<List<What>> {
        self.scan.blanks();
        let digests = self.digests()?;
        let negated = self.scan.negation()?;
        self.scan.blanks();
        let what = self.command(digests)?;
        Ok(vec![crate::import::ast::Member { negated, what }])
    }

    /// Commands of an alias.
    pub(super) fn commands(&mut self) -> Read<List<What>> {
        let mut list = Vec::new();
        loop {
            list.append(&mut self.list_of_one_command()?);
            self.scan.blanks();
            if !self.scan.take(",") {
                return Ok(list);
            }
        }
    }

    /// `sha256:…`, several separated by commas.
    fn digests(&mut self) -> Read<Vec<Digest>> {
        let mut digests = Vec::new();
        loop {
            let mut ahead = self.scan.clone();
            let kind = ahead.take_while(|char| char.is_ascii_alphanumeric());
            let Some(kind) = digest::kind(kind) else { return Ok(digests) };
            ahead.blanks();
            if !ahead.take(":") {
                return Ok(digests);
            }
            self.scan = ahead;
            self.scan.blanks();
            let digits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '=');
            match digest::digest(kind, self.scan.take_while(digits)) {
                Some(digest) => digests.push(digest),
                None => return Err(self.scan.expected("a digest")),
            }
            self.scan.blanks();
            let mut ahead = self.scan.clone();
            if ahead.take(",") {
                ahead.blanks();
                if ahead.starts_with("sha") {
                    self.scan = ahead;
                }
            }
        }
    }

    /// `CWD=/srv` and the like.
    fn options(&mut self) -> Read<Options> {
        const NAMES: [&str; 10] = [
            "CWD",
            "CHROOT",
            "TIMEOUT",
            "NOTBEFORE",
            "NOTAFTER",
            "ROLE",
            "TYPE",
            "APPARMOR_PROFILE",
            "PRIVS",
            "LIMITPRIVS",
        ];
        let mut options = Options::default();
        loop {
            self.scan.blanks();
            let mut ahead = self.scan.clone();
            let name = ahead.take_while(|char| char.is_ascii_uppercase() || char == '_');
            ahead.blanks();
            if !NAMES.contains(&name) || !ahead.take("=") {
                return Ok(options);
            }
            self.scan = ahead;
            self.scan.blanks();
            let start = self.scan.at();
            let Some(value) = self.scan.word()? else { return Err(self.scan.expected("a value")) };
            let sound = match name {
                "CWD" | "CHROOT" => true,
                "TIMEOUT" => is_timeout(&value.text),
                "NOTBEFORE" | "NOTAFTER" => is_time(&value.text),
                _ => !value.is_reserved() && !value.is_alias(),
            };
            if !sound {
                return Err(self.scan.mistake_since(start, "this is not a value that sudo takes", ""));
            }
            let value = value.text;
            if matches!(name, "CWD" | "CHROOT") && !value.starts_with(['/', '~']) && value != "*" {
                let hint = "it begins with `/` or `~`, or is `*`";
                return Err(self.scan.mistake_since(start, "this is not a folder", hint));
            }
            let option = match name {
                "CWD" => &mut options.cwd,
                "CHROOT" => &mut options.chroot,
                "TIMEOUT" => &mut options.timeout,
                "NOTBEFORE" => &mut options.not_before,
                "NOTAFTER" => &mut options.not_after,
                "ROLE" => &mut options.role,
                "TYPE" => &mut options.type_,
                "APPARMOR_PROFILE" => &mut options.apparmor_profile,
                _ => &mut options.privileges,
            };
            *option = Some(value);
        }
    }

    /// `NOPASSWD:` and the like.
    fn tags(&mut self) -> Tags {
        let mut tags = Tags::default();
        loop {
            self.scan.blanks();
            let mut ahead = self.scan.clone();
            let name = ahead.take_while(|char| char.is_ascii_uppercase() || char == '_');
            ahead.take_while(|char| matches!(char, ' ' | '\t'));
            if !ahead.take(":") {
                return tags;
            }
            let (tag, value) = match name {
                "NOPASSWD" => (&mut tags.no_password, true),
                "PASSWD" => (&mut tags.no_password, false),
                "NOEXEC" => (&mut tags.no_exec, true),
                "EXEC" => (&mut tags.no_exec, false),
                "SETENV" => (&mut tags.set_env, true),
                "NOSETENV" => (&mut tags.set_env, false),
                "LOG_INPUT" => (&mut tags.log_input, true),
                "NOLOG_INPUT" => (&mut tags.log_input, false),
                "LOG_OUTPUT" => (&mut tags.log_output, true),
                "NOLOG_OUTPUT" => (&mut tags.log_output, false),
                "INTERCEPT" => (&mut tags.intercept, true),
                "NOINTERCEPT" => (&mut tags.intercept, false),
                "FOLLOW" => (&mut tags.follow, true),
                "NOFOLLOW" => (&mut tags.follow, false),
                "MAIL" => (&mut tags.mail, true),
                "NOMAIL" => (&mut tags.mail, false),
                _ => return tags,
            };
            *tag = Some(value);
            self.scan = ahead;
        }
    }

    /// One command with its arguments.
    pub(super) fn command(&mut self, digests: Vec<Digest>) -> Read<What> {
        let start = self.scan.at();
        let program = match self.scan.peek() {
            Some('^') => Program::Regex(self.regex(false)?),
            Some('/') => self.path()?,
            _ => {
                let word = self.scan.word()?;
                match word {
                    None => return Err(self.scan.expected("a command")),
                    Some(Word { text, .. }) if text == "list" => Program::List,
                    Some(word) => named(&word).ok_or_else(|| {
                        let hint = "a command begins with `/`; aliases have capital letters only";
                        self.scan.mistake_since(start, "this is not a command", hint)
                    })?,
                }
            }
        };
        self.scan.utf8_since(start)?;
        let takes_arguments = match &program {
            Program::Path(path) => !path.ends_with('/'),
            Program::Regex(_) | Program::Sudoedit => true,
            Program::All | Program::Alias(_) | Program::List => false,
        };
        let start = self.scan.at();
        let arguments = if takes_arguments { self.arguments()? } else { Arguments::Any };
        self.scan.utf8_since(start)?;
        Ok(What { program, arguments, digests })
    }

    /// The command that settings are for.
    pub(super) fn command_without_arguments(&mut self) -> Read<Option<What>> {
        let start = self.scan.at();
        let program = match self.scan.peek() {
            Some('^') => Program::Regex(self.regex(false)?),
            Some('/') => self.path()?,
            _ => match self.scan.word()?.as_ref().and_then(named) {
                Some(program) => program,
                None => return Ok(None),
            },
        };
        self.scan.utf8_since(start)?;
        Ok(Some(What { program, arguments: Arguments::Any, digests: Vec::new() }))
    }

    /// A path, without the backslashes that only sudoers needs.
    fn path(&mut self) -> Read<Program> {
        let start = self.scan.at();
        let mut path = String::new();
        loop {
            let mut ahead = self.scan.clone();
            match ahead.next() {
                Some('\\') if matches!(ahead.peek(), Some(',' | ':' | '=' | ' ' | '\t' | '#')) => {
                    path.extend(ahead.next());
                }
                Some('\\') if !matches!(ahead.peek(), Some(' ' | '\t' | '\r' | '\n')) => {
                    let hint = "in a path a backslash stands only before `,`, `:`, `=`, `#` and blanks";
                    return Err(self.scan.mistake("a backslash can't stand here", hint));
                }
                None | Some('\\' | ',' | ':' | '=' | ' ' | '\t' | '\r' | '\n' | '#') => break,
                Some(char) => path.push(char),
            }
            self.scan = ahead;
        }
        if path == "/" {
            return Err(self.scan.mistake_since(
                start,
                "this is not a command",
                "name a program or a folder",
            ));
        }
        if path.ends_with("/sudoedit") {
            return Ok(Program::Sudoedit);
        }
        Ok(Program::Path(path))
    }

    /// From `^` to `$`. In arguments a line may go on in the next.
    fn regex(&mut self, in_arguments: bool) -> Read<String> {
        let start = self.scan.at();
        let mut regex = String::new();
        loop {
            if in_arguments && self.scan.starts_with("\\") {
                let mut ahead = self.scan.clone();
                if ahead.blanks() {
                    self.scan = ahead;
                    continue;
                }
            }
            match self.scan.next() {
                Some('$') => {
                    regex.push('$');
                    return Ok(regex);
                }
                Some('\\') if !matches!(self.scan.peek(), None | Some('\n' | '\r')) => {
                    regex.push('\\');
                    regex.extend(self.scan.next());
                }
                Some(char) if !matches!(char, '#' | '\n' | '\r') => regex.push(char),
                _ => {
                    let hint = "a regex ends with `$`; `#` needs a backslash";
                    return Err(self.scan.mistake_since(start, "this regex does not end", hint));
                }
            }
        }
    }

    fn arguments(&mut self) -> Read<Arguments> {
        let mut words: Vec<String> = Vec::new();
        loop {
            let blank = self.scan.blanks();
            match self.scan.peek() {
                None | Some('#' | ':' | ',' | '\r' | '\n') => break,
                Some('^') if words.is_empty() => return self.regex(true).map(Arguments::Regex),
                Some(_) if blank || words.is_empty() => {
                    let Some(word) = self.argument()? else { break };
                    words.push(word);
                }
                Some(_) => break,
            }
        }
        Ok(match words.as_slice() {
            [] => Arguments::Any,
            [word] if word == "\"\"" => Arguments::None,
            _ => Arguments::Words(words),
        })
    }

    /// One word, with the backslashes that fnmatch(3) reads.
    fn argument(&mut self) -> Read<Option<String>> {
        let start = self.scan.at();
        let mut word = String::new();
        // A `=` alone ends a command: at its beginning, and after what a backslash was before.
        let mut begins = true;
        loop {
            let mut ahead = self.scan.clone();
            match ahead.next() {
                Some('=') if begins && !matches!(ahead.peek(), Some(char) if !ends_argument(char)) => break,
                Some('\\') => match ahead.peek() {
                    Some(char @ ('*' | '?' | '[' | ']' | '!' | '^')) => {
                        ahead.next();
                        word.extend(['\\', char]);
                    }
                    Some(':' | '\\' | ',' | '=' | '#') => word.extend(ahead.next()),
                    Some(' ' | '\t') if !self.scan.clone().blanks() => word.extend(ahead.next()),
                    Some(' ' | '\t' | '\r' | '\n') => break,
                    _ => {
                        let hint = "in arguments a backslash stands before wildcards, `,`, `:`, `=`, `#`, blanks and `\\`";
                        return Err(self.scan.mistake("a backslash can't stand here", hint));
                    }
                },
                Some(char) if !ends_argument(char) => word.push(char),
                _ => break,
            }
            begins = self.scan.peek() == Some('\\');
            self.scan = ahead;
        }
        Ok((self.scan.at() > start).then_some(word))
    }
}

fn ends_argument(char: char) -> bool {
    matches!(char, '#' | '\\' | ':' | ',' | ' ' | '\t' | '\r' | '\n')
}

/// What a word is that stands without quotes and backslashes.
fn named(word: &Word) -> Option<Program> {
    match word {
        Word { plain: false, .. } => None,
        Word { text, .. } if text == "ALL" => Some(Program::All),
        Word { text, .. } if text == "sudoedit" => Some(Program::Sudoedit),
        word if word.is_alias() && !word.is_reserved() => Some(Program::Alias(word.text.clone())),
        _ => None,
    }
}

/// What a command has from the one before it.
fn inherit(spec: &mut CommandSpec, before: &CommandSpec) {
    let or = |own: &mut Option<String>, other: &Option<String>| {
        if own.is_none() {
            own.clone_from(other);
        }
    };
    let (options, others) = (&mut spec.options, &before.options);
    or(&mut options.cwd, &others.cwd);
    or(&mut options.chroot, &others.chroot);
    or(&mut options.timeout, &others.timeout);
    or(&mut options.not_before, &others.not_before);
    or(&mut options.not_after, &others.not_after);
    if options.role.is_none() && options.type_.is_none() {
        options.role.clone_from(&others.role);
        options.type_.clone_from(&others.type_);
    }
    or(&mut options.apparmor_profile, &others.apparmor_profile);
    or(&mut options.privileges, &others.privileges);
    let (tags, others) = (&mut spec.tags, before.tags);
    tags.no_password = tags.no_password.or(others.no_password);
    tags.no_exec = tags.no_exec.or(others.no_exec);
    tags.set_env = tags.set_env.or(others.set_env);
    tags.log_input = tags.log_input.or(others.log_input);
    tags.log_output = tags.log_output.or(others.log_output);
    tags.intercept = tags.intercept.or(others.intercept);
    tags.follow = tags.follow.or(others.follow);
    tags.mail = tags.mail.or(others.mail);
    if spec.run_as.is_none() {
        spec.run_as.clone_from(&before.run_as);
    }
}
