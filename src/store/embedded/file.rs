//! The database file in use: one process has it at a time, and every connection is to the same file.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::store::embedded::new_database;
use crate::store::embedded::open::{DATABASE, OpenError, is_there, open};

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
    /// Takes the directory, creating what is missing, and brings the tables to the current layout.
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
        if !is_there(&path)? {
            new_database::create(directory)?;
        }
        let connection = open(&path)?;
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
        if directory.is_dir() && is_there(&directory.join(DATABASE))? {
            Self::take(directory)
        } else {
            Err(OpenError::Missing(directory.to_owned()))
        }
    }

    /// The path of the write-ahead log.
    pub(super) fn log(&self) -> &Path {
        &self.opened[1].0
    }

    /// The path of the database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A further connection, which can read only.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        // Before as well, so that a database that is gone is reported as such.
        self.check_in_place()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        self.check_in_place()?;
        Ok(connection)
    }

    /// A further connection, which copies the write-ahead log into the database.
    pub(super) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        self.check_in_place()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        self.check_in_place()?;
        Ok(connection)
    }
}

fn inode(path: &Path) -> std::io::Result<Inode> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}
