//! The list of who is named in `[[login]]`, for the module when the agent is silent.

use jit_policy::Gated;

use super::durable;
use crate::listen::make_folder;
use crate::paths::Paths;

/// Writes the list of a policy that is about to take effect.
pub(super) fn write(paths: &Paths, gated: &Gated) -> Result<(), String> {
    let folder = paths.gated.parent().ok_or("the gated list has no folder")?;
    let is_new = !folder.exists();
    make_folder(folder, 0o755, paths.owner).map_err(|error| error.to_string())?;
    durable::write(&paths.gated, 0o644, gated.to_string().as_bytes())?;
    if is_new && let Some(above) = folder.parent() {
        let synced = std::fs::File::open(above).and_then(|above| above.sync_all());
        synced.map_err(|error| format!("{} cannot be written: {error}", above.display()))?;
    }
    Ok(())
}

/// Writes a list that names these, and everyone whom the one there is names.
pub(super) fn extend(paths: &Paths, mut gated: Gated) -> Result<(), String> {
    let before = durable::read(&paths.gated, paths.owner);
    let before = before.map_err(|error| format!("{} cannot be read: {error}", paths.gated.display()))?;
    let Some(before) = before else { return write(paths, &gated) };
    let text = String::from_utf8_lossy(&before);
    let entries = text.lines().skip(1).filter_map(|line| line.split_once(' '));
    gated.entries.extend(entries.map(|(service, who)| (service.to_owned(), who.to_owned())));
    if gated.to_string().as_bytes() == before { Ok(()) } else { write(paths, &gated) }
}
