//! Reads and writes the reactions of users, and when messages have their log entries about reactions.

use std::cmp::Reverse;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::reaction::{Emoji, ReactionCount};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::UserId;
use crate::store::embedded::rooms;

/// One user's reaction to a message with one emoji.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReactionRow {
    /// Whether the message has it now.
    pub(super) is_on: bool,
    /// How often it was added and removed.
    pub(super) toggles: u32,
}

/// Reads the reaction; `None` if the user never reacted to the message with this emoji.
pub(super) fn find(
    connection: &Connection,
    message: i64,
    user: &UserId,
    emoji: &Emoji,
) -> rusqlite::Result<Option<ReactionRow>> {
    connection
        .prepare_cached("SELECT is_on, toggles FROM reaction WHERE message = ?1 AND user = ?2 AND emoji = ?3")?
        .query_row(params![message, user.as_str(), emoji.as_str()], |row| {
            Ok(ReactionRow { is_on: row.get(0)?, toggles: row.get(1)? })
        })
        .optional()
}

/// With how many emoji the user has ever reacted to the message.
pub(super) fn count_kinds(connection: &Connection, message: i64, user: &UserId) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("SELECT count(*) FROM reaction WHERE message = ?1 AND user = ?2")?
        .query_row(params![message, user.as_str()], |row| row.get(0))
}

pub(super) fn save(
    connection: &Connection,
    message: i64,
    user: &UserId,
    emoji: &Emoji,
    row: ReactionRow,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reaction (message, user, emoji, is_on, toggles) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![message, user.as_str(), emoji.as_str(), row.is_on, row.toggles])
}

/// The emoji with which the message has a reaction of the user.
pub(super) fn of_user(connection: &Connection, message: i64, user: &UserId) -> rusqlite::Result<Vec<Emoji>> {
    connection
        .prepare_cached("SELECT emoji FROM reaction WHERE message = ?1 AND user = ?2 AND is_on ORDER BY emoji")?
        .query_map(params![message, user.as_str()], |row| row.get(0).map(Emoji::from_stored))?
        .collect()
}

/// When a message had its last log entry about reactions, and when the next is due, if it is marked.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryTimes {
    pub(super) logged_at: Timestamp,
    pub(super) due: Option<Timestamp>,
}

/// Reads the times of a message; `None` if it never had an entry about reactions.
pub(super) fn find_times(connection: &Connection, message: i64) -> rusqlite::Result<Option<EntryTimes>> {
    connection
        .prepare_cached("SELECT logged_at, due FROM reaction_entry WHERE message = ?1")?
        .query_row([message], |row| {
            let due: Option<u64> = row.get(1)?;
            Ok(EntryTimes { logged_at: Timestamp::from_millis(row.get(0)?), due: due.map(Timestamp::from_millis) })
        })
        .optional()
}

pub(super) fn save_times(connection: &Connection, message: i64, times: EntryTimes) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO reaction_entry (message, logged_at, due) VALUES (?1, ?2, ?3)")?
        .execute(params![message, times.logged_at.as_millis(), times.due.map(Timestamp::as_millis)])
}

/// Counts the marked messages of the room.
pub(super) fn count_marks(connection: &Connection, room: i64) -> rusqlite::Result<u64> {
    let ids = rooms::ids(room);
    connection
        .prepare_cached("SELECT count(*) FROM reaction_entry WHERE message >= ?1 AND message < ?2 AND due IS NOT NULL")?
        .query_row([ids.start, ids.end], |row| row.get(0))
}

/// Reads up to `limit` marked messages of the room with the times that they are due, the first one first.
pub(super) fn marks(connection: &Connection, room: i64, limit: usize) -> rusqlite::Result<Vec<(i64, Timestamp)>> {
    let ids = rooms::ids(room);
    connection
        .prepare_cached(
            "SELECT message, due FROM reaction_entry WHERE message >= ?1 AND message < ?2 AND due IS NOT NULL
             ORDER BY due, message LIMIT ?3",
        )?
        .query_map(params![ids.start, ids.end, limit], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))))?
        .collect()
}

/// Removes all reactions to a message. Returns whether it was marked.
pub(super) fn remove(connection: &Connection, message: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("DELETE FROM reaction WHERE message = ?1")?.execute([message])?;
    let was_marked = find_times(connection, message)?.is_some_and(|times| times.due.is_some());
    connection.prepare_cached("DELETE FROM reaction_entry WHERE message = ?1")?.execute([message])?;
    Ok(was_marked)
}

/// Adds a reaction to the counts, or removes it, and sorts them.
pub(super) fn count(counts: &mut Vec<ReactionCount>, emoji: &Emoji, add: bool) {
    match counts.iter_mut().find(|counted| counted.emoji == *emoji) {
        Some(counted) if add => counted.count = counted.count.saturating_add(1),
        Some(counted) => counted.count = counted.count.saturating_sub(1),
        None if add => counts.push(ReactionCount { emoji: emoji.clone(), count: 1 }),
        None => {}
    }
    counts.retain(|counted| counted.count > 0);
    counts.sort_by(|a, b| (Reverse(a.count), &a.emoji).cmp(&(Reverse(b.count), &b.emoji)));
}

/// The text in a message's row: the number of changes in the first line, and then a line with a count and an emoji for each kind.
/// `None` if the reactions never changed.
pub(super) fn to_sql(changes: u64, counts: &[ReactionCount]) -> Option<String> {
    let lines = counts.iter().map(|counted| format!("\n{} {}", counted.count, counted.emoji.as_str()));
    (changes > 0).then(|| changes.to_string() + &lines.collect::<String>())
}

/// Reads the text of [`to_sql`].
pub(super) fn from_sql(text: Option<&str>) -> (u64, Vec<ReactionCount>) {
    let Some(text) = text else { return (0, Vec::new()) };
    let mut lines = text.split('\n');
    let changes = lines.next().and_then(|changes| changes.parse().ok()).unwrap_or(0);
    let counts = lines.filter_map(|line| {
        let (count, emoji) = line.split_once(' ')?;
        Some(ReactionCount { emoji: Emoji::from_stored(emoji.to_owned()), count: count.parse().ok()? })
    });
    (changes, counts.collect())
}
