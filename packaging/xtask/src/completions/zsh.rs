//! For zsh: specifications for its `_arguments`.

use super::{name, names, quoted, summary, walk};
use crate::help::{Help, Kind, Opt, kind};

const HELPER: &str = r"#compdef jit-sudo

local -x PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
_arguments -s -S \
@OPTIONS@  '(-)1:command: _command_names -e' \
  '*:: :_normal'
";

/// A command with commands of its own.
const GROUP: &str = r"
@SELF@_commands() {
  local -a commands=(
@COMMANDS@
  )
  _describe command commands
}

@SELF@() {
  local curcontext=$curcontext state line
  _arguments -s -S -C \
@OPTIONS@  '1: :@SELF@_commands' \
  '*:: :->command' && return
  [[ $state == command ]] || return
  case $line[1] in
@CASES@
  esac
}
";

/// One without.
const COMMAND: &str = r"
@SELF@() {
  _arguments -s -S \
@OPTIONS@  @REST@
}
";

pub(super) fn helper(help: &Help) -> String {
    HELPER.replace("@OPTIONS@", &options(help))
}

pub(super) fn control(help: &Help) -> String {
    let functions: Vec<String> = walk(help).into_iter().map(function).collect();
    format!("#compdef jitctl\n{}\n_jitctl \"$@\"\n", functions.concat())
}

/// A function completes a command: its own options, and its commands or its arguments.
fn function(help: &Help) -> String {
    let own = format!("_{}", help.words.join("_"));
    let text = if help.commands.is_empty() {
        let rest = help.arguments.first().map_or("", |(name, _)| match kind(name) {
            Kind::File | Kind::Folder => "'*:file:_files'",
            _ if name.starts_with("<COMMAND") => "'*:: :_normal'",
            _ => "",
        });
        COMMAND.replace("@REST@", rest)
    } else {
        let described = |one| quoted(&format!("{}:{}", name(one), summary(one).replace(':', "\\:")));
        let commands: Vec<String> =
            help.commands.iter().map(|one| format!("    {}", described(one))).collect();
        let cases: Vec<String> =
            help.commands.iter().map(|one| format!("  {0}) {own}_{0} ;;", name(one))).collect();
        GROUP.replace("@COMMANDS@", &commands.join("\n")).replace("@CASES@", &cases.join("\n"))
    };
    text.replace("@SELF@", &own).replace("@OPTIONS@", &options(help))
}

fn options(help: &Help) -> String {
    let lines = help.options.iter().flat_map(specifications);
    lines.flat_map(|line| ["  ".to_owned(), line, " \\\n".to_owned()]).collect()
}

/// `'(-u --user)'-u+'[text]:USER:_users'`, and the same for `--user=`.
fn specifications(option: &Opt) -> Vec<String> {
    let text = option.text.replace('[', "\\[").replace(']', "\\]");
    let action = |name: &str| match kind(name) {
        Kind::User => "_users",
        Kind::Group => "_groups",
        Kind::Folder => "_directories",
        Kind::File => "_files",
        Kind::Other => " ",
    };
    let all: Vec<String> = names(option).collect();
    let others = quoted(&format!("({})", all.join(" ")));
    let one = |name: &String| {
        let (joined, value) = match &option.value {
            Some(value) if value.optional && name.starts_with("--") => ("=-", Some(value)),
            Some(value) if !value.optional => (if name.starts_with("--") { "=" } else { "+" }, Some(value)),
            _ => ("", None),
        };
        let value = value.map_or(String::new(), |value| {
            let optional = if value.optional { ":" } else { "" };
            format!("{optional}:{}:{}", value.name, action(&value.name))
        });
        format!("{others}{name}{joined}{}", quoted(&format!("[{text}]{value}")))
    };
    all.iter().map(one).collect()
}
