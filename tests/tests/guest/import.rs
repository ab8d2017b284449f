//! Policy that was imported from sudoers, beside the real sudo: the same questions, on files that people could have
//! written and on generated ones. The imported policy may be narrower where that is told, and never wider.

mod chance;
mod files;
mod oracle;
mod questions;
mod world;

use std::collections::BTreeMap;

use jit_policy::import::{ImportOptions, Severity, import_sudoers};
use jit_policy::{Policy, Source};

use self::chance::Chance;
use self::files::File;
use self::oracle::Answers;
use self::world::World;

/// How often each file is asked.
const QUESTIONS: usize = 60;
const GENERATED: usize = 20;

/// One question and both answers.
struct Compared<'a> {
    file: &'a File,
    question: &'a questions::Question,
    sudo: bool,
    ours: bool,
    /// Something is told of the file.
    told: bool,
    /// The program leads to another: with ours a denied program is denied under all its names.
    is_link: bool,
}

#[test]
fn an_imported_policy_permits_what_sudo_does_and_never_more() {
    let mut chance = Chance::new(20_261_122);
    let mut files = files::written();
    files.extend((0..GENERATED).map(|number| files::generated(number, &mut chance)));
    for file in &mut files {
        file.ask(QUESTIONS, &mut chance);
    }
    let answers = oracle::ask(&files);
    println!("{}", answers.version);
    let compared = compare(&files, &answers);
    let count = |is: &dyn Fn(&Compared<'_>) -> bool| compared.iter().filter(|one| is(one)).count();
    let (all, allowed) = (compared.len(), count(&|one| one.sudo));
    let (agreed, both) = (count(&|one| one.sudo == one.ours), count(&|one| one.sudo && one.ours));
    let wider = count(&|one| one.ours && !one.sudo);
    for one in compared.iter().filter(|one| one.sudo != one.ours) {
        let wider = if one.ours {
            "WIDER"
        } else if one.told {
            "narrower, told"
        } else {
            "narrower"
        };
        println!("{wider}: {}: {}", one.file.name, one.question);
    }
    println!(
        "{all} questions on {} files: {agreed} answered as sudo does ({}); of {allowed} that sudo allows {both} ({}); wider: {wider}",
        files.len(),
        percent(agreed, all),
        percent(both, allowed),
    );
    assert_eq!(wider, 0, "the import permits what sudo does not");
    assert!(all >= 2000 && allowed >= 400, "{all} questions, {allowed} allowed: too few to say anything");
    assert!(agreed * 100 >= all * 98 && both * 100 >= allowed * 95);
    let silent = count(&|one| one.sudo && !one.ours && !one.told && !one.is_link);
    assert_eq!(silent, 0, "narrower, and nothing was told");
}

fn percent(part: usize, whole: usize) -> String {
    let tenths = part * 1000 / whole.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn compare<'a>(files: &'a [File], answers_of: &'a Answers) -> Vec<Compared<'a>> {
    let world = World::new(answers_of);
    let mut compared = Vec::new();
    for (file, answers) in files.iter().zip(&answers_of.by_file) {
        let (policy, told) = imported(file, &world);
        for (question, answer) in file.questions.iter().zip(answers) {
            let asks = world.ask(&policy, question, file);
            if let (Some(false), true) = (asks, answer.allowed && answer.asks && file.tells_of_passwords()) {
                let exempt = question.user == "root" || question.target.as_deref() == Some(&question.user);
                assert!(
                    exempt,
                    "no password is asked for: {}: {question}\n{}\n{}",
                    file.name, file.text, answer.said
                );
            }
            let is_link =
                answers_of.paths.get(&question.argv[0]).is_some_and(|[path, leads_to, _]| path != leads_to);
            compared.push(Compared {
                file,
                question,
                sudo: answer.allowed,
                ours: asks.is_some(),
                told,
                is_link,
            });
        }
    }
    compared
}

/// The policy, and whether anything was told of what is not as it was.
fn imported(file: &File, world: &World<'_>) -> (Policy, bool) {
    let options =
        ImportOptions { exact: true, zone: jiff::tz::TimeZone::UTC, made_by: "the test".to_owned() };
    let files = BTreeMap::from([("/etc/sudoers", file.text.as_str())]);
    let imported = import_sudoers("/etc/sudoers", &files::InMemory(files), &options)
        .unwrap_or_else(|mistakes| panic!("{}: {}", file.name, mistakes.render()));
    let source = Source { name: "sudoers.toml".into(), path: file.name.clone(), text: imported.text };
    let policy = Policy::load(&[source], world).unwrap_or_else(|found| panic!("{}: {found}", file.name));
    let told = imported.findings.iter().any(|finding| finding.severity < Severity::Setting);
    (policy, told)
}
