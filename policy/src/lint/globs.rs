//! Globs and regexes that match more than they seem to.

use super::Findings;
use super::code::Code;
use crate::meaning::{Argument, CommandMeaning, regex_text};
use crate::pattern::{Word, literal_start};
use crate::policy::Core;
use crate::rule::{Effect, Rule};

impl Core {
    pub(super) fn check_globs<'p>(&'p self, rule: &'p Rule, found: &mut Findings<'p>) {
        if rule.effect == Effect::Deny {
            return;
        }
        self.each_entry(rule, &rule.commands, "commands", |at, meanings| {
            let args =
                || meanings.iter().filter(|one| !one.is_edit()).flat_map(|one: &CommandMeaning| &one.args);
            if let Some(example) = args().find_map(leads_out) {
                let hint = "write { under = \"/folder\" }, which resolves `..` and links first";
                found.add(Code::ParentFolder, at.clone(), format!("this also matches `{example}`"), hint);
            }
            if let Some(example) = args().find_map(is_option) {
                let hint = "begin the word with what is known of it, or name the words: `{a,b}`";
                found.add(Code::OptionGlob, at, format!("this also matches an option, `{example}`"), hint);
            }
        });
    }
}

/// A path with `..` that matches though it leads out of the folder that is written.
fn leads_out(argument: &Argument) -> Option<String> {
    match argument {
        Argument::Words(words) => words.iter().find_map(|word| match word {
            Word::Literal(_) => None,
            Word::Glob(glob) => glob_leads_out(word, glob),
        }),
        Argument::Regex(regex) => {
            let text = regex_text(regex);
            let plain = |char: &char| char.is_ascii_alphanumeric() || "/-_".contains(*char);
            let start: String = text.chars().take_while(plain).collect();
            let folder = start.starts_with('/').then(|| start.rsplit_once('/')).flatten()?.0;
            let ending: Vec<char> =
                text.chars().rev().take_while(|char| plain(char) || "\\.".contains(*char)).collect();
            let ending: String = ending.into_iter().rev().filter(|char| *char != '\\').collect();
            let ends = ["etc/shadow".to_owned(), format!("etc/x{ending}")];
            let ways = ["", "x/"].map(|between| format!("{folder}/{between}../../../"));
            let mut examples = ways.iter().flat_map(|way| ends.iter().map(move |end| format!("{way}{end}")));
            examples.find(|example| regex.is_match(example.as_bytes()))
        }
        Argument::Under(_) => None,
    }
}

/// Each component with a wildcard in turn as `..`.
fn glob_leads_out(word: &Word, glob: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(glob).into_owned();
    let components: Vec<&str> = text.split('/').collect();
    if components.len() < 2 || !text.starts_with('/') {
        return None;
    }
    let plain = |component: &str| {
        let plain = literal_start(component.as_bytes());
        if component.contains(['*', '?', '[']) { format!("{plain}x") } else { plain }
    };
    (1..components.len()).find_map(|at| {
        let example: Vec<String> = (0..)
            .zip(&components)
            .map(|(other, component)| if other == at { "..".to_owned() } else { plain(component) })
            .collect();
        let example = example.join("/");
        word.matches(example.as_bytes()).then_some(example)
    })
}

/// An option that a glob matches.
fn is_option(argument: &Argument) -> Option<String> {
    let Argument::Words(words) = argument else { return None };
    let mut globs = words.iter().filter(|word| matches!(word, Word::Glob(_)));
    let example = |word: &Word| ["--force", "-f"].into_iter().find(|option| word.matches(option.as_bytes()));
    globs.find_map(example).map(str::to_owned)
}
