//! Clears remnants: copies of deleted text that SQLite leaves in the unused space of its pages.
//!
//! `secure_delete` overwrites a deleted row in place. But when SQLite moves rows from a full page to another, it leaves the old
//! copy in the space between the page's row pointers and its rows. So before the write-ahead log is truncated, that space is
//! overwritten with zeros in every page that was written.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _};

use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::open::OpenError;

/// Maximum number of tracked page numbers; beyond that, all pages are examined.
const MAX_TRACKED: usize = 65_536;

/// The pages that were written since they were last examined.
#[derive(Debug)]
pub(super) struct WrittenPages {
    log: File,
    page_size: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` if all pages must be examined.
    numbers: Option<BTreeSet<u32>>,
    /// The checkpoint sequence number of the log. SQLite increments it each time it restarts the log.
    log_sequence: u32,
    /// How many frames of that log have been read.
    frames: u32,
}

impl WrittenPages {
    /// Tracks the database `file`. `None` if this program's SQLite was built without access to pages. All pages are examined
    /// first, because an earlier process may have ended before it examined the pages that it wrote.
    pub(super) fn new(file: &DatabaseFile, connection: &Connection) -> Result<Option<Self>, OpenError> {
        let failed = |error| OpenError::Database(file.path().to_owned(), error);
        if !has_page_access(connection).map_err(failed)? {
            tracing::warn!(
                "this program was built outside of its own directory, without SQLITE_ENABLE_DBPAGE_VTAB; parts of \
                 deleted text may stay in livechat.db"
            );
            return Ok(None);
        }
        let page_size = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
        let log =
            File::open(file.log_path()).map_err(|error| OpenError::Directory(file.log_path().to_owned(), error))?;
        Ok(Some(Self { log, page_size, state: Mutex::default() }))
    }

    /// Adds the pages of the first `frames` frames of the log, except those that were added before.
    pub(super) fn add_frames(&self, frames: u32) {
        let mut state = self.state.lock();
        let added = self.read_log(&mut state, frames);
        state.numbers.take_if(|numbers| added.is_err() || numbers.len() > MAX_TRACKED);
    }

    /// Reads the log's format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
    fn read_log(&self, state: &mut State, frames: u32) -> std::io::Result<()> {
        const HEADER: u64 = 32;
        const FRAME_HEADER: u64 = 24;
        let number_at = |offset| {
            let mut bytes = [0; 4];
            self.log.read_exact_at(&mut bytes, offset).map(|()| u32::from_be_bytes(bytes))
        };
        let sequence = number_at(12)?;
        let read = if sequence == state.log_sequence { state.frames } else { 0 };
        (state.log_sequence, state.frames) = (sequence, frames);
        if let Some(numbers) = &mut state.numbers {
            for frame in read..frames {
                numbers.insert(number_at(HEADER + u64::from(frame) * (FRAME_HEADER + u64::from(self.page_size)))?);
            }
        }
        Ok(())
    }

    /// Removes and returns all tracked pages, in order.
    pub(super) fn take(&self, connection: &Connection) -> rusqlite::Result<Vec<u32>> {
        let mut state = self.state.lock();
        let Some(numbers) = &mut state.numbers else {
            let last: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            state.numbers = Some(BTreeSet::new());
            return Ok((1..=last).collect());
        };
        Ok(std::mem::take(numbers).into_iter().collect())
    }

    /// Adds all pages, because the pages that were taken could not be examined.
    pub(super) fn add_all(&self) {
        self.state.lock().numbers = None;
    }
}

/// Whether this program's SQLite was built with access to pages.
fn has_page_access(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM pragma_compile_options WHERE compile_options = 'ENABLE_DBPAGE_VTAB'")?.exists([])
}

/// Returns those of the pages `numbers` that contain remnants.
pub(super) fn find(connection: &Connection, numbers: &[u32]) -> rusqlite::Result<Vec<u32>> {
    let mut pages = PageReader::new(connection)?;
    let mut found = Vec::new();
    for &number in numbers {
        if pages.find_remnant(number)?.is_some() {
            found.push(number);
        }
    }
    Ok(found)
}

/// Overwrites the unused space of the pages `numbers`. Must be called in a write transaction.
pub(super) fn clear(connection: &Connection, numbers: &[u32]) -> rusqlite::Result<()> {
    let mut pages = PageReader::new(connection)?;
    for &number in numbers {
        if let Some((mut page, unused)) = pages.find_remnant(number)? {
            page[unused].fill(0);
            connection.prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?.execute((number, page))?;
        }
    }
    Ok(())
}

/// Reads pages and caches the last pointer-map page, which says how other pages are used.
struct PageReader<'a> {
    connection: &'a Connection,
    page_size: u32,
    /// Bytes of a page that SQLite uses. A database may reserve the rest.
    usable_size: u32,
    pointer_map: Option<(u32, Vec<u8>)>,
}

impl<'a> PageReader<'a> {
    fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        const RESERVED_OFFSET: usize = 20;
        let mut pages = Self { connection, page_size: 0, usable_size: 0, pointer_map: None };
        let first = pages.read(1)?.unwrap_or_default();
        pages.page_size = u32::try_from(first.len()).unwrap_or(0);
        pages.usable_size = pages.page_size.saturating_sub(first.get(RESERVED_OFFSET).copied().unwrap_or(0).into());
        Ok(pages)
    }

    fn read(&self, number: u32) -> rusqlite::Result<Option<Vec<u8>>> {
        self.connection
            .prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()
    }

    /// Returns the page and its unused space, if the page contains rows and that space is not all zeros.
    fn find_remnant(&mut self, number: u32) -> rusqlite::Result<Option<(Vec<u8>, Range<usize>)>> {
        if !self.has_rows(number)? {
            return Ok(None);
        }
        let Some(page) = self.read(number)? else { return Ok(None) };
        let is_dirty = |space: &Range<usize>| page[space.clone()].iter().any(|&byte| byte != 0);
        Ok(unused_space(&page).filter(is_dirty).map(|space| (page, space)))
    }

    /// Whether the page is a b-tree page of a table or an index, according to the pointer map, which every database with
    /// `auto_vacuum` has: <https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages>.
    fn has_rows(&mut self, number: u32) -> rusqlite::Result<bool> {
        const LOCK_BYTE_OFFSET: u32 = 0x4000_0000;
        const ENTRY_SIZE: u32 = 5;
        const ROOT_PAGE: u8 = 1;
        const NON_ROOT_PAGE: u8 = 5;
        if number < 3 || self.usable_size < 512 {
            return Ok(false);
        }
        let lock_page = LOCK_BYTE_OFFSET / self.page_size + 1;
        let pages_per_map = self.usable_size / ENTRY_SIZE + 1;
        let mut map = (number - 2) / pages_per_map * pages_per_map + 2;
        map += u32::from(map == lock_page);
        if number <= map || number == lock_page {
            return Ok(false);
        }
        if self.pointer_map.as_ref().is_none_or(|(cached, _)| *cached != map) {
            self.pointer_map = self.read(map)?.map(|page| (map, page));
        }
        let offset = ((number - map - 1) * ENTRY_SIZE) as usize;
        let kind = self.pointer_map.as_ref().and_then(|(_, page)| page.get(offset).copied());
        Ok(kind.is_some_and(|kind| kind == ROOT_PAGE || kind == NON_ROOT_PAGE))
    }
}

/// The space between a b-tree page's row pointers and its rows; `None` for any other page:
/// <https://www.sqlite.org/fileformat2.html#b_tree_pages>.
fn unused_space(page: &[u8]) -> Option<Range<usize>> {
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

    /// A database with tables with and without row ids, whose pages were split and merged.
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

    fn all_pages(connection: &Connection) -> Vec<u32> {
        let last = connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number");
        (1..=last).collect()
    }

    fn rows(connection: &Connection) -> Vec<(i64, i64, String)> {
        let mut rows = connection.prepare("SELECT room, idx, text FROM message").expect("a statement");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn clear_all(connection: &Connection) -> usize {
        let found = find(connection, &all_pages(connection)).expect("pages");
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        clear(connection, &all_pages(connection)).expect("pages");
        connection.execute_batch("COMMIT").expect("a commit");
        found.len()
    }

    #[test]
    fn remnants_are_cleared_and_every_row_stays() {
        for page_size in [512, 4_096, 65_536] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("a.db");
            let connection = database(&path, page_size);
            let before = rows(&connection);
            assert!(clear_all(&connection) > 0, "nothing to clear with pages of {page_size} bytes");
            assert_eq!(find(&connection, &all_pages(&connection)).expect("pages"), Vec::<u32>::new());
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
    fn each_written_page_is_taken_once_even_after_the_log_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let connection = database(&path, 4_096);
        let log = File::open(directory.path().join("a.db-wal")).expect("the log");
        let written = WrittenPages { log, page_size: 4_096, state: Mutex::default() };
        assert_eq!(written.take(&connection).expect("pages"), all_pages(&connection));
        assert_eq!(written.take(&connection).expect("pages"), Vec::<u32>::new());
        let frames = || {
            let length = written.log.metadata().expect("a length").len();
            u32::try_from((length - 32) / (4_096 + 24)).expect("a few")
        };
        let before = frames();
        written.add_frames(before);
        let in_log = written.take(&connection).expect("pages");
        assert!(!in_log.is_empty());
        connection.execute("UPDATE message SET text = 'x' WHERE room = 1 AND idx = 1", []).expect("a change");
        written.add_frames(frames());
        assert_eq!(written.take(&connection).expect("pages").len(), (frames() - before) as usize);
        for mode in ["RESTART", "TRUNCATE"] {
            let checkpoint = format!("PRAGMA wal_checkpoint({mode})");
            connection.query_row(&checkpoint, [], |_| Ok(())).expect("a checkpoint");
            connection.execute("UPDATE message SET text = ?1 WHERE room = 1 AND idx = 1", [mode]).expect("a change");
            // RESTART leaves the file at its length.
            written.add_frames(1);
            assert_eq!(written.take(&connection).expect("pages").len(), 1, "{mode}");
        }
        written.add_frames(u32::MAX);
        assert_eq!(written.take(&connection).expect("pages"), all_pages(&connection), "the log cannot be read");
    }
}
