use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::help::tests::of_ours;

/// The completions in a folder of this test's.
fn written(test: &str) -> PathBuf {
    let (helper, control) = of_ours();
    let folder = std::env::temp_dir().join(format!("jit-completions-{}-{test}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    for (path, text) in all(&helper, &control) {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

fn output(program: &str, script: &str) -> String {
    let output = Command::new(program).args(["-c", script]).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} is needed: apt-get install {program}: {error}"));
    assert!(output.status.success() && output.stderr.is_empty(), "{script}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Programs and words, and what must and must not be among their completions.
const CASES: &[(&str, &str, &str)] = &[
    ("jit-sudo --us", "--user", "--list"),
    ("jit-sudo -u roo", "root", "--user"),
    ("jit-sudo -g ad", "adm", "--user"),
    ("jit-sudo ca", "cat", "--user"),
    ("jit-sudo -n -u root ca", "cat", "root"),
    ("jit-sudo -nu roo", "root", "--user"),
    ("jitctl ", "policy", "check"),
    ("jitctl policy ", "check", "status"),
    ("jitctl policy check --fi", "--file", "--all"),
    ("jitctl revoke --user roo", "root", "--user"),
];

#[test]
fn bash_completes_options_values_and_commands() {
    let folder = written("bash");
    let files = folder.join("usr/share/bash-completion/completions");
    for (line, has, lacks) in CASES.iter().chain(&[
        // bash splits at `=`.
        ("jit-sudo --user = roo", "root", "--user"),
        ("jit-sudo A = b ca", "cat", "root"),
    ]) {
        let words: Vec<&str> = line.split(' ').collect();
        let program = words[0];
        let script = format!(
            ". {}/{program}; COMP_WORDS=({}); COMP_CWORD={}; _{}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            files.display(),
            words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
            words.len() - 1,
            program.replace('-', "_"),
        );
        let found = output("bash", &script);
        assert!(found.lines().any(|word| word == *has), "{line}: {found}");
        assert!(!found.lines().any(|word| word == *lacks), "{line}: {found}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn fish_completes_options_values_and_commands() {
    let folder = written("fish");
    let files = folder.join("usr/share/fish/vendor_completions.d");
    for (line, has, lacks) in CASES {
        let script = format!(
            "source {0}/jit-sudo.fish; source {0}/jitctl.fish; complete -C {1}",
            files.display(),
            quoted(line)
        );
        let found = output("fish", &script);
        let words: Vec<&str> = found.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert!(words.contains(has), "{line}: {found}");
        assert!(!words.contains(lacks), "{line}: {found}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// In a terminal of its own: zsh completes only where somebody types.
#[test]
fn zsh_completes_options_values_and_commands() {
    let folder = written("zsh");
    let files = folder.join("usr/share/zsh/vendor-completions");
    for (line, has, lacks) in CASES {
        let script = ZSH.replace("@FILES@", &files.display().to_string()).replace("@LINE@", &quoted(line));
        let found = output("zsh", &script);
        let words: Vec<&str> = found.split_whitespace().collect();
        assert!(words.contains(has), "{line}: {found}");
        assert!(!words.contains(lacks), "{line}: {found}");
    }
    fs::remove_dir_all(folder).unwrap();
}

const ZSH: &str = r#"
zmodload zsh/zpty
: >@FILES@/found
zpty -b inner zsh -f -i
say() { zpty -w inner "$1" }
say "exec 3>>@FILES@/found; PS1= PS2= LISTMAX=-1; unsetopt autolist; fpath=(@FILES@ \$fpath)"
say "autoload -U compinit; compinit -u -D"
# What it would add is told; Tab completes, and Ctrl-D tells that this is done.
say 'compadd() { local -a hits; builtin compadd -O hits "$@"; print -u3 -rl -- $hits; builtin compadd "$@" }'
say 'complete-done() { print -u3 DONE }; zle -N complete-done; bindkey "^I" complete-word "^D" complete-done'
say 'print -u3 READY'
until_told() { repeat 3000; do grep -qx $1 @FILES@/found && return; sleep 0.01; done; print -u2 "no $1"; exit 1 }
until_told READY
zpty -w -n inner @LINE@$'\t\C-d'
until_told DONE
zpty -d inner
cat @FILES@/found; rm @FILES@/found
"#;
