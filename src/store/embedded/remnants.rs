//! Clears the copies of deleted text that SQLite leaves in the unused part of its pages.
//!
//! `secure_delete` overwrites a row where it is deleted. But rows also move from one full page to another, and then SQLite
//! leaves the old copy behind, in the space between a page's row pointers and its rows. Every page that was written is
//! therefore looked at once more, before the write-ahead log is emptied, and that space is overwritten with zeros.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::open::OpenError;

/// Page numbers remembered one by one; beyond that, all pages are looked at.
const REMEMBERED: usize = 65_536;

/// The pages that were written since they were last looked at.
#[derive(Debug)]
pub(super) struct WrittenPages {
    log: File,
    page_size: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// All of the database is to be looked at.
    is_everything: bool,
    numbers: BTreeSet<u32>,
    /// Which log the frames were counted in: SQLite raises this number each time it begins the log again.
    log_sequence: u32,
    frames: u32,
}

impl WrittenPages {
    /// Of the database `file`, `None` if this program's SQLite was built without a table of pages. Begins with every page,
    /// because an earlier process may have ended before it looked at what it wrote.
    pub(super) fn of(file: &DatabaseFile, connection: &Connection) -> Result<Option<Self>, OpenError> {
        let failed = |error| OpenError::Database(file.path().to_owned(), error);
        if !can_be_cleared(connection).map_err(failed)? {
            tracing::warn!(
                "this program was built outside of its own directory, without SQLITE_ENABLE_DBPAGE_VTAB; parts of \
                 deleted text may stay in livechat.db"
            );
            return Ok(None);
        }
        let page_size = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
        let log = File::open(file.log()).map_err(|error| OpenError::Directory(file.log().to_owned(), error))?;
        let state = State { is_everything: true, numbers: BTreeSet::new(), log_sequence: 0, frames: 0 };
        Ok(Some(Self { log, page_size, state: Mutex::new(state) }))
    }

    /// Adds the pages of the log's first `frames` frames that were not added before.
    pub(super) fn add(&self, frames: u32) {
        let mut state = self.state.lock();
        if self.read_log(&mut state, frames).is_err() || state.numbers.len() > REMEMBERED {
            state.is_everything = true;
        }
        if state.is_everything {
            state.numbers.clear();
        }
    }

    /// The layout is described under <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
    fn read_log(&self, state: &mut State, frames: u32) -> std::io::Result<()> {
        const HEADER: u64 = 32;
        const FRAME_HEADER: u64 = 24;
        let number_at = |offset| {
            let mut bytes = [0; 4];
            self.log.read_exact_at(&mut bytes, offset).map(|()| u32::from_be_bytes(bytes))
        };
        let sequence = number_at(12)?;
        let known = if sequence == state.log_sequence { state.frames } else { 0 };
        (state.log_sequence, state.frames) = (sequence, frames);
        if !state.is_everything {
            for frame in known..frames {
                let offset = HEADER + u64::from(frame) * (FRAME_HEADER + u64::from(self.page_size));
                state.numbers.insert(number_at(offset)?);
            }
        }
        Ok(())
    }

    /// Takes all of them, in order.
    pub(super) fn take(&self, connection: &Connection) -> rusqlite::Result<Vec<u32>> {
        let mut state = self.state.lock();
        if !state.is_everything {
            return Ok(std::mem::take(&mut state.numbers).into_iter().collect());
        }
        let last: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        state.is_everything = false;
        Ok((1..=last).collect())
    }

    /// Has all pages looked at again, because those that were taken could not be.
    pub(super) fn add_everything(&self) {
        self.state.lock().is_everything = true;
    }
}

/// Whether this program's SQLite lets pages be read and written, which is decided when it is built.
fn can_be_cleared(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM pragma_compile_options WHERE compile_options = 'ENABLE_DBPAGE_VTAB'")?.exists([])
}

