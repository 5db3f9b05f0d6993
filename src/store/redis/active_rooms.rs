//! Pages of the list of rooms, merged from its parts.

use std::collections::HashSet;

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::store::redis::RedisStore;
use crate::store::redis::fan_out::UnavailableShards;
use crate::store::redis::keys::{LIST_PARTS, ROOM_PARTS, list_entry, parse_list_entry};
use crate::store::{ActiveRooms, RoomState, StoreError};

/// Maximum number of rounds that fill a page when listed rooms turn out to be gone.
const MAX_ROUNDS: usize = 4;

/// A part of the list of rooms, as far as it was read.
struct Part {
    number: u8,
    /// Rooms in the whole part, without those that have expired.
    count: u64,
    /// Newest first.
    entries: Vec<String>,
    /// Those entries whose rooms have expired.
    expired: Vec<String>,
}

/// The newest entries of all parts.
struct Newest {
    /// Newest first.
    entries: Vec<String>,
    /// Those entries whose rooms have expired.
    expired: HashSet<String>,
    /// Rooms in the whole list, without those that have expired.
    count: u64,
}

/// Rooms with an entry that should not be in the list.
#[derive(Default)]
struct Outdated {
    /// They were counted, but do not exist any more, and never come back.
    gone: HashSet<RoomId>,
    /// They are not listed: a server was killed, or failed, after it had changed the setting and before it had removed the entry.
    unlisted: Vec<RoomId>,
}

impl RedisStore {
    /// See [`active_rooms`](crate::store::Store::active_rooms).
    pub(super) async fn list_active_rooms(
        &self,
        after: Option<(Timestamp, RoomId)>,
        limit: u32,
    ) -> Result<ActiveRooms, StoreError> {
        let wanted = limit as usize + 1;
        let mut from = after.map_or_else(|| "+".to_owned(), |(at, room)| format!("({}", list_entry(at, room)));
        let (mut rooms, mut total, mut more) = (Vec::new(), 0, true);
        let (mut shards, mut unavailable) = (UnavailableShards::default(), None);
        for _ in 0..MAX_ROUNDS {
            let Newest { entries, expired, count } = self.newest_entries(&from, wanted, &mut shards).await?;
            let current = entries.iter().filter(|entry| !expired.contains(*entry));
            let ids: Vec<_> = current.filter_map(|entry| parse_list_entry(entry)).collect();
            let mut outdated = Outdated::default();
            unavailable = self.append_states(&ids, &mut rooms, &mut outdated, &mut shards).await?.or(unavailable);
            total = count.saturating_sub((outdated.gone.len() + outdated.unlisted.len()) as u64);
            self.remove_outdated(&entries, expired, outdated).await;
            more = entries.len() == wanted;
            match entries.last() {
                Some(last) if more && rooms.len() < wanted => from = format!("({last}"),
                _ => break,
            }
        }
        if let Some(error) = unavailable.filter(|_| rooms.is_empty()) {
            return Err(error);
        }
        more |= rooms.len() >= wanted;
        rooms.truncate(limit as usize);
        Ok(ActiveRooms { rooms, more, total })
    }

    /// Removes entries from the list. They may stay where this store cannot write now.
    async fn remove_outdated(
        &self,
        entries: &[String],
        expired: HashSet<String>,
        Outdated { gone, unlisted }: Outdated,
    ) {
        let is_gone = |entry: &&String| parse_list_entry(entry).is_some_and(|room| gone.contains(&room));
        let gone: Vec<_> = entries.iter().filter(is_gone).cloned().chain(expired).collect();
        if !gone.is_empty() {
            let _ = self.unlist(&gone).await;
        }
        if !unlisted.is_empty() {
            // Detached, because the owner may list a room again meanwhile. Then its entry is restored.
            let complete = async move |store: Self| {
                for room in unlisted {
                    store.follow_setting(room).await?;
                }
                Ok(())
            };
            let _ = self.detached(complete).await;
        }
    }

