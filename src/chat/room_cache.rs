//! A cache of the parts of rooms that never change, so that a send does not have to read them from the store.
//!
//! An entry expires with its room. Until then, it can be wrong only if the store has lost the room. Then the store reports
//! that the room does not exist, and the entry is removed.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::access::secrets;
use crate::domain::client_key::ClientKey;
use crate::domain::room::{Room, RoomId};
use crate::store::{AddressHash, RoomState};

/// Maximum number of rooms in the cache, at about 250 bytes each.
const CAPACITY: usize = 50_000;

#[derive(Clone)]
pub(super) struct RoomCache(Arc<Cache<RoomId, Entry>>);

#[derive(Clone)]
struct Entry {
    room: Arc<CachedRoom>,
    expires: Instant,
}

/// The parts of a room that never change.
pub(super) struct CachedRoom {
    room: Room,
    /// The client that wrote last, and the hash of its address. The hash takes longer than all other checks of a send.
    last_address: Mutex<Option<(ClientKey, Option<AddressHash>)>>,
}

impl CachedRoom {
    fn new(room: Room) -> Arc<Self> {
        Arc::new(Self { room, last_address: Mutex::default() })
    }

    /// The keyed hash of a client's address in this room; `None` if the address is unknown.
    pub(super) fn address_hash(&self, client: ClientKey) -> Option<AddressHash> {
        let last = *self.last_address.lock();
        if let Some((_, hash)) = last.filter(|(known, _)| *known == client) {
            return hash;
        }
        let hash = secrets::address_hash(&self.room, client);
        *self.last_address.lock() = Some((client, hash));
        hash
    }
}

impl Deref for CachedRoom {
    type Target = Room;

    fn deref(&self) -> &Room {
        &self.room
    }
}

impl RoomCache {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::new(CAPACITY)))
    }

    /// The room, if it is in the cache and has not ended.
    pub(super) fn find(&self, id: RoomId) -> Option<Arc<CachedRoom>> {
        let found = self.0.get(&id)?;
        if Instant::now() < found.expires {
            return Some(found.room);
        }
        self.forget(id);
        None
    }

    /// Remembers a room whose state was requested at `asked_at`. The remaining life of the room counts from then, so the entry
    /// never expires after the room.
    pub(super) fn remember(&self, state: RoomState, asked_at: Instant) -> Arc<CachedRoom> {
        let remaining = state.room.remaining(state.now);
        let room = CachedRoom::new(state.room);
        if let Some(expires) = asked_at.checked_add(remaining) {
            self.0.insert(room.id, Entry { room: Arc::clone(&room), expires });
        }
        room
    }

    pub(super) fn forget(&self, id: RoomId) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::position::{EntryTag, Position, Seq};
    use crate::domain::room::{RoomCode, RoomSecret, RoomSettings};
    use crate::domain::timestamp::Timestamp;
    use crate::domain::token::Token;

    fn room(remaining: Duration) -> RoomState {
        let now = Timestamp::from_millis(1_000_000);
        let (id, code) = (RoomId::random(), RoomCode::random(6));
        let (owner_token, secret) = (Token::random().hash(), RoomSecret::random());
        let room = Room { id, code, owner_token, secret, created_at: now, expires_at: now.plus(remaining) };
        let head = Position { seq: Seq(0), tag: EntryTag(0) };
        let settings = RoomSettings::default();
        RoomState { room, now, head, message_count: 0, user_count: 0, settings, reaction_changes: 0 }
    }

    #[test]
    fn an_entry_lasts_until_its_room_ends_or_is_forgotten() {
        let (rooms, asked_at) = (RoomCache::new(), Instant::now());
        let alive = rooms.remember(room(Duration::from_secs(60)), asked_at);
        assert!(rooms.find(alive.id).is_some_and(|found| Arc::ptr_eq(&found, &alive)));
        rooms.forget(alive.id);
        assert!(rooms.find(alive.id).is_none());
        let over = rooms.remember(room(Duration::ZERO), asked_at);
        assert!(rooms.find(over.id).is_none());
    }

    #[test]
    fn a_client_has_the_hash_of_its_own_address_whoever_wrote_before() {
        let room = CachedRoom::new(room(Duration::from_secs(60)).room);
        let [first, second] = [1, 2].map(|last| ClientKey::from_address([192, 0, 2, last].into(), 64));
        for client in [first, first, second, ClientKey::Unknown, second, first] {
            assert_eq!(room.address_hash(client), secrets::address_hash(&room, client));
        }
        assert_ne!(room.address_hash(first), room.address_hash(second));
    }

    #[test]
    fn memory_is_bounded() {
        let rooms = RoomCache::new();
        for _ in 0..CAPACITY * 2 {
            rooms.remember(room(Duration::from_secs(60)), Instant::now());
        }
        assert!(rooms.0.len() <= CAPACITY);
    }
}
