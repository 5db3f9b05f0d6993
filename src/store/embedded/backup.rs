//! Copies the database into one file, also while a server in another process writes to it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::store::embedded::layout::{self, CURRENT, Identity};
use crate::store::embedded::open::{self, BUSY_TIMEOUT, DATABASE, OpenError, with_suffix};

/// Steps of SQLite's virtual machine between two reports of progress.
const STEPS_PER_REPORT: i32 = 100_000;

/// Only the owner may read a backup: it contains what people wrote.
pub(super) const PRIVATE: u32 = 0o600;

/// Why a backup cannot be written or restored, with advice for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{} already exists; name a new file", .0.display())]
    TargetExists(PathBuf),
    #[error("another livechat process is writing {}; wait for it", .0.display())]
    Busy(PathBuf),
    #[error("the file {} cannot be written", .0.display())]
    Target(PathBuf, #[source] io::Error),
    #[error("the database {} cannot be copied; if the disk for the backup is full, free some space", .0.display())]
    Copy(PathBuf, #[source] rusqlite::Error),
    #[error("the backup {} cannot be read", .0.display())]
    Source(PathBuf, #[source] io::Error),
    #[error("{} is not a backup of livechat, or is damaged; nothing was changed", .0.display())]
    Damaged(PathBuf, #[source] rusqlite::Error),
    #[error("{} is not a backup of livechat; nothing was changed", .0.display())]
    Foreign(PathBuf),
    #[error("the backup {path} was written by a newer livechat (version {found}, this one reads {CURRENT}); nothing was changed", path = .path.display())]
    Newer { path: PathBuf, found: i32 },
    #[error("{path} is not a backup, because {path}-wal belongs to it, too; to use both, put them into DATA_DIR as livechat.db and livechat.db-wal", path = .0.display())]
    HasLog(PathBuf),
    #[error("{} already has a database; set DATA_DIR to an empty directory, or replace the database with --force", .0.display())]
    DatabaseExists(PathBuf),
}

/// Writes the database in `directory` to the new file `target`, as it is at one instant. Calls `report` with the bytes written
/// so far and the size of the database. An interrupted backup leaves `target` with the ending `.partial`, which the next one
/// replaces.
pub fn back_up(
    directory: &Path,
    target: &Path,
    report: impl FnMut(u64, u64) + Send + 'static,
) -> Result<(), BackupError> {
    let source = directory.join(DATABASE);
    if !directory.is_dir() || !open::exists(&source)? {
        return Err(OpenError::Missing(directory.to_owned()).into());
    }
    if fs::symlink_metadata(target).is_ok() {
        return Err(BackupError::TargetExists(target.to_owned()));
    }
    let partial = with_suffix(target, ".partial");
    let file = lock(&partial)?;
    let unwritable = |error| BackupError::Target(target.to_owned(), error);
    let written =
        copy(&source, &partial, report).and_then(|()| open::publish(&file, &partial, target).map_err(unwritable));
    if written.is_err() {
        // If this fails, too, the next backup replaces the file.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Creates an empty file that nobody else may read, and locks it.
fn lock(partial: &Path) -> Result<File, BackupError> {
    let unwritable = |error| BackupError::Target(partial.to_owned(), error);
    if fs::symlink_metadata(partial).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(BackupError::TargetExists(partial.to_owned()));
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(partial);
    let file = file.map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(partial.to_owned())),
        Err(TryLockError::Error(error)) => return Err(unwritable(error)),
    }
    file.set_permissions(Permissions::from_mode(PRIVATE)).and_then(|()| file.set_len(0)).map_err(unwritable)?;
    Ok(file)
}

/// Copies the rows, not the pages: what is deleted leaves no remnants in the copy. SQLite reads all of it in one transaction,
/// which blocks no writer.
fn copy(source: &Path, target: &Path, mut report: impl FnMut(u64, u64) + Send + 'static) -> Result<(), BackupError> {
    let failed = |error| BackupError::Copy(source.to_owned(), error);
    let name = target.to_str().ok_or_else(|| {
        BackupError::Target(target.to_owned(), io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"))
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(source, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    match layout::identify(&connection).map_err(failed)? {
        Identity::LiveChat(_) => {}
        Identity::Newer(found) => return Err(OpenError::Newer { path: source.to_owned(), found }.into()),
        Identity::Empty => return Err(OpenError::Empty(source.to_owned()).into()),
        Identity::Foreign => return Err(OpenError::Foreign(source.to_owned()).into()),
    }
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
    let size = number("page_count").and_then(|pages| Ok(pages * number("page_size")?)).map_err(failed)?;
    let partial = target.to_owned();
    let on_progress = move || {
        report(fs::metadata(&partial).map_or(0, |metadata| metadata.len()), size);
        false
    };
    connection.progress_handler(STEPS_PER_REPORT, Some(on_progress)).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(failed)?;
    check(target, "quick_check").map_err(failed)
}

/// Checks a database for damage.
pub(super) fn check(path: &Path, pragma: &str) -> rusqlite::Result<()> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    check_connection(&connection, pragma)?;
    connection.close().map_err(|(_, error)| error)
}

/// Like [`check`], for an open database.
pub(super) fn check_connection(connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
    let result: String = connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))?;
    if result == "ok" { Ok(()) } else { Err(open::damaged(result)) }
}
