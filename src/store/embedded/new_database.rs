//! Makes a new database aside and gives it its name when it is whole and on disk. So a first start that dies leaves no
//! database, and a database that is empty is never one of ours.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::{Connection, ffi};

use crate::store::embedded::layout;
use crate::store::embedded::open::{DATABASE, OpenError, set_up, with_suffix};

/// The name of the database while it is made.
const UNFINISHED: &str = "livechat.db.new";

/// Makes a database in `directory`, which has none. The caller has the directory for itself.
pub(super) fn create(directory: &Path) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    let unwritable = |error| OpenError::Directory(directory.to_owned(), error);
    // What a first start that died has left.
    remove(&unfinished).map_err(unwritable)?;
    let made = build(&unfinished).map_err(|error| OpenError::Database(directory.join(DATABASE), error));
    let made = made.and_then(|()| publish(directory, &unfinished).map_err(unwritable));
    if made.is_err() {
        // The start fails with that error, and the next one removes what this one cannot.
        let _ = remove(&unfinished);
    }
    made
}

fn build(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    set_up(&connection)?;
    layout::upgrade(&mut connection, 0)?;
    // To close would move all of it into the database, too, but says nothing when the disk is full.
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
    }
    connection.close().map_err(|(_, error)| error)
}

/// Syncs the file, renames it, and syncs the directory that names it.
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
