//! Viewer counts of many rooms, reported and read.

use crate::domain::room::RoomId;
use crate::store::redis::RedisStore;
use crate::store::redis::fan_out::UnavailableShards;
use crate::store::redis::scripts::millis;
use crate::store::{StoreError, VIEWER_REPORT_TTL};

impl RedisStore {
    /// See [`report_viewers`](crate::store::Store::report_viewers).
    pub(super) async fn write_viewers<'a>(&'a self, counts: &'a [(RoomId, u32)]) -> Result<(), StoreError> {
        let write = |counts: &'a [(RoomId, u32)]| async move {
            let parts = ["room", "messages", "log", "viewers"];
            let keys = counts.iter().flat_map(|(room, _)| parts.map(|part| self.inner.keys.of_room(*room, part)));
            let mut call = self.inner.scripts.report_viewers.call(keys);
            call.arg(&self.inner.node).arg(millis(VIEWER_REPORT_TTL));
            self.run(call.arg(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>())).await.map(drop)
        };
        let key = |(room, _): &(RoomId, u32)| self.inner.keys.of_room(*room, "room");
        let results = self.fan_out(counts, key, write, &mut UnavailableShards::default()).await;
        results.into_iter().try_for_each(|(_, result)| result)
    }

    /// See [`viewers_elsewhere`](crate::store::Store::viewers_elsewhere).
    pub(super) async fn read_viewers<'a>(&'a self, rooms: &'a [RoomId]) -> Result<Vec<u32>, StoreError> {
        let read = |rooms: &'a [RoomId]| async move {
            let keys = rooms.iter().map(|room| self.inner.keys.of_room(*room, "viewers"));
            let mut call = self.inner.scripts.viewers_elsewhere.call(keys);
            let mut reply = self.run(call.arg(&self.inner.node)).await?;
            let numbers = rooms.iter().map(|_| Ok(u32::try_from(reply.number()?).unwrap_or(u32::MAX)));
            numbers.collect::<Result<Vec<_>, StoreError>>()
        };
        let key = |room: &RoomId| self.inner.keys.of_room(*room, "viewers");
        let (mut counts, mut unavailable) = (Vec::with_capacity(rooms.len()), None);
        for (rooms, result) in self.fan_out(rooms, key, read, &mut UnavailableShards::default()).await {
            match result {
                Ok(numbers) => {
                    if self.is_cluster() {
                        let read = rooms.iter().zip(&numbers);
                        read.for_each(|(room, count)| self.inner.viewer_cache.insert(*room, *count));
                    }
                    counts.extend(numbers.into_iter().map(Some));
                }
                Err(error) => {
                    unavailable = Some(self.tolerate_unavailable_shard(error)?);
                    counts.extend(rooms.iter().map(|room| self.inner.viewer_cache.get(*room)));
                }
            }
        }
        match unavailable {
            Some(error) if counts.iter().all(Option::is_none) => Err(error),
            _ => Ok(counts.into_iter().map(Option::unwrap_or_default).collect()),
        }
    }
}
