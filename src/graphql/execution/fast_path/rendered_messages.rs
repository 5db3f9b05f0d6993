//! A cache of messages as JSON, for pages of messages. The JSON depends only on the state of a message and on the selected fields.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::message::{Message, MessageId};
use crate::domain::position::Seq;
use crate::domain::timestamp::Timestamp;

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of messages in the cache.
const CACHE_ENTRIES: usize = 16 * 1024;

/// Messages as JSON.
#[derive(Clone)]
pub(in crate::graphql) struct RenderedMessages(Arc<Cache<Key, Arc<RawValue>, Weight>>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    message: MessageId,
    revision: Seq,
    reaction_changes: u64,
    /// When the revision was made. A store that loses its last changes assigns their revision numbers again.
    changed_at: Timestamp,
    /// Identifies the selection set.
    selection: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<RawValue>> for Weight {
    fn weight(&self, _: &Key, json: &Arc<RawValue>) -> u64 {
        (size_of::<Key>() + size_of::<Arc<RawValue>>() + json.get().len()) as u64
    }
}

impl RenderedMessages {
    pub(in crate::graphql) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight)))
    }

    /// The JSON of a message with the fields of a selection set. Serializes and caches it unless the cache has it.
    pub(super) fn get(
        &self,
        message: &Message,
        selection: u64,
        with_fields: &impl Serialize,
    ) -> serde_json::Result<Arc<RawValue>> {
        let changed_at = message.deleted_at.or(message.edited_at).unwrap_or(message.created_at);
        let key = Key {
            message: message.id,
            revision: message.revision,
            reaction_changes: message.reaction_changes,
            changed_at,
            selection,
        };
        if let Some(json) = self.0.get(&key) {
            return Ok(json);
        }
        let json = Arc::from(to_raw_value(with_fields)?);
        self.0.insert(key, Arc::clone(&json));
        Ok(json)
    }
}
