//! Renders events and updates of presence: executes and serializes each once per operation, for all subscribers with the same
//! operation.
//!
//! A rendering is a function of the event and the operation. It does not depend on the connection, and of the variables it uses
//! only those of the event's fields, not the room's code or the cursor. Renderings are cached within a bound; an evicted one is
//! made again. Each operation also keeps the last few, where its live subscribers find them without a lookup.
//!
//! One field reads the store: `Message.reactionsBy`. What it returns changes only with the version of the event. If the read fails,
//! the subscription ends with the error, so that its client resumes before the event.

use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Weak};

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Context, Request, SchemaBuilder, Subscription, ValidationMode, Variables};
use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::chat::cursor;
use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::domain::event::{Event, EventKind};
use crate::domain::position::{Position, Seq};
use crate::domain::presence::PresenceUpdate;
use crate::domain::room::RoomId;
use crate::error_code::ErrorCode;
use crate::graphql::execution::document::Document;
use crate::graphql::execution::render_turns::{RenderTurns, RoomTurns};
use crate::graphql::execution::request::Parameters;
use crate::graphql::execution::response::Answer;
use crate::graphql::schema::events::{MessageEvent, RoomEvent};
use crate::graphql::schema::mutation::Mutation;
use crate::graphql::schema::presence::PresenceEvent;
use crate::graphql::schema::query::Query;
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::response_budget::BudgetExceeded;
use crate::metrics::Counter;

/// Size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of renderings in the cache.
const CACHE_ENTRIES: usize = 8 * 1024;

/// Recent renderings that each operation keeps. Its subscribers may be this many events apart.
const RECENT: usize = 16;

/// A document counts as one distinct operation for each this many tokens, or fields with its fragments spread.
const SIZE_PER_OPERATION: usize = 64;

/// Renderings that may read the store at once. A read has a deadline, so a store that hangs delays only renderings that read it.
const MAX_READING: usize = 64;

/// The field of an event that reads the store.
const READING_FIELD: &str = "reactionsBy";

/// An event in the shape that one operation selects.
#[derive(Debug)]
pub struct Rendering {
    /// The execution result, in JSON.
    pub payload: Box<str>,
    /// The cursor to resume after this event; `None` if the subscription has no cursors.
    pub cursor: Option<Box<str>>,
}

/// A subscription operation, shared by all subscribers that sent the same.
pub(in crate::graphql) struct Operation {
    identity: [u8; 16],
    variables: Variables,
    document: ExecutableDocument,
    /// The number of distinct operations that it counts as. A document's memory and rendering time grow with its size.
    weight: usize,
    /// Whether its renderings may read the store.
    reads_store: bool,
    /// Counts it among the distinct operations.
    permit: Option<ClientPermit>,
    /// The last renderings, by sequence number. The references are weak, so they do not extend the bounded cache.
    recent: Mutex<[Option<Recent>; RECENT]>,
}

/// A recent rendering, while the cache has it.
struct Recent {
    version: EventVersion,
    rendering: Weak<Rendering>,
}

impl Operation {
    /// The operation of a document; `executable` is the part of it that is executed.
    pub(in crate::graphql) fn new(
        parameters: &Parameters,
        document: &Document,
        executable: ExecutableDocument,
    ) -> Self {
        let given = parameters.variables.iter().flatten();
        let used = given.filter(|(name, _)| document.values.of_events.contains(name.as_str()));
        let variables: BTreeMap<_, _> = used.collect();
        let mut hash = Sha256::new();
        // Length prefixes, so that no two operations hash the same bytes.
        for part in [&parameters.query, parameters.operation_name.as_deref().unwrap_or_default()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(serde_json::to_vec(&variables).unwrap_or_default());
        let digest = hash.finalize();
        let variables = parameters.variables.clone().unwrap_or_default();
        Self {
            identity: std::array::from_fn(|i| digest[i]),
            variables: Variables::from_json(serde_json::Value::Object(variables)),
            document: executable,
            weight: 1 + document.size() / SIZE_PER_OPERATION,
            reads_store: parameters.query.contains(READING_FIELD),
            permit: None,
            recent: Mutex::default(),
        }
    }

    /// The rendering of an event in this operation, if it is a recent one.
    pub(in crate::graphql) fn recent(&self, event: &Event) -> Option<Arc<Rendering>> {
        let version = EventVersion::of(event);
        let recent = self.recent.lock();
        recent[version.slot()].as_ref().filter(|recent| recent.version == version)?.rendering.upgrade()
    }

    fn keep_recent(&self, version: EventVersion, rendering: &Arc<Rendering>) {
        let mut recent = self.recent.lock();
        recent[version.slot()] = Some(Recent { version, rendering: Arc::downgrade(rendering) });
    }
}

/// Identifies an event and the state of its message, because a replayed event shows its message in its current state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct EventVersion {
    room: RoomId,
    position: Position,
    /// The end of a room has the position of the event before it.
    kind: Discriminant<EventKind>,
    revision: Seq,
    reaction_changes: u64,
}

