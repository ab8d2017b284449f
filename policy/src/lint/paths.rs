//! Programs and folders as the host has them.

use super::code::Code;
use super::places::Subject;
use super::{Findings, LintHost};
use crate::meaning::{CommandMeaning, ProgramMeaning};
use crate::policy::Core;
use crate::rule::{Cwd, Effect};

impl Core {
    /// What others can write, and what is not there.
    pub(super) fn check_paths<'p>(&'p self, host: &dyn LintHost, found: &mut Findings<'p>) {
        for rule in self.rules.iter().filter(|rule| rule.effect == Effect::Allow) {
            self.each_entry(rule, &rule.commands, "commands", |at, meanings| {
                for command in meanings.iter().filter(|command| !command.is_edit()) {
                    let path = match &command.program {
                        ProgramMeaning::All => continue,
                        ProgramMeaning::Exact(path) => path.clone(),
                        ProgramMeaning::Glob(word) => folder_of(word),
                    };
                    let Some(file) = host.file(&path) else {
                        let message = format!("there is no `{path}` on this host");
                        let hint =
                            "is it a typing error, or a program of other hosts? Then name those in `hosts`";
                        found.add(Code::MissingProgram, at.clone(), message, hint);
                        continue;
                    };
                    if command.is_pinned() {
                        if let ProgramMeaning::Exact(_) = command.program {
                            check_digest(command, &path, host, at.clone(), found);
                        }
                    } else if let Some(changeable) = file.changeable {
                        let message =
                            format!("others than root can write `{changeable}`, on the way to `{path}`");
                        let hint =
                            "give it to root, mode 0755 or less: until then this rule does not permit it";
                        found.add(Code::WritablePath, at.clone(), message, hint);
                    }
                }
            });
            for folder in rule.restrict.secure_path.split(':') {
                if let Some(changeable) = host.file(folder).and_then(|file| file.changeable) {
                    let message = format!("others than root can write `{changeable}`, of the `secure_path`");
                    let hint = "take the folder out of `secure_path`, or give it to root";
                    found.add(Code::WritablePath, Subject::key(rule, "restrict.secure_path"), message, hint);
                }
            }
            if let Cwd::Folder(folder) = &rule.restrict.cwd
                && let Some(changeable) = host.file(folder).and_then(|file| file.changeable)
            {
                let message = format!("others than root can write `{changeable}`, in which the command runs");
                let hint = "programs read configuration from where they run: name a folder of root's";
                found.add(Code::WritablePath, Subject::key(rule, "restrict.cwd"), message, hint);
            }
        }
    }
}

/// Whether the program is one that is pinned, as it is here.
fn check_digest<'p>(
    command: &CommandMeaning,
    path: &str,
    host: &dyn LintHost,
    at: Subject<'p>,
    found: &mut Findings<'p>,
) {
    let message = match host.sha256(path) {
        Ok(digest) if command.sha256.contains(&digest) => return,
        Ok(digest) => format!("`{path}` is another file on this host: its SHA-256 is {digest}"),
        Err(why) => format!("the SHA-256 of `{path}` can't be told on this host: {why}"),
    };
    let hint =
        "this entry does not permit it here: pin each version that hosts have, or name the hosts in `hosts`";
    found.add(Code::OtherFile, at, message, hint);
}

/// The longest folder that a glob names without wildcards.
fn folder_of(word: &crate::pattern::Word) -> String {
    let text = match word {
        crate::pattern::Word::Literal(text) => String::from_utf8_lossy(text).into_owned(),
        crate::pattern::Word::Glob(glob) => crate::pattern::literal_start(glob),
    };
    text.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder }).to_owned()
}
