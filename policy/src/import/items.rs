//! Each command of each line, with all that counts for it, in the order of the files.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::aliases::Endless;
use super::ast::{At, CommandSpec, Digest, Privilege, Program, RunAs, Sudoers, UserSpec, What};
use super::command::Command;
use super::dimension::{Dimension, Kind};
use super::names::{Translated, group};
use super::region::Region;
use super::report::{Report, Severity};
use super::scopes::{Part, Scopes, run_as_default_varies};
use super::times::time;
use super::words::{permitting, taking_away};
use crate::sha256::Sha256;

/// The most commands of one import: each is compared with all later ones.
const MOST: usize = 10_000;
/// The most names in all of them, for the same reason.
const MOST_NAMES: usize = 50_000;
/// The most lines of settings: each is asked for each command.
pub(super) const MOST_SETTINGS: usize = 5_000;
/// The most parts of one command: people, hosts and targets that can't be said in one.
const MOST_PARTS: usize = 64;

/// One command of one line.
#[derive(Debug)]
pub(super) struct Item {
    /// The number of the line's [`UserSpec`].
    pub(super) spec: usize,
    pub(super) at: At,
    pub(super) text: String,
    pub(super) permits: bool,
    /// What it certainly permits; nothing if it does not permit.
    pub(super) certainly: Vec<Part>,
    /// What it may count for.
    pub(super) possibly: Vec<Part>,
    /// Whether what it may count for is exactly what it counts for, and can be written.
    pub(super) exact: bool,
    /// Whether what it permits is one of our rules.
    pub(super) is_written: bool,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
}

/// What stands in the way of all.
pub(super) enum TooMuch {
    Endless(At),
    /// Up to this line.
    Many(At),
}

pub(super) struct Items<'s> {
    pub(super) sudoers: &'s Sudoers,
    pub(super) scopes: &'s Scopes,
    pub(super) zone: &'s TimeZone,
    pub(super) report: &'s mut Report,
    pub(super) all: Vec<Item>,
    /// How many names were looked at.
    pub(super) names: usize,
}

