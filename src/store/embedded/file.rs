//! The database file in use: locks it for this process and ensures that every connection is to the same file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::store::embedded::open::{DATABASE, OpenError, UNFINISHED, create, exists, open, remove};

/// The name of the file by which a process locks the data directory.
pub(super) const LOCK: &str = "livechat.lock";

/// Creates the directory if it is missing, and locks it for as long as the returned file is open.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
    fs::create_dir_all(directory).map_err(unwritable)?;
    let lock = File::create(directory.join(LOCK)).map_err(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(unwritable(error)),
    }
}

/// A database file that this process has locked.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    log_path: PathBuf,
    /// The device and inode numbers of the database and its write-ahead log.
    opened: [(u64, u64); 2],
    /// Held as long as the file is used. The operating system releases it however the process ends.
    _lock: File,
}

impl DatabaseFile {
    /// Locks the directory, creates what is missing, and upgrades the tables to the current layout. Returns the writer's
    /// connection, too.
    pub(super) fn open_or_create(directory: &Path) -> Result<(Self, Connection), OpenError> {
        let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
        let lock = lock(directory)?;
        // A first start or a restore that was killed may have left files.
        remove(&directory.join(UNFINISHED)).map_err(unwritable)?;
        let (path, log_path) = (directory.join(DATABASE), directory.join("livechat.db-wal"));
        if !exists(&path)? {
            create(directory)?;
        }
        let connection = open(&path)?;
        let opened = inodes([&path, &log_path]).map_err(unwritable)?;
        Ok((Self { path, log_path, opened, _lock: lock }, connection))
    }

    /// Like [`open_or_create`](Self::open_or_create), but fails if there is no database.
    pub(super) fn open_existing(directory: &Path) -> Result<(Self, Connection), OpenError> {
        if directory.is_dir() && exists(&directory.join(DATABASE))? {
            Self::open_or_create(directory)
        } else {
            Err(OpenError::Missing(directory.to_owned()))
        }
    }

    /// Fails if the opened files are no longer at their paths. SQLite would continue to write to files that no later start
    /// finds.
    pub(super) fn check_not_moved(&self) -> rusqlite::Result<()> {
        if inodes([&self.path, &self.log_path]).is_ok_and(|found| found == self.opened) {
            return Ok(());
        }
        let message = format!("{} was moved, removed or replaced while it was in use", self.path.display());
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(message)))
    }

    /// The path of the database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the write-ahead log.
    pub(super) fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// Opens a read-only connection.
    pub(super) fn open_reader(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // The file system caches pages, too, and most reads need none: see `recent_messages`.
        connection.pragma_update(None, "cache_size", -512)?;
        Ok(connection)
    }

    /// Opens a connection that copies the write-ahead log into the database.
    pub(super) fn open_checkpointer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        Ok(connection)
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        // Checked before opening, too, so that a missing database is reported as moved.
        self.check_not_moved()?;
        let connection = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        self.check_not_moved()?;
        Ok(connection)
    }
}

fn inodes([database, log]: [&PathBuf; 2]) -> io::Result<[(u64, u64); 2]> {
    let [database, log] = [fs::metadata(database)?, fs::metadata(log)?];
    Ok([(database.dev(), database.ino()), (log.dev(), log.ino())])
}
