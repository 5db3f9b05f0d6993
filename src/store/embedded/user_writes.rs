//! Authenticates users and registers them. Runs inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::embedded::writer::WriteContext;
use crate::store::{Admission, Admitted, StoreError};

/// A row of the `user` table.
struct UserRow {
    display_name: DisplayName,
    current: [u8; 32],
    previous: Option<[u8; 32]>,
    sealed: Option<[u8; 16]>,
    expires_at: Timestamp,
    is_new: bool,
}

fn find_user(connection: &Connection, id: &UserId, now: Timestamp) -> rusqlite::Result<Option<UserRow>> {
    connection
        .prepare_cached(
            "SELECT display_name, current, previous, sealed, expires_at, is_new FROM user WHERE id = ?1 AND expires_at > ?2",
        )?
        .query_row(params![id.as_str(), now.as_millis()], |row| {
            Ok(UserRow {
                display_name: DisplayName::from_stored(row.get(0)?),
                current: row.get(1)?,
                previous: row.get(2)?,
                sealed: row.get(3)?,
                expires_at: Timestamp::from_millis(row.get(4)?),
                is_new: row.get(5)?,
            })
        })
        .optional()
}

pub(super) fn authenticate(ctx: &mut WriteContext<'_>, admission: Admission) -> Result<Admitted, StoreError> {
    Ok(admit(ctx, admission, true)?)
}

/// Authenticates a user or registers it. `is_new` marks a user that is registered without a message.
pub(super) fn admit(ctx: &mut WriteContext<'_>, admission: Admission, is_new: bool) -> rusqlite::Result<Admitted> {
    let (connection, now) = (ctx.connection, ctx.now);
    let Admission { user: id, presented, next_token, keep_until, register_as } = admission;
    let Some(known) = find_user(connection, &id, now)? else {
        let Some(display_name) = register_as else { return Ok(Admitted::Unknown) };
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO user (id, display_name, current, previous, sealed, expires_at, is_new)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id.as_str(),
                display_name.as_str(),
                next_token.0,
                presented.map(|p| p.hash.0),
                presented.map(|p| p.sealed_next_token.0),
                keep_until.as_millis(),
                is_new,
            ])?;
        return Ok(Admitted::Created(User { id, display_name, avatar_url: None }));
    };
    let Some(presented) = presented else { return Ok(Admitted::WrongToken) };
    let is_current = known.current == presented.hash.0;
    let sealed = known.sealed.filter(|_| known.previous == Some(presented.hash.0));
    if is_current {
        connection
            .prepare_cached("UPDATE user SET current = ?2, previous = ?3, sealed = ?4, is_new = 0 WHERE id = ?1")?
            .execute(params![id.as_str(), next_token.0, presented.hash.0, presented.sealed_next_token.0])?;
    } else if sealed.is_none() {
        return Ok(Admitted::WrongToken);
    } else if known.is_new {
        connection.prepare_cached("UPDATE user SET is_new = 0 WHERE id = ?1")?.execute([id.as_str()])?;
    }
    // A separate statement, because it moves an index entry and is rarely needed.
    if keep_until > known.expires_at {
        connection
            .prepare_cached("UPDATE user SET expires_at = ?2 WHERE id = ?1")?
            .execute(params![id.as_str(), keep_until.as_millis()])?;
    }
    let user = User { id, display_name: known.display_name, avatar_url: None };
    Ok(match sealed {
        Some(sealed) if !is_current => Admitted::Repeated(user, SealedToken(sealed)),
        _ => Admitted::Rotated(user),
    })
}

pub(super) fn forget_new_user(ctx: &mut WriteContext<'_>, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
    ctx.connection
        .prepare_cached("DELETE FROM user WHERE id = ?1 AND current = ?2 AND is_new")?
        .execute(params![user.as_str(), token.0])?;
    Ok(())
}

/// Forgets a user that was registered with `token`.
pub(super) fn delete_user(connection: &Connection, user: &UserId, token: TokenHash) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM user WHERE id = ?1 AND current = ?2")?
        .execute(params![user.as_str(), token.0])
        .map(drop)
}