impl Items<'_> {
    pub(super) fn fill(&mut self) -> Result<(), TooMuch> {
        for (number, spec) in self.sudoers.specs.iter().enumerate() {
            let endless = |_| TooMuch::Endless(spec.at.clone());
            let users = self.sudoers.users.written_out(&spec.users).map_err(endless)?;
            self.names += users.len();
            let users = self.told(spec, Translated::people(&users, false));
            for privilege in &spec.privileges {
                self.privilege(number, spec, &users, privilege).map_err(endless)?;
                if self.is_too_much() {
                    return Err(TooMuch::Many(spec.at.clone()));
                }
            }
        }
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.all.len() > MOST || self.names > MOST_NAMES
    }

    /// Tells what has no counterpart.
    fn told(&mut self, spec: &UserSpec, translated: Translated) -> Translated {
        for problem in &translated.problems {
            self.report.tell(&spec.at, Severity::LeftOut, format!("{problem}, in `{}`", short(&spec.text)));
        }
        translated
    }

    fn privilege(
        &mut self,
        number: usize,
        spec: &UserSpec,
        users: &Translated,
        privilege: &Privilege,
    ) -> Result<(), Endless> {
        let hosts = self.sudoers.hosts.written_out(&privilege.hosts)?;
        self.names += hosts.len();
        let hosts = self.told(spec, Translated::hosts(&hosts));
        for command_spec in &privilege.specs {
            let targets = self.targets(spec, command_spec)?;
            let list = self.sudoers.commands.written_out(std::slice::from_ref(&command_spec.command))?;
            for member in &list {
                let context = Context { number, users, hosts: &hosts, targets: &targets, spec: command_spec };
                self.command(&context, member.negated, &member.what);
                if self.is_too_much() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn targets(&mut self, spec: &UserSpec, command: &CommandSpec) -> Result<Targets, Endless> {
        let Some(RunAs { users, groups }) = &command.run_as else {
            return Ok(self.default_targets(command));
        };
        let users = self.sudoers.run_as.written_out(users)?;
        self.names += users.len();
        let users = self.told(spec, Translated::people(&users, true));
        let mut targets = Targets { users, groups: Vec::new(), exact: true };
        for member in self.sudoers.run_as.written_out(groups.as_deref().unwrap_or_default())? {
            match group(&member.what) {
                Ok(_) if member.negated => {
                    let what = format!("a group that is negated, in `{}`", command.text);
                    self.report.tell(&command.at, Severity::LeftOut, what);
                    targets.users.certainly.clear();
                    targets.exact = false;
                }
                Ok(names) => targets.groups.extend(names),
                Err(problem) => {
                    self.report.tell(
                        &command.at,
                        Severity::Narrower,
                        format!("{problem}, in `{}`", command.text),
                    );
                }
            }
        }
        targets.groups.dedup();
        if targets.groups.iter().any(|name| name == "ALL") {
            targets.groups = vec!["ALL".to_owned()];
        }
        Ok(targets)
    }

    fn default_targets(&mut self, command: &CommandSpec) -> Targets {
        let name = super::ast::Who::Name(self.scopes.run_as_default.clone());
        let list = vec![super::ast::Member { negated: false, what: name }];
        let mut users = Translated::people(&list, true);
        if run_as_default_varies(self.sudoers) || !users.problems.is_empty() {
            let what = format!(
                "`runas_default` is not the same for all, so whom `{}` runs as is not known",
                command.text
            );
            self.report.tell(&command.at, Severity::LeftOut, what);
            users.certainly.clear();
            users.possibly = vec![Dimension::all(Kind::People)];
            return Targets { users, groups: Vec::new(), exact: false };
        }
        Targets { users, groups: Vec::new(), exact: true }
    }

    fn command(&mut self, context: &Context<'_>, negated: bool, what: &What) {
        let spec = context.spec;
        let left_out = |report: &mut Report, why: &str| {
            report.tell(&spec.at, Severity::LeftOut, format!("`{}`: {why}", short(&spec.text)));
        };
        let mut exact = context.targets.exact && context.problems() == 0;
        let (commands, known) = match Command::of(what) {
            Ok(commands) => (commands, true),
            // What is not there takes nothing away.
            Err("there is no such alias") => {
                left_out(self.report, "there is no such alias");
                return;
            }
            Err(why) => {
                left_out(self.report, why);
                (vec![Command::UNKNOWN], false)
            }
        };
        let mut certain = known && !negated;
        let pins = match pins(what) {
            Ok((pins, Some(left))) if !negated => {
                self.report.tell(&spec.at, Severity::Narrower, format!("`{}`: {left}", short(&spec.text)));
                pins
            }
            Ok((pins, _)) => pins,
            Err(why) => {
                if !negated {
                    left_out(self.report, why);
                }
                certain = false;
                Vec::new()
            }
        };
        exact &=
            known && what.digests.is_empty() && commands.iter().all(|command| taking_away(command).is_ok());
        let (mut not_before, mut not_after) = (None, None);
        for (text, time_of) in
            [(&spec.options.not_before, &mut not_before), (&spec.options.not_after, &mut not_after)]
        {
            if let Some(text) = text {
                *time_of = time(text, self.zone);
                exact = false;
                if time_of.is_none() {
                    left_out(self.report, "its time is not understood");
                    certain = false;
                }
            }
        }
        if let (Some(from), Some(to)) = (not_before, not_after)
            && from >= to
        {
            left_out(self.report, "it ends before it begins");
            certain = false;
        }
        if !negated {
            self.tell_tags(spec, what);
        }
        for command in commands {
            let possibly = self.parts(context, &context.users.possibly, &command, false);
            let certainly = if certain {
                let command = Command { sha256: pins.clone(), ..command.clone() };
                self.parts(context, &context.users.certainly, &command, true)
            } else {
                Vec::new()
            };
            self.all.push(Item {
                spec: context.number,
                at: spec.at.clone(),
                text: spec.text.clone(),
                permits: !negated,
                certainly,
                possibly,
                exact,
                is_written: exact
                    && certain
                    && context.hosts.is_certain()
                    && permitting(&command).is_ok_and(|written| written.differs.is_none()),
                not_before,
                not_after,
            });
        }
    }

    fn tell_tags(&mut self, spec: &CommandSpec, what: &What) {
        let mut tell = |severity, what: &str| {
            self.report.tell(&spec.at, severity, format!("`{}`: {what}", short(&spec.text)));
        };
        if spec.tags.set_env == Some(true) && what.program != Program::All {
            tell(Severity::Narrower, "`SETENV`: `VAR=value` is only for variables in `env_keep`");
        }
        let is_all = what.program == Program::All;
        let says_all = spec.command.what.program == Program::All;
        // sudo lets only an `ALL` that stands in the line itself serve any variable.
        if is_all && (spec.tags.set_env == Some(false) || (!says_all && spec.tags.set_env.is_none())) {
            tell(Severity::Setting, "`VAR=value`: a rule for ALL serves any variable");
        }
        if spec.tags.log_input == Some(true) || spec.tags.log_output == Some(true) {
            tell(Severity::Setting, "sessions are not recorded yet");
        }
        if spec.tags.follow == Some(true) {
            tell(Severity::Setting, "`FOLLOW`: links are not followed");
        }
    }

    /// The parts of one command; what can't be one of our rules is told if it should have been.
    fn parts(
        &mut self,
        context: &Context<'_>,
        users: &[Dimension],
        command: &Command,
        certainly: bool,
    ) -> Vec<Part> {
        let (hosts, targets) = if certainly {
            (&context.hosts.certainly, &context.targets.users.certainly)
        } else {
            (&context.hosts.possibly, &context.targets.users.possibly)
        };
        let (everybody, anywhere) = ([Dimension::all(Kind::People)], [Dimension::all(Kind::Hosts)]);
        let (users, hosts, targets) = if users.len() * hosts.len() * targets.len() <= MOST_PARTS {
            (users, hosts.as_slice(), targets.as_slice())
        } else if certainly {
            let what = format!("`{}`: its lists make too many parts", short(&context.spec.text));
            self.report.tell(&context.spec.at, Severity::LeftOut, what);
            return Vec::new();
        } else {
            (&everybody[..], &anywhere[..], &everybody[..])
        };
        let mut all = Vec::new();
        for users in users {
            for hosts in hosts {
                for run_as in targets {
                    let region = Region {
                        users: users.clone(),
                        hosts: hosts.clone(),
                        run_as: run_as.clone(),
                        groups: context.targets.groups.clone(),
                        command: command.clone(),
                        except: Vec::new(),
                    };
                    let (mut parts, stricter) = self.scopes.parts(region);
                    if stricter && certainly {
                        let what = format!(
                            "`{}`: the strictest of some `Defaults` counts",
                            short(&context.spec.text)
                        );
                        self.report.tell(&context.spec.at, Severity::Narrower, what);
                    }
                    all.append(&mut parts);
                }
            }
        }
        for part in &mut all {
            let region = &part.region;
            let lists = [&region.users, &region.hosts, &region.run_as];
            self.names += lists.iter().map(|list| list.yes.len() + list.no.len()).sum::<usize>();
            if let Ok(settings) = &mut part.settings {
                let applied = settings.apply_options(&context.spec.options, context.spec.tags);
                // Root is never asked.
                settings.authenticate &= !part.region.is_for_root();
                if let Some(why) = applied.err().or(settings.refused()) {
                    part.settings = Err(why);
                }
            }
            if let (Err(why), true) = (&part.settings, certainly) {
                let part = if part.region.command == *command { "" } else { "a part of " };
                let what = format!("{part}`{}`: {why}", short(&context.spec.text));
                self.report.tell(&context.spec.at, Severity::LeftOut, what);
            }
        }
        all
    }
}

/// The digests of a command that we can say, and what is told of the others.
fn pins(what: &What) -> Result<(Vec<Sha256>, Option<&'static str>), &'static str> {
    let is_ours = |digest: &Digest| if let Digest::Sha256(own) = digest { Some(*own) } else { None };
    let mut pins: Vec<Sha256> = what.digests.iter().filter_map(is_ours).collect();
    pins.sort_unstable();
    pins.dedup();
    match what.program {
        _ if what.digests.is_empty() => Ok((pins, None)),
        _ if pins.is_empty() => Err("a checksum that is not SHA-256 can't be said"),
        Program::Path(_) | Program::Regex(_) => {
            let others = what.digests.iter().any(|digest| is_ours(digest).is_none());
            Ok((pins, others.then_some("of its checksums only those that are SHA-256 count")))
        }
        _ => Err("a checksum stands only before the path of a program"),
    }
}

/// Whom a command runs as.
struct Targets {
    users: Translated,
    groups: Vec<String>,
    exact: bool,
}

/// Everything around one command.
struct Context<'c> {
    number: usize,
    users: &'c Translated,
    hosts: &'c Translated,
    targets: &'c Targets,
    spec: &'c CommandSpec,
}

impl Context<'_> {
    fn problems(&self) -> usize {
        self.users.problems.len() + self.hosts.problems.len() + self.targets.users.problems.len()
    }
}

/// A text that fits in a message.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
