use std::process::{Command, Stdio};

use super::*;
use crate::help::{Help, tests::of_ours};

fn page_of(name: &str, (helper, control): &(Help, Help)) -> String {
    page(name, helper, control, "0").unwrap()
}

/// mandoc(1) with these words and this input: what it prints.
fn mandoc(words: &[&str], input: &str) -> String {
    let mut file = std::env::temp_dir();
    file.push(format!("jit-page-{}-{:?}", std::process::id(), std::thread::current().id()));
    fs::write(&file, input).unwrap();
    let output = Command::new("mandoc").args(words).arg(&file).stdin(Stdio::null()).output();
    let _ = fs::remove_file(&file);
    let output = output.expect("mandoc is needed: apt-get install mandoc");
    String::from_utf8(output.stdout).unwrap() + std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn mandoc_finds_nothing_in_any_page() {
    let ours = of_ours();
    for name in PAGES {
        let page = page_of(name, &ours);
        let found = mandoc(&["-Tlint", "-Wall"], &page);
        assert_eq!(found, "", "{name}\n{page}");
    }
    // It does look.
    assert_ne!(mandoc(&["-Tlint", "-Wall"], ".Sh\n"), "");
}

/// As a person sees it, without bold.
fn shown(name: &str, ours: &(Help, Help)) -> Vec<String> {
    let mut text = String::new();
    for char in mandoc(&["-Tascii", "-Owidth=500"], &page_of(name, ours)).chars() {
        if char == '\u{8}' {
            text.pop();
        } else {
            text.push(char);
        }
    }
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_option_has_an_entry_and_every_command_a_heading() {
    let ours = of_ours();
    let page = shown("jit-sudo.1", &ours);
    for option in &ours.0.options {
        let (names, text) = super::option(option);
        let names = names.replace('`', "");
        let at = page.iter().position(|line| line.starts_with(&names));
        let at = at.unwrap_or_else(|| panic!("no {names}: {page:#?}"));
        assert!(page[at..at + 2].concat().contains(text), "{names}: {:?}", &page[at..at + 2]);
    }
    let page = shown("jitctl.8", &ours);
    for usage in ours.1.commands.iter().flat_map(|one| one.usage.iter()) {
        assert!(page.contains(usage) || usage.ends_with("<COMMAND>"), "no {usage}: {page:#?}");
    }
    let check = page.iter().position(|line| line.starts_with("jitctl policy check")).unwrap();
    assert!(page[check..].iter().any(|line| line.starts_with("--file=FILE")), "{page:#?}");
}

/// What stands in our documents stands in the pages: each setting, each key.
#[test]
fn the_pages_have_all_of_the_documents_they_take() {
    let ours = of_ours();
    for (name, document) in [("jit-policy.5", "policy.md"), ("jit-agentd.8", "operations.md: Settings")] {
        let page = shown(name, &ours);
        let rows = super::document(document).unwrap();
        let rows: Vec<&str> = rows.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(rows.len() > 15, "{rows:#?}");
        for row in rows {
            let key: String = row.split('`').nth(1).unwrap().replace("\\|", "|");
            assert!(page.iter().any(|line| line.contains(&key)), "{name} has no {key}: {page:#?}");
        }
    }
}

/// Markdown's marks are gone: what is left would be shown.
#[test]
fn no_mark_of_the_documents_is_left() {
    let ours = of_ours();
    for name in PAGES {
        let page = page_of(name, &ours);
        for line in page.lines() {
            let is_text = !line.starts_with('.');
            assert!(
                !(is_text && (line.contains("](") || line.contains('`') || line.starts_with("##"))),
                "{name}: {line}"
            );
        }
    }
}