/// Those of `numbers` that hold something in their unused part.
pub(super) fn find(connection: &Connection, numbers: &[u32]) -> rusqlite::Result<Vec<u32>> {
    let mut pages = Pages::of(connection)?;
    let mut found = Vec::new();
    for &number in numbers {
        if pages.with_remnant(number)?.is_some() {
            found.push(number);
        }
    }
    Ok(found)
}

/// Overwrites the unused part of the pages `numbers`. Needs a transaction that writes.
pub(super) fn clear(connection: &Connection, numbers: &[u32]) -> rusqlite::Result<()> {
    let mut pages = Pages::of(connection)?;
    for &number in numbers {
        if let Some((mut page, unused)) = pages.with_remnant(number)? {
            page[unused].fill(0);
            connection.prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?.execute((number, page))?;
        }
    }
    Ok(())
}

/// Reads pages, and remembers the last page of the map that tells what the others are.
struct Pages<'a> {
    connection: &'a Connection,
    size: u32,
    /// Bytes of a page that SQLite uses; some programs reserve the rest.
    usable: u32,
    map: Option<(u32, Vec<u8>)>,
}

impl<'a> Pages<'a> {
    fn of(connection: &'a Connection) -> rusqlite::Result<Self> {
        const RESERVED: usize = 20;
        let mut pages = Self { connection, size: 0, usable: 0, map: None };
        let first = pages.read(1)?.unwrap_or_default();
        pages.size = u32::try_from(first.len()).unwrap_or(0);
        pages.usable = pages.size.saturating_sub(first.get(RESERVED).copied().unwrap_or(0).into());
        Ok(pages)
    }

    fn read(&self, number: u32) -> rusqlite::Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()
    }

    /// The page, if it holds rows and something in its unused part, and where that is.
    fn with_remnant(&mut self, number: u32) -> rusqlite::Result<Option<(Vec<u8>, Range<usize>)>> {
        if !self.has_rows(number)? {
            return Ok(None);
        }
        let Some(page) = self.read(number)? else {
            return Ok(None);
        };
        Ok(unused(&page).filter(|part| page[part.clone()].iter().any(|&byte| byte != 0)).map(|part| (page, part)))
    }

    /// Whether the page belongs to a table or an index and has no other use, as the map has it, which a database has
    /// that can shrink: <https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages>.
    fn has_rows(&mut self, number: u32) -> rusqlite::Result<bool> {
        const FIRST_BYTE_FOR_LOCKS: u32 = 0x4000_0000;
        const ENTRY: u32 = 5;
        const ROOT: u8 = 1;
        const BELOW_ROOT: u8 = 5;
        if number < 3 || self.usable < 512 {
            return Ok(false);
        }
        let for_locks = FIRST_BYTE_FOR_LOCKS / self.size + 1;
        let per_map = self.usable / ENTRY + 1;
        let mut map = (number - 2) / per_map * per_map + 2;
        map += u32::from(map == for_locks);
        if number <= map || number == for_locks {
            return Ok(false);
        }
        if self.map.as_ref().is_none_or(|(kept, _)| *kept != map) {
            self.map = self.read(map)?.map(|page| (map, page));
        }
        let entry = ((number - map - 1) * ENTRY) as usize;
        let kind = self.map.as_ref().and_then(|(_, page)| page.get(entry).copied());
        Ok(kind.is_some_and(|kind| kind == ROOT || kind == BELOW_ROOT))
    }
}

