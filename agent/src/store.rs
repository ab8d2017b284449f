//! What survives a crash: grants, sessions, and a few values, in one redb file. A change is durable once its future
//! is done. One thread of its own does the writing, so that no disk stops the event loop.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

const GRANTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("grants");
const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
/// Name of the value that counts the commits.
const SERIAL: &str = "serial";
/// Most changes in one commit.
const BATCH: usize = 256;

/// The way to the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    serial: Serial,
    failure: Failure,
}

/// The number of the last commit that is durable. Each commit has one more than the one before, so that a store that
/// was copied back is known by a number that is too small: whoever keeps what this says elsewhere will notice.
#[derive(Debug, Clone, Default)]
pub struct Serial(Arc<AtomicU64>);

impl Serial {
    /// The number; 0 before the very first commit.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, number: u64) {
        self.0.store(number, Ordering::Release);
    }
}

/// Why the last commit failed; none if it did not.
type Failure = Arc<Mutex<Option<String>>>;

/// Everything there was at the start.
#[derive(Debug, Default)]
pub struct Contents {
    /// By id, as JSON.
    pub grants: Vec<(String, Vec<u8>)>,
    /// By id, as JSON.
    pub sessions: Vec<(String, Vec<u8>)>,
    /// By name, as JSON.
    pub values: Vec<(String, Vec<u8>)>,
    /// The number of the last commit; 0 in a new store.
    pub serial: u64,
}

impl Contents {
    /// One of the values.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, json) = self.values.iter().find(|(key, _)| key == name)?;
        serde_json::from_slice(json).ok()
    }
}

/// Which of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Grants, by id.
    Grants,
    /// Sessions, by id.
    Sessions,
    /// Single values, by name.
    Values,
}

/// One change.
#[derive(Debug)]
pub struct Change {
    table: Table,
    key: String,
    /// None: remove it.
    value: Option<Vec<u8>>,
}

impl Change {
    /// Adds or replaces.
    ///
    /// # Errors
    /// If the value does not become JSON.
    pub fn put(table: Table, key: &str, value: &impl Serialize) -> io::Result<Self> {
        Ok(Self { table, key: key.to_owned(), value: Some(serde_json::to_vec(value)?) })
    }

    /// Removes.
    pub fn remove(table: Table, key: &str) -> Self {
        Self { table, key: key.to_owned(), value: None }
    }
}

struct Job {
    changes: Vec<Change>,
    /// The commit's number is to be more than this.
    beyond: u64,
    done: Option<oneshot::Sender<Result<(), String>>>,
}

impl Store {
    /// Opens the file, or makes it, and starts the thread.
    ///
    /// # Errors
    /// If it is not a file of `owner` alone, is damaged beyond repair, or another process has it open.
    pub fn open(path: &Path, owner: u32) -> io::Result<(Self, Contents)> {
        let backend = FileBackend::new(open_file(path, owner)?).map_err(io::Error::other)?;
        let database = Database::builder().create_with_backend(backend).map_err(io::Error::other)?;
        let contents = read(&database).map_err(io::Error::other)?;
        let (writer, jobs) = mpsc::channel();
        let (serial, failure) = (Serial::default(), Failure::default());
        serial.set(contents.serial);
        let told = (serial.clone(), Arc::clone(&failure));
        thread::Builder::new().name("store".to_owned()).spawn(move || write(&database, &jobs, &told))?;
        Ok((Self { writer, serial, failure }, contents))
    }

    /// One whose thread has ended: every change fails.
    #[cfg(test)]
    pub(crate) fn ended() -> Self {
        Self::over(mpsc::channel().0)
    }

    /// One whose thread does nothing until it is told to: then every change that waits is done.
    #[cfg(test)]
    pub(crate) fn waiting() -> (Self, impl FnOnce()) {
        let (writer, jobs) = mpsc::channel::<Job>();
        let go_on = move || jobs.try_iter().filter_map(|job| job.done).for_each(|done| _ = done.send(Ok(())));
        (Self::over(writer), go_on)
    }

    #[cfg(test)]
    fn over(writer: mpsc::Sender<Job>) -> Self {
        Self { writer, serial: Serial::default(), failure: Failure::default() }
    }

