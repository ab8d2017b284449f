//! `docs/policy.md` once more, as simply as can be: every rule is looked at as it is written, for each request anew. No index,
//! no symbols, nothing compiled or shared with what it is compared with.

mod words;

use jiff::tz::TimeZone;
use std::net::IpAddr;
use toml::{Table, Value};

use self::words::{glob, one_word, split};
use super::support::Ask;
use crate::Remote;
use crate::{Account, Zones};

/// Rules and sets of all files.
pub(super) struct Naive {
    rules: Vec<Table>,
    sets: Table,
}

/// Which way a doubt falls.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Permits,
    Denies,
}

/// Whether digests are taken to be right, or looked at.
#[derive(Clone, Copy, PartialEq)]
enum Files {
    Hoped,
    Seen,
}

/// What a rule makes of a request.
#[derive(Clone, Copy, PartialEq)]
enum State {
    No,
    /// But for the path, which others can write.
    Untrusted,
    Holds {
        any_command: bool,
    },
}

/// By which entries of a list a command is named.
#[derive(Default)]
struct Named {
    all: bool,
    plain: bool,
    /// By one with digests.
    pinned: bool,
}

impl Naive {
    /// The texts of files that have no mistake.
    pub(super) fn load(texts: &[String]) -> Self {
        let (mut rules, mut sets) = (Vec::new(), Table::new());
        for text in texts {
            let file: Table = text.parse().unwrap();
            let defaults = file.get("defaults").and_then(Value::as_table).cloned().unwrap_or_default();
            for rule in file.get("rule").and_then(Value::as_array).into_iter().flatten() {
                let rule = rule.as_table().unwrap();
                rules.push(if is_deny(rule) { rule.clone() } else { filled_in(rule, &defaults) });
            }
            for (kind, own) in file.get("sets").and_then(Value::as_table).into_iter().flatten() {
                let known = sets.entry(kind.clone()).or_insert_with(|| Value::Table(Table::new()));
                known.as_table_mut().unwrap().extend(own.as_table().unwrap().clone());
            }
        }
        Self { rules, sets }
    }

    /// As [`Ask::decide`] puts it.
    pub(super) fn decide(&self, ask: &Ask) -> String {
        let has_none = if self.rules.iter().any(|rule| self.is_own(rule, ask)) { "" } else { " (has none)" };
        let mut rules: Vec<&Table> = self.rules.iter().collect();
        rules.sort_by_key(|rule| id(rule));
        let (denies, allows): (Vec<&Table>, Vec<&Table>) = rules.into_iter().partition(|rule| is_deny(rule));
        let denied = |rule: &&Table| {
            self.state(rule, ask, Files::Seen) != State::No && is_open(rule, ask) && is_from_there(rule, ask)
        };
        if let Some(deny) = denies.into_iter().find(denied) {
            return format!("deny: by {}{has_none}", id(deny));
        }
        let (mut permit, mut other, mut untrusted, mut options, mut closed, mut elsewhere) =
            (vec![], vec![], vec![], vec![], vec![], vec![]);
        for rule in allows {
            let list = match self.state(rule, ask, Files::Hoped) {
                State::No => continue,
                State::Untrusted => &mut untrusted,
                State::Holds { any_command } if !serves(rule, ask, any_command) => &mut options,
                State::Holds { .. } if !is_open(rule, ask) => &mut closed,
                State::Holds { .. } if !is_from_there(rule, ask) => &mut elsewhere,
                State::Holds { .. } => match self.state(rule, ask, Files::Seen) {
                    State::Holds { .. } => &mut permit,
                    _ => &mut other,
                },
            };
            list.push(id(rule));
        }
        if let Some(asked) = &ask.rule {
            permit.retain(|id| id == asked);
            if permit.is_empty() {
                return format!("deny: not that rule{has_none}");
            }
        }
        for (what, rules) in [
            ("permit ", permit),
            (if ask.sha256.is_some() { "deny: another file for " } else { "deny: unknown file for " }, other),
            ("deny: untrusted path for ", untrusted),
            ("deny: not at this time for ", closed),
            ("deny: not in this login session for ", elsewhere),
            ("deny: options for ", options),
        ] {
            if !rules.is_empty() {
                let has_none = if what == "permit " { "" } else { has_none };
                return format!("{what}{}{has_none}", rules.join(", "));
            }
        }
        format!("deny: no rule matches{has_none}")
    }

