//! Files to edit: which they are, why they can't be edited, and the program of ours that opens and saves them.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use jit_policy::Restrict;
use jit_protocol::edit::{CHECK, MAX_FILES};
use jit_protocol::{Bytes, escape};
use jit_sys::path::{Entry, Found, PathError, entry, resolve};

use super::people::People;
use super::place::without_dots;
use super::plan::Question;
use crate::agent::Agent;
use crate::refusal::Refusal;

/// Files by their resolved paths.
pub(super) struct Files {
    pub(super) paths: Vec<Vec<u8>>,
    /// Why they can't be edited: for those who may.
    pub(super) refusal: Option<Refusal>,
}

/// Looks for files to edit. Of one that can't be edited the path is as good as it can be told: policy is asked about it all
/// the same, so that only those who may edit it learn what is there.
///
/// # Errors
/// If these are no files to edit.
pub(super) fn look_for(question: &Question, people: &People, files: &[Bytes]) -> Result<Files, Refusal> {
    if files.is_empty() || files.len() > MAX_FILES || question.asked.shell.is_some() {
        return Err(Refusal::protocol("no files to edit, or too many"));
    }
    let mut found = Files { paths: Vec::with_capacity(files.len()), refusal: None };
    for file in files {
        let looked = entry(question.root.as_fd(), file.as_slice());
        let is_open = |entry: &Entry| entry.is_open_to(people.invoking.uid, &people.invoking.groups);
        let looked =
            looked.and_then(|entry| if is_open(&entry) { Ok(entry) } else { Err(PathError::NotFound) });
        let (path, refusal) = match looked {
            Ok(entry) => {
                let refusal = why_not(&entry, question.uid, file);
                (entry.path, refusal)
            }
            Err(error) => (without_dots(file.as_slice()), Some(not_there(file, error))),
        };
        found.paths.push(path);
        found.refusal = found.refusal.or(refusal);
    }
    Ok(found)
}

/// Why this one may not be edited, in sudo's words where it has some.
fn why_not(entry: &Entry, uid: u32, file: &Bytes) -> Option<Refusal> {
    let (what, hint) = match entry.file {
        Some(facts) if facts.is_link() => {
            ("editing symbolic links is not permitted", "name the file that it leads to")
        }
        Some(facts) if !facts.is_regular() => ("not a regular file", ""),
        Some(facts) if facts.lends_identity() => {
            ("editing a file with setuid or setgid is not permitted", "it would run as somebody else")
        }
        // Root could change it without us.
        _ if uid != 0 && entry.is_changeable_by(uid) => (
            "editing files in a writable directory is not permitted",
            "you could change which file that is: some folder of its path is yours to write",
        ),
        _ => return None,
    };
    Some(Refusal::new(format!("{}: {what}", escape(file.as_slice())), hint))
}

fn not_there(file: &Bytes, error: PathError) -> Refusal {
    let why = match error {
        PathError::Invalid => "this is not the path of a file".to_owned(),
        PathError::NotFound => "its folder does not exist".to_owned(),
        other => other.to_string(),
    };
    Refusal::new(format!("{}: {why}", escape(file.as_slice())), "")
}

/// Our own program.
///
/// # Errors
/// If it is not there.
pub(super) fn program(agent: &Agent, question: &Question) -> Result<Found, Refusal> {
    let path = agent.paths.edit.as_os_str().as_bytes();
    let found = resolve(question.root.as_fd(), path).ok().filter(Found::is_executable);
    found.ok_or_else(|| {
        Refusal::new(
            "files cannot be edited: jit-edit is missing",
            "ask an administrator to install jit-sudo anew",
        )
    })
}

/// The check of a rule is run as the target user: it must be a program that nobody but root can change.
///
/// # Errors
/// If it is not.
pub(super) fn check_the_check(question: &Question, restrict: &Restrict) -> Result<(), Refusal> {
    let Some(program) = restrict.edit_check.as_ref().and_then(|words| words.first()) else { return Ok(()) };
    let found = resolve(question.root.as_fd(), program.as_bytes());
    if found.is_ok_and(|found| found.is_executable() && found.is_trusted()) {
        return Ok(());
    }
    let what = "the check of this rule cannot be run, and nothing is saved without it";
    Err(Refusal::new(what, "ask an administrator to look at `edit_check` of the rule")
        .because(format!("edit_check: {program} is not there, or others than root can change it")))
}

/// The variable that tells our program of the check; nothing else sets it.
pub(super) fn tell_check(environment: &mut Vec<(Bytes, Bytes)>, restrict: &Restrict) {
    environment.retain(|(name, _)| name.as_slice() != CHECK.as_bytes());
    if let Some(words) = &restrict.edit_check {
        environment.push((CHECK.into(), words.join("\n").into()));
    }
}