    /// Makes changes, all or none; durable when this returns.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), String> {
        self.submit(changes).await
    }

    /// As [`Self::commit`], but the changes take their place in the order of all when this is called, not when what it
    /// returns is waited for.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn submit(&self, changes: Vec<Change>) -> impl Future<Output = Result<(), String>> + use<> {
        self.submit_beyond(0, changes)
    }

    /// As [`Self::submit`]; this commit's number is more than `serial`, whatever the one before was.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn submit_beyond(
        &self,
        serial: u64,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let (done, answer) = oneshot::channel();
        // Should the thread have ended, it drops the job, and with it the sender of the answer.
        let _ = self.writer.send(Job { changes, beyond: serial, done: Some(done) });
        async move { answer.await.unwrap_or_else(|_| Err("the store has ended".to_owned())) }
    }

    /// Makes a change that nobody waits for.
    pub fn note(&self, change: Change) {
        let _ = self.writer.send(Job { changes: vec![change], beyond: 0, done: None });
    }

    /// The number of the last durable commit, as it is whenever it is asked for.
    pub fn serial(&self) -> Serial {
        self.serial.clone()
    }

    /// How the store is, for `jitctl status`.
    ///
    /// # Errors
    /// Why the last commit failed.
    pub fn state(&self) -> Result<(), String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
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
    for table in [GRANTS, SESSIONS, VALUES] {
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
    let mut contents =
        Contents { grants: all(GRANTS)?, sessions: all(SESSIONS)?, values: all(VALUES)?, serial: 0 };
    contents.serial = contents.value(SERIAL).unwrap_or(0);
    Ok(contents)
}

/// Takes what waits, commits it together, tells everyone.
fn write(database: &Database, jobs: &mpsc::Receiver<Job>, (serial, failure): &(Serial, Failure)) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH));
        let result = apply(database, &batch).map_err(|error| error.to_string());
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = result.clone().err();
        // Before anyone is told: who writes down what follows from this commit writes down its number.
        let result = result.map(|number| serial.set(number));
        for job in batch {
            if let Some(done) = job.done {
                let _ = done.send(result.clone());
            }
        }
    }
}

/// The number of the commit.
fn apply(database: &Database, batch: &[Job]) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    for change in batch.iter().flat_map(|job| &job.changes) {
        let mut table = transaction.open_table(match change.table {
            Table::Grants => GRANTS,
            Table::Sessions => SESSIONS,
            Table::Values => VALUES,
        })?;
        match &change.value {
            Some(value) => drop(table.insert(change.key.as_str(), value.as_slice())?),
            None => drop(table.remove(change.key.as_str())?),
        }
    }
    let mut values = transaction.open_table(VALUES)?;
    let before = values.get(SERIAL)?.and_then(|json| serde_json::from_slice(json.value()).ok()).unwrap_or(0);
    let beyond = batch.iter().map(|job| job.beyond).max().unwrap_or(0);
    let serial = before.max(beyond).saturating_add(1);
    values.insert(SERIAL, serial.to_string().as_bytes())?;
    drop(values);
    transaction.commit()?;
    Ok(serial)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn us() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (store, contents) = Store::open(&path, us()).unwrap();
        assert!(contents.grants.is_empty());
        let changes = ["a", "b"].map(|id| Change::put(Table::Grants, id, &id).unwrap());
        store.commit(changes.into()).await.unwrap();
        store.commit(vec![Change::remove(Table::Grants, "a")]).await.unwrap();
        store.commit(vec![Change::put(Table::Values, "number", &7).unwrap()]).await.unwrap();
        // The file as it is on the disk now, as after a crash.
        std::fs::copy(&path, folder.path().join("copy")).unwrap();
        std::fs::set_permissions(folder.path().join("copy"), PermissionsExt::from_mode(0o600)).unwrap();
        let (_store, contents) = Store::open(&folder.path().join("copy"), us()).unwrap();
        assert_eq!(contents.grants, [("b".to_owned(), b"\"b\"".to_vec())]);
        assert_eq!(contents.value::<u32>("number"), Some(7));
        assert_eq!(contents.value::<u32>("other"), None);
    }

    // A copy of yesterday's is known by its number; one that is told of a larger number goes on after that.
    #[tokio::test]
    async fn each_durable_commit_has_a_larger_number_than_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let (store, contents) = Store::open(&path, us()).unwrap();
        assert_eq!((contents.serial, store.serial().get()), (0, 0));
        let mut last = 0;
        for id in ["a", "b", "c"] {
            store.commit(vec![Change::put(Table::Grants, id, &id).unwrap()]).await.unwrap();
            assert!(store.serial().get() > last);
            last = store.serial().get();
        }
        store.submit_beyond(100, vec![Change::remove(Table::Grants, "a")]).await.unwrap();
        assert_eq!(store.serial().get(), 101);
        store.submit_beyond(50, Vec::new()).await.unwrap();
        assert_eq!(store.serial().get(), 102);
        std::fs::copy(&path, folder.path().join("copy")).unwrap();
        std::fs::set_permissions(folder.path().join("copy"), PermissionsExt::from_mode(0o600)).unwrap();
        let (again, contents) = Store::open(&folder.path().join("copy"), us()).unwrap();
        assert_eq!((contents.serial, again.serial().get()), (102, 102), "it is in the file");
    }

    #[test]
    fn a_store_that_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(Store::open(&path, us()).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Store::open(&path, us()).is_err());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Store::open(&path, us() + 1).is_err());
        std::fs::write(&path, "this is no database").unwrap();
        assert!(Store::open(&path, us()).is_err());
    }
}