    /// Whether a person has this rule, whatever it allows and at what time of the week.
    fn is_own(&self, rule: &Table, ask: &Ask) -> bool {
        !is_deny(rule)
            && holds_now(rule, ask)
            && self.names(rule, "users", &ask.user, ask)
            && self.is_here(rule, ask)
            && !self.names(rule, "except_users", &ask.user, ask)
    }

    /// Everything but the options and the time of the week.
    fn state(&self, rule: &Table, ask: &Ask, files: Files) -> State {
        let (ours, theirs) =
            if is_deny(rule) { (Side::Denies, Side::Permits) } else { (Side::Permits, Side::Denies) };
        let except = self.named(rule, "except_commands", ask, theirs, Files::Seen);
        let excepted = except.all
            || except.plain && (!is_deny(rule) || ask.trusted)
            || except.pinned && files == Files::Seen;
        let holds = holds_now(rule, ask)
            && (!ask.nested || rule.get("nested").and_then(Value::as_bool) != Some(false))
            && self.names(rule, "users", &ask.user, ask)
            && !self.names(rule, "except_users", &ask.user, ask)
            && self.is_here(rule, ask)
            && self.names(rule, "run_as", &ask.target, ask)
            && !self.names(rule, "except_run_as", &ask.target, ask)
            && self.may_have_groups(rule, ask)
            && !excepted;
        let named = self.named(rule, "commands", ask, ours, files);
        let anywhere = is_deny(rule) || rule.get("trusted_path").and_then(Value::as_bool) == Some(false);
        if !holds || !(named.all || named.plain || named.pinned) {
            State::No
        } else if named.all || named.pinned || ask.trusted || anywhere {
            State::Holds { any_command: named.all }
        } else {
            State::Untrusted
        }
    }

    /// The list under this key, with its sets written out, or what counts without it.
    fn list(&self, rule: &Table, key: &str, kind: &str) -> Vec<Value> {
        let own = rule.get(key).map(|list| list.as_array().unwrap().clone());
        let list = own.unwrap_or_else(|| match (key, is_deny(rule)) {
            ("hosts", _) | ("run_as", true) => vec!["ALL".into()],
            ("run_as", false) => vec!["root".into()],
            _ => vec![],
        });
        let set = |name: &str| self.sets[kind].as_table().unwrap()[name].as_array().unwrap().clone();
        list.into_iter()
            .flat_map(|one| match one.as_str().and_then(|text| text.strip_prefix('@')) {
                Some(name) => set(name),
                None => vec![one],
            })
            .collect()
    }

    fn names(&self, rule: &Table, key: &str, account: &Account, ask: &Ask) -> bool {
        let is_in = |gid: u32| account.gid == gid || account.groups.contains(&gid);
        self.list(rule, key, "users").iter().any(|entry| match entry.as_str().unwrap() {
            "ALL" => true,
            "self" => account.uid == ask.user.uid,
            entry => match (entry.strip_prefix("%#"), entry.strip_prefix('%'), entry.strip_prefix('#')) {
                (Some(gid), _, _) => is_in(gid.parse().unwrap()),
                (_, Some(group), _) => ask.directory.gids.get(group).is_some_and(|gid| is_in(*gid)),
                (_, _, Some(uid)) => account.uid == uid.parse::<u32>().unwrap(),
                _ => account.names.iter().any(|name| name == entry),
            },
        })
    }

