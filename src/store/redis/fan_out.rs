//! Runs an operation on many items that have different slots.
//!
//! On a single Redis one call takes many items. In a cluster each item has a call of its own, and shards are independent of each
//! other: the items of an unavailable shard fail, and the others do not wait long for them.

use std::collections::{HashMap, HashSet};
use std::slice;

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use crate::store::StoreError;
use crate::store::redis::RedisStore;
use crate::store::redis::link::slots::Address;

/// Maximum number of rooms per call to a single Redis: while a script runs, all other clients wait.
const MAX_ROOMS_PER_CALL: usize = 100;
/// Calls in flight to one server.
const MAX_IN_FLIGHT: usize = 64;
/// How long to wait for silent shards after the last reply of another, as a fraction of a call's timeout.
const STRAGGLER_FRACTION: f64 = 0.7;

/// Shards that were unavailable earlier in an operation. Its further calls skip them.
#[derive(Default)]
pub(super) struct UnavailableShards(HashSet<Option<Address>>);

impl RedisStore {
    /// Runs `call` on all `items`, with as few calls as possible, except on `unavailable` shards. `key` decides the slot of an
    /// item. Returns each call's items and result, in order.
    pub(super) async fn fan_out<'a, T, R, W>(
        &self,
        items: &'a [T],
        key: impl Fn(&T) -> String + Send,
        call: impl Fn(&'a [T]) -> W + Send,
        unavailable: &mut UnavailableShards,
    ) -> Vec<(&'a [T], Result<R, StoreError>)>
    where
        T: Sync,
        R: Send,
        W: Future<Output = Result<R, StoreError>> + Send + 'a,
    {
        let Some(cluster) = self.inner.commands.cluster() else {
            let batches = items.chunks(MAX_ROOMS_PER_CALL);
            let calls: Vec<_> = batches.map(|batch| call(batch).map(move |result| (batch, result))).collect();
            return stream::iter(calls).buffered(MAX_IN_FLIGHT).collect().await;
        };
        let topology = cluster.topology();
        let shards: Vec<_> = items.iter().map(|item| topology.address_of(&key(item)).cloned()).collect();
        let mut by_shard = HashMap::<_, Vec<_>>::new();
        for (index, shard) in shards.iter().enumerate().filter(|(_, shard)| !unavailable.0.contains(*shard)) {
            let call = call(slice::from_ref(&items[index]));
            by_shard.entry(shard).or_default().push(call.map(move |result| (index, result)));
        }
        let streams = by_shard.into_values().map(|calls| stream::iter(calls).buffer_unordered(MAX_IN_FLIGHT));
        let mut calls = stream::select_all(streams);
        let mut results: Vec<_> = items.iter().map(|_| None).collect();
        // Each call has its own deadline. This one is for calls that have not started yet when the other shards are done.
        let timeout = self.inner.commands.timeout();
        let mut give_up = Instant::now() + timeout;
        while let Ok(Some((index, result))) = timeout_at(give_up, calls.next()).await {
            if result.is_ok() {
                give_up = Instant::now() + timeout.mul_f64(STRAGGLER_FRACTION);
            }
            results[index] = Some(result);
        }
        drop(calls);
        let has_answered = |result: &Option<_>| matches!(result, Some(Ok(_) | Err(StoreError::Corrupt(_))));
        let available: HashSet<_> =
            shards.iter().zip(&results).filter(|(_, result)| has_answered(result)).map(|(shard, _)| shard).collect();
        for shard in shards.iter().filter(|shard| !available.contains(shard)) {
            cluster.request_refresh();
            unavailable.0.insert(shard.clone());
        }
        let no_answer = || Err(StoreError::Unavailable("this shard of the cluster does not answer".into()));
        items.chunks(1).zip(results).map(|(item, result)| (item, result.unwrap_or_else(no_answer))).collect()
    }

    /// Returns an error that concerns one shard of several. Any other error fails the whole operation.
    pub(super) fn tolerate_unavailable_shard(&self, error: StoreError) -> Result<StoreError, StoreError> {
        match error {
            StoreError::Unavailable(_) if self.is_cluster() => Ok(error),
            error => Err(error),
        }
    }
}
