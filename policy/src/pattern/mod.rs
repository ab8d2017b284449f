//! What a rule matches with: names, hosts, folders, commands. Checked at load; nothing here can fail later
//! except a look-up.

mod command;
mod folder;
mod host;
mod name;
mod symbol;
mod word;

pub(crate) use command::{
    ArgPattern, Arguments, CommandPattern, CommandSet, Commands, Matched, Mismatch, Program, Side,
};
pub(crate) use folder::{Folders, is_below, is_normal};
pub(crate) use host::{HostPattern, HostSet, Hosts};
pub(crate) use name::{GroupName, Groups, Principal, Principals, UserSet};
pub(crate) use symbol::{Symbol, Symbols};
pub(crate) use word::{
    Piece, Token, Word, WordError, alternatives, is_rest, literal, literal_start, one_word, words_of,
};
