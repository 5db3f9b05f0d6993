//! The layout of the database (its tables), and the upgrade from older versions.
//!
//! Each version is a file of statements that upgrade the previous version. A new database runs all of them, so every layout
//! has one origin. Each upgrade commits together with its version number, so an interrupted upgrade, even by `kill -9`,
//! continues at the next start. To change the layout, add a file and never change a released one. Add a database of the previous
//! layout to `tests/store/upgrade`.

use rusqlite::{Connection, TransactionBehavior};

/// The statements that upgrade to version 1, 2, and so on. SQLite's `user_version` stores the version in the file.
const UPGRADES: [&str; 4] = [
    include_str!("layout/1.sql"),
    include_str!("layout/2.sql"),
    include_str!("layout/3.sql"),
    include_str!("layout/4.sql"),
];

/// The version that this program reads and writes.
pub(super) const CURRENT: i32 = UPGRADES.len() as i32;

/// Identifies the file as a LiveChat database, also to `file` and the SQLite shell. The bytes spell "LCha".
pub(super) const APPLICATION_ID: i32 = 0x4c43_6861;

/// The kind of a database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A LiveChat database of this version, which is [`CURRENT`] or older.
    LiveChat(i32),
    /// A LiveChat database of a newer version.
    Newer(i32),
    /// A database without tables: nothing was ever stored in it.
    Empty,
    /// A database of another program.
    Foreign,
}

/// Identifies a database.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let count = |statement: &str| connection.query_row(statement, [], |row| row.get::<_, u32>(0));
    if count("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(if [0, APPLICATION_ID].contains(&application) { Identity::Empty } else { Identity::Foreign });
    }
    // Early databases of version 1 have no application id; they are recognized by their tables.
    let has_id = application == APPLICATION_ID;
    let has_tables = count("SELECT count(*) FROM sqlite_schema WHERE name IN ('room', 'message', 'chatter')")? == 3;
    Ok(match version {
        _ if !has_tables || !(has_id || application == 0 && version == 1) => Identity::Foreign,
        ..=0 => Identity::Foreign,
        1..=CURRENT => Identity::LiveChat(version),
        newer => Identity::Newer(newer),
    })
}

/// Upgrades a database from version `from` (0 for a new one) to [`CURRENT`].
pub(super) fn upgrade(connection: &mut Connection, from: i32) -> rusqlite::Result<()> {
    apply(connection, from, &UPGRADES)
}

fn apply(connection: &mut Connection, from: i32, upgrades: &[&str]) -> rusqlite::Result<()> {
    for (version, statements) in (1..).zip(upgrades).filter(|(version, _)| *version > from) {
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
    fn a_failed_upgrade_leaves_the_previous_version_intact_and_can_be_retried() {
        let mut connection = Connection::open_in_memory().expect("a database");
        let bad = "CREATE TABLE half (done TEXT); INSERT INTO nowhere VALUES (1);";
        let steps = ["CREATE TABLE room (a TEXT)", "INSERT INTO room VALUES ('kept')", bad];
        apply(&mut connection, 0, &steps).expect_err("the third step");
        assert_eq!(version(&connection), 2);
        let tables: u32 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("a count");
        assert_eq!(tables, 1, "the failed upgrade left something");
        apply(&mut connection, 2, &[steps[0], steps[1], "CREATE TABLE whole (done TEXT)"]).expect("the next try");
        assert_eq!(version(&connection), 3);
        let rows: u32 = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0)).expect("a count");
        assert_eq!(rows, 1, "an upgrade ran twice");
    }

    #[test]
    fn a_database_is_identified_by_application_id_version_and_tables() {
        let mut ours = Connection::open_in_memory().expect("a database");
        assert_eq!(identify(&ours).expect("an answer"), Identity::Empty);
        upgrade(&mut ours, 0).expect("all steps");
        assert_eq!(identify(&ours).expect("an answer"), Identity::LiveChat(CURRENT));
        ours.pragma_update(None, "user_version", CURRENT + 1).expect("a version");
        assert_eq!(identify(&ours).expect("an answer"), Identity::Newer(CURRENT + 1));
        // Only version 1 may lack the application id.
        ours.pragma_update(None, "application_id", 0).expect("no application id");
        assert_eq!(identify(&ours).expect("an answer"), Identity::Foreign);
        ours.pragma_update(None, "user_version", 1).expect("a version");
        assert_eq!(identify(&ours).expect("an answer"), Identity::LiveChat(1));
        for (application, version) in [(0x1234, 1), (0, 0), (APPLICATION_ID, -1), (0, 74)] {
            ours.pragma_update(None, "application_id", application).expect("an application id");
            ours.pragma_update(None, "user_version", version).expect("a version");
            assert_eq!(identify(&ours).expect("an answer"), Identity::Foreign, "{application} {version}");
        }
    }
}
