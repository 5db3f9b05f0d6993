//! Creates a database, or opens an existing one: verifies that it is ours and intact, and upgrades its layout.
//!
//! A new database is created under a temporary name and renamed when it is complete and on disk. So a first start that is
//! killed leaves no database, and an empty database is never ours.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::store::embedded::layout::{self, CURRENT, Identity};
use crate::store::embedded::wal::{self, CheckpointMode};

/// The name of the database in the data directory.
pub(super) const DATABASE: &str = "livechat.db";

/// The name of the database until it is complete: a new one, or one from a backup.
pub(super) const UNFINISHED: &str = "livechat.db.new";

/// How long a write waits for another process that writes to the database. Only an operator's tool can do that.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the embedded store cannot be opened, with advice for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data directory {} is in use by another livechat process; stop it or set another DATA_DIR", .0.display())]
    InUse(PathBuf),
    #[error("the data directory {} cannot be written to", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    #[error("the database {} cannot be opened; if the disk is full, free some space; if the database is damaged, restore a backup or move it away", .0.display())]
    Database(PathBuf, #[source] rusqlite::Error),
    #[error("there is no database in {}; set DATA_DIR to the directory that contains livechat.db", .0.display())]
    Missing(PathBuf),
    #[error("the database {} is empty, which it never is once a server has started; restore a backup, or remove the file to start with no rooms", .0.display())]
    Empty(PathBuf),
    #[error("{} is {what}, not a database file; move it away, or set DATA_DIR to the directory that contains the database itself", .path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    #[error("the database {} was written by another program; move it away, or set another DATA_DIR", .0.display())]
    Foreign(PathBuf),
    #[error("{} exists without its database and may contain the latest messages; put livechat.db back next to it, or remove it to start with no rooms", .0.display())]
    Orphan(PathBuf),
    #[error("the database {path} was written by a newer livechat (version {found}, this one reads {CURRENT})", path = .path.display())]
    Newer { path: PathBuf, found: i32 },
}

/// Whether there is a database that is safe to open. SQLite would treat an empty file as a new database, remove a write-ahead
/// log without a database, and put the log of a symbolic link next to the link's target, where our lock does not protect it.
pub(super) fn exists(path: &Path) -> Result<bool, OpenError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let companions = ["-wal", "-journal"].map(|suffix| with_suffix(path, suffix));
            return match companions.into_iter().find(|companion| fs::symlink_metadata(companion).is_ok()) {
                Some(orphan) => Err(OpenError::Orphan(orphan)),
                None => Ok(false),
            };
        }
        Err(error) => return Err(OpenError::Directory(path.to_owned(), error)),
    };
    let what = match metadata.file_type() {
        kind if kind.is_file() && metadata.len() == 0 => return Err(OpenError::Empty(path.to_owned())),
        kind if kind.is_file() => return Ok(true),
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        _ => "a device or a pipe",
    };
    Err(OpenError::NotAFile { path: path.to_owned(), what })
}

/// The path of a file that SQLite puts next to a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates a database in `directory`, which has none. The caller has locked the directory.
pub(super) fn create(directory: &Path) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
    let created = build(&unfinished).map_err(|error| OpenError::Database(directory.join(DATABASE), error));
    let publish = || publish(&File::open(&unfinished)?, &unfinished, &directory.join(DATABASE));
    let created = created.and_then(|()| publish().map_err(unwritable));
    if created.is_err() {
        // If this fails, too, the next start removes the files.
        let _ = remove(&unfinished);
    }
    created
}

fn build(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    configure(&connection)?;
    layout::upgrade(&mut connection, 0)?;
    // Closing the connection would do this, too, but does not report a full disk.
    wal::checkpoint(&connection, CheckpointMode::Truncate)?;
    connection.close().map_err(|(_, error)| error)
}

/// Syncs the `file` at `unfinished`, renames it to `path`, and syncs the directory.
pub(super) fn publish(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes a database with its companions, if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    ["", "-wal", "-shm", "-journal"].iter().try_for_each(|suffix| remove_file(&with_suffix(path, suffix)))
}

/// Removes a file, if there is one.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens the database for writing, checks it for damage, and upgrades its layout.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::Database(path.to_owned(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let version = match layout::identify(&connection).map_err(failed)? {
        Identity::LiveChat(version) => version,
        Identity::Newer(found) => return Err(OpenError::Newer { path: path.to_owned(), found }),
        Identity::Empty => return Err(OpenError::Empty(path.to_owned())),
        Identity::Foreign => return Err(OpenError::Foreign(path.to_owned())),
    };
    configure(&connection).map_err(failed)?;
    let result: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if result != "ok" {
        return Err(failed(damaged(result)));
    }
    layout::upgrade(&mut connection, version).map_err(failed)?;
    enable_incremental_vacuum(&connection).map_err(failed)?;
    Ok(connection)
}

/// The error for what SQLite's check has found.
pub(super) fn damaged(finding: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(finding.replace('\n', " ")))
}

/// Configures the writer's connection.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Deleted text must leave the disk: deleted rows are overwritten, and free pages can be returned to the file system.
    // `checkpoint` copies the write-ahead log, so SQLite must not do so in the middle of a write.
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -8192;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Free pages can be returned step by step only in a database that was created for it. Ours are, but an operator may have
/// rebuilt one with another tool. This function rebuilds such a database.
fn enable_incremental_vacuum(connection: &Connection) -> rusqlite::Result<()> {
    const INCREMENTAL: i32 = 2;
    let mode: i32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != INCREMENTAL {
        tracing::info!("rebuilding the database once, so that it can return free space to the file system later");
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}
