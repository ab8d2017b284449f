//! doas.conf(5): `permit nopass alice as root cmd id args -u`. The last line that matches counts, here too.

mod lines;

use std::time::Duration;

use super::ast::{At, Member, UserSpec, Who};
use super::command::{Arguments, Command, Program};
use super::dimension::Dimension;
use super::items::Item;
use super::names::Translated;
use super::region::Region;
use super::report::{Report, Severity};
use super::scopes::Part;
use super::settings::Settings;
use super::words::{permitting, taking_away};
use super::write::File;
use super::{Files, ImportOptions, Imported, Unread, checked, rules, subtract};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::source::Source;

use self::lines::{Line, Variable, read_lines};

/// How long `persist` lasts.
const PERSIST: Duration = Duration::from_mins(5);
/// Where doas looks for a command that has no path.
const PATH: [&str; 6] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
/// The most lines.
const MOST: usize = 10_000;

/// Imports a doas.conf.
///
/// # Errors
/// [`Diagnostics`] with each mistake of the grammar, or why the file can't be read.
pub fn import_doas(path: &str, files: &dyn Files, options: &ImportOptions) -> Result<Imported, Diagnostics> {
    let (text, lines) = read(path, files)?;
    let mut report = Report::default();
    let mut specs = Vec::new();
    let mut items = Vec::new();
    for line in &lines {
        let at = At { file: path.into(), line: line.number };
        let who = line.who.strip_prefix(':').map_or(Who::Name(id(&line.who)), |group| Who::Group(id(group)));
        let text = text.lines().nth(line.number - 1).unwrap_or_default().trim().to_owned();
        let users = vec![Member { negated: false, what: who }];
        items.extend(item(specs.len(), &at, line, &users, files, &mut report));
        specs.push(UserSpec { at, text, users, privileges: Vec::new() });
    }
    let outcome = subtract::outcome(&items, &mut report);
    let rules = rules::rules(&items, &outcome, &specs, "doas");
    let mut base = Settings::new();
    base.remembered = Duration::ZERO;
    let mut file = File::new(&options.made_by, &base, options.exact);
    file.add(&rules, &specs, &base, &mut report);
    let (text, rules) = checked(&mut file, &mut report);
    Ok(Imported { text, rules, findings: report.finish(), files: vec![path.to_owned()] })
}

fn read(path: &str, files: &dyn Files) -> Result<(String, Vec<Line>), Diagnostics> {
    let bytes = files.read(path);
    let text = bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    let found = match bytes {
        Err(Unread::ByUs(why) | Unread::ByNobody(why)) => {
            vec![(0..0, format!("this file can't be read: {why}"))]
        }
        Ok(_) => match read_lines(&text) {
            Ok(lines) if lines.len() > MOST => vec![(0..0, "there are more than 10,000 lines".to_owned())],
            Ok(lines) => return Ok((text, lines)),
            Err(found) => found.into_iter().map(|(at, what)| (at, what.to_owned())).collect(),
        },
    };
    let source = Source { name: path.to_owned(), path: path.to_owned(), text };
    let reader = Reader::new(&source);
    let mut mistakes = Diagnostics::default();
    for (at, message) in found {
        mistakes.push(Diagnostic { place: reader.place_in_file(at), message, hint: None, other: None });
    }
    Err(mistakes)
}

/// A number is an id.
fn id(name: &str) -> String {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("#{name}") } else { name.to_owned() }
}

/// One line, in the shape that lines of sudoers have.
fn item(
    spec: usize,
    at: &At,
    line: &Line,
    users: &super::ast::List<Who>,
    files: &dyn Files,
    report: &mut Report,
) -> Vec<Item> {
    let targets = line.target.as_ref().map_or(Who::All, |target| Who::Name(id(target)));
    let users = Translated::people(users, false);
    let targets = Translated::people(&vec![Member { negated: false, what: targets }], true);
    for problem in users.problems.iter().chain(&targets.problems) {
        report.tell(at, Severity::LeftOut, problem.clone());
    }
    let settings = settings(at, line, report);
    let mut items = Vec::new();
    for command in commands(at, line, files, report) {
        let parts = |users: &[Dimension], targets: &[Dimension]| -> Vec<Part> {
            let pairs = users.iter().flat_map(|users| targets.iter().map(move |targets| (users, targets)));
            pairs
                .map(|(users, targets)| Part {
                    region: Region {
                        users: users.clone(),
                        run_as: targets.clone(),
                        command: command.clone(),
                        ..Region::all()
                    },
                    settings: Ok(settings.clone()),
                })
                .collect()
        };
        let sound = users.problems.is_empty() && targets.problems.is_empty();
        let certainly = if line.permits { parts(&users.certainly, &targets.certainly) } else { Vec::new() };
        items.push(Item {
            spec,
            at: at.clone(),
            text: line.who.clone(),
            permits: line.permits,
            certainly,
            possibly: parts(&users.possibly, &targets.possibly),
            exact: sound && taking_away(&command).is_ok(),
            is_written: sound && line.permits && permitting(&command).is_ok(),
            not_before: None,
            not_after: None,
        });
    }
    items
}

/// What a line without a path permits is the program that doas would find; what it denies is all that have the name.
fn commands(at: &At, line: &Line, files: &dyn Files, report: &mut Report) -> Vec<Command> {
    let Some(name) = &line.command else { return vec![Command::ALL] };
    let arguments = match &line.arguments {
        None => Arguments::Any,
        Some(words) if words.is_empty() => Arguments::None,
        Some(words) => Arguments::Exactly(words.clone()),
    };
    let paths: Vec<String> = if name.starts_with('/') {
        vec![name.clone()]
    } else if name.contains('/') {
        Vec::new()
    } else {
        let all = PATH.map(|folder| format!("{folder}/{name}"));
        let found = all.iter().find(|path| files.is_program(path)).cloned();
        if line.permits { found.into_iter().collect() } else { all.to_vec() }
    };
    let normal = paths.iter().all(|path| crate::pattern::is_normal(path.as_bytes()) && path != "/");
    if paths.is_empty() || !normal {
        report.tell(
            at,
            Severity::LeftOut,
            format!("`cmd {}`: there is no such program here", name.escape_debug()),
        );
        return if line.permits { Vec::new() } else { vec![Command::UNKNOWN] };
    }
    let command =
        |path| Command { program: Program::Path(path), arguments: arguments.clone(), sha256: Vec::new() };
    paths.into_iter().map(command).collect()
}

fn settings(at: &At, line: &Line, report: &mut Report) -> Settings {
    let mut settings = Settings::new();
    settings.authenticate = !line.no_password;
    settings.remembered = if line.persist { PERSIST } else { Duration::ZERO };
    if line.keep_env {
        settings.env_keep.insert("*".to_owned());
        let what = "`keepenv`: variables that make programs run or load something are not kept";
        report.tell(at, Severity::Narrower, what);
    }
    if line.no_log {
        report.tell(at, Severity::Setting, "`nolog`: what runs is always in the audit log");
    }
    for variable in &line.variables {
        match variable {
            Variable::Kept(name) => {
                settings.env_keep.insert(name.clone());
            }
            Variable::Set(name, value) => {
                settings.env_set.insert(name.clone(), value.clone());
            }
            Variable::Lost(text) => {
                let what = format!("`setenv {}`: variables are kept or set to a text", text.escape_debug());
                report.tell(at, Severity::Setting, what);
            }
        }
    }
    settings
}
