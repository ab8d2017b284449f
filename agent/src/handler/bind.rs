//! What exactly is asked for, where somebody else has to approve it.

use std::os::fd::AsFd;

use jit_policy::Rule;
use jit_protocol::Bytes;
use jit_protocol::binding::{Binding, Folder, Person};
use jit_protocol::order::Cwd;
use jit_protocol::request::Shell;
use jit_sys::digest::of_bytes;
use jit_sys::path::{self, Found};

use super::people::People;
use super::plan::Question;
use super::token::written;
use super::wanted::Wanted;
use crate::environment;
use crate::refusal::Refusal;
use crate::translate::{self, Subject};

/// Most bytes of a binding's canonical text: more than a person can read, and little enough for lists of them.
const MOST: usize = 16 * 1024;

/// The binding of one elevation, as it would run now.
///
/// # Errors
/// If the file can't be read, there is no such folder, or it is too long.
pub fn bind(
    question: &Question,
    people: &People,
    wanted: &Wanted,
    rule: &Rule,
    found: &Found,
    subject: &Subject,
    command_is_all: bool,
) -> Result<Binding, Refusal> {
    let asked = &question.asked;
    let (group, target) = (people.group.as_ref().map(|group| group.gid), &people.target);
    let account = if asked.preserve_groups {
        translate::with_groups_of(target, &people.invoking, group)
    } else {
        translate::order_account(target, group)
    };
    let others = account.groups.iter().copied().filter(|gid| *gid != account.gid);
    let mode = match (asked.shell, wanted.edits) {
        (Some(Shell::Plain), _) => Some("shell"),
        (Some(Shell::Login), _) => Some("login"),
        (None, true) => Some("edit"),
        (None, false) => None,
    };
    let login = asked.shell == Some(Shell::Login);
    let folder = match translate::restrictions(&rule.restrict, subject, login).cwd {
        Cwd::Caller => asked.cwd.clone(),
        Cwd::Home => account.home.clone(),
        Cwd::Path(folder) | Cwd::Asked(folder) => folder,
    };
    let bare_shell = asked.shell.is_some() && subject.arguments.is_empty();
    let binding = Binding {
        version: Binding::VERSION,
        host: question.host.clone(),
        rule: rule.id.clone(),
        user: Person { name: people.invoking.name.clone(), uid: people.invoking.uid },
        target: Person { name: target.name.clone(), uid: target.uid },
        groups: std::iter::once(account.gid).chain(others).collect(),
        mode: mode.map(str::to_owned),
        program: Bytes(found.path.clone()),
        sha256: sha256_of(question, found)?,
        command: wanted.argv(&subject.arguments),
        environment: environment::asked_for(asked, &rule.restrict, command_is_all, bare_shell),
        folder: which_folder(question, &folder)?,
        duration: subject.duration.map(|duration| duration.as_secs()),
        uses: rule.grant.uses,
        from: question.from.map(written),
    };
    if binding.canonical().len() > MOST {
        let hint = "put it into a script that root owns, and have that approved";
        return Err(Refusal::new("this is too long for anybody to approve", hint));
    }
    Ok(binding)
}

/// The digest that an approver says yes to.
pub fn digest(binding: &Binding) -> String {
    of_bytes(&binding.canonical())
}

fn which_folder(question: &Question, folder: &Bytes) -> Result<Folder, Refusal> {
    let gone = |_| Refusal::new("the working folder has no path", "go to another one, and try again");
    let found = path::resolve(question.root.as_fd(), folder.as_slice()).map_err(gone)?;
    // Where it leads: what the approver reads must not be a roundabout way, or a link of the asker's.
    Ok(Folder { path: Bytes(found.leads_to), device: found.file.device, inode: found.file.inode })
}

fn sha256_of(question: &Question, found: &Found) -> Result<String, Refusal> {
    let digest = translate::digest(question.root.as_fd(), found);
    digest.map(|sha256| sha256.to_string()).map_err(|why| {
        let what = format!("this can't be approved: what would run is not known, as {why}");
        Refusal::new(what, "have a program approved that root alone can change")
    })
}
