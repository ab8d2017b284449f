//! The policy folders as they are now: every file that counts, or why that is no policy.

use jit_policy::{DropIn, Folder, Policy, Source, Surroundings, select_drop_ins};
use jit_protocol::escape;
use jit_sys::policy_files::{CheckedFolder, RefusedFile};

use crate::paths::Paths;

/// Why the files are not accepted.
pub(super) struct Mistakes {
    /// For people.
    pub(super) text: String,
    /// The denies of those files that are sound: they apply at once.
    pub(super) denies: Policy,
}

/// The files that count.
pub(super) struct Files {
    /// Their texts, in the order of their names.
    pub(super) sources: Vec<Source>,
    /// The administrator's folder, if it is there.
    pub(super) folder: Option<CheckedFolder>,
    /// The names in it that are links to `/dev/null`, when the files were chosen.
    pub(super) masks: Vec<String>,
}

/// Reads all files that count. One that is not believed rejects them all.
pub(super) fn read(paths: &Paths, folders: &dyn Surroundings) -> Result<Files, Mistakes> {
    let open = |path| {
        let folder = CheckedFolder::open(path, paths.owner)?;
        let entries = folder.as_ref().map(CheckedFolder::entries).transpose()?.unwrap_or_default();
        let drop_ins = entries
            .into_iter()
            .map(|entry| DropIn { name: entry.name, is_null_link: entry.is_null_link })
            .collect::<Vec<_>>();
        Ok((folder, drop_ins))
    };
    // Without the names in both folders nobody can tell which files count: then not even their denies do.
    let unknown = |refused: RefusedFile| Mistakes { text: text(&refused), denies: super::empty() };
    let (vendor, vendors) = open(&paths.vendor_policy).map_err(unknown)?;
    let (etc, administrators) = open(&paths.policy).map_err(unknown)?;

    let (mut sources, mut refused) = (Vec::new(), String::new());
    for selected in select_drop_ins(&vendors, &administrators) {
        let (path, folder) = match selected.folder {
            Folder::Vendor => (&paths.vendor_policy, &vendor),
            Folder::Etc => (&paths.policy, &etc),
        };
        let Some(folder) = folder else { continue }; // nothing is selected from a folder that is not there
        match folder.read(&selected.name) {
            Ok(text) => {
                let path = path.join(&selected.name).display().to_string();
                sources.push(Source { name: selected.name, path, text });
            }
            Err(file) => refused += &text(&file),
        }
    }
    if refused.is_empty() {
        let masks = administrators.into_iter().filter(|drop_in| drop_in.is_null_link);
        return Ok(Files { sources, folder: etc, masks: masks.map(|mask| mask.name).collect() });
    }
    Err(Mistakes { text: refused, denies: Policy::load_denies(&sources, folders) })
}

/// As the mistakes within a file look.
fn text(refused: &RefusedFile) -> String {
    let what = escape(refused.to_string().as_bytes());
    match refused.problem.hint() {
        "" => format!("error: {what}\n"),
        hint => format!("error: {what}\n  = help: {hint}\n"),
    }
}
