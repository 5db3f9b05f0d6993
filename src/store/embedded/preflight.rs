//! Whether a server could use a data directory, found out without opening the database.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::store::embedded::file::LOCK;
use crate::store::embedded::open::{self, DATABASE, OpenError};

/// Checks that `directory` can be created, or that this process may write in it and to its database.
pub fn check(directory: &Path) -> Result<(), OpenError> {
    let unusable = |error| OpenError::Directory(directory.to_owned(), error);
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(unusable(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is a file", existing.display()),
        )));
    }
    if fs::metadata(directory).is_err() {
        return Ok(());
    }
    // The server creates this file, too.
    File::options().write(true).create(true).truncate(false).open(directory.join(LOCK)).map_err(unusable)?;
    let database = directory.join(DATABASE);
    if open::exists(&database)? {
        File::options().read(true).write(true).open(database).map_err(unusable)?;
    }
    Ok(())
}
