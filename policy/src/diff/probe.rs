//! Requests made for an atom, put to both policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::atoms::Atom;
use super::{Change, Side};
use crate::account::{Account, Directory, Group, Host, LookupFailed};
use crate::decision::{Decision, Missing, choose};
use crate::login_session::LoginSession;
use crate::meaning::{
    Argument, CommandMeaning, HostMeaning, Meaning, ProgramMeaning, Region, Terms, regex_text,
};
use crate::pattern::Word;
use crate::policy::Core;
use crate::request::{Asked as Options, Command, Request, Resolved, Target};
use crate::sha256::Sha256;
use crate::when::Zones;

/// How many rules of the other policy a deny is tried with.
const MOST_PARTNERS: usize = 32;
/// Numbers for names that have none.
const FIRST_UID: u32 = 1_000_000;

/// The digest of a file that nobody pins.
const OTHER_FILE: Sha256 = Sha256::new([0; 32]);

/// What a probe compares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Permission,
    Terms,
}

/// Both policies, and a world in which each name that they use has a number.
pub(super) struct Prober<'p> {
    old: &'p Core,
    new: &'p Core,
    ids: BTreeMap<String, u32>,
}

impl Directory for Prober<'_> {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.ids.get(&format!("%{group}")).copied())
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(self.ids.get(user).copied())
    }
}

/// Every clock shows UTC.
struct AllUtc;

impl Zones for AllUtc {
    fn zone(&self, _name: &str) -> Option<TimeZone> {
        Some(TimeZone::UTC)
    }

    fn local(&self) -> Option<TimeZone> {
        Some(TimeZone::UTC)
    }
}

/// One request.
struct Probe {
    user: Account,
    target: Account,
    group: Option<Group>,
    host: (String, Vec<String>),
    path: Vec<u8>,
    args: Vec<Vec<u8>>,
    sha256: Sha256,
    nested: bool,
    trusted: bool,
    now: Timestamp,
    login: LoginSession,
}

impl<'p> Prober<'p> {
    pub(super) fn new(old: &Side<'_, 'p>, new: &Side<'_, 'p>) -> Self {
        let mut ids = BTreeMap::from([("root".to_owned(), 0)]);
        let regions = [old, new].into_iter().flat_map(|side| side.allows.iter().chain(side.denies));
        for region in regions.map(|meaning| &meaning.region) {
            let groups = region.run_as_groups.iter().flatten().map(|group| format!("%{group}"));
            let lists = [&region.users, &region.except_users, &region.run_as, &region.except_run_as];
            for name in lists.into_iter().flatten().cloned().chain(groups) {
                let next = FIRST_UID.saturating_add(u32::try_from(ids.len()).unwrap_or(0));
                ids.entry(name).or_insert(next);
            }
        }
        Self { old: old.core, new: new.core, ids }
    }

