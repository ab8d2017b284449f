//! What a sudoers file says, as it is written.

use std::sync::Arc;

use crate::sha256::Sha256;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
}

/// One of a list, in which the last that matches counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member<T> {
    pub(super) negated: bool,
    pub(super) what: T,
}

pub(super) type List<T> = Vec<Member<T>>;

/// A member of a list that may name an alias.
pub(super) trait Named {
    /// The name, if this can be an alias.
    fn alias(&self) -> Option<&str>;
}

/// A user, or a group where groups stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    All,
    /// A user's name, or `#` and a uid.
    Name(String),
    /// An alias; where there is none of this name, a user's name.
    Alias(String),
    /// After the `%`: a name, or `#` and a gid.
    Group(String),
    /// After `%:`.
    OtherGroup(String),
    Netgroup(String),
    /// An empty list: whoever asks.
    Oneself,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    All,
    /// A name or a glob.
    Name(String),
    /// An alias; where there is none of this name, a host's name.
    Alias(String),
    Address(String),
    Netgroup(String),
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct What {
    pub(super) program: Program,
    pub(super) arguments: Arguments,
    /// It counts only for files with one of these.
    pub(super) digests: Vec<Digest>,
}

/// A checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256(Sha256),
    /// Another kind: its name.
    Other(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    All,
    Alias(String),
    /// A path or a glob; a folder ends in `/`.
    Path(String),
    /// With `^` and `$`.
    Regex(String),
    Sudoedit,
    /// Listing what others may do.
    List,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    Any,
    /// `""`
    None,
    /// Words as fnmatch(3) reads them. A blank in one was quoted.
    Words(Vec<String>),
    /// With `^` and `$`.
    Regex(String),
}

impl Named for Who {
    fn alias(&self) -> Option<&str> {
        if let Self::Alias(name) = self { Some(name) } else { None }
    }
}

impl Named for Place {
    fn alias(&self) -> Option<&str> {
        if let Self::Alias(name) = self { Some(name) } else { None }
    }
}

impl Named for What {
    fn alias(&self) -> Option<&str> {
        if let Program::Alias(name) = &self.program { Some(name) } else { None }
    }
}

/// Who may, where.
#[derive(Clone, Debug)]
pub(super) struct UserSpec {
    pub(super) at: At,
    /// In one line.
    pub(super) text: String,
    pub(super) users: List<Who>,
    pub(super) privileges: Vec<Privilege>,
}

/// Where what may be run.
#[derive(Clone, Debug)]
pub(super) struct Privilege {
    pub(super) hosts: List<Place>,
    pub(super) specs: Vec<CommandSpec>,
}

/// One command and how it may be run. What it leaves out it has from the one before.
#[derive(Clone, Debug)]
pub(super) struct CommandSpec {
    pub(super) at: At,
    /// In one line.
    pub(super) text: String,
    pub(super) run_as: Option<RunAs>,
    pub(super) options: Options,
    pub(super) tags: Tags,
    pub(super) command: Member<What>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunAs {
    pub(super) users: List<Who>,
    pub(super) groups: Option<List<Who>>,
}

/// `NAME=value` before a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) cwd: Option<String>,
    pub(super) chroot: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
    pub(super) role: Option<String>,
    pub(super) type_: Option<String>,
    pub(super) apparmor_profile: Option<String>,
    pub(super) privileges: Option<String>,
}

/// `NAME:` before a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) no_password: Option<bool>,
    pub(super) no_exec: Option<bool>,
    pub(super) set_env: Option<bool>,
    pub(super) log_input: Option<bool>,
    pub(super) log_output: Option<bool>,
    pub(super) intercept: Option<bool>,
    pub(super) follow: Option<bool>,
    pub(super) mail: Option<bool>,
}

/// A line of `Defaults`.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) at: At,
    pub(super) scope: Scope,
    pub(super) settings: Vec<Setting>,
}

#[derive(Clone, Debug)]
pub(super) enum Scope {
    All,
    Users(List<Who>),
    RunAs(List<Who>),
    Hosts(List<Place>),
    Commands(List<What>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    On,
    Off,
    Set(String),
    Add(String),
    Remove(String),
}

/// All files of one import.
#[derive(Debug, Default)]
pub(super) struct Sudoers {
    pub(super) users: super::aliases::Aliases<Who>,
    pub(super) run_as: super::aliases::Aliases<Who>,
    pub(super) hosts: super::aliases::Aliases<Place>,
    pub(super) commands: super::aliases::Aliases<What>,
    pub(super) specs: Vec<UserSpec>,
    pub(super) defaults: Vec<Defaults>,
}
