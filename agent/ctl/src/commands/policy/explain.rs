//! `jitctl policy explain`.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::Args;
use jit_policy::{
    Account, Asked, Command, Directory, EDIT, Explanation, Group, Host, LookupFailed, Policy, Request,
    Resolved, Sha256, Target,
};
use jit_protocol::escape;
use jit_sys::account::{self, NameOrId};
use jit_sys::path::{self, Found, PathError};

use super::login::LoginOptions;
use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed, ThisHost};
use crate::zones::HostZones;

/// Where a name is looked for if no rule says so.
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Explain which rule and line decides, which nearly did, and what failed
///
/// Accounts, groups and files are those of this host. Exits with 0 if the command is permitted (duties may remain), with
/// 1 if it is denied.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Invoking user: a name or #uid
    #[arg(long, value_name = "USER")]
    pub(super) user: String,
    /// Name of the host, instead of this one's; it has no tags then
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// Target user: a name or #uid; without it and without a group, root
    #[arg(short = 'u', value_name = "USER")]
    pub(super) target: Option<String>,
    /// Target group: a name or #gid
    #[arg(short = 'g', value_name = "GROUP")]
    pub(super) group: Option<String>,
    #[command(flatten)]
    pub(super) login: LoginOptions,
    /// Print one object as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl Explain {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let policy = policy_source::load(&installed.sources()?)?;
        let invoking = user(&self.user)?;
        let group = self.group.as_deref().map(group).transpose()?;
        let target = match &self.target {
            Some(target) => user(target)?,
            None if group.is_some() => invoking.clone(),
            None => user("root")?,
        };
        let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let tags = if self.host.is_some() { Vec::new() } else { installed.tags()? };
        let host = Host { name: self.host.as_deref().unwrap_or(&node), tags: &tags };
        let this = ThisHost::new()?;
        let under = |argument: &[u8]| {
            let found = path::resolve(this.root.as_fd(), argument).ok()?;
            let writable = found.is_writable_by(invoking.uid);
            Some(Resolved { path: found.leads_to, writable })
        };
        let mut args: Vec<Vec<u8>> =
            self.command.iter().skip(1).map(|argument| argument.as_bytes().to_vec()).collect();
        if self.edits() {
            args = args.iter().map(|path| file(&this, path)).collect::<Result<_, _>>()?;
        }
        let login = self.login.facts();
        let mut explained: Option<(Program, Explanation)> = None;
        for program in self.programs(&policy, &this)? {
            let sha256 = || program.digest(&this);
            let request = Request {
                user: &invoking,
                host,
                target: Target { account: &target, group: group.as_ref() },
                command: program.command(&args, &under, &sha256),
                nested: false,
                now: jiff::Timestamp::now(),
                zones: &HostZones,
                login: &login,
                asked: Asked::default(),
            };
            let explanation = policy
                .explain(&request, &Nss)
                .map_err(|failed| Failure::new(format!("{failed}; the request would be refused"), ""))?;
            if explained.as_ref().is_none_or(|(_, before)| explanation.permitted && !before.permitted) {
                explained = Some((program, explanation));
            }
        }
        let (program, explanation) = explained.ok_or_else(|| self.not_found())?;
        if self.json {
            output.json(&explanation)?;
        } else {
            output.text(&program.describe())?;
            output.text(explanation.for_administrator().trim_end())?;
        }
        if explanation.permitted { Ok(()) } else { Err(Failure::Told) }
    }

    /// The programs that the command may mean: what was named by path, or what its name is in the secure path of a rule.
    fn programs(&self, policy: &Policy, this: &ThisHost) -> Result<Vec<Program>, Failure> {
        let name = self.command.first().map(|name| name.as_bytes()).unwrap_or_default();
        if self.edits() {
            return Ok(vec![Program { path: name.to_vec(), found: None }]);
        }
        if name.contains(&b'/') {
            return Ok(vec![Program::at(this, absolute(name)?)?]);
        }
        let mut secure_paths: Vec<&str> =
            policy.rules().map(|rule| rule.restrict.secure_path.as_str()).collect();
        secure_paths.push(SECURE_PATH);
        secure_paths.dedup();
        let mut programs: Vec<Program> = Vec::new();
        for folders in secure_paths {
            let found = folders.split(':').find_map(|folder| {
                let path = [folder.as_bytes(), b"/", name].concat();
                path::resolve(this.root.as_fd(), &path).ok().filter(Found::is_executable)
            });
            if let Some(found) = found.filter(|found| programs.iter().all(|other| other.path != found.path)) {
                programs.push(Program { path: found.path.clone(), found: Some(found) });
            }
        }
        Ok(programs)
    }

    /// `sudoedit FILE…`: what is asked about are files.
    fn edits(&self) -> bool {
        self.command.first().is_some_and(|name| name.as_bytes() == EDIT.as_bytes())
    }

    fn not_found(&self) -> Failure {
        let name = self.command.first().map(|name| escape(name.as_bytes())).unwrap_or_default();
        Failure::new(
            format!("{name}: command not found"),
            "name it by its path to explain one that is not on this host",
        )
    }
}

