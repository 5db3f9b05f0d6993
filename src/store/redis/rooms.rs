//! Operations on many rooms at once: a page of the list of rooms, and the viewers of rooms.
//!
//! On a single Redis a script takes many rooms. In a cluster each room has a slot and so a call of its own, and shards are
//! independent of each other: what is on a shard that is away is left out, and nobody waits long for it.

use std::collections::{HashMap, HashSet};

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout_at};

use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::store::redis::keys::{Keys, LIST_PARTS, list_entry, list_part, room_of_list_entry};
use crate::store::redis::link::connection::Commands;
use crate::store::redis::link::slots::{Address, slot_of};
use crate::store::redis::{PARTS, RedisStore, millis};
use crate::store::{ActiveRooms, RoomState, StoreError, VIEWER_REPORT_TTL};

/// Rooms in one call, at most: while a script runs, everybody else waits.
pub(super) const IN_A_CALL: usize = 100;
/// Calls to one server that are under way at a time.
const AT_A_TIME: usize = 64;
/// Rounds in which a page of rooms is filled up when listed rooms turn out to be gone.
const ROUNDS: usize = 4;
/// How long shards that are silent are waited for once others have answered, as a part of the time that any call has.
const STRAGGLERS: f64 = 0.7;
/// Rooms whose viewers are remembered, at some 60 bytes each.
const REMEMBERED: usize = 50_000;

/// The numbers of viewers that were read last, for when their shard is away.
pub(super) struct LastViewers(Cache<RoomId, (u32, Instant)>);

impl LastViewers {
    pub fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    fn remember(&self, room: RoomId, viewers: u32) {
        self.0.insert(room, (viewers, Instant::now()));
    }

    /// The number that was read last, as long as the report behind it may still count.
    fn recent(&self, room: RoomId) -> Option<u32> {
        self.0.get(&room).filter(|(_, read)| read.elapsed() < VIEWER_REPORT_TTL).map(|(viewers, _)| viewers)
    }
}

/// Shards that turned out to be away during an operation; its further calls do not wait for them again.
#[derive(Default)]
struct Away(HashSet<Option<Address>>);

/// A part of the list of rooms, as far as it was asked for.
struct Part {
    number: u8,
    /// Rooms in it.
    count: u64,
    /// Newest first.
    entries: Vec<String>,
}

/// The part of the list on which a room is put: in a cluster one at the same shard if there is one, so that rooms are listed
/// as long as they can be read. Where slots have moved since, nothing depends on it.
pub(super) fn list_part_for(commands: &Commands, keys: &Keys, room: RoomId) -> u8 {
    let usual = list_part(room);
    let Some(cluster) = commands.cluster() else { return usual };
    let map = cluster.map().borrow().clone();
    let shard = |key: &str| map.owner(slot_of(key.as_bytes())).map(|node| &node.address);
    let own = shard(&keys.of_room(room, "room"));
    let beside: Vec<_> = (0..LIST_PARTS).filter(|part| shard(&keys.rooms(*part)[0]) == own).collect();
    if beside.is_empty() { usual } else { beside[usize::from(usual) % beside.len()] }
}

impl RedisStore {
    /// See [`active_rooms`](crate::store::Store::active_rooms).
    pub(super) async fn list(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        let wanted = limit as usize + 1;
        let mut from = after.map_or_else(|| "+".to_owned(), |(at, room)| format!("({}", list_entry(at, room)));
        let (mut rooms, mut total, mut more, mut away) = (Vec::new(), 0, true, Away::default());
        let (mut are_some_gone, mut unreachable) = (false, None);
        for _ in 0..ROUNDS {
            let (entries, listed) = self.newest(&from, wanted, are_some_gone, &mut away).await?;
            total = listed;
            let ids: Vec<_> = entries.iter().filter_map(|entry| room_of_list_entry(entry)).collect();
            let before = rooms.len();
            unreachable = self.states(&ids, &mut rooms, &mut away).await?.or(unreachable);
            are_some_gone = rooms.len() - before < ids.len();
            more = entries.len() == wanted;
            match entries.last() {
                Some(last) if more && rooms.len() < wanted => from = format!("({last}"),
                _ => break,
            }
        }
        if let Some(error) = unreachable.filter(|_| rooms.is_empty()) {
            return Err(error);
        }
        more |= rooms.len() >= wanted;
        rooms.truncate(limit as usize);
        Ok(ActiveRooms { rooms, more, total })
    }