    fn is_here(&self, rule: &Table, ask: &Ask) -> bool {
        let host = ask.host.to_lowercase();
        let any = |key| {
            self.list(rule, key, "hosts").iter().any(|entry| match entry.as_str().unwrap() {
                "ALL" => true,
                entry if entry.starts_with("tag:") => ask.tags.iter().any(|own| *own == entry[4..]),
                entry => {
                    let pattern = one_word(&entry.to_lowercase());
                    let label = host.split('.').next().unwrap();
                    glob(&pattern, host.as_bytes())
                        || !entry.contains('.') && glob(&pattern, label.as_bytes())
                }
            })
        };
        any("hosts") && !any("except_hosts")
    }

    /// `-g` and `-P`
    fn may_have_groups(&self, rule: &Table, ask: &Ask) -> bool {
        let list = self.list(rule, "run_as_groups", "groups");
        let named = |gid: u32| {
            list.iter().any(|entry| match entry.as_str().unwrap() {
                "ALL" => true,
                entry => match entry.strip_prefix('#') {
                    Some(number) => number.parse() == Ok(gid),
                    None => ask.directory.gids.get(entry) == Some(&gid),
                },
            })
        };
        let has = |gid: u32| ask.target.gid == gid || ask.target.groups.contains(&gid);
        let brought: &[u32] = if ask.preserve_groups { &ask.user.groups } else { &[] };
        let asked = ask.group.as_ref().map(|group| group.gid);
        if is_deny(rule) {
            let any = asked.iter().chain(brought).any(|gid| named(*gid));
            any || !rule.contains_key("run_as_groups")
        } else {
            asked.iter().chain(brought).all(|gid| has(*gid) || named(*gid))
        }
    }

    /// How the command is one of these.
    fn named(&self, rule: &Table, key: &str, ask: &Ask, side: Side, files: Files) -> Named {
        let entries = self.list(rule, key, "commands");
        let all = entries.iter().any(|entry| entry.as_str() == Some("ALL"));
        if ask.path == b"sudoedit" {
            let is_named = |file: &Vec<u8>| entries.iter().any(|entry| names_file(entry, file));
            let plain = match side {
                Side::Permits => ask.args.iter().all(is_named),
                Side::Denies => ask.args.iter().any(is_named),
            };
            return Named { all, plain, pinned: false };
        }
        let (pinned, plain): (Vec<Value>, Vec<Value>) =
            entries.into_iter().partition(|entry| entry.get("sha256").is_some());
        let is_it = |entry: &Value| files == Files::Hoped || has_digest(entry, ask, side);
        Named {
            all,
            plain: plain.iter().any(|entry| is_command(entry, ask, side)),
            pinned: pinned.iter().any(|entry| is_command(entry, ask, side) && is_it(entry)),
        }
    }
}

/// `sha256`
fn has_digest(entry: &Value, ask: &Ask, side: Side) -> bool {
    let Some(digest) = ask.sha256.map(|digest| digest.to_string()) else { return side == Side::Denies };
    match &entry["sha256"] {
        Value::Array(list) => list.iter().any(|one| one.as_str() == Some(&digest)),
        one => one.as_str() == Some(&digest),
    }
}

fn filled_in(rule: &Table, defaults: &Table) -> Table {
    let mut rule = rule.clone();
    for (key, value) in defaults {
        match (rule.get_mut(key), value) {
            (None, value) => _ = rule.insert(key.clone(), value.clone()),
            (Some(Value::Table(own)), Value::Table(defaults)) if key != "env_set" => {
                *own = filled_in(own, defaults);
            }
            (Some(_), _) => {}
        }
    }
    rule
}

fn id(rule: &Table) -> &str {
    rule["id"].as_str().unwrap()
}

fn is_deny(rule: &Table) -> bool {
    rule.get("effect").and_then(Value::as_str) == Some("deny")
}

fn holds_now(rule: &Table, ask: &Ask) -> bool {
    let time = |key| rule.get(key).map(|time| time.to_string().parse::<jiff::Timestamp>().unwrap());
    time("not_before").is_none_or(|from| from <= ask.now) && time("not_after").is_none_or(|to| ask.now < to)
}