impl EventVersion {
    fn of(event: &Event) -> Self {
        let message = event.message();
        Self {
            room: event.room,
            position: event.position,
            kind: discriminant(&event.kind),
            revision: message.map_or_else(Seq::default, |message| message.revision),
            reaction_changes: message.map_or(0, |message| message.reaction_changes),
        }
    }

    /// Its index among the recent renderings.
    const fn slot(&self) -> usize {
        self.position.seq.0 as usize % RECENT
    }
}

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
    operation: [u8; 16],
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

/// A schema with the same types, whose subscription root yields the event in the data of the request.
type EventSchema = async_graphql::Schema<Query, Mutation, EventRoot>;

/// Builds the schema of events.
pub(in crate::graphql) type EventSchemaBuilder = SchemaBuilder<Query, Mutation, EventRoot>;

pub(in crate::graphql) struct EventRoot;

#[Subscription(name = "Subscription")]
impl EventRoot {
    async fn message_events(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<impl Stream<Item = MessageEvent> + use<>> {
        let event = Arc::clone(ctx.data::<Arc<Event>>()?);
        Ok(stream::iter(MessageEvent::from_event(event)))
    }

    async fn room_events(&self, ctx: &Context<'_>) -> async_graphql::Result<impl Stream<Item = RoomEvent> + use<>> {
        let event = Arc::clone(ctx.data::<Arc<Event>>()?);
        Ok(stream::iter(RoomEvent::from_event(event)))
    }

    async fn presence(&self, ctx: &Context<'_>) -> async_graphql::Result<impl Stream<Item = PresenceEvent> + use<>> {
        let update = Arc::clone(ctx.data::<Arc<PresenceUpdate>>()?);
        Ok(stream::iter([PresenceEvent::from(update)]))
    }
}

/// Builds the schema that renders events of operations that have been validated. `introspection` must be that of the full schema.
pub(in crate::graphql) fn event_schema(introspection: bool) -> EventSchemaBuilder {
    let builder = EventSchema::build(Query, Mutation, EventRoot)
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(usize::MAX);
    if introspection { builder } else { builder.disable_introspection() }
}

/// Makes and caches renderings.
#[derive(Clone)]
pub(in crate::graphql) struct Renderings {
    schema: EventSchema,
    cache: Arc<Cache<Key, Arc<Rendering>, Weight>>,
    /// The operations that have subscribers.
    operations: Arc<Mutex<HashMap<[u8; 16], Weak<Operation>>>>,
    /// Limits the number of operations.
    distinct: Arc<ClientLimit>,
    turns: RenderTurns,
    /// One permit for each rendering that may read the store.
    reading: Arc<Semaphore>,
    /// Maximum size of a rendering, in bytes.
    max: usize,
    count: Counter,
}

impl Renderings {
    /// An empty cache. `count` is incremented for each rendering that is made.
    pub(in crate::graphql) fn new(
        schema: EventSchemaBuilder,
        distinct: Arc<ClientLimit>,
        max: usize,
        count: Counter,
    ) -> Self {
        let cache = Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight));
        let (schema, turns) = (schema.finish(), RenderTurns::new());
        let reading = Arc::new(Semaphore::new(MAX_READING));
        Self { schema, cache, operations: Arc::default(), distinct, turns, reading, max, count }
    }

    /// Schedules renderings fairly among rooms.
    pub(in crate::graphql) const fn turns(&self) -> &RenderTurns {
        &self.turns
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

    /// The rendering of `event` in `operation`. Of many concurrent calls, one makes it, when it is the room's turn, and the
    /// others wait.
    pub(in crate::graphql) async fn get(
        &self,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        event: Arc<Event>,
    ) -> Result<Arc<Rendering>, Answer> {
        let version = EventVersion::of(&event);
        let rendering = self.get_item(operation, turns, Item::Event(event)).await?;
        operation.keep_recent(version, &rendering);
        Ok(rendering)
    }

    /// The rendering of an update of presence.
    pub(in crate::graphql) async fn get_presence(
        &self,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        update: Arc<PresenceUpdate>,
    ) -> Result<Arc<Rendering>, Answer> {
        self.get_item(operation, turns, Item::Presence(update)).await
    }

    async fn get_item(
        &self,
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
        &self,
        key: Key,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        item: Item,
    ) -> Result<Arc<Rendering>, Answer> {
        let (renderings, operation, turns) = (self.clone(), Arc::clone(operation), turns.clone());
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

    async fn make(&self, operation: &Operation, turns: &RoomTurns, item: Item) -> Result<Arc<Rendering>, Answer> {
        // The semaphore is never closed.
        let _reading = if operation.reads_store { self.reading.acquire().await.ok() } else { None };
        self.count.inc();
        let mut request = Request::new("").variables(operation.variables.clone()).data(Reads::default());
        request.set_parsed_query(operation.document.clone());
        let (request, cursor) = match item {
            Item::Event(event) => {
                let cursor = cursor::encode_event(event.room, event.position).into();
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
        let payload = answer.into_json().json;
        match payload.len() <= self.max {
            true => Ok(Arc::new(Rendering { payload: payload.into(), cursor })),
            false => Err(Answer::over_budget(BudgetExceeded::TooLarge { max: self.max })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::message::{Message, MessageId};
    use crate::domain::position::EntryTag;
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::{DisplayName, Role, User, UserId};
    use crate::graphql::execution::document::Document;
    use crate::graphql::execution::document::tests::LIMITS;

    fn event() -> Arc<Event> {
        let at = Timestamp::from_millis(0);
        let author = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
        let room = RoomId::random();
        let message = Message {
            deleted_at: Some(at),
            deleted_by: Some(Role::Member),
            ..Message::new(MessageId { room, index: 0 }, author, at, Seq(1))
        };
        let position = Position { seq: Seq(1), tag: EntryTag::random() };
        Arc::new(Event { room, position, at, kind: EventKind::Deleted(message) })
    }

    fn operation(renderings: &Renderings, alias: &str) -> Arc<Operation> {
        let query = format!(
            "subscription {{ messageEvents(roomId: \"r\", roomCode: \"c\") {{ {alias}: __typename cursor }} }}"
        );
        let document = Document::read(&query, &LIMITS).expect("a document");
        let parameters = Parameters::new(query, None, None);
        let operation = Operation::new(&parameters, &document, document.parsed.clone());
        renderings.share(operation, ClientKey::Unknown).expect("within the limit")
    }

    /// A socket does not poll its subscriptions while its client reads nothing.
    #[tokio::test]
    async fn a_subscription_that_is_not_polled_does_not_block_the_renderings_of_others() {
        let renderings = Renderings::new(event_schema(true), ClientLimit::new(9, 9), usize::MAX, Counter::default());
        let event = event();
        let turns = renderings.turns().of(event.room);
        let [stalled, other] = ["a", "b"].map(|alias| operation(&renderings, alias));
        let turn = turns.take().await;
        let mut waiting = pin!(renderings.get(&stalled, &turns, Arc::clone(&event)));
        assert!(waiting.as_mut().now_or_never().is_none(), "another rendering has the turn");
        tokio::task::yield_now().await;
        drop(turn);
        for operation in [&other, &stalled] {
            let rendering = renderings.get(operation, &turns, Arc::clone(&event));
            let rendering = tokio::time::timeout(Duration::from_secs(10), rendering).await.expect("in time");
            assert!(rendering.expect("a rendering").payload.contains("MessageDeleted"));
        }
    }
}