    /// The `wanted` newest entries of the list behind `from`, and how many rooms are listed in all.
    async fn newest(
        &self,
        from: &str,
        wanted: usize,
        prune: bool,
        away: &mut Away,
    ) -> Result<(Vec<String>, u64), StoreError> {
        // Rooms are spread evenly over the parts. A part that has more of the newest than its share is asked once more.
        let share = (wanted / usize::from(LIST_PARTS) * 2 + 8).min(wanted);
        let everywhere: Vec<_> = (0..LIST_PARTS).collect();
        let mut parts = self.parts(&everywhere, from, share, prune, away).await?;
        let mut entries = merge(&parts, wanted);
        let is_short = |part: &&Part| {
            share < wanted
                && part.entries.len() == share
                && (entries.len() < wanted || part.entries.last() > entries.last())
        };
        let short: Vec<_> = parts.iter().filter(is_short).map(|part| part.number).collect();
        if !short.is_empty() {
            let whole = self.parts(&short, from, wanted, false, away).await?;
            parts.retain(|part| whole.iter().all(|other| other.number != part.number));
            parts.extend(whole);
            entries = merge(&parts, wanted);
        }
        Ok((entries, parts.iter().map(|part| part.count).sum()))
    }

    /// Parts of the list: of each the `count` newest entries behind `from`. Fails when none can be reached.
    async fn parts<'a>(
        &'a self,
        parts: &'a [u8],
        from: &'a str,
        count: usize,
        prune: bool,
        away: &mut Away,
    ) -> Result<Vec<Part>, StoreError> {
        let of_part = |part: &u8| self.inner.keys.rooms(*part)[0].clone();
        let read = |parts: &'a [u8]| async move {
            let mut call = self.inner.scripts.list.prepare_invoke();
            for part in parts {
                call.key(&self.inner.keys.rooms(*part)[..]);
            }
            let mut reply = self.run(call.arg(from).arg(count).arg(u8::from(prune))).await?;
            let mut read = Vec::with_capacity(parts.len());
            for number in parts.iter().copied() {
                let (count, entries) = (reply.number()?, reply.number()?);
                let entries = (0..entries).map(|_| reply.string()).collect::<Result<Vec<_>, _>>()?;
                read.push(Part { number, count, entries });
            }
            Ok(read)
        };
        let (mut read_parts, mut unreachable) = (Vec::with_capacity(parts.len()), None);
        for (_, answer) in self.spread(parts, of_part, read, away).await {
            match answer {
                Ok(read) => read_parts.extend(read),
                Err(error) => unreachable = Some(self.tolerate(error)?),
            }
        }
        match unreachable {
            Some(error) if read_parts.is_empty() => Err(error),
            _ => Ok(read_parts),
        }
    }

    /// Appends the states of those of `rooms` that are there and can be reached, in the same order. Answers why some could not
    /// be reached.
    async fn states<'a>(
        &'a self,
        rooms: &'a [RoomId],
        to: &mut Vec<RoomState>,
        away: &mut Away,
    ) -> Result<Option<StoreError>, StoreError> {
        let read = |rooms: &'a [RoomId]| async move {
            let mut call = self.inner.scripts.room_states.prepare_invoke();
            for room in rooms {
                call.key(&PARTS.map(|part| self.inner.keys.of_room(*room, part))[..]);
            }
            let mut reply = self.run(&call).await?;
            let mut states = Vec::with_capacity(rooms.len());
            while !reply.is_read() {
                let place = usize::try_from(reply.number()?).unwrap_or(usize::MAX);
                let room = rooms.get(place).ok_or_else(|| reply.unknown())?;
                states.push(reply.room_state(*room)?);
            }
            Ok(states)
        };
        let mut unreachable = None;
        for (_, answer) in self.spread(rooms, |room| self.inner.keys.of_room(*room, "room"), read, away).await {
            match answer {
                Ok(states) => to.extend(states),
                Err(error) => unreachable = Some(self.tolerate(error)?),
            }
        }
        Ok(unreachable)
    }

    /// See [`report_viewers`](crate::store::Store::report_viewers).
    pub(super) async fn tell_viewers<'a>(&'a self, counts: &'a [(RoomId, u32)]) -> Result<(), StoreError> {
        let tell = |counts: &'a [(RoomId, u32)]| async move {
            let mut call = self.inner.scripts.report_viewers.prepare_invoke();
            call.arg(&self.inner.node).arg(millis(VIEWER_REPORT_TTL));
            for (room, count) in counts {
                call.key(self.inner.keys.of_room(*room, "room"));
                call.key(self.inner.keys.of_room(*room, "viewers")).arg(*count);
            }
            self.run(&call).await.map(drop)
        };
        let of_room = |(room, _): &(RoomId, u32)| self.inner.keys.of_room(*room, "room");
        let told = self.spread(counts, of_room, tell, &mut Away::default()).await;
        told.into_iter().try_for_each(|(_, answer)| answer)
    }

    /// See [`viewers_elsewhere`](crate::store::Store::viewers_elsewhere).
    pub(super) async fn count_viewers<'a>(&'a self, rooms: &'a [RoomId]) -> Result<Vec<u32>, StoreError> {
        let read = |rooms: &'a [RoomId]| async move {
            let mut call = self.inner.scripts.viewers_elsewhere.prepare_invoke();
            for room in rooms {
                call.key(self.inner.keys.of_room(*room, "viewers"));
            }
            let mut reply = self.run(call.arg(&self.inner.node)).await?;
            let numbers = rooms.iter().map(|_| Ok(u32::try_from(reply.number()?).unwrap_or(u32::MAX)));
            numbers.collect::<Result<Vec<_>, StoreError>>()
        };
        let of_room = |room: &RoomId| self.inner.keys.of_room(*room, "viewers");
        let (mut counts, mut unreachable) = (Vec::with_capacity(rooms.len()), None);
        for (rooms, answer) in self.spread(rooms, of_room, read, &mut Away::default()).await {
            match answer {
                Ok(numbers) => {
                    if self.is_cluster() {
                        rooms
                            .iter()
                            .zip(&numbers)
                            .for_each(|(room, count)| self.inner.last_viewers.remember(*room, *count));
                    }
                    counts.extend(numbers.into_iter().map(Some));
                }
                Err(error) => {
                    unreachable = Some(self.tolerate(error)?);
                    counts.extend(rooms.iter().map(|room| self.inner.last_viewers.recent(*room)));
                }
            }
        }
        match unreachable {
            Some(error) if counts.iter().all(Option::is_none) => Err(error),
            _ => Ok(counts.into_iter().map(Option::unwrap_or_default).collect()),
        }
    }

    /// Hands an error back that one shard of several may have; any other is that of the whole operation.
    fn tolerate(&self, error: StoreError) -> Result<StoreError, StoreError> {
        match error {
            StoreError::Unavailable(_) if self.is_cluster() => Ok(error),
            error => Err(error),
        }
    }

    /// Makes as few calls as possible for `items`, each of which has the slot of a `key`. Answers for each call its items and
    /// how it went, in order. In a cluster the calls to a shard that is `away`, or turns out to be, fail.
    async fn spread<'a, T, R, W>(
        &self,
        items: &'a [T],
        key: impl Fn(&T) -> String + Send,
        call: impl Fn(&'a [T]) -> W + Send,
        away: &mut Away,
    ) -> Vec<(&'a [T], Result<R, StoreError>)>
    where
        T: Sync,
        R: Send,
        W: Future<Output = Result<R, StoreError>> + Send + 'a,
    {
        let Some(cluster) = self.inner.commands.cluster() else {
            let calls: Vec<_> = items
                .chunks(self.inner.in_a_call)
                .map(|batch| call(batch).map(move |answer| (batch, answer)))
                .collect();
            return stream::iter(calls).buffered(AT_A_TIME).collect().await;
        };
        let map = cluster.map().borrow().clone();
        let mut answers: Vec<Option<Result<R, StoreError>>> = items.iter().map(|_| None).collect();
        let mut by_shard = HashMap::<_, Vec<_>>::new();
        for (place, item) in items.iter().enumerate() {
            let shard = map.owner(slot_of(key(item).as_bytes())).map(|node| node.address.clone());
            by_shard.entry(shard).or_default().push(place);
        }
        let at_hand = by_shard.iter().filter(|(shard, _)| !away.0.contains(shard));
        let mut calls = stream::select_all(at_hand.map(|(_, places)| {
            let call = |place: usize| call(std::slice::from_ref(&items[place])).map(move |answer| (place, answer));
            let calls: Vec<_> = places.iter().copied().map(call).collect();
            stream::iter(calls).buffer_unordered(AT_A_TIME)
        }));
        // Each call has a deadline of its own; this is for those that are not under way yet when the others are done.
        let timeout = self.inner.commands.timeout();
        let mut give_up = Instant::now() + timeout;
        while let Ok(Some((place, answer))) = timeout_at(give_up, calls.next()).await {
            if answer.is_ok() {
                give_up = Instant::now() + timeout.mul_f64(STRAGGLERS);
            }
            answers[place] = Some(answer);
        }
        drop(calls);
        for (shard, places) in by_shard {
            let is_away = |place: &usize| !matches!(answers[*place], Some(Ok(_) | Err(StoreError::Corrupt(_))));
            if places.iter().all(is_away) {
                cluster.doubt();
                away.0.insert(shard);
            }
        }
        let silent = || Err(StoreError::Unavailable("this shard of the cluster does not answer".into()));
        items.chunks(1).zip(answers).map(|(item, answer)| (item, answer.unwrap_or_else(silent))).collect()
    }
}

/// The `wanted` newest entries of all parts, newest first.
fn merge(parts: &[Part], wanted: usize) -> Vec<String> {
    let mut entries: Vec<_> = parts.iter().flat_map(|part| &part.entries).collect();
    entries.sort_unstable_by(|one, another| another.cmp(one));
    // A room that was imported twice, between which slots moved, is on two parts.
    entries.dedup();
    entries.into_iter().take(wanted).cloned().collect()
}