/// `when.time`: what a clock on the wall shows, compared as text.
fn is_open(rule: &Table, ask: &Ask) -> bool {
    let Some(windows) = rule.get("when").and_then(|when| when.get("time")) else { return true };
    let mut unknown = false;
    for window in windows.as_array().unwrap() {
        let words: Vec<&str> = window.as_str().unwrap().split(' ').collect();
        let zone = words.get(2).map_or_else(|| ask.zones.local(), |zone| ask.zones.zone(zone));
        let Some(zone) = zone else {
            unknown = true;
            continue;
        };
        if window_is_open(words[0], words[1], &zone, ask.now) {
            return true;
        }
    }
    unknown && is_deny(rule)
}

/// `when.origin`, `when.remote`, `when.session`: each one's answer, if there is one.
fn is_from_there(rule: &Table, ask: &Ask) -> bool {
    let list = |key: &str| -> Option<Vec<&str>> {
        let list = rule.get("when")?.get(key)?.as_array().unwrap();
        Some(list.iter().map(|value| value.as_str().unwrap()).collect())
    };
    let mut answers = vec![];
    if let Some(origins) = list("origin") {
        answers.push(ask.login.origin.map(|origin| origins.contains(&origin.name())));
    }
    if let Some(networks) = list("remote") {
        answers.push(match ask.login.remote {
            Remote::Unknown => None,
            Remote::None => Some(false),
            Remote::Address(address) => Some(networks.iter().any(|network| is_inside(address, network))),
        });
    }
    for state in list("session").unwrap_or_default() {
        answers.push(if state == "active" { ask.login.active } else { ask.login.unlocked });
    }
    let no = answers.contains(&Some(false));
    if is_deny(rule) { !no } else { !no && !answers.contains(&None) }
}

/// Bit for bit, as text.
fn is_inside(address: IpAddr, network: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => format!("{:032b}", u32::from(address)),
            None => format!("{:0128b}", u128::from(address)),
        },
    };
    let (first, count) = network.split_once('/').unwrap_or((network, "128"));
    let (address, first) = (bits(address), bits(first.parse().unwrap()));
    let count = count.parse::<usize>().unwrap().min(first.len());
    address.len() == first.len() && address[..count] == first[..count]
}

fn window_is_open(days: &str, hours: &str, zone: &TimeZone, now: jiff::Timestamp) -> bool {
    let shown = now.to_zoned(zone.clone());
    let today = shown.strftime("%a").to_string();
    let yesterday = shown.datetime().yesterday().unwrap().strftime("%a").to_string();
    let (from, to) = hours.split_once("..").unwrap();
    let time = shown.strftime("%H:%M").to_string();
    if from < to {
        return names_day(days, &today) && from <= time.as_str() && time.as_str() < to;
    }
    names_day(days, &today) && from <= time.as_str() || names_day(days, &yesterday) && time.as_str() < to
}

fn names_day(days: &str, day: &str) -> bool {
    const WEEK: &str = "Mon Tue Wed Thu Fri Sat Sun Mon Tue Wed Thu Fri Sat Sun";
    days.split(',').any(|range| {
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let from = &WEEK[WEEK.find(first).unwrap()..];
        from[..from.find(last).unwrap() + 3].contains(day)
    })
}

