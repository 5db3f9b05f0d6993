//! Renders events and updates of presence: executes and serializes each once per operation, for all subscribers with the same
//! operation.
//!
//! A rendering is a function of the event and the operation. It does not depend on the connection, and of the variables it uses
//! only those of the event's fields, not the room's code or the cursor. Renderings are cached within a bound; an evicted one is
//! made again. Operations are in `operation`; each also keeps the last few, where its live subscribers find them without a lookup.
//!
//! One field reads the store: `Message.reactionsBy`. What it returns changes only with the version of the event. If the read fails,
//! the subscription ends with the error, so that its client resumes before the event.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_graphql::Request;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::chat::cursor;
use crate::client_limit::{ClientLimit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::domain::event::Event;
use crate::domain::presence::PresenceUpdate;
use crate::error_code::ErrorCode;
use crate::graphql::execution::event_schema::{EventSchema, EventSchemaBuilder};
use crate::graphql::execution::fast_path::EventPlan;
use crate::graphql::execution::metrics::PathCounters;
use crate::graphql::execution::operation::{EventVersion, Identity, Operation, Rendering};
use crate::graphql::execution::render_turns::{RenderTurns, RoomTurns};
use crate::graphql::execution::response::Answer;
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::response_budget::BudgetExceeded;

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of renderings in the cache.
const CACHE_ENTRIES: usize = 8 * 1024;

/// Renderings that may read the store at once. A read has a deadline, so a store that hangs delays only renderings that read it.
const MAX_READING: usize = 64;

/// What is rendered.
#[derive(Clone)]
enum Item {
    Event(Arc<Event>),
    Presence(Arc<PresenceUpdate>),
}

impl Item {
    fn version(&self) -> Version {
        match self {
            Self::Event(event) => Version::Event(EventVersion::of(event)),
            Self::Presence(update) => Version::Presence { id: update.id },
        }
    }
}

/// Identifies what is rendered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Version {
    Event(EventVersion),
    Presence { id: u64 },
}

/// Identifies a rendering.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    operation: Identity,
    version: Version,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Rendering>> for Weight {
    fn weight(&self, _: &Key, rendering: &Arc<Rendering>) -> u64 {
        let cursor = rendering.cursor.as_ref().map_or(0, |cursor| cursor.len());
        (size_of::<Key>() + size_of::<Rendering>() + rendering.payload.len() + cursor) as u64
    }
}

/// Makes and caches renderings.
pub(in crate::graphql) struct Renderings {
    schema: EventSchema,
    /// Whether `__typename` is available.
    pub(super) introspection: bool,
    cache: Cache<Key, Arc<Rendering>, Weight>,
    /// The operations that have subscribers.
    operations: Mutex<HashMap<Identity, Weak<Operation>>>,
    /// Limits the number of operations.
    distinct: Arc<ClientLimit>,
    turns: RenderTurns,
    /// One permit for each rendering that may read the store.
    reading: Semaphore,
    /// Maximum size of a rendering, in bytes.
    max: usize,
    /// The renderings that were made.
    made: PathCounters,
}

