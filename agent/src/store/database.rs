//! The file: opened by its owner alone, read whole at the start, made anew after a failed write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{Contents, Table};

const GRANTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("grants");
const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");
const REQUESTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("requests");
const NONCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("nonces");
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
/// How much of the file the database keeps in memory, in bytes: what a commit looks at. By itself it would keep all of it.
const CACHE: usize = 512 * 1024;
/// Name of the value that counts the commits.
const SERIAL: &str = "serial";

/// An entry to change: the table, the key, and the value or none to remove it.
pub(super) type Entry<'c> = (Table, &'c str, Option<&'c [u8]>);

/// Where it is, and whose it must be.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) owner: u32,
}

impl Place {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// If it is not a file of the owner alone, is damaged beyond repair, or another process has it open.
    pub(super) fn open(&self) -> io::Result<(Database, Contents)> {
        let database = open(&self.path, self.owner)?;
        let contents = read(&database).map_err(io::Error::other)?;
        Ok((database, contents))
    }

    /// Goes on after a failed write, with a new file in the place of the old one. The kernel tells a lost page once and
    /// holds it as written from then on (fsync(2)): on the old file nothing durable can be built any more.
    ///
    /// # Errors
    /// As [`Self::open`]; and as long as the disk does not write. Then there is the old file, or the new one.
    pub(super) fn renew(&self) -> io::Result<Database> {
        let contents = self.open()?.1;
        let new = self.path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let database = open(&new, self.owner)?;
        fill(&database, &contents).map_err(io::Error::other)?;
        fs::rename(&new, &self.path)?;
        let folder = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        File::open(folder)?.sync_all()?;
        Ok(database)
    }
}

/// Changes entries, all or none; the number of the commit, which is more than `beyond`.
pub(super) fn apply(
    database: &Database,
    entries: &mut dyn Iterator<Item = Entry<'_>>,
    beyond: u64,
) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    for entry in entries {
        change(&transaction, entry)?;
    }
    let mut values = transaction.open_table(VALUES)?;
    let before = values.get(SERIAL)?.and_then(|json| serde_json::from_slice(json.value()).ok()).unwrap_or(0);
    let serial = before.max(beyond).saturating_add(1);
    values.insert(SERIAL, serial.to_string().as_bytes())?;
    drop(values);
    transaction.commit()?;
    Ok(serial)
}

fn change(transaction: &WriteTransaction, (table, key, value): Entry<'_>) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(definition(table))?;
    match value {
        Some(value) => drop(table.insert(key, value)?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    match table {
        Table::Grants => GRANTS,
        Table::Sessions => SESSIONS,
        Table::Requests => REQUESTS,
        Table::Nonces => NONCES,
        Table::Values => VALUES,
    }
}

fn open(path: &Path, owner: u32) -> io::Result<Database> {
    let backend = FileBackend::new(open_file(path, owner)?).map_err(io::Error::other)?;
    Database::builder().set_cache_size(CACHE).create_with_backend(backend).map_err(io::Error::other)
}

fn open_file(path: &Path, owner: u32) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file =
        OpenOptions::new().read(true).write(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != owner || metadata.mode() & 0o077 != 0 || metadata.nlink() != 1
    {
        let why = format!("{} is not a regular file of root's alone", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(file)
}

fn read(database: &Database) -> Result<Contents, redb::Error> {
    let setup = database.begin_write()?;
    for table in [GRANTS, SESSIONS, REQUESTS, NONCES, VALUES] {
        setup.open_table(table)?;
    }
    setup.commit()?;
    let transaction = database.begin_read()?;
    let all = |definition: TableDefinition<'_, &str, &[u8]>| -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let table = transaction.open_table(definition)?;
        let mut entries = Vec::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            entries.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok(entries)
    };
    let mut contents = Contents {
        grants: all(GRANTS)?,
        sessions: all(SESSIONS)?,
        requests: all(REQUESTS)?,
        nonces: all(NONCES)?,
        values: all(VALUES)?,
        serial: 0,
    };
    contents.serial = contents.value(SERIAL).unwrap_or(0);
    Ok(contents)
}

fn fill(database: &Database, contents: &Contents) -> Result<(), redb::Error> {
    let tables = [
        (Table::Grants, &contents.grants),
        (Table::Sessions, &contents.sessions),
        (Table::Requests, &contents.requests),
        (Table::Nonces, &contents.nonces),
        (Table::Values, &contents.values),
    ];
    let mut entries = tables.into_iter().flat_map(|(table, entries)| {
        entries.iter().map(move |(key, value)| (table, key.as_str(), Some(value.as_slice())))
    });
    apply(database, &mut entries, 0)?;
    Ok(())
}