struct Program {
    path: Vec<u8>,
    /// `None`: there is no such file on this host.
    found: Option<Found>,
}

impl Program {
    fn at(this: &ThisHost, path: Vec<u8>) -> Result<Self, Failure> {
        match path::resolve(this.root.as_fd(), &path) {
            Ok(found) => Ok(Self { path: found.path.clone(), found: Some(found) }),
            Err(PathError::NotFound) => Ok(Self { path, found: None }),
            Err(error) => Err(Failure::new(format!("{}: {error}", escape(&path)), "")),
        }
    }

    fn command<'a>(
        &'a self,
        args: &'a [Vec<u8>],
        under: &'a dyn Fn(&[u8]) -> Option<Resolved>,
        sha256: &'a dyn Fn() -> Result<Sha256, String>,
    ) -> Command<'a> {
        Command {
            path: &self.path,
            leads_to: self.found.as_ref().map(|found| found.leads_to.as_slice()),
            args,
            edits: self.path == EDIT.as_bytes(),
            // Of a file that is not there nothing can be said; `describe` says so.
            trusted: self.found.as_ref().is_none_or(Found::is_trusted),
            under,
            sha256,
        }
    }

    fn digest(&self, this: &ThisHost) -> Result<Sha256, String> {
        let found = self.found.as_ref().ok_or("there is no such file on this host")?;
        let digest = jit_sys::digest::of(this.root.as_fd(), found);
        digest.map(Sha256::new).map_err(|error| error.to_string())
    }

    fn describe(&self) -> String {
        let path = escape(&self.path);
        match &self.found {
            None if self.path == EDIT.as_bytes() => {
                format!("{path} (whether the files can be edited is not considered)")
            }
            None => format!("{path} (no such file on this host: who can write it is not considered)"),
            Some(found) if found.leads_to == self.path => path,
            Some(found) => format!("{path} (leads to {})", escape(&found.leads_to)),
        }
    }
}

/// A file to edit, its folder resolved if there is one.
fn file(this: &ThisHost, path: &[u8]) -> Result<Vec<u8>, Failure> {
    let path = absolute(path)?;
    Ok(path::entry(this.root.as_fd(), &path).map(|entry| entry.path).unwrap_or(path))
}

fn absolute(name: &[u8]) -> Result<Vec<u8>, Failure> {
    if name.starts_with(b"/") {
        return Ok(name.to_vec());
    }
    let folder = std::env::current_dir()
        .map_err(|error| Failure::new(format!("the working folder has no path: {error}"), ""))?;
    Ok([folder.into_os_string().into_vec().as_slice(), b"/", name].concat())
}

fn user(text: &str) -> Result<Account, Failure> {
    let looked_up = match account::parse_name_or_id(text) {
        Some(NameOrId::Name(name)) => account::by_name(&name),
        Some(NameOrId::Id(uid)) => account::by_uid(uid),
        None => return Err(Failure::new(format!("{text} is no user's name or #uid"), "")),
    };
    let found = looked_up.map_err(|failed| Failure::new(failed.to_string(), ""))?;
    let found = found.ok_or_else(|| Failure::new(format!("there is no user {text} on this host"), ""))?;
    let aliases =
        account::aliases(found.uid, &found.name).map_err(|failed| Failure::new(failed.to_string(), ""))?;
    let names = std::iter::once(found.name).chain(aliases).collect();
    Ok(Account { uid: found.uid, gid: found.gid, names, groups: found.groups })
}

fn group(text: &str) -> Result<Group, Failure> {
    let looked_up = match account::parse_name_or_id(text) {
        Some(NameOrId::Name(name)) => account::group_by_name(&name),
        Some(NameOrId::Id(gid)) => account::group_by_gid(gid)
            .map(|group| group.or(Some(account::GroupEntry { name: String::new(), gid }))),
        None => return Err(Failure::new(format!("{text} is no group's name or #gid"), "")),
    };
    let found = looked_up.map_err(|failed| Failure::new(failed.to_string(), ""))?;
    let found = found.ok_or_else(|| Failure::new(format!("there is no group {text} on this host"), ""))?;
    Ok(Group { gid: found.gid, name: found.name })
}

/// Names as this host's NSS knows them.
pub(super) struct Nss;

impl Directory for Nss {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        account::group_by_name(group).map(|group| group.map(|group| group.gid)).map_err(failed)
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        account::uid_of(user).map_err(failed)
    }
}

pub(super) fn failed(failed: account::LookupFailed) -> LookupFailed {
    LookupFailed { what: failed.what, why: failed.why }
}