impl Renderings {
    /// An empty cache. `introspection` must be that of the schema. `made` counts the renderings.
    pub(in crate::graphql) fn new(
        schema: EventSchemaBuilder,
        introspection: bool,
        distinct: Arc<ClientLimit>,
        max: usize,
        made: PathCounters,
    ) -> Self {
        let cache = Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight);
        let (schema, turns) = (schema.finish(), RenderTurns::new());
        let reading = Semaphore::new(MAX_READING);
        Self { schema, introspection, cache, operations: Mutex::default(), distinct, turns, reading, max, made }
    }

    /// Schedules renderings fairly among rooms.
    pub(in crate::graphql) const fn turns(&self) -> &RenderTurns {
        &self.turns
    }

    /// The shared copy of an operation that has subscribers.
    pub(in crate::graphql) fn shared(&self, identity: &Identity) -> Option<Arc<Operation>> {
        self.operations.lock().get(identity).and_then(Weak::upgrade)
    }

    /// Returns one shared copy of an operation for all its current subscribers: a parsed document is larger than everything
    /// else that a subscription needs. The copy counts for the client that subscribed first.
    pub(in crate::graphql) fn share(
        &self,
        mut operation: Operation,
        client: ClientKey,
    ) -> Result<Arc<Operation>, Exceeded> {
        let mut operations = self.operations.lock();
        if let Some(shared) = operations.get(&operation.identity).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        operation.permit = Some(self.distinct.acquire(Some(client), operation.weight)?);
        // Before the map grows, remove operations without subscribers.
        if operations.len() == operations.capacity() {
            operations.retain(|_, operation| operation.strong_count() > 0);
        }
        let operation = Arc::new(operation);
        operations.insert(operation.identity, Arc::downgrade(&operation));
        Ok(operation)
    }

    /// The rendering of `event` in `operation`. Of many concurrent calls, one makes it, and the others wait. The schema makes it
    /// when it is the room's turn; a plan makes it at once, because that takes less time than sending it.
    pub(in crate::graphql) async fn get(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        event: Arc<Event>,
    ) -> Result<Arc<Rendering>, Answer> {
        let version = EventVersion::of(&event);
        let rendering = match &operation.plan {
            Some(plan) => {
                let key = Key { operation: operation.identity, version: Version::Event(version) };
                self.cache.get_or_insert_with(&key, || self.make_from_plan(plan, &event))?
            }
            None => self.get_item(operation, turns, Item::Event(event)).await?,
        };
        operation.keep_recent(version, &rendering);
        Ok(rendering)
    }

    /// The rendering of an update of presence.
    pub(in crate::graphql) async fn get_presence(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        update: Arc<PresenceUpdate>,
    ) -> Result<Arc<Rendering>, Answer> {
        self.get_item(operation, turns, Item::Presence(update)).await
    }

    async fn get_item(
        self: &Arc<Self>,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        item: Item,
    ) -> Result<Arc<Rendering>, Answer> {
        let key = Key { operation: operation.identity, version: item.version() };
        match self.cache.get(&key) {
            Some(rendering) => Ok(rendering),
            None => self.make_in_task(key, operation, turns, item).await,
        }
    }

    /// Makes a rendering in a task of its own. A subscription is not polled while its client reads nothing, and must not block
    /// a turn or a rendering that others wait for.
    async fn make_in_task(
        self: &Arc<Self>,
        key: Key,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        item: Item,
    ) -> Result<Arc<Rendering>, Answer> {
        let (renderings, operation, turns) = (Arc::clone(self), Arc::clone(operation), turns.clone());
        let task = tokio::spawn(async move {
            renderings.cache.get_or_insert_async(&key, renderings.make(&operation, &turns, item)).await
        });
        match AbortOnDropHandle::new(task).await {
            Ok(rendering) => rendering,
            // Resumed here, where the subscription catches it and ends with an error.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_aborted) => Err(Answer::fault()),
        }
    }

    fn make_from_plan(&self, plan: &EventPlan, event: &Event) -> Result<Arc<Rendering>, Answer> {
        self.made.fast.inc();
        let payload = plan.render(event).map_err(|error| {
            tracing::error!(%error, "cannot serialize an event");
            Answer::fault()
        })?;
        self.finish(payload, Some(event_cursor(event)))
    }

    async fn make(&self, operation: &Operation, turns: &RoomTurns, item: Item) -> Result<Arc<Rendering>, Answer> {
        // The semaphore is never closed.
        let _reading = if operation.reads_store { self.reading.acquire().await.ok() } else { None };
        let mut request = Request::new("").variables(operation.variables.clone()).data(Reads::default());
        request.set_parsed_query(operation.document.clone());
        let (request, cursor) = match item {
            Item::Event(event) => {
                let cursor = event_cursor(&event);
                (request.data(event), Some(cursor))
            }
            Item::Presence(update) => (request.data(update), None),
        };
        let execution = async { self.schema.execute_stream(request).next().await };
        let Some(response) = turns.run(execution).await else {
            return Err(Answer::refused(ErrorCode::Internal, "the event could not be rendered"));
        };
        let answer = Answer::from(response);
        // A read failed. A subscriber that took this for the event would never get the event itself.
        if answer.is_temporary() {
            return Err(answer);
        }
        self.made.schema.inc();
        self.finish(answer.into_json().json, cursor)
    }

    /// A new rendering, if it is not too large.
    fn finish(&self, payload: String, cursor: Option<Box<str>>) -> Result<Arc<Rendering>, Answer> {
        match payload.len() <= self.max {
            true => Ok(Arc::new(Rendering { payload: payload.into(), cursor })),
            false => Err(Answer::over_budget(BudgetExceeded::TooLarge { max: self.max })),
        }
    }
}

fn event_cursor(event: &Event) -> Box<str> {
    cursor::encode_event(event.room, event.position).into()
}

#[cfg(test)]
mod tests;
