//! Creates, lists, unlists and ends rooms. A cluster may keep room and list on two nodes, so each of these takes two steps or
//! more.

use crate::domain::position::EntryTag;
use crate::domain::room::{Room, RoomId, SettingsUpdate};
use crate::domain::timestamp::Timestamp;
use crate::store::redis::RedisStore;
use crate::store::redis::codec;
use crate::store::redis::fan_out::UnavailableShards;
use crate::store::redis::keys::{ALL_ROOM_PARTS, LIST_PARTS, ROOM_PARTS, list_entry};
use crate::store::redis::link::cluster::Cluster;
use crate::store::redis::scripts::millis;
use crate::store::{Committed, NewRoom, RoomLimits, RoomState, SLOW_MODE_LOOKBACK, StoreError};

/// How often to list or unlist a room whose setting changes meanwhile.
const MAX_ATTEMPTS: usize = 8;

impl RedisStore {
    /// Creates a room, and lists it. Between the two steps the room exists without being listed.
    pub(super) async fn create_and_list(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        let NewRoom { id, code, ttl, owner_token, secret, settings } = room;
        let mut create = self.on_room(&self.inner.scripts.create_room, id, &ROOM_PARTS);
        create.arg(codec::encode_about(&code, &owner_token, &secret, &settings)).arg(millis(ttl));
        create.arg(u8::from(settings.locked)).arg(settings.slow_mode_seconds);
        let state = self.run(&create).await?.room_state(id)?;
        if settings.listed {
            self.list_room(&state.room).await?;
        }
        Ok(state)
    }

    /// Ends a room, and removes it from the list.
    pub(super) async fn end_and_unlist(&self, room: RoomId) -> Result<(), StoreError> {
        let call = self.on_room(&self.inner.scripts.end_room, room, &ALL_ROOM_PARTS);
        let created_at = codec::decode_timestamp(&self.run(&call).await?.string()?)?;
        // Readers of the list pass over rooms that are gone, and remove them.
        let _ = self.unlist(&[list_entry(created_at, room)]).await;
        Ok(())
    }

    /// Changes settings, and lists or unlists the room if that may have changed.
    pub(super) async fn update_and_list(
        &self,
        room: RoomId,
        tag: EntryTag,
        settings: SettingsUpdate,
        limits: RoomLimits,
    ) -> Result<Committed, StoreError> {
        let may_change_list = settings.listed.is_some();
        let SettingsUpdate { title, listed, capacity, slow_mode_seconds, locked } = settings;
        let mut call = self.on_room(&self.inner.scripts.update_room, room, &ROOM_PARTS);
        call.arg(&codec::encode_tag(tag)[..]).arg(limits.events);
        call.arg(title.map_or_else(String::new, |title| format!("={}", codec::encode_title(title.as_ref()))));
        call.arg(optional(listed.map(u64::from)));
        call.arg(optional(capacity.map(|capacity| capacity.unwrap_or(0).into())));
        call.arg(optional(slow_mode_seconds.map(u64::from))).arg(optional(locked.map(u64::from)));
        call.arg(SLOW_MODE_LOOKBACK);
        let event = self.run(&call).await?.event(room)?;
        if may_change_list {
            self.follow_setting(room).await?;
        }
        Ok(Committed::New(event))
    }

    /// Lists or unlists a room, as its setting says in the end.
    pub(super) async fn follow_setting(&self, room: RoomId) -> Result<(), StoreError> {
        let mut done: Option<(Timestamp, bool)> = None;
        for _ in 0..MAX_ATTEMPTS {
            let state = match (self.read_snapshot(room, None).await, done) {
                (Ok(snapshot), _) => snapshot.state,
                // The room has ended meanwhile.
                (Err(StoreError::NotFound), Some((created_at, true))) => {
                    return self.unlist(&[list_entry(created_at, room)]).await;
                }
                (Err(StoreError::NotFound), _) => return Ok(()),
                (Err(error), _) => return Err(error),
            };
            let listed = state.settings.listed;
            if done.is_some_and(|(_, done)| done == listed) {
                break;
            }
            if listed {
                self.list_room(&state.room).await?;
            } else {
                self.unlist(&[list_entry(state.room.created_at, room)]).await?;
            }
            done = Some((state.room.created_at, listed));
        }
        Ok(())
    }

    /// Adds a room to the list of rooms. Idempotent.
    pub(super) async fn list_room(&self, room: &Room) -> Result<(), StoreError> {
        let topology = self.inner.commands.cluster().map(Cluster::topology);
        let part = self.inner.keys.list_part(room.id, topology.as_deref());
        let mut call = self.inner.scripts.list_room.call(self.inner.keys.room_list(part));
        call.arg(list_entry(room.created_at, room.id)).arg(room.expires_at.as_millis());
        self.run(&call).await.map(drop)
    }

    /// Removes entries from all parts of the list, because slots may have moved since a room was listed. Also removes expired
    /// rooms.
    pub(super) async fn unlist<'a>(&'a self, entries: &'a [String]) -> Result<(), StoreError> {
        let parts: Vec<_> = (0..LIST_PARTS).collect();
        let key = |part: &u8| self.inner.keys.room_list(*part)[0].clone();
        let remove = async |parts: &[u8]| {
            let keys = parts.iter().flat_map(|part| self.inner.keys.room_list(*part));
            self.run(self.inner.scripts.unlist_rooms.call(keys).arg(entries)).await.map(drop)
        };
        let results = self.fan_out(&parts, key, remove, &mut UnavailableShards::default()).await;
        results.into_iter().try_for_each(|(_, result)| result)
    }
}

/// An argument that may be absent.
fn optional(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
