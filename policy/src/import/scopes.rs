//! `Defaults`: which settings count for which requests.

use super::aliases::Endless;
use super::ast::{Defaults, List, Scope, Setting, Sudoers, What};
use super::command::{Command, Why};
use super::names::Translated;
use super::region::Region;
use super::report::{Report, Severity};
use super::settings::{Fate, Settings};

/// Some settings, and for what they count.
#[derive(Debug)]
struct Scoped {
    /// Empty: for everything.
    regions: Vec<Region>,
    /// What the regions are can't be said exactly.
    vague: bool,
    /// `Defaults>`
    is_for_targets: bool,
    settings: Vec<Setting>,
}

/// All `Defaults`, in the order in which they count.
#[derive(Debug)]
pub(super) struct Scopes {
    /// What counts for everything.
    pub(super) base: Settings,
    scoped: Vec<Scoped>,
    pub(super) run_as_default: String,
}

/// A part of what a line permits, with its settings; an error says why it can't be one of our rules.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) region: Region,
    pub(super) settings: Result<Settings, Why>,
}

/// The most names of all `Defaults`.
const MOST_NAMES: usize = 50_000;
/// More parts of one command than this are not told apart.
const MOST_PARTS: usize = 64;

impl Scopes {
    pub(super) fn of(sudoers: &Sudoers, report: &mut Report) -> Result<Self, Endless> {
        let run_as_default = run_as_default(sudoers);
        let mut base = Settings::new();
        let mut scoped = Vec::new();
        let mut names = 0;
        let is_for_commands = |defaults: &&Defaults| matches!(defaults.scope, Scope::Commands(_));
        let others = sudoers.defaults.iter().filter(|defaults| !is_for_commands(defaults));
        for defaults in others.chain(sudoers.defaults.iter().filter(is_for_commands)) {
            tell(defaults, &run_as_default, report);
            let (regions, vague) = regions(sudoers, defaults, report)?;
            names += regions
                .iter()
                .map(|one| one.users.yes.len() + one.hosts.yes.len() + one.run_as.yes.len())
                .sum::<usize>();
            if names > MOST_NAMES {
                return Err(Endless);
            }
            if matches!(defaults.scope, Scope::All) {
                for setting in &defaults.settings {
                    base.apply(setting, &run_as_default);
                }
            }
            let is_for_targets = matches!(defaults.scope, Scope::RunAs(_));
            scoped.push(Scoped { regions, vague, is_for_targets, settings: defaults.settings.clone() });
        }
        Ok(Self { base, scoped, run_as_default })
    }

    /// The region cut into parts that have the same settings. Where that can't be said, the stricter ones count: then
    /// the second is true.
    pub(super) fn parts(&self, region: Region) -> (Vec<Part>, bool) {
        let whole = region.clone();
        let mut parts = vec![Part { region, settings: Ok(Settings::new()) }];
        let mut stricter = false;
        for scoped in &self.scoped {
            if scoped.regions.is_empty() && !scoped.vague {
                for part in &mut parts {
                    self.apply(scoped, part);
                }
            }
            for region in &scoped.regions {
                parts = parts
                    .into_iter()
                    .flat_map(|part| self.cut(scoped, region, part, &mut stricter))
                    .collect();
                if parts.len() > MOST_PARTS {
                    return (
                        vec![Part { region: whole, settings: Err("too many settings differ within it") }],
                        true,
                    );
                }
            }
        }
        (parts, stricter)
    }

    fn apply(&self, scoped: &Scoped, part: &mut Part) {
        if let Ok(settings) = &mut part.settings {
            for setting in &scoped.settings {
                settings.apply(setting, &self.run_as_default);
            }
        }
    }

    fn cut(&self, scoped: &Scoped, region: &Region, part: Part, stricter: &mut bool) -> Vec<Part> {
        if !part.region.overlaps(region) {
            return vec![part];
        }
        let mut applied = part.clone();
        self.apply(scoped, &mut applied);
        if applied.settings == part.settings {
            return vec![part];
        }
        // With `-g`, settings for a target count only if the group is one of the target's.
        let vague = scoped.vague || (scoped.is_for_targets && !part.region.groups.is_empty());
        if !vague && region.covers(&part.region) {
            return vec![applied];
        }
        let outside = if vague { None } else { part.region.outside(region) };
        let inside = if vague { None } else { part.region.meet(region) };
        let mut parts: Vec<Part> =
            outside.unwrap_or_default().into_iter().map(|region| Part { region, ..part.clone() }).collect();
        if let Some(region) = inside {
            parts.push(Part { region, ..applied });
            return parts;
        }
        // Where they meet can't be said: for all of it the stricter of both counts, beside what is outside.
        let both = match (&part.settings, &applied.settings) {
            (Ok(one), Ok(other)) => one.stricter(other).ok_or("some `Defaults` may count for it or not"),
            (Err(why), _) | (_, Err(why)) => Err(*why),
        };
        *stricter |= both != applied.settings || parts.is_empty();
        parts.push(Part { settings: both, region: part.region });
        parts
    }
}

