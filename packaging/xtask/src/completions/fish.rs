//! For fish.

use super::{name, names, quoted, summary, takes_word};
use crate::help::{Help, Kind, Opt, kind};

pub(super) fn helper(help: &Help) -> String {
    let taking = help.options.iter().filter(|option| takes_word(option)).flat_map(names);
    let taking = taking.collect::<Vec<_>>().join(" ");
    let mut text = format!(
        "function __jit_sudo_command\n    set -lx -a PATH /usr/local/sbin /usr/sbin /sbin\n    \
         __fish_complete_subcommand {taking}\nend\n\n\
         complete -c jit-sudo -x -a '(__jit_sudo_command)'\n"
    );
    for option in &help.options {
        text.push_str(&line("jit-sudo", "", option));
    }
    text
}

pub(super) fn control(help: &Help) -> String {
    let mut text = String::new();
    command(help, &mut text);
    text
}

/// A command's options and commands, where the words before are its own.
fn command(help: &Help, text: &mut String) {
    let seen = help.words.iter().skip(1).map(|word| format!("__fish_seen_subcommand_from {word}"));
    let mut condition: Vec<String> = seen.collect();
    if !help.commands.is_empty() {
        let names: Vec<&str> = help.commands.iter().map(name).collect();
        condition.push(format!("not __fish_seen_subcommand_from {}", names.join(" ")));
    }
    let condition = format!(" -n {}", quoted(&condition.join("; and ")));
    for command in &help.commands {
        let described = quoted(summary(command));
        let name = name(command);
        text.extend(["complete -c jitctl", &condition, " -f -a ", name, " -d ", &described, "\n"]);
    }
    for option in &help.options {
        text.push_str(&line("jitctl", &condition, option));
    }
    for one in &help.commands {
        command(one, text);
    }
}

fn line(program: &str, condition: &str, option: &Opt) -> String {
    let short = option.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let long = option.long.as_ref().map(|long| format!(" -l {long}")).unwrap_or_default();
    let value = match option.value.as_ref().filter(|value| !value.optional).map(|value| kind(&value.name)) {
        None => "",
        Some(Kind::User) => " -x -a '(__fish_complete_users)'",
        Some(Kind::Group) => " -x -a '(__fish_complete_groups)'",
        Some(Kind::Folder) => " -x -a '(__fish_complete_directories)'",
        Some(Kind::File) => " -r -F",
        Some(Kind::Other) => " -x",
    };
    format!("complete -c {program}{condition}{short}{long}{value} -d {}\n", quoted(&option.text))
}