    /// Whether a request that the atom matches is answered differently; tried with what the partners match, where the atom
    /// leaves it open.
    pub(super) fn differs(
        &self,
        atom: &Atom,
        asked: Asked,
        change: Change,
        partners: Option<&[Meaning<'_>]>,
    ) -> bool {
        let alone = [atom.0.clone()];
        let joined = partners
            .into_iter()
            .flatten()
            .take(MOST_PARTNERS)
            .map(|partner| joined(&atom.0, &partner.region));
        alone
            .into_iter()
            .chain(joined)
            .any(|region| self.probes(&region).iter().any(|probe| self.tells(probe, asked, change)))
    }

    fn tells(&self, probe: &Probe, asked: Asked, change: Change) -> bool {
        let (before, after) = (self.answer(self.old, probe), self.answer(self.new, probe));
        match asked {
            Asked::Terms => before.is_some() && after.is_some() && before != after,
            Asked::Permission if change == Change::Gains => before.is_none() && after.is_some(),
            Asked::Permission => before.is_some() && after.is_none(),
        }
    }

    /// The terms on which it is permitted while no duty is done.
    fn answer(&self, core: &Core, probe: &Probe) -> Option<Terms> {
        let sha256 = || Ok(probe.sha256);
        let under = |path: &[u8]| Some(Resolved { path: path.to_vec(), writable: false });
        let request = Request {
            user: &probe.user,
            host: Host { name: &probe.host.0, tags: &probe.host.1 },
            target: Target { account: &probe.target, group: probe.group.as_ref() },
            command: Command {
                path: &probe.path,
                leads_to: None,
                args: &probe.args,
                edits: probe.path == crate::EDIT.as_bytes(),
                trusted: probe.trusted,
                under: &under,
                sha256: &sha256,
            },
            nested: probe.nested,
            now: probe.now,
            zones: &AllUtc,
            login: &probe.login,
            asked: Options::default(),
        };
        let Ok(Decision::Permit(candidates)) = core.evaluate(&[], &request, self) else { return None };
        choose(&candidates, |candidate| Missing::all(candidate.rule))
            .map(|(chosen, _)| Terms::of(chosen.rule, core))
    }

    fn probes(&self, region: &Region) -> Vec<Probe> {
        let made = || {
            let user = self.account(region.users.first()?);
            let target = match region.run_as.first()?.as_str() {
                "self" => user.clone(),
                "ALL" => self.account("root"),
                name => self.account(name),
            };
            let command = region.commands.first()?;
            let path = program(&command.program)?;
            let args = command.args.iter().map(argument).collect::<Option<Vec<_>>>()?;
            let host = host(region.hosts.first()?)?;
            let pin = command.sha256.first().copied();
            Some((user, target, path, args, pin, host, now(region)?))
        };
        let Some((user, target, path, args, pin, host, now)) = made() else { return Vec::new() };
        let group = region
            .run_as_groups
            .iter()
            .flatten()
            .next()
            .map(|name| Group { gid: self.number(&format!("%{name}")), name: name.clone() });
        let mut probes = Vec::new();
        // What has a digest may stand anywhere.
        let paths = [region.trusted_path, false].into_iter().take(1 + usize::from(pin.is_some()));
        let groups = [None].into_iter().chain(group.map(Some));
        for (group, trusted) in groups.flat_map(|group| paths.clone().map(move |path| (group.clone(), path)))
        {
            for nested in [false, true].into_iter().filter(|nested| region.nested || !nested) {
                probes.push(Probe {
                    user: user.clone(),
                    target: target.clone(),
                    group: group.clone(),
                    host: host.clone(),
                    path: path.clone(),
                    args: args.clone(),
                    sha256: pin.unwrap_or(OTHER_FILE),
                    nested,
                    trusted,
                    now,
                    login: region.from_login.clone().unwrap_or_default().sample(),
                });
            }
        }
        probes
    }

    fn number(&self, name: &str) -> u32 {
        let digits = name.trim_start_matches('%').strip_prefix('#').and_then(|digits| digits.parse().ok());
        digits.or_else(|| self.ids.get(name).copied()).unwrap_or(FIRST_UID - 1)
    }

    /// Somebody whom an entry names, and no other.
    fn account(&self, entry: &str) -> Account {
        let nobody = FIRST_UID - 2;
        if entry.starts_with('%') {
            let gid = self.number(entry);
            return Account {
                uid: nobody,
                gid: nobody,
                names: vec!["(member)".to_owned()],
                groups: vec![gid],
            };
        }
        let uid = if entry == "ALL" { nobody } else { self.number(entry) };
        let name = match entry {
            "#0" => "root",
            "ALL" => "(somebody)",
            name => name,
        };
        let names = if name.starts_with('#') { Vec::new() } else { vec![name.to_owned()] };
        Account { uid, gid: nobody, names, groups: Vec::new() }
    }
}

/// The first, and the second where the first names all of that.
fn joined(one: &Region, other: &Region) -> Region {
    let mut region = other.clone();
    if one.users != ["ALL"] {
        region.users.clone_from(&one.users);
    }
    if one.run_as != ["ALL"] {
        region.run_as.clone_from(&one.run_as);
    }
    if one.hosts != [HostMeaning::All] {
        region.hosts.clone_from(&one.hosts);
    }
    let within = |command: &&CommandMeaning| one.commands.iter().any(|own| own.covers(command));
    region.commands = match other.commands.iter().find(within) {
        Some(command) => vec![command.clone()],
        None => one.commands.clone(),
    };
    if one.from_login.is_some() {
        region.from_login.clone_from(&one.from_login);
    }
    if one.when.is_some() {
        region.when.clone_from(&one.when);
    }
    region
}

/// A time at which the rule holds.
fn now(region: &Region) -> Option<Timestamp> {
    // A Monday.
    let monday = Timestamp::from_second(1_767_571_200).ok()?;
    if let Some(windows) = &region.when {
        let (day, from, _, _) = windows.first()?;
        let minutes = i64::from(*day) * 24 * 60 + i64::from(*from);
        return monday.checked_add(jiff::SignedDuration::from_mins(minutes)).ok();
    }
    let before = region.not_after.and_then(|end| end.checked_sub(jiff::SignedDuration::from_secs(1)).ok());
    Some(region.not_before.or(before).unwrap_or(monday))
}

fn host(entry: &HostMeaning) -> Option<(String, Vec<String>)> {
    let name = match entry {
        HostMeaning::All => "(host)".to_owned(),
        HostMeaning::Name(name) => name.clone(),
        HostMeaning::Glob(glob) => String::from_utf8(sample(glob.as_bytes())?).ok()?,
        HostMeaning::Tag(tag) => return Some(("(host)".to_owned(), vec![tag.clone()])),
    };
    Some((name, Vec::new()))
}

fn program(program: &ProgramMeaning) -> Option<Vec<u8>> {
    match program {
        ProgramMeaning::All => Some(b"/(program)".to_vec()),
        ProgramMeaning::Exact(path) => Some(path.clone().into_bytes()),
        ProgramMeaning::Glob(word) => word_sample(word),
    }
}

fn argument(argument: &Argument) -> Option<Vec<u8>> {
    match argument {
        Argument::Words(words) => word_sample(words.first()?),
        Argument::Under(folder) => Some(format!("{}/x", folder.trim_end_matches('/')).into_bytes()),
        // One of its choices, if it is so simple.
        Argument::Regex(regex) => {
            let text = regex_text(regex).replace(['(', ')', '\\'], "").replace(".*", "x").replace(".+", "x");
            let mut parts = text.split('|').map(|part| part.as_bytes().to_vec());
            parts.find(|part| regex.is_match(part))
        }
    }
}

fn word_sample(word: &Word) -> Option<Vec<u8>> {
    match word {
        Word::Literal(text) => Some(text.to_vec()),
        Word::Glob(glob) => sample(glob),
    }
}

/// Something that a glob matches.
fn sample(glob: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut bytes = glob.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' => text.push(b'x'),
            b'\\' => text.extend(bytes.next()),
            b'[' => {
                let negated = bytes.next_if_eq(&b'!').is_some();
                let mut member = bytes.next()?;
                if member == b'\\' {
                    member = bytes.next()?;
                }
                text.push(if negated { member.wrapping_add(1) } else { member });
                let mut escaped = false;
                for byte in bytes.by_ref() {
                    if byte == b']' && !escaped {
                        break;
                    }
                    escaped = byte == b'\\' && !escaped;
                }
            }
            other => text.push(other),
        }
    }
    fast_glob::glob_match(glob, &text).then_some(text)
}