    /// The `wanted` newest entries after `from`.
    async fn newest_entries(
        &self,
        from: &str,
        wanted: usize,
        shards: &mut UnavailableShards,
    ) -> Result<Newest, StoreError> {
        // Rooms are spread evenly over the parts. A part that has more of the newest than its share is read once more.
        let share = (wanted / usize::from(LIST_PARTS) * 2 + 8).min(wanted);
        let all: Vec<_> = (0..LIST_PARTS).collect();
        let mut parts = self.read_parts(&all, from, share, shards).await?;
        let mut entries = merge(&parts, wanted);
        let is_short = |part: &&Part| {
            share < wanted
                && part.entries.len() == share
                && (entries.len() < wanted || part.entries.last() > entries.last())
        };
        let short: Vec<_> = parts.iter().filter(is_short).map(|part| part.number).collect();
        if !short.is_empty() {
            let complete = self.read_parts(&short, from, wanted, shards).await?;
            parts.retain(|part| complete.iter().all(|other| other.number != part.number));
            parts.extend(complete);
            entries = merge(&parts, wanted);
        }
        let count = parts.iter().map(|part| part.count).sum();
        let expired = parts.into_iter().flat_map(|part| part.expired).filter(|entry| entries.contains(entry)).collect();
        Ok(Newest { entries, expired, count })
    }

    /// Reads the `count` newest entries after `from` of each part. Fails if no part can be read.
    async fn read_parts<'a>(
        &'a self,
        numbers: &'a [u8],
        from: &'a str,
        count: usize,
        shards: &mut UnavailableShards,
    ) -> Result<Vec<Part>, StoreError> {
        let key = |part: &u8| self.inner.keys.room_list(*part)[0].clone();
        let read = |numbers: &'a [u8]| async move {
            let keys = numbers.iter().flat_map(|number| self.inner.keys.room_list(*number));
            let mut call = self.inner.scripts.list_rooms.call(keys);
            let mut reply = self.run(call.arg(from).arg(count)).await?;
            let mut parts = Vec::with_capacity(numbers.len());
            for number in numbers.iter().copied() {
                let count = reply.number()?;
                let (entries, expired) = (reply.strings()?, reply.strings()?);
                parts.push(Part { number, count, entries, expired });
            }
            Ok(parts)
        };
        let (mut parts, mut unavailable) = (Vec::with_capacity(numbers.len()), None);
        for (_, result) in self.fan_out(numbers, key, read, shards).await {
            match result {
                Ok(read) => parts.extend(read),
                Err(error) => unavailable = Some(self.tolerate_unavailable_shard(error)?),
            }
        }
        match unavailable {
            Some(error) if parts.is_empty() => Err(error),
            _ => Ok(parts),
        }
    }

    /// Appends the states of those rooms that exist, are listed and can be read, in order. Adds those that do not exist, or are not
    /// listed, to `outdated`. Returns why others could not be read.
    async fn append_states<'a>(
        &'a self,
        rooms: &'a [RoomId],
        states: &mut Vec<RoomState>,
        outdated: &mut Outdated,
        shards: &mut UnavailableShards,
    ) -> Result<Option<StoreError>, StoreError> {
        let read = |rooms: &'a [RoomId]| async move {
            let keys = rooms.iter().flat_map(|room| ROOM_PARTS.map(|part| self.inner.keys.of_room(*room, part)));
            let mut reply = self.run(&self.inner.scripts.room_states.call(keys)).await?;
            let mut states = Vec::with_capacity(rooms.len());
            while !reply.is_empty() {
                let index = usize::try_from(reply.number()?).unwrap_or(usize::MAX);
                let room = rooms.get(index).ok_or_else(|| reply.unexpected_outcome())?;
                states.push(reply.room_state(*room)?);
            }
            Ok(states)
        };
        let mut unavailable = None;
        for (rooms, result) in self.fan_out(rooms, |room| self.inner.keys.of_room(*room, "room"), read, shards).await {
            match result {
                Ok(read) => {
                    let is_gone = |room: &&RoomId| read.iter().all(|state| state.room.id != **room);
                    outdated.gone.extend(rooms.iter().filter(is_gone));
                    let (listed, unlisted): (Vec<_>, Vec<_>) =
                        read.into_iter().partition(|state| state.settings.listed);
                    states.extend(listed);
                    outdated.unlisted.extend(unlisted.into_iter().map(|state| state.room.id));
                }
                Err(error) => unavailable = Some(self.tolerate_unavailable_shard(error)?),
            }
        }
        Ok(unavailable)
    }
}

/// The `wanted` newest entries of all parts, newest first.
fn merge(parts: &[Part], wanted: usize) -> Vec<String> {
    let mut entries: Vec<_> = parts.iter().flat_map(|part| &part.entries).collect();
    entries.sort_unstable_by(|one, another| another.cmp(one));
    // A room that was imported twice while slots moved is on two parts.
    entries.dedup();
    entries.into_iter().take(wanted).cloned().collect()
}