/// Whom a rule without targets is for.
fn run_as_default(sudoers: &Sudoers) -> String {
    let settings = sudoers.defaults.iter().filter(|defaults| matches!(defaults.scope, Scope::All));
    let mut name = "root".to_owned();
    for setting in settings.flat_map(|defaults| &defaults.settings).filter(|one| one.name == "runas_default")
    {
        if let super::ast::Value::Set(value) = &setting.value {
            name.clone_from(value);
        }
    }
    name
}

/// Whether `runas_default` is set for some, so that nobody knows whom a rule without targets is for.
pub(super) fn run_as_default_varies(sudoers: &Sudoers) -> bool {
    let scoped = sudoers.defaults.iter().filter(|defaults| !matches!(defaults.scope, Scope::All));
    scoped.flat_map(|defaults| &defaults.settings).any(|setting| setting.name == "runas_default")
}

/// Tells what becomes of settings that are not applied.
fn tell(defaults: &Defaults, run_as_default: &str, report: &mut Report) {
    let mut needless = Vec::new();
    for setting in &defaults.settings {
        let name = &setting.name;
        match Settings::new().apply(setting, run_as_default) {
            Fate::Applied => {}
            Fate::Lost(why) => report.tell(&defaults.at, Severity::Setting, format!("`{name}`: {why}")),
            Fate::Needless => needless.push(format!("`{name}`")),
            Fate::Unknown => {
                report.tell(
                    &defaults.at,
                    Severity::Setting,
                    format!("`{name}`: not known, or not with this value"),
                );
            }
        }
    }
    if !needless.is_empty() {
        needless.dedup();
        let what = format!("{}: nothing here needs a counterpart", needless.join(", "));
        report.tell(&defaults.at, Severity::Note, what);
    }
}

/// For what a line of settings counts; whether that can't be said exactly.
fn regions(
    sudoers: &Sudoers,
    defaults: &Defaults,
    report: &mut Report,
) -> Result<(Vec<Region>, bool), Endless> {
    let mut vague = false;
    let mut exact = |translated: Translated| {
        for problem in &translated.problems {
            vague = true;
            report.tell(&defaults.at, Severity::Setting, format!("`Defaults` for {problem}"));
        }
        vague |= !translated.is_certain();
        translated.possibly.into_iter()
    };
    let regions = match &defaults.scope {
        Scope::All => Vec::new(),
        Scope::Users(list) => exact(Translated::people(&sudoers.users.written_out(list)?, false))
            .map(|users| Region { users, ..Region::all() })
            .collect(),
        Scope::RunAs(list) => exact(Translated::people(&sudoers.run_as.written_out(list)?, true))
            .map(|run_as| Region { run_as, ..Region::all() })
            .collect(),
        Scope::Hosts(list) => exact(Translated::hosts(&sudoers.hosts.written_out(list)?))
            .map(|hosts| Region { hosts, ..Region::all() })
            .collect(),
        Scope::Commands(list) => {
            let list = sudoers.commands.written_out(list)?;
            let (commands, problem) = commands(&list);
            vague = problem;
            if problem {
                report.tell(&defaults.at, Severity::Setting, "`Defaults` for a command that can't be said");
            }
            commands.into_iter().map(|command| Region { command, ..Region::all() }).collect()
        }
    };
    // A list that names nobody counts for nobody, which is not everything.
    let vague = vague || (regions.is_empty() && !matches!(defaults.scope, Scope::All));
    Ok((regions, vague))
}

/// The commands of a list; with negated ones they are too many.
fn commands(list: &List<What>) -> (Vec<Command>, bool) {
    let mut commands = Vec::new();
    let mut vague = false;
    for member in list {
        match Command::of(&member.what) {
            _ if member.negated => vague = true,
            Ok(mut some) => commands.append(&mut some),
            Err(_) => {
                vague = true;
                commands.push(Command::UNKNOWN);
            }
        }
    }
    (commands, vague)
}
