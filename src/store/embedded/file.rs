//! The database file: where it lies, how a connection to it is set up, and that one process has it at a time.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, ffi};

/// The tables this version reads and writes; kept in the file as SQLite's `user_version`.
const SCHEMA_VERSION: i32 = 1;

/// The name of the database in the data directory.
const DATABASE: &str = "livechat.db";

/// Pages of 4 KiB the write-ahead log may hold before it is copied into the database.
const CHECKPOINT_PAGES: i32 = 4_000;

/// Why the embedded store cannot be opened, as a sentence for whoever starts the server.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory {} is in use by another livechat process; stop it or set another DATA_DIR", .0.display())]
    InUse(PathBuf),
    #[error("the data directory {} cannot be written to", .0.display())]
    Directory(PathBuf, #[source] std::io::Error),
    #[error("the database {} cannot be opened; if the disk is full, make room; if it is damaged, restore a backup or move it away", .0.display())]
    Database(PathBuf, #[source] rusqlite::Error),
    #[error("there is no database in {}; set DATA_DIR to the directory that has livechat.db", .0.display())]
    Missing(PathBuf),
    #[error("the database {path} was written by a newer livechat (version {found}, this one reads {SCHEMA_VERSION})", path = .path.display())]
    Newer { path: PathBuf, found: i32 },
}

type Inode = (u64, u64);

/// A database file that this process has for itself.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// The database and its write-ahead log, each by the number that the file system gave it.
    opened: [(PathBuf, Inode); 2],
    /// Held as long as the file is used; the operating system lets go of it however the process ends.
    _lock: File,
}

impl DatabaseFile {
    /// Takes the directory, creating what is missing, and brings the tables into being.
    pub(super) fn take(directory: &Path) -> Result<(Self, Connection), OpenError> {
        let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
        fs::create_dir_all(directory).map_err(unwritable)?;
        let lock = File::create(directory.join("livechat.lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let path = directory.join(DATABASE);
        let database = |error| OpenError::Database(path.clone(), error);
        let connection = Connection::open(&path).map_err(database)?;
        let found = prepare(&connection).map_err(database)?;
        if found > SCHEMA_VERSION {
            return Err(OpenError::Newer { path, found });
        }
        let opened = [path.clone(), directory.join("livechat.db-wal")];
        let [database, log] = opened.each_ref().map(|path| inode(path));
        let [database, log] = [database.map_err(unwritable)?, log.map_err(unwritable)?];
        let [database_path, log_path] = opened;
        Ok((Self { path, opened: [(database_path, database), (log_path, log)], _lock: lock }, connection))
    }

    /// Fails when the files that were opened are not where they were. SQLite would go on to write into files that nobody
    /// finds again.
    pub(super) fn check_in_place(&self) -> rusqlite::Result<()> {
        if self.opened.iter().all(|(path, opened)| inode(path).is_ok_and(|found| found == *opened)) {
            return Ok(());
        }
        let said = format!("{} was moved, removed or replaced while it was in use", self.path.display());
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(said)))
    }

    /// As [`take`](Self::take), where there must be a database already.
    pub(super) fn take_existing(directory: &Path) -> Result<(Self, Connection), OpenError> {
        if directory.join(DATABASE).exists() {
            Self::take(directory)
        } else {
            Err(OpenError::Missing(directory.to_owned()))
        }
    }

    /// A further connection, which can read only.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        self.check_in_place()?;
        Ok(connection)
    }
}

fn inode(path: &Path) -> std::io::Result<Inode> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Sets up the writing connection and looks the whole file over for damage; answers the version of the tables.
fn prepare(connection: &Connection) -> rusqlite::Result<i32> {
    // What is deleted is overwritten, and space is given back to the file system: text that is gone is gone from disk.
    connection.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA cache_size = -32768;"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 {
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)));
        }
        return Ok(version);
    }
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;",
        include_str!("schema.sql")
    ))?;
    Ok(SCHEMA_VERSION)
}
