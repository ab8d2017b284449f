//! Policy files, as the agent would find them, or as they would be with one file or folder in another's place.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jit_policy::{
    Diagnostics, DropIn, Folder, Policy, PolicyTest, Source, Surroundings, Zones, select_drop_ins,
};
use jit_sys::policy_files::{CheckedFolder, MAX_FILE, Problem, RefusedFile};
use jit_sys::{path, policy_files, zoneinfo};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::failure::Failure;
use crate::zones::HostZones;

/// Where policy is installed.
pub(crate) struct Installed {
    /// The administrator's folder.
    pub(crate) etc: PathBuf,
    /// The vendor's.
    pub(crate) vendor: PathBuf,
    /// The agent's settings, for the host's tags.
    pub(crate) settings: PathBuf,
    /// Who must own them: root, but in tests.
    pub(crate) owner: u32,
}

impl Installed {
    /// The system's.
    pub(crate) fn system() -> Self {
        Self {
            etc: "/etc/jit-sudo/policy.d".into(),
            vendor: "/usr/lib/jit-sudo/policy.d".into(),
            settings: "/etc/jit-sudo/agent.toml".into(),
            owner: 0,
        }
    }

    /// The files in force, read with the agent's own checks.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, Failure> {
        self.sources_but(None)
    }

    /// All but the one of this name, which is to be replaced: how that is now does not matter.
    fn sources_but(&self, name: Option<&str>) -> Result<Vec<Source>, Failure> {
        read_selected(&self.checked(&self.vendor)?, &self.checked(&self.etc)?, name)
    }

    /// The files with another folder in the place of the administrator's. Whose that is does not matter yet.
    pub(crate) fn sources_with_folder(&self, folder: &Path) -> Result<Vec<Source>, Failure> {
        if !folder.is_dir() {
            return Err(Failure::new(
                format!("{} is not a folder", folder.display()),
                "use --file for one file",
            ));
        }
        read_selected(&self.checked(&self.vendor)?, &Drawer::Plain(folder.to_owned()), None)
    }

    /// The files of tests: in the folder `tests` of the administrator's, or of the one in its place.
    pub(crate) fn tests(&self, folder: Option<&Path>) -> Result<Vec<Source>, Failure> {
        let drawer = match folder.map(|folder| folder.join("tests")) {
            None => self.checked(&self.etc.join("tests"))?,
            // What is there and no folder is not passed over: its tests would never fail.
            Some(tests) if fs::symlink_metadata(&tests).is_ok() => Drawer::Plain(tests),
            Some(_) => Drawer::Absent,
        };
        read_selected(&Drawer::Absent, &drawer, None)
    }

    /// The files with one more, as if it stood in the administrator's folder under `name`. Without a name it takes the
    /// place of the one installed file that it repeats names of; of none or several, it stands beside them.
    pub(crate) fn sources_with_file(&self, file: &Path, name: Option<&str>) -> Result<Vec<Source>, Failure> {
        let text = read_plain(file)?;
        let mut sources = self.sources_but(name)?;
        let name = match name {
            Some(name) => {
                let drop_in = DropIn { name: name.to_owned(), is_null_link: false };
                if name.contains('/') || select_drop_ins(&[], &[drop_in]).is_empty() {
                    return Err(Failure::new(
                        format!("a file called {name} is no policy file"),
                        "its name ends in .toml, without ~ or a leading dot",
                    ));
                }
                name.to_owned()
            }
            None => replaced(&text, &sources).unwrap_or_else(|| "(new)".to_owned()),
        };
        sources.retain(|source| source.name != name);
        sources.push(Source { name, path: file.display().to_string(), text });
        Ok(sources)
    }

    /// `host.tags` of the agent's settings; what else they say is the agent's to check.
    pub(crate) fn tags(&self) -> Result<Vec<String>, Failure> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Settings {
            host: Host,
        }
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Host {
            tags: Vec<String>,
        }
        let Some(text) = policy_files::read_file(&self.settings, self.owner)? else {
            return Ok(Vec::new());
        };
        toml::from_str::<Settings>(&text).map(|settings| settings.host.tags).map_err(|error| {
            Failure::new(format!("{}: {}", self.settings.display(), error.message()), "jitctl status")
        })
    }

    fn checked(&self, folder: &Path) -> Result<Drawer, Failure> {
        Ok(CheckedFolder::open(folder, self.owner)?
            .map_or(Drawer::Absent, |checked| Drawer::Checked(folder.to_owned(), checked)))
    }
}

/// Loads the files, or shows each mistake.
pub(crate) fn load(sources: &[Source]) -> Result<Policy, Failure> {
    Policy::load(sources, &ThisHost::new()?).map_err(|found| mistakes("policy has", &found))
}

/// Loads files of tests, or shows each mistake.
pub(crate) fn load_tests(sources: &[Source]) -> Result<Vec<PolicyTest>, Failure> {
    Policy::load_tests(sources, &ThisHost::new()?).map_err(|found| mistakes("tests have", &found))
}

fn mistakes(what: &str, found: &Diagnostics) -> Failure {
    let count = found.len();
    let plural = if count == 1 { "" } else { "s" };
    Failure::new(format!("the {what} {count} mistake{plural}\n{}", found.render().trim_end()), "")
}

