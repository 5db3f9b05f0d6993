//! Creates a new database under a temporary name and renames it when it is complete and on disk. So a first start that is
//! killed leaves no database, and an empty database is never ours.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::{Connection, ffi};

use crate::store::embedded::layout;
use crate::store::embedded::open::{DATABASE, OpenError, configure, with_suffix};

/// The name of the database until it is complete.
const UNFINISHED: &str = "livechat.db.new";

/// Creates a database in `directory`, which has none. The caller has locked the directory.
pub(super) fn create(directory: &Path) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
    // A first start that was killed may have left files.
    remove(&unfinished).map_err(unwritable)?;
    let created = build(&unfinished).map_err(|error| OpenError::Database(directory.join(DATABASE), error));
    let created = created.and_then(|()| publish(directory, &unfinished).map_err(unwritable));
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
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
    }
    connection.close().map_err(|(_, error)| error)
}

/// Syncs the file, renames it, and syncs the directory.
fn publish(directory: &Path, unfinished: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, directory.join(DATABASE))?;
    File::open(directory)?.sync_all()
}

fn remove(unfinished: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(unfinished, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
