//! Completions for bash, zsh and fish, of what the programs' own help says. After its options, `jit-sudo` completes the
//! command it runs, as sudo's completions do.

mod bash;
mod fish;
#[cfg(test)]
mod tests;
mod zsh;

use crate::help::{Help, Opt};

/// All completions: where they are installed, and what is in them.
pub(crate) fn all(helper: &Help, control: &Help) -> Vec<(&'static str, String)> {
    vec![
        ("usr/share/bash-completion/completions/jit-sudo", bash::helper(helper)),
        ("usr/share/bash-completion/completions/jitctl", bash::control(control)),
        ("usr/share/zsh/vendor-completions/_jit-sudo", zsh::helper(helper)),
        ("usr/share/zsh/vendor-completions/_jitctl", zsh::control(control)),
        ("usr/share/fish/vendor_completions.d/jit-sudo.fish", fish::helper(helper)),
        ("usr/share/fish/vendor_completions.d/jitctl.fish", fish::control(control)),
    ]
}

/// `-u` and `--user`, as far as there are.
fn names(option: &Opt) -> impl Iterator<Item = String> {
    let short = option.short.map(|letter| format!("-{letter}"));
    short.into_iter().chain(option.long.as_ref().map(|long| format!("--{long}")))
}

/// Whether the next word is its value.
fn takes_word(option: &Opt) -> bool {
    option.value.as_ref().is_some_and(|value| !value.optional)
}

/// A help and those of all its commands, each before its own commands.
fn walk(help: &Help) -> Vec<&Help> {
    std::iter::once(help).chain(help.commands.iter().flat_map(walk)).collect()
}

/// The last word: what a command is called.
fn name(help: &Help) -> &str {
    help.words.last().map_or("", String::as_str)
}

/// What a command does: the first line that is said on it.
fn summary(help: &Help) -> &str {
    help.about.lines().next().unwrap_or_default()
}

/// In single quotes, for any of the three shells.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