/// `-D`, `-T`, `--for`, `VAR=value`
fn serves(rule: &Table, ask: &Ask, any_command: bool) -> bool {
    let key = |table: &str, key: &str| rule.get(table).and_then(|table| table.get(key));
    let seconds =
        |table, name| key(table, name).map(|text| crate::parse_duration(text.as_str().unwrap()).unwrap());
    let texts =
        |table, name| key(table, name).map(|list| list.as_array().unwrap().clone()).unwrap_or_default();
    let folder = ask.cwd.as_ref().is_none_or(|folder| {
        let anyway = match key("restrict", "cwd").and_then(Value::as_str) {
            None | Some("caller") => ask.cwd_is_callers,
            Some(named) => named.as_bytes() == folder.as_slice(),
        };
        anyway
            || texts("restrict", "allow_cwd").iter().any(|entry| {
                entry.as_str() == Some("ALL") || glob(&one_word(entry.as_str().unwrap()), folder)
            })
    });
    let duration = seconds("grant", "duration").unwrap_or(std::time::Duration::from_mins(15));
    let longest = seconds("grant", "max_duration").unwrap_or(duration);
    let kept = |name: &Vec<u8>| {
        texts("restrict", "env_keep").iter().map(|entry| entry.as_str().unwrap()).any(|entry| {
            entry.as_bytes() == name || (glob(&one_word(entry), name) && !crate::is_dangerous_variable(name))
        })
    };
    folder
        && ask.timeout.is_none_or(|asked| seconds("restrict", "timeout").is_none_or(|most| asked <= most))
        && ask.duration.is_none_or(|asked| asked <= longest)
        && ask
            .assignments
            .iter()
            .all(|name| kept(name) || (any_command && !crate::is_dangerous_variable(name)))
}

/// Whether an entry for edits names this file: in no order, and as often as one likes.
fn names_file(entry: &Value, file: &[u8]) -> bool {
    let files: Vec<Arg> = match entry {
        Value::String(text) if text.starts_with("sudoedit ") => {
            split(text).into_iter().skip(1).map(Arg::Word).collect()
        }
        entry => {
            let files = entry.get("edit").and_then(Value::as_array).cloned().unwrap_or_default();
            files.into_iter().map(Arg::of).collect()
        }
    };
    files.iter().any(|pattern| match pattern {
        Arg::Word(_) if pattern.is_rest() => true,
        Arg::Word(word) => glob(word, file),
        Arg::Regex(regex) => is_whole(regex, file),
        Arg::Under(folder) => file.starts_with(format!("{folder}/").as_bytes()),
    })
}

fn is_whole(regex: &str, text: &[u8]) -> bool {
    regex::bytes::Regex::new(&format!("^(?:{regex})$")).unwrap().is_match(text)
}

fn is_command(entry: &Value, ask: &Ask, side: Side) -> bool {
    if entry.get("edit").is_some() {
        return false;
    }
    let (program, args) = match entry {
        Value::String(text) => {
            let mut words = split(text);
            (words.remove(0), words.into_iter().map(Arg::Word).collect())
        }
        entry => {
            let args = entry.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
            (one_word(entry["path"].as_str().unwrap()), args.into_iter().map(Arg::of).collect::<Vec<_>>())
        }
    };
    let leads_to = ask.leads_to.iter().filter(|_| side == Side::Denies);
    let program = [&ask.path].into_iter().chain(leads_to).any(|path| glob(&program, path));
    let rest = args.last().is_some_and(Arg::is_rest);
    let args = if rest { &args[..args.len() - 1] } else { &args[..] };
    let enough = if rest { ask.args.len() >= args.len() } else { ask.args.len() == args.len() };
    program
        && enough
        && args.iter().zip(&ask.args).all(|(pattern, argument)| pattern.fits(argument, ask, side))
}

enum Arg {
    Word(words::Word),
    Regex(String),
    Under(String),
}

impl Arg {
    fn of(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Word(one_word(&text)),
            other => match other.get("regex") {
                Some(regex) => Self::Regex(regex.as_str().unwrap().to_owned()),
                None => Self::Under(other["under"].as_str().unwrap().to_owned()),
            },
        }
    }

    fn is_rest(&self) -> bool {
        matches!(self, Self::Word(word) if *word == [('*', false), ('*', false)])
    }

    fn fits(&self, argument: &[u8], ask: &Ask, side: Side) -> bool {
        match self {
            Self::Word(word) => glob(word, argument),
            Self::Regex(regex) => is_whole(regex, argument),
            Self::Under(folder) => match ask.resolved.get(argument) {
                None => side == Side::Denies,
                Some(found) => {
                    let below = found.path.starts_with(format!("{folder}/").as_bytes());
                    let safe = argument.starts_with(b"/") && !found.writable;
                    below && (side == Side::Denies || safe)
                }
            },
        }
    }
}