/// Folders as they are on this host.
pub(crate) struct ThisHost {
    pub(crate) root: OwnedFd,
}

impl ThisHost {
    pub(crate) fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::new(format!("the root folder cannot be opened: {error}"), "");
        Ok(Self { root: path::own_root().map_err(failed)? })
    }
}

impl Surroundings for ThisHost {
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        path::resolve_folder(self.root.as_fd(), folder)
    }

    fn has_zone(&self, zone: &str) -> Option<bool> {
        zoneinfo::has_zones().then(|| HostZones.zone(zone).is_some())
    }
}

/// One folder of policy files.
enum Drawer {
    Absent,
    Checked(PathBuf, CheckedFolder),
    Plain(PathBuf),
}

impl Drawer {
    fn drop_ins(&self) -> Result<Vec<DropIn>, Failure> {
        match self {
            Self::Absent => Ok(Vec::new()),
            Self::Checked(_, folder) => {
                let entries = folder.entries()?.into_iter();
                Ok(entries
                    .map(|entry| DropIn { name: entry.name, is_null_link: entry.is_null_link })
                    .collect())
            }
            Self::Plain(path) => {
                let failed = |error| Failure::new(format!("{} cannot be read: {error}", path.display()), "");
                let mut drop_ins = Vec::new();
                for entry in fs::read_dir(path).map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    let is_null_link =
                        fs::read_link(entry.path()).is_ok_and(|target| target == Path::new("/dev/null"));
                    let name = entry.file_name().to_string_lossy().into_owned();
                    drop_ins.push(DropIn { name, is_null_link });
                }
                Ok(drop_ins)
            }
        }
    }

    fn read(&self, name: String) -> Result<Source, Failure> {
        let (path, text) = match self {
            Self::Absent => return Err(Failure::new(format!("{name} is gone"), "try again")),
            Self::Checked(path, folder) => (path.join(&name), folder.read(&name)?),
            Self::Plain(path) => (path.join(&name), read_entry(&path.join(&name))?),
        };
        Ok(Source { name, path: path.display().to_string(), text })
    }
}

fn read_selected(vendor: &Drawer, etc: &Drawer, but: Option<&str>) -> Result<Vec<Source>, Failure> {
    select_drop_ins(&vendor.drop_ins()?, &etc.drop_ins()?)
        .into_iter()
        .filter(|selected| Some(selected.name.as_str()) != but)
        .map(|selected| match selected.folder {
            Folder::Vendor => vendor.read(selected.name),
            Folder::Etc => etc.read(selected.name),
        })
        .collect()
}

/// A file that is not installed yet: any owner and name, but the size and the encoding of a policy file.
pub(crate) fn read_plain(path: &Path) -> Result<String, Failure> {
    read_text(path, fs::File::open(path))
}

/// A file in a folder that is not installed yet: it must be one, for what it is will not change where it is put.
fn read_entry(path: &Path) -> Result<String, Failure> {
    let refused = |problem| Failure::from(RefusedFile { path: path.to_owned(), problem });
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let flags = i32::try_from(flags).unwrap_or(0);
    let opened = fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    match &opened {
        Err(error) if Errno::from_io_error(error) == Some(Errno::LOOP) => Err(refused(Problem::Link)),
        Ok(file) if file.metadata().is_ok_and(|metadata| !metadata.is_file()) => {
            Err(refused(Problem::Kind("something else")))
        }
        _ => read_text(path, opened),
    }
}

/// What is in a file that was opened.
pub(crate) fn read_text(path: &Path, opened: io::Result<fs::File>) -> Result<String, Failure> {
    let shown = path.display();
    let failed = |error| Failure::new(format!("{shown} cannot be read: {error}"), "");
    let mut bytes = Vec::new();
    opened.map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::new(format!("{shown} is larger than 64 MiB"), ""));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("{shown} is not UTF-8 (byte {at})"), "save it as UTF-8")
    })
}

/// The name of the one file that this text repeats names of.
fn replaced(text: &str, sources: &[Source]) -> Option<String> {
    let names = names(text);
    let mut sharing = sources.iter().filter(|source| !self::names(&source.text).is_disjoint(&names));
    match (sharing.next(), sharing.next()) {
        (Some(only), None) => Some(only.name.clone()),
        _ => None,
    }
}

/// What must be unique over all files: ids of rules and logins, names of sets. A text that is no TOML has none; loading
/// it says what is wrong with it.
fn names(text: &str) -> BTreeSet<String> {
    let Ok(table) = text.parse::<toml::Table>() else { return BTreeSet::new() };
    let mut names = BTreeSet::new();
    for kind in ["rule", "login"] {
        let entries = table.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
        let ids = entries.filter_map(|entry| entry.get("id")?.as_str());
        names.extend(ids.map(|id| format!("{kind} {id}")));
    }
    let sets = table.get("sets").and_then(toml::Value::as_table).into_iter().flatten();
    for (kind, sets) in sets {
        names.extend(sets.as_table().into_iter().flatten().map(|(name, _)| format!("{kind} @{name}")));
    }
    names
}

impl From<RefusedFile> for Failure {
    fn from(file: RefusedFile) -> Self {
        Self::new(file.to_string(), file.problem.hint())
    }
}
