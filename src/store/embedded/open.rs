//! Opening a database that is there: whose it is, whether it is whole, its layout, and how the writing connection is set up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::store::embedded::layout::{self, CURRENT, Found};

/// The name of the database in the data directory.
pub(super) const DATABASE: &str = "livechat.db";

/// How long a change waits for another process that writes to the database, which only an operator's tool can be.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
    #[error("the database {} is empty, but an empty database is never left by a server that started; restore a backup, or remove the file to begin with no rooms", .0.display())]
    Empty(PathBuf),
    #[error("{} is {what}, not a database file; move it away, or set DATA_DIR to the directory that has the database itself", .path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    #[error("the database {} was written by another program; move it away, or set another DATA_DIR", .0.display())]
    Foreign(PathBuf),
    #[error("{} is there, but the database it belongs to is not, and it may hold the latest messages; put livechat.db back beside it, or remove it to begin with no rooms", .0.display())]
    Orphan(PathBuf),
    #[error("the database {path} was written by a newer livechat (version {found}, this one reads {CURRENT})", path = .path.display())]
    Newer { path: PathBuf, found: i32 },
}

/// Whether there is a database that may be opened. SQLite would take an empty file for a new database, remove a
/// write-ahead log that has lost its database, and put the log of a linked database beside the link's target, where no lock
/// of ours protects it.
pub(super) fn is_there(path: &Path) -> Result<bool, OpenError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let companions = ["-wal", "-journal"].map(|suffix| with_suffix(path, suffix));
            return match companions.into_iter().find(|companion| fs::symlink_metadata(companion).is_ok()) {
                Some(orphan) => Err(OpenError::Orphan(orphan)),
                None => Ok(false),
            };
        }
        Err(error) => return Err(OpenError::Directory(path.to_owned(), error)),
    };
    let what = match found.file_type() {
        kind if kind.is_file() && found.len() == 0 => return Err(OpenError::Empty(path.to_owned())),
        kind if kind.is_file() => return Ok(true),
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        _ => "a device or a pipe",
    };
    Err(OpenError::NotAFile { path: path.to_owned(), what })
}

/// The path of a file that SQLite keeps beside a database.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens the database for writing, looks it over for damage, and upgrades its layout.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::Database(path.to_owned(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let version = match layout::identify(&connection).map_err(failed)? {
        Found::Ours(version) => version,
        Found::Newer(found) => return Err(OpenError::Newer { path: path.to_owned(), found }),
        Found::Empty => return Err(OpenError::Empty(path.to_owned())),
        Found::Foreign => return Err(OpenError::Foreign(path.to_owned())),
    };
    set_up(&connection).map_err(failed)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found != "ok" {
        return Err(failed(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found))));
    }
    layout::upgrade(&mut connection, version).map_err(failed)?;
    make_space_reclaimable(&connection).map_err(failed)?;
    Ok(connection)
}

/// Sets up the writing connection of a database, new or not.
pub(super) fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // What is deleted is overwritten, and space is given back to the file system: text that is gone is gone from disk.
    // The write-ahead log is copied into the database by `checkpoint`, not by whichever change finds it long.
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -32768;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Space can be given back in steps only if the file is kept for that from its beginning. Ours are; one that an operator
/// rebuilt with another tool may not be, and is rebuilt here.
fn make_space_reclaimable(connection: &Connection) -> rusqlite::Result<()> {
    const INCREMENTAL: i32 = 2;
    let mode: i32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != INCREMENTAL {
        tracing::info!("rebuilding the database once, so that it can give space back later");
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}
