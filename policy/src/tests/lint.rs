//! Lint's table of programs, with commands as people write them.

use std::fmt::Write as _;

use crate::{AsWritten, Code, Policy, Source};

/// What lint says that each command gives, in their order.
fn codes(commands: &[&str]) -> Vec<Option<Code>> {
    let mut text =
        "schema = 1\n[[rule]]\nid = \"r\"\nusers = [\"alice\"]\nhosts = [\"web\"]\ncommands = [\n".to_owned();
    for command in commands {
        let _ = writeln!(text, "\"\"\"{command}\"\"\",");
    }
    text.push(']');
    let sources = [Source { name: "a.toml".into(), path: "a.toml".into(), text }];
    let policy = Policy::load(&sources, &AsWritten).unwrap_or_else(|found| panic!("{found}"));
    let findings = policy.lint(&sources, None, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let of_line = |line| {
        let mut found = findings.iter().filter(|one| one.place.line == line && one.code <= Code::FileReader);
        found.next().map(|one| one.code)
    };
    (7..).take(commands.len()).map(of_line).collect()
}

// "shells, editors, pagers, interpreters and package managers that give a full shell (a table of facts about well-known programs, with
// what each allows)"
#[test]
fn what_well_known_programs_give_is_known() {
    let table: Vec<(&str, &str)> = include_str!("programs.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(code, command)| (code, command.trim()))
        .collect();
    assert!(table.len() > 150);
    let commands: Vec<&str> = table.iter().map(|(_, command)| *command).collect();
    let wrong: Vec<String> = codes(&commands)
        .iter()
        .zip(&table)
        .map(|(found, (expected, command))| (found.map_or("-", Code::as_str), *expected, *command))
        .filter(|(found, expected, _)| found != expected)
        .map(|(found, expected, command)| format!("{command}: {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