/// The space between the pointers to a page's rows and the rows, if it is a page of a table or an index:
/// <https://www.sqlite.org/fileformat2.html#b_tree_pages>.
fn unused(page: &[u8]) -> Option<Range<usize>> {
    let header = match page.first()? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let number_at = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    let pointers_end = header + 2 * number_at(3)?;
    let rows_start = match number_at(5)? {
        0 => 65_536,
        start => start,
    };
    (pointers_end <= rows_start && rows_start <= page.len()).then_some(pointers_end..rows_start)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Rows of a table without row numbers, as messages are, in pages that were split and merged.
    fn database(path: &Path, page_size: u32) -> Connection {
        let connection = Connection::open(path).expect("a database");
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
                 PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE message (room, idx, text, PRIMARY KEY (room, idx)) WITHOUT ROWID;
                 CREATE TABLE numbered (text);
                 WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
                 INSERT INTO message SELECT n % 7, n, 'old' || hex(zeroblob(n * 37 % 700)) FROM n;
                 INSERT INTO numbered SELECT text FROM message;
                 UPDATE message SET text = 'new' || hex(zeroblob(idx * 31 % 600)) WHERE idx % 3 > 0;
                 DELETE FROM numbered WHERE rowid % 3 > 0; DELETE FROM message WHERE idx % 3 = 0;"
            ))
            .expect("rows");
        connection
    }

    fn all(connection: &Connection) -> Vec<u32> {
        let last = connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number");
        (1..=last).collect()
    }

    fn rows(connection: &Connection) -> Vec<(i64, i64, String)> {
        let mut rows = connection.prepare("SELECT room, idx, text FROM message").expect("a statement");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn clear_all(connection: &Connection) -> usize {
        let found = find(connection, &all(connection)).expect("pages");
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        clear(connection, &all(connection)).expect("pages");
        connection.execute_batch("COMMIT").expect("a commit");
        found.len()
    }

    #[test]
    fn what_was_moved_is_cleared_and_every_row_stays() {
        for page_size in [512, 4_096, 65_536] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("a.db");
            let connection = database(&path, page_size);
            let before = rows(&connection);
            assert!(clear_all(&connection) > 0, "nothing to clear with pages of {page_size} bytes");
            assert_eq!(find(&connection, &all(&connection)).expect("pages"), Vec::<u32>::new());
            assert_eq!(rows(&connection), before);
            let found: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
            assert_eq!(found, "ok");
            connection.execute_batch("DELETE FROM message; DELETE FROM numbered").expect("no rows");
            clear_all(&connection);
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("an empty log");
            let bytes = std::fs::read(&path).expect("the file");
            let left = bytes.windows(4).filter(|bytes| bytes == b"old0" || bytes == b"new0").count();
            assert_eq!(left, 0, "pages of {page_size} bytes");
        }
    }

    #[test]
    fn each_written_page_is_taken_once_also_after_the_log_was_begun_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let connection = database(&path, 4_096);
        let state = State { is_everything: true, numbers: BTreeSet::new(), log_sequence: 0, frames: 0 };
        let log = File::open(directory.path().join("a.db-wal")).expect("the log");
        let written = WrittenPages { log, page_size: 4_096, state: Mutex::new(state) };
        assert_eq!(written.take(&connection).expect("pages"), all(&connection));
        assert_eq!(written.take(&connection).expect("pages"), Vec::<u32>::new());
        let frames = || {
            let length = written.log.metadata().expect("a length").len();
            u32::try_from((length - 32) / (4_096 + 24)).expect("a few")
        };
        let before = frames();
        written.add(before);
        let in_log = written.take(&connection).expect("pages");
        assert!(!in_log.is_empty());
        connection.execute("UPDATE message SET text = 'x' WHERE room = 1 AND idx = 1", []).expect("a change");
        written.add(frames());
        assert_eq!(written.take(&connection).expect("pages").len(), (frames() - before) as usize);
        for mode in ["RESTART", "TRUNCATE"] {
            let checkpoint = format!("PRAGMA wal_checkpoint({mode})");
            connection.query_row(&checkpoint, [], |_| Ok(())).expect("a log begun again");
            connection.execute("UPDATE message SET text = ?1 WHERE room = 1 AND idx = 1", [mode]).expect("a change");
            // It is as long as before where it was not emptied.
            written.add(1);
            assert_eq!(written.take(&connection).expect("pages").len(), 1, "{mode}");
        }
        written.add(u32::MAX);
        assert_eq!(written.take(&connection).expect("pages"), all(&connection), "a log that cannot be read");
    }
}
