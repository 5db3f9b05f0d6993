//! The layout of the database: its tables, by version, and the upgrade of an older version to the one this program uses.
//!
//! A version is a file of statements that turn the version before it into this one; a new database goes through all of
//! them, so there is one way to every layout. Each version is reached in one transaction together with its number, so an
//! upgrade that is interrupted, by `kill -9` too, goes on at the next start where it stopped. To change the layout, add a
//! file; never change one that was released, and add a database of the layout before it to `tests/upgrade`.

use rusqlite::{Connection, TransactionBehavior};

/// Statements that lead to version 1, 2, and so on. The version is kept in the file as SQLite's `user_version`.
const STEPS: [&str; 2] = [include_str!("layout/1.sql"), include_str!("layout/2.sql")];

/// The version that this program reads and writes.
pub(super) const CURRENT: i32 = STEPS.len() as i32;

/// Marks the file as a LiveChat database (`file` and the SQLite shell show it); the bytes spell "LCha".
pub(super) const APPLICATION_ID: i32 = 0x4c43_6861;

/// What a database turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// One of ours, of this version, which is [`CURRENT`] or older.
    Ours(i32),
    /// One of ours, written by a later program.
    Newer(i32),
    /// It holds no tables: nothing was ever stored in it.
    Empty,
    /// It belongs to another program.
    Foreign,
}

/// Looks whose database it is.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Found> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let count = |statement: &str| connection.query_row(statement, [], |row| row.get::<_, u32>(0));
    if count("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(if [0, APPLICATION_ID].contains(&application) { Found::Empty } else { Found::Foreign });
    }
    // Version 1 was written without the mark at first; its tables tell.
    let has_mark = application == APPLICATION_ID;
    let has_tables = count("SELECT count(*) FROM sqlite_schema WHERE name IN ('room', 'message', 'log')")? == 3;
    Ok(match version {
        _ if !has_tables || !(has_mark || application == 0 && version == 1) => Found::Foreign,
        ..=0 => Found::Foreign,
        1..=CURRENT => Found::Ours(version),
        newer => Found::Newer(newer),
    })
}

/// Brings a database of the version `from` (0: a new one) to [`CURRENT`].
pub(super) fn upgrade(connection: &mut Connection, from: i32) -> rusqlite::Result<()> {
    apply(connection, from, &STEPS)
}

fn apply(connection: &mut Connection, from: i32, steps: &[&str]) -> rusqlite::Result<()> {
    for (version, statements) in (1..).zip(steps).filter(|(version, _)| *version > from) {
        if from > 0 {
            tracing::info!(from = version - 1, to = version, "upgrading the layout of the database");
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it_whole_and_the_next_try_goes_on_from_there() {
        let mut connection = Connection::open_in_memory().expect("a database");
        let bad = "CREATE TABLE half (done TEXT); INSERT INTO nowhere VALUES (1);";
        let steps = ["CREATE TABLE room (a TEXT)", "INSERT INTO room VALUES ('kept')", bad];
        apply(&mut connection, 0, &steps).expect_err("the third step");
        assert_eq!(version(&connection), 2);
        let tables: u32 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("a count");
        assert_eq!(tables, 1, "nothing of the failed step stays");
        apply(&mut connection, 2, &[steps[0], steps[1], "CREATE TABLE whole (done TEXT)"]).expect("the next try");
        assert_eq!(version(&connection), 3);
        let rows: u32 = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0)).expect("a count");
        assert_eq!(rows, 1, "no step is taken twice");
    }

    #[test]
    fn a_database_is_known_by_its_mark_version_and_tables() {
        let mut ours = Connection::open_in_memory().expect("a database");
        assert_eq!(identify(&ours).expect("an answer"), Found::Empty);
        upgrade(&mut ours, 0).expect("all steps");
        assert_eq!(identify(&ours).expect("an answer"), Found::Ours(CURRENT));
        ours.pragma_update(None, "user_version", CURRENT + 1).expect("a version");
        assert_eq!(identify(&ours).expect("an answer"), Found::Newer(CURRENT + 1));
        // The mark was not there from the beginning of version 1, but in all later ones.
        ours.pragma_update(None, "application_id", 0).expect("no mark");
        assert_eq!(identify(&ours).expect("an answer"), Found::Foreign);
        ours.pragma_update(None, "user_version", 1).expect("a version");
        assert_eq!(identify(&ours).expect("an answer"), Found::Ours(1));
        for (application, version) in [(0x1234, 1), (0, 0), (APPLICATION_ID, -1), (0, 74)] {
            ours.pragma_update(None, "application_id", application).expect("a mark");
            ours.pragma_update(None, "user_version", version).expect("a version");
            assert_eq!(identify(&ours).expect("an answer"), Found::Foreign, "{application} {version}");
        }
    }
}
