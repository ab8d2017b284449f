//! From texts to a checked policy. Nothing is parsed and ignored, and one mistake does not hide the next.

mod approval;
mod blocks;
mod commands;
mod edits;
mod keys;
pub(crate) mod known;
mod login_session;
mod logins;
mod names;
mod pins;
mod policy_tests;
mod reader;
mod rules;
mod sets;
mod when;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use regex::bytes::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::blocks::Blocks;
pub(crate) use self::blocks::{Header, headers};
use self::keys::Keys;
pub(crate) use self::reader::Reader;
use self::sets::AllSets;
use crate::diagnostics::{Diagnostics, Place};
use crate::login::LoginRule;
use crate::login_session::FromLogin;
use crate::pattern::{CommandSet, HostSet, Symbols, UserSet};
use crate::policy_test::PolicyTest;
use crate::rule::{Restrict, Rule};
use crate::source::{Source, Surroundings};
use crate::unseen::reorders;
use crate::when::When;

/// The longest file, in bytes.
const LONGEST_FILE: usize = 64 << 20;
/// The most rules in all, logins among them.
const MOST_RULES: usize = 1_000_000;

/// What was read: everything that had no mistake, and all mistakes.
pub(crate) struct Loaded {
    pub(crate) rules: Vec<Rule>,
    pub(crate) logins: Vec<LoginRule>,
    pub(crate) tests: Vec<PolicyTest>,
    pub(crate) user_sets: Vec<UserSet>,
    pub(crate) command_sets: Vec<CommandSet>,
    pub(crate) host_sets: Vec<HostSet>,
    pub(crate) symbols: Symbols,
    pub(crate) found: Diagnostics,
}

/// Reads all files.
pub(crate) fn load(sources: &[Source], host: &dyn Surroundings) -> Loaded {
    let mut loader = Loader::new(sources, host);
    for (file, source) in sources.iter().enumerate() {
        loader.file = file;
        loader.read(source);
    }
    loader.finish()
}

/// Reads files that hold nothing but tests.
pub(crate) fn load_tests(sources: &[Source], host: &dyn Surroundings) -> Loaded {
    let mut loader = Loader::new(sources, host);
    for source in sources {
        loader.read_tests(source);
    }
    loader.finish()
}

/// What is kept over all files.
struct Loader<'r> {
    sources: &'r [Source],
    /// The number of the file that is read now.
    file: usize,
    host: &'r dyn Surroundings,
    canonical_folders: HashMap<String, String>,
    symbols: Symbols,
    sets: AllSets,
    /// The first command without arguments in the set that is read now.
    bare: Option<Place>,
    regexes: HashMap<String, Arc<Regex>>,
    restricts: BTreeSet<Arc<Restrict>>,
    whens: BTreeSet<Arc<When>>,
    from_logins: BTreeSet<Arc<FromLogin>>,
    /// Where one stands, and the sets of commands that must name a file then.
    edit_checks: Vec<(Place, Box<[u32]>)>,
    rule_ids: HashMap<String, (usize, Range<usize>)>,
    login_ids: HashSet<String>,
    rules: Vec<Rule>,
    logins: Vec<LoginRule>,
    tests: Vec<PolicyTest>,
    found: Diagnostics,
    /// Whether every file is TOML, so that what is not found is nowhere.
    complete: bool,
}

impl<'r> Loader<'r> {
    fn new(sources: &'r [Source], host: &'r dyn Surroundings) -> Self {
        Self {
            sources,
            file: 0,
            host,
            canonical_folders: HashMap::new(),
            symbols: Symbols::default(),
            sets: AllSets::new(),
            bare: None,
            regexes: HashMap::new(),
            restricts: BTreeSet::new(),
            edit_checks: Vec::new(),
            whens: BTreeSet::new(),
            from_logins: BTreeSet::new(),
            rule_ids: HashMap::new(),
            login_ids: HashSet::new(),
            rules: Vec::new(),
            logins: Vec::new(),
            tests: Vec::new(),
            found: Diagnostics::default(),
            complete: true,
        }
    }
}

