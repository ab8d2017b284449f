//! For bash 5, with and without the package bash-completion.

use super::{name, names, takes_word, walk};
use crate::help::{Help, Kind, Opt, kind};

/// The value of an option. bash takes `=` for a word of its own.
const VALUE: &str = r"
_@NAME@_value() {
    case $1 in
@VALUES@
    *) return 1 ;;
    esac
}
";

const HELPER: &str = r#"
_jit_sudo() {
    local word=${COMP_WORDS[COMP_CWORD]} option at
    # `--user=NAME` is three words here, and `--user=` two.
    if [[ $word == '=' ]]; then
        _jit_sudo_value "${COMP_WORDS[COMP_CWORD - 1]}" ''
        return 0
    elif ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == '=' ]]; then
        _jit_sudo_value "${COMP_WORDS[COMP_CWORD - 2]}" "$word"
        return 0
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at + 1]} == '=' ]]; then
            ((at += 2)) # a variable, or an option with its value
            continue
        fi
        option=${COMP_WORDS[at]}
        [[ $option =~ ^-[@FLAGS@]+([@LETTERS@])$ ]] && option=-${BASH_REMATCH[1]} # `-nu USER`
        case $option in
        --)
            ((at++))
            break
            ;;
        @TAKING@)
            if ((++at == COMP_CWORD)); then
                _jit_sudo_value "$option" "$word"
                return 0
            fi
            ;;
        -*) ;;
        *) break ;;
        esac
    done
    local PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    if ((at < COMP_CWORD)) && declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$at"
    elif ((at < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
        _command_offset "$at"
    elif ((at < COMP_CWORD)); then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $word == -* && ${COMP_WORDS[at - 1]} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W '@OPTIONS@' -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$word")
    fi
}
complete -o default -F _jit_sudo jit-sudo
"#;

const CONTROL: &str = r#"
_jitctl() {
    local word=${COMP_WORDS[COMP_CWORD]} command= at
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$command ${COMP_WORDS[at]}" in
        @COMMANDS@) command="$command ${COMP_WORDS[at]}" ;;
        esac
    done
    _jitctl_value "${COMP_WORDS[COMP_CWORD - 1]}" "$word" && return 0
    case $command in
@WORDS@
    esac
    ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _jitctl jitctl
"#;

const HEAD: &str = "# Made of the programs' own help when the package was built.\n";

pub(super) fn helper(help: &Help) -> String {
    let taking = help.options.iter().filter(|option| takes_word(option)).flat_map(names);
    let options = help.options.iter().flat_map(names);
    let letters = |taking: bool| {
        let options = help.options.iter().filter(move |option| takes_word(option) == taking);
        options.filter_map(|option| option.short).collect::<String>()
    };
    let text = HELPER
        .replace("@FLAGS@", &letters(false))
        .replace("@LETTERS@", &letters(true))
        .replace("@TAKING@", &taking.collect::<Vec<_>>().join(" | "))
        .replace("@OPTIONS@", &options.collect::<Vec<_>>().join(" "));
    format!("{HEAD}{}{text}", values("jit_sudo", &help.options.iter().collect::<Vec<_>>()))
}

pub(super) fn control(help: &Help) -> String {
    let all = walk(help);
    let path = |help: &Help| help.words.join(" ").trim_start_matches("jitctl").to_owned();
    let commands = all.iter().skip(1).map(|help| format!("'{}'", path(help)));
    let words = all.iter().map(|help| {
        let commands = help.commands.iter().map(|command| name(command).to_owned());
        let words: Vec<String> = commands.chain(help.options.iter().flat_map(names)).collect();
        let reply = format!("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")", words.join(" "));
        format!("    '{}') {reply} ;;", path(help))
    });
    let text = CONTROL
        .replace("@COMMANDS@", &commands.collect::<Vec<_>>().join(" | "))
        .replace("@WORDS@", &words.collect::<Vec<_>>().join("\n"));
    format!(
        "{HEAD}{}{text}",
        values("jitctl", &all.iter().flat_map(|help| &help.options).collect::<Vec<_>>())
    )
}

/// A function that completes the value of an option, and fails if it is none that has one.
fn values(name: &str, options: &[&Opt]) -> String {
    let mut lines: Vec<String> = vec![];
    for option in options {
        let Some(value) = &option.value else { continue };
        // Only the long name is followed by an optional one.
        let names: Vec<String> =
            names(option).filter(|name| !value.optional || name.starts_with("--")).collect();
        let reply = match kind(&value.name) {
            Kind::User => "mapfile -t COMPREPLY < <(compgen -u -- \"$2\")",
            Kind::Group => "mapfile -t COMPREPLY < <(compgen -g -- \"$2\")",
            Kind::Folder => "mapfile -t COMPREPLY < <(compgen -d -- \"$2\")",
            Kind::File => "mapfile -t COMPREPLY < <(compgen -f -- \"$2\")",
            Kind::Other => "COMPREPLY=()",
        };
        let line = format!("    {}) {reply} ;;", names.join(" | "));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    VALUE.replace("@NAME@", name).replace("@VALUES@", &lines.join("\n"))
}
