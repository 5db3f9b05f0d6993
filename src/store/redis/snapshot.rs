//! Reads a room and a page of its messages with plain commands, which cost Redis a fraction of a script.
//!
//! The commands go to Redis one right after the other, but those of another client may come between. The result shows a change
//! of the page: each change gives its message a revision above the log number that was read before, or a change of its
//! reactions above those that the room had counted. The page is then read again.

use std::ops::Range;

use redis::{Cmd, Value};

use crate::domain::page::{Take, Window};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::store::redis::RedisStore;
use crate::store::redis::codec::{DecodeError, decode_room};
use crate::store::redis::event_codec::{StoredMessage, decode_message};
use crate::store::redis::keys::ROOM_PARTS;
use crate::store::redis::reply::decode_bytes;
use crate::store::{RoomState, Snapshot, StoreError};

/// Maximum number of attempts to read a page. Even in a busy room, few reads need a second one.
const MAX_ATTEMPTS: usize = 16;

/// The first and the last index of a part of a list, as `LRANGE` takes them: negative ones count from the end.
type Bounds = (isize, isize);

impl RedisStore {
    /// See [`snapshot`](crate::store::Store::snapshot).
    pub(super) async fn read_snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        let mut bounds = window.and_then(|window| match window {
            Window { before: None, take: Take::Last(count @ 1..), .. } => {
                Some((-isize::try_from(count).unwrap_or(isize::MAX), -1))
            }
            // The length of the list is not known yet, so assume that it is long enough.
            _ => to_bounds(&window.range(isize::MAX.unsigned_abs() as u64)),
        });
        for _ in 0..MAX_ATTEMPTS {
            let (state, has_list, messages) = self.read_part(room, bounds).await?;
            let wanted = window.map_or(0..0, |window| window.range(state.message_count));
            let first = match bounds {
                Some((first @ 0.., _)) => first.unsigned_abs() as u64,
                _ => state.message_count.saturating_sub(messages.len() as u64),
            };
            let Some(page) = slice(&messages, first, &wanted).filter(|_| has_list) else {
                if bounds == to_bounds(&wanted) {
                    return Err(StoreError::NotFound);
                }
                bounds = to_bounds(&wanted);
                continue;
            };
            let messages = page.iter().map(|message| decode_message(room, decode_bytes(message)?));
            let messages = messages.collect::<Result<Vec<_>, _>>()?;
            let is_current = |StoredMessage { message, room_reaction_changes }: &StoredMessage| {
                message.revision <= state.head.seq && *room_reaction_changes <= state.reaction_changes
            };
            if messages.iter().all(is_current) {
                let messages = messages.into_iter().map(|stored| stored.message).collect();
                return Ok(Snapshot { state, messages });
            }
        }
        Err(StoreError::Unavailable("the room changes too often to be read".into()))
    }

    /// Reads a room and its messages within the bounds. The second result says whether the list of messages exists, or the room
    /// has no messages. Without bounds, only the existence of the list is read.
    async fn read_part(
        &self,
        room: RoomId,
        bounds: Option<Bounds>,
    ) -> Result<(RoomState, bool, Vec<Value>), StoreError> {
        let [room_key, messages_key, log_key] = ROOM_PARTS.map(|name| self.inner.keys.of_room(room, name));
        let list = match bounds {
            Some((first, last)) => Cmd::lrange(messages_key, first, last),
            None => Cmd::exists(messages_key),
        };
        // The log exists as long as the room, so its time to live tells the time, too.
        let commands = vec![Cmd::hmget(room_key, &["state", "about"]), list, Cmd::pttl(log_key)];
        let replies = self.inner.commands.query_all(commands).await?;
        let Ok([Value::Array(fields), list, Value::Int(time_to_live)]) = <[Value; 3]>::try_from(replies) else {
            return Err(DecodeError("a room").into());
        };
        // Redis still returns a key within the millisecond in which it expires, with nothing left of its life.
        let ([Value::BulkString(state), Value::BulkString(about)], Ok(time_to_live @ 1..)) =
            (&fields[..], u64::try_from(time_to_live))
        else {
            return Err(StoreError::NotFound);
        };
        let now = |end: Timestamp| Timestamp::from_millis(end.as_millis().saturating_sub(time_to_live));
        let state = decode_room(room, state, about, now)?;
        let (exists, messages) = match list {
            Value::Array(messages) => (!messages.is_empty(), messages),
            list => (list == Value::Int(1), Vec::new()),
        };
        let has_list = exists || state.message_count == 0;
        Ok((state, has_list, messages))
    }
}

fn to_bounds(indexes: &Range<u64>) -> Option<Bounds> {
    let bound = |index| isize::try_from(index).unwrap_or(isize::MAX);
    (!indexes.is_empty()).then(|| (bound(indexes.start), bound(indexes.end - 1)))
}

/// The elements `wanted` of a list, of which `part` begins at the index `first`. `None` if one of them is not in the part.
fn slice<'a>(part: &'a [Value], first: u64, wanted: &Range<u64>) -> Option<&'a [Value]> {
    if wanted.is_empty() {
        return Some(&[]);
    }
    let start = usize::try_from(wanted.start.checked_sub(first)?).ok()?;
    let length = usize::try_from(wanted.end - wanted.start).ok()?;
    part.get(start..start.checked_add(length)?)
}