impl Loader<'_> {
    fn read(&mut self, source: &Source) {
        let mut reader = Reader::new(source);
        if source.text.len() > LONGEST_FILE {
            reader.mistake(0..0, "this file is longer than 64 MiB", "split it");
            self.complete = false;
            self.found.append(reader.found);
            return;
        }
        reviewable(&mut reader, &source.text);
        if self.read_in_blocks(&mut reader, &source.text).is_none() {
            self.read_whole(&mut reader, &source.text);
        }
        self.found.append(reader.found);
    }

    fn read_whole(&mut self, reader: &mut Reader<'_>, text: &str) {
        if let Some(table) = self.parse(reader, text) {
            let defaults = self.all_but_rules(reader, table.get_ref());
            self.rules_of(reader, table.get_ref(), &defaults);
        }
    }

    /// Reads a long file. `None`, before anything is kept of it, if it must be read as a whole.
    fn read_in_blocks(&mut self, reader: &mut Reader<'_>, text: &str) -> Option<()> {
        let Blocks { rest, blocks } = blocks::cut_if_long(text)?;
        let rest = DeTable::parse(&rest).ok().filter(|rest| !rest.get_ref().contains_key("rule"))?;
        let parse = |block: &Range<usize>| DeTable::parse(text.get(block.clone())?).ok();
        // Twice: a mistake in any block must be found before the first is read.
        if !blocks.iter().all(|block| parse(block).is_some_and(|table| table.get_ref().keys().count() == 1)) {
            return None;
        }
        let defaults = self.all_but_rules(reader, rest.get_ref());
        for block in &blocks {
            reader.base = block.start;
            self.rules_of(reader, parse(block)?.get_ref(), &defaults);
        }
        reader.base = 0;
        Some(())
    }

    /// Everything but the rules; the defaults that they need.
    fn all_but_rules(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>) -> Keys {
        const KEYS: [&str; 7] = ["schema", "defaults", "sets", "rule", "login", "login_defaults", "test"];
        reader.only(table, "a policy file", &KEYS, &[]);
        schema(reader, table);
        let defaults =
            table.get("defaults").and_then(|value| self.defaults(reader, value)).unwrap_or_default();
        let login_defaults = table
            .get("login_defaults")
            .and_then(|value| self.login_defaults(reader, value))
            .unwrap_or_default();
        if let Some(sets) = table.get("sets").and_then(|value| reader.table(value, "sets")) {
            self.define_sets(reader, sets);
        }
        for value in table.get("login").and_then(|logins| reader.array(logins, "login")).into_iter().flatten()
        {
            let login = self.login(reader, value, &login_defaults);
            self.logins.extend(login);
        }
        self.policy_tests(reader, table);
        defaults
    }

    fn read_tests(&mut self, source: &Source) {
        let mut reader = Reader::new(source);
        reviewable(&mut reader, &source.text);
        if let Some(table) = self.parse(&mut reader, &source.text) {
            reader.only(table.get_ref(), "a file of tests", &["schema", "test"], &[]);
            schema(&mut reader, table.get_ref());
            self.policy_tests(&mut reader, table.get_ref());
        }
        self.found.append(reader.found);
    }

    /// The whole text; `None` if it is no TOML.
    fn parse<'t>(&mut self, reader: &mut Reader<'_>, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reader.mistake(error.span().unwrap_or_else(|| most_dots(text)), error.message(), "");
        }
        self.complete &= errors.is_empty();
        errors.is_empty().then_some(table)
    }

    fn rules_of(&mut self, reader: &mut Reader<'_>, table: &DeTable<'_>, defaults: &Keys) {
        for value in table.get("rule").and_then(|rules| reader.array(rules, "rule")).into_iter().flatten() {
            let rule = self.rule(reader, value, defaults);
            self.rules.extend(rule);
        }
        if self.rules.len() + self.logins.len() > MOST_RULES {
            reader.mistake(
                0..0,
                "there are more than 1,000,000 rules in all",
                "name sets instead of repeating rules",
            );
        }
    }

    fn finish(mut self) -> Loaded {
        self.sets.check(self.complete, &mut self.found);
        let (user_sets, command_sets, host_sets) = self.sets.finish();
        if self.complete {
            edits::find_useless(&self.edit_checks, &command_sets, &self.symbols, &mut self.found);
        }
        self.found.sort();
        let Self { rules, logins, tests, symbols, found, .. } = self;
        Loaded { rules, logins, tests, user_sets, command_sets, host_sets, symbols, found }
    }
}

/// The line with the most dots: where a key has too many parts, which is the one mistake whose place the parser does not tell.
fn most_dots(text: &str) -> Range<usize> {
    let mut end = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        end += line.len();
        (line.matches('.').count(), end - line.len()..end)
    });
    lines.max_by_key(|(dots, _)| *dots).map_or(0..0, |(_, line)| line)
}

/// Also in comments: who reads a policy must see it in the order in which it is read here.
fn reviewable(reader: &mut Reader<'_>, text: &str) {
    // All of them begin with this byte, and few texts have it.
    if !text.as_bytes().contains(&0xe2) {
        return;
    }
    for (at, char) in text.char_indices().filter(|(_, char)| reorders(*char)) {
        let digits = format!("{:04X}", u32::from(char));
        let message = format!("U+{digits} changes the order in which this line is shown");
        reader.mistake(
            at..at + char.len_utf8(),
            message,
            format!("remove it; in a string write \\u{digits} for it"),
        );
    }
}

fn schema(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    match table.get("schema") {
        None => reader.mistake(0..0, "this file has no `schema`", "begin it with `schema = 1`"),
        Some(value) => match value.get_ref() {
            DeValue::Integer(number) if number.as_str() == "1" => {}
            _ => reader.mistake(value.span(), "this schema is not known", "write `schema = 1`"),
        },
    }
}
