//! Caches the viewer counts that were read last, for use while their shard is unavailable.

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::domain::room::RoomId;
use crate::store::VIEWER_REPORT_TTL;

/// Rooms remembered, at some 60 bytes each.
const MAX_ROOMS: usize = 50_000;

pub(super) struct ViewerCache(Cache<RoomId, (u32, Instant)>);

impl ViewerCache {
    pub fn new() -> Self {
        Self(Cache::new(MAX_ROOMS))
    }

    pub fn insert(&self, room: RoomId, viewers: u32) {
        self.0.insert(room, (viewers, Instant::now()));
    }

    /// The last count, as long as the reports behind it may still be valid.
    pub fn get(&self, room: RoomId) -> Option<u32> {
        self.0.get(&room).filter(|(_, read_at)| read_at.elapsed() < VIEWER_REPORT_TTL).map(|(viewers, _)| viewers)
    }
}
