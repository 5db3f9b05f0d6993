//! Puts a backup into a data directory: completely, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::store::embedded::backup::{BackupError, PRIVATE, check_connection};
use crate::store::embedded::file::{self, LOCK};
use crate::store::embedded::layout::{self, Identity};
use crate::store::embedded::open::{self, DATABASE, OpenError, UNFINISHED, with_suffix};
use crate::store::embedded::wal::{self, CheckpointMode};

/// Makes the backup `file` the database in `directory`. Replaces a database there only if `replace` is set. Until the last
/// step, which is atomic, the directory stays as it was. The next start of a server upgrades the layout of an old backup.
pub fn restore(file: &Path, directory: &Path, replace: bool) -> Result<(), BackupError> {
    let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
    let _lock = file::lock(directory)?;
    let database = directory.join(DATABASE);
    let has_database = match open::exists(&database) {
        Err(OpenError::Empty(_) | OpenError::Orphan(_)) => true,
        found => found?,
    };
    if has_database && !replace {
        return Err(BackupError::DatabaseExists(directory.to_owned()));
    }
    let unfinished = directory.join(UNFINISHED);
    open::remove(&unfinished).map_err(unwritable)?;
    let restored = copy(file, &unfinished, directory).and_then(|copy| {
        verify(file, &unfinished)?;
        if has_database {
            absorb_log(&database).map_err(unwritable)?;
        }
        Ok(open::publish(&copy, &unfinished, &database).map_err(unwritable)?)
    });
    if restored.is_err() {
        // If this fails, too, the next start or restore removes the files.
        let _ = open::remove(&unfinished);
    }
    restored
}

/// Copies the bytes, so that the check below and SQLite do not touch the backup.
fn copy(file: &Path, target: &Path, directory: &Path) -> Result<File, BackupError> {
    let unreadable = |error| BackupError::Source(file.to_owned(), error);
    let mut source = File::open(file).map_err(unreadable)?;
    if !source.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
    }
    for log in ["-wal", "-journal"] {
        if fs::metadata(with_suffix(file, log)).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(BackupError::HasLog(file.to_owned()));
        }
    }
    let mut write = || {
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(target)?;
        io::copy(&mut source, &mut copy)?;
        // The command may run as root, and the server as the owner of the directory.
        let owner = fs::metadata(directory)?;
        for path in [target, &directory.join(LOCK)] {
            if fs::metadata(path)?.uid() != owner.uid() {
                chown(path, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        Ok(copy)
    };
    write().map_err(|error| OpenError::Directory(directory.to_owned(), error).into())
}

/// Checks that the copy of `file` is an intact database that this version can read.
fn verify(file: &Path, copy: &Path) -> Result<(), BackupError> {
    let damaged = |error| BackupError::Damaged(file.to_owned(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags).map_err(damaged)?;
    match layout::identify(&connection).map_err(damaged)? {
        Identity::LiveChat(_) => {}
        Identity::Newer(found) => return Err(BackupError::Newer { path: file.to_owned(), found }),
        Identity::Empty | Identity::Foreign => return Err(BackupError::Foreign(file.to_owned())),
    }
    check_connection(&connection, "integrity_check").map_err(damaged)?;
    connection.close().map_err(|(_, error)| damaged(error))
}

/// Copies the write-ahead log of the database that is about to be replaced into it. SQLite would apply that log to the new one.
fn absorb_log(database: &Path) -> io::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // This fails if the database is damaged, which is a reason to restore a backup. Its log is of no use then.
    let _ = Connection::open_with_flags(database, flags)
        .and_then(|connection| wal::checkpoint(&connection, CheckpointMode::Truncate));
    for suffix in ["-wal", "-shm", "-journal"] {
        open::remove_file(&with_suffix(database, suffix))?;
    }
    Ok(())
}
