//! When everything that one matches, another matches too. "Yes" is certain; "no" is also said where it can't be told.

use super::command::Argument;
use super::{CommandMeaning, HostMeaning, ProgramMeaning, Region};
use crate::login_session::FromLogin;
use crate::pattern::{Word, is_below, is_normal};

impl Region {
    /// Whether this matches everything that `other` matches. Both are of rules with the same effect.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let groups = match (&self.run_as_groups, &other.run_as_groups) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => names_cover(own, others),
        };
        let windows = self.when.as_ref().is_none_or(|own| {
            other.when.as_ref().is_some_and(|others| others.iter().all(|window| own.contains(window)))
        });
        let any = FromLogin::default();
        let logins =
            self.from_login.as_ref().is_none_or(|own| own.covers(other.from_login.as_ref().unwrap_or(&any)));
        groups
            && windows
            && logins
            && (self.nested || !other.nested)
            && (!self.trusted_path || other.trusted_path)
            && self.not_before.is_none_or(|from| other.not_before.is_some_and(|others| from <= others))
            && self.not_after.is_none_or(|to| other.not_after.is_some_and(|others| others <= to))
            && names_cover(&self.users, &other.users)
            && names_cover(&self.run_as, &other.run_as)
            && hosts_cover(&self.hosts, &other.hosts)
            && commands_cover(&self.commands, &other.commands)
            // With a digest it need not be on a path that only root can write.
            && (!self.trusted_path || pins_cover(&self.commands, &other.commands))
            // It may except no more.
            && names_cover(&other.except_users, &self.except_users)
            && names_cover(&other.except_run_as, &self.except_run_as)
            && hosts_cover(&other.except_hosts, &self.except_hosts)
            && commands_cover(&other.except_commands, &self.except_commands)
            && pins_cover(&other.except_commands, &self.except_commands)
    }
}

/// Names of users, of targets or of groups.
pub(crate) fn names_cover(own: &[String], others: &[String]) -> bool {
    own.iter().any(|name| name == "ALL") || others.iter().all(|name| own.binary_search(name).is_ok())
}

pub(crate) fn hosts_cover(own: &[HostMeaning], others: &[HostMeaning]) -> bool {
    others.iter().all(|other| own.iter().any(|host| host.covers(other)))
}

impl HostMeaning {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            // A pattern without a dot matches first labels too, one with a dot does not.
            (Self::Glob(glob), Self::Name(name)) if glob.contains('.') == name.contains('.') => {
                fast_glob::glob_match(glob, name)
            }
            _ => self == other,
        }
    }
}

pub(crate) fn commands_cover(own: &[CommandMeaning], others: &[CommandMeaning]) -> bool {
    if own.iter().any(|command| command.program == ProgramMeaning::All) {
        return true;
    }
    others.iter().all(|other| own.iter().any(|command| command.covers(other)))
}

/// Whether each entry with digests is covered by another such, or by one for all.
fn pins_cover(own: &[CommandMeaning], others: &[CommandMeaning]) -> bool {
    let is_as_good = |own: &CommandMeaning| own.program == ProgramMeaning::All || own.is_pinned();
    let pinned = others.iter().filter(|other| other.is_pinned());
    pinned.into_iter().all(|other| own.iter().any(|own| is_as_good(own) && own.covers(other)))
}

impl CommandMeaning {
    /// Only files with certain digests are meant.
    pub(crate) fn is_pinned(&self) -> bool {
        !self.sha256.is_empty()
    }

    /// Whether this matches everything that `other` matches; that one with digests need not be on a path that only root can
    /// write, where one without must, does not count.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.program == ProgramMeaning::All {
            return true;
        }
        let any_file = !self.is_pinned();
        let same_files = other.is_pinned() && other.sha256.iter().all(|pin| self.sha256.contains(pin));
        if !any_file && !same_files {
            return false;
        }
        if self.is_edit() || other.is_edit() {
            let named = |file: &Argument| self.args.iter().any(|own| own.covers(file));
            return self.is_edit()
                && other.is_edit()
                && (self.rest || (!other.rest && other.args.iter().all(named)));
        }
        let (own, others) = (self.args.len(), other.args.len());
        self.program.covers(&other.program)
            && (if self.rest { own <= others } else { own == others && !other.rest })
            && self.args.iter().zip(&other.args).all(|(own, other)| own.covers(other))
    }

    /// Whether no command at all can be matched by both, seen by the name that was asked for alone.
    pub(crate) fn is_apart_from(&self, other: &Self) -> bool {
        match (&self.program, &other.program) {
            (ProgramMeaning::Exact(own), ProgramMeaning::Exact(others)) => own != others,
            (ProgramMeaning::Exact(path), ProgramMeaning::Glob(word))
            | (ProgramMeaning::Glob(word), ProgramMeaning::Exact(path)) => {
                !is_normal(path.as_bytes()) || !word.matches(path.as_bytes())
            }
            _ => false,
        }
    }
}

impl ProgramMeaning {
    /// Whether this names every program that `other` names.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Glob(glob), Self::Exact(path)) => {
                is_normal(path.as_bytes()) && glob.matches(path.as_bytes())
            }
            (Self::Glob(glob), Self::Glob(other)) => word_covers(glob, other),
            _ => self == other,
        }
    }
}

impl Argument {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(own), Self::Words(others)) => {
                others.iter().all(|other| own.iter().any(|word| word_covers(word, other)))
            }
            (Self::Regex(regex), Self::Words(others)) => others
                .iter()
                .all(|other| if let Word::Literal(text) = other { regex.is_match(text) } else { false }),
            (Self::Under(own), Self::Under(other)) => {
                own == other || is_below(other.as_bytes(), own.as_bytes())
            }
            _ => self == other,
        }
    }
}

/// Whether `own` matches everything that `other` matches: the same, a literal, or `start*` with something that begins so.
fn word_covers(own: &Word, other: &Word) -> bool {
    match (own, other) {
        (_, Word::Literal(text)) => own.matches(text),
        (Word::Glob(own), Word::Glob(other)) => {
            let start = own.strip_suffix(b"*").filter(|start| is_plain(start));
            own == other
                || start.and_then(|start| other.strip_prefix(start)).is_some_and(|rest| !rest.contains(&b'/'))
        }
        (Word::Literal(_), Word::Glob(_)) => false,
    }
}

/// Whether a part of a glob, in the engine's syntax, is whole and has no wildcards.
fn is_plain(glob: &[u8]) -> bool {
    let mut escaped = false;
    for byte in glob {
        if !escaped && b"*?[".contains(byte) {
            return false;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    !escaped
}
