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

use async_graphql::{Context, Request, SchemaBuilder, Subscription, ValidationMode};
use futures_util::{Stream, StreamExt as _, stream};
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
use crate::graphql::execution::fast_path::EventPlan;
use crate::graphql::execution::operation::{EventVersion, Identity, Operation, Rendering};
use crate::graphql::execution::render_turns::{RenderTurns, RoomTurns};
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
    /// Whether `__typename` is available.
    pub(super) introspection: bool,
    cache: Arc<Cache<Key, Arc<Rendering>, Weight>>,
    /// The operations that have subscribers.
    operations: Arc<Mutex<HashMap<Identity, Weak<Operation>>>>,
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
    /// An empty cache. `introspection` must be that of the schema. `count` is incremented for each rendering that is made.
    pub(in crate::graphql) fn new(
        schema: EventSchemaBuilder,
        introspection: bool,
        distinct: Arc<ClientLimit>,
        max: usize,
        count: Counter,
    ) -> Self {
        let cache = Arc::new(Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight));
        let (schema, turns) = (schema.finish(), RenderTurns::new());
        let reading = Arc::new(Semaphore::new(MAX_READING));
        Self { schema, introspection, cache, operations: Arc::default(), distinct, turns, reading, max, count }
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
        &self,
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

    fn make_from_plan(&self, plan: &EventPlan, event: &Event) -> Result<Arc<Rendering>, Answer> {
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
        self.finish(answer.into_json().json, cursor)
    }

    /// A new rendering, if it is not too large.
    fn finish(&self, payload: String, cursor: Option<Box<str>>) -> Result<Arc<Rendering>, Answer> {
        self.count.inc();
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
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use serde_json::Map;

    use super::*;
    use crate::domain::ban::{Ban, BanReason};
    use crate::domain::event::EventKind;
    use crate::domain::limits::Limits;
    use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
    use crate::domain::position::{EntryTag, Position, Seq};
    use crate::domain::reaction::{Emoji, ReactionCount};
    use crate::domain::room::{RoomId, RoomSettings, RoomTitle};
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
    use crate::graphql::execution::document::Document;
    use crate::graphql::execution::document::tests::LIMITS;
    use crate::graphql::execution::request::Parameters;

    fn renderings() -> Renderings {
        Renderings::new(event_schema(true), true, ClientLimit::new(99, 999), usize::MAX, Counter::default())
    }

    fn event(kind: impl FnOnce(Message) -> EventKind) -> Arc<Event> {
        let at = Timestamp::from_millis(0);
        let author = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
        let room = RoomId::random();
        let kind = kind(Message::new(MessageId { room, index: 1 }, author, at, Seq(1)));
        let position = Position { seq: Seq(1), tag: EntryTag::random() };
        Arc::new(Event { room, position, at, kind })
    }

    fn deleted(message: Message) -> EventKind {
        EventKind::Deleted(Message {
            deleted_at: Some(message.created_at),
            deleted_by: Some(Role::Member),
            text: None,
            ..message
        })
    }

    /// An event of every kind, with every value that it can have.
    fn events() -> Vec<Arc<Event>> {
        let at = Timestamp::from_millis(1);
        let full = move |message: Message| Message {
            text: MessageText::parse("a \"text\"", &Limits::default()).ok(),
            edited_at: Some(at),
            client_message_id: Some(ClientMessageId::from_stored("own".to_owned())),
            author_role: Role::Owner,
            reply_to: Some(0),
            reactions: ["\u{1f44d}", "\u{2764}"]
                .map(|emoji| ReactionCount { emoji: Emoji::from_stored(emoji.to_owned()), count: 2 })
                .to_vec(),
            author: User {
                id: UserId::from_stored("signed:1".to_owned()),
                avatar_url: Some(AvatarUrl::from_stored("https://host.example/a.png".to_owned())),
                ..message.author
            },
            ..message
        };
        let title = Some(RoomTitle::from_stored("title".to_owned()));
        let settings = RoomSettings { title, capacity: Some(5), ..RoomSettings::default() };
        let reason = Some(BanReason::from_stored("reason".to_owned()));
        let ban = move |user| Ban { user, at, until: Some(at), reason };
        vec![
            event(EventKind::Sent),
            event(move |message| EventKind::Sent(full(message))),
            event(move |message| EventKind::Edited(full(message))),
            event(deleted),
            event(move |message| EventKind::ReactionsChanged(full(message))),
            event(|_| EventKind::RoomUpdated(RoomSettings::default())),
            event(|_| EventKind::RoomUpdated(settings)),
            event(|message| EventKind::UserBanned(Ban { user: message.author, at, until: None, reason: None })),
            event(|message| EventKind::UserBanned(ban(message.author))),
            event(|message| EventKind::UserUnbanned(message.author)),
            event(|_| EventKind::RoomEnded),
        ]
    }

    fn split_fragments(fields: &str) -> (&str, &str) {
        fields.split_at(fields.find("fragment ").unwrap_or(fields.len()))
    }

    fn operation(renderings: &Renderings, root: &str, fields: &str) -> Arc<Operation> {
        let (fields, fragments) = split_fragments(fields);
        let query = format!("subscription {{ {root}(roomId: \"r\", roomCode: \"c\") {{ {fields} }} }} {fragments}");
        let document = Document::read(&query, &LIMITS).expect("a document");
        let parameters = Parameters::new(query, None, Some(Map::new()));
        let identity = Identity::of(&parameters, &document);
        let executable = document.prepare(document.operation(None), parameters.variables.as_ref()).expect("a document");
        let operation = Operation::new(identity, &parameters, &document, executable, true).expect("a subscription");
        renderings.share(operation, ClientKey::Unknown).expect("within the limit")
    }

    /// Everything of every kind of event, in the form in which clients ask for it.
    const EVERYTHING: &str = "__typename cursor at
        ... on MessageSent { message { ...M } } ... on MessageEdited { message { ...M } }
        ... on MessageDeleted { message { ...M } } ... on ReactionsChanged { message { ...M } }
        ... on RoomUpdated { settings { title listed capacity slowModeSeconds locked } }
        ... on UserBanned { ban { user { ...C } at until reason } } ... on UserUnbanned { user { ...C } }
        fragment C on Chatter { id displayName avatarUrl isVerified }
        fragment M on Message {
            id index author { ...C } authorRole text createdAt editedAt deletedAt deletedBy clientMessageId replyToId
            reactions { emoji count }
        }";

    #[tokio::test]
    async fn a_plan_renders_events_as_the_schema_does() {
        let renderings = renderings();
        let of_messages = [
            "__typename cursor at message { id index text createdAt editedAt deletedAt clientMessageId author { id } }",
            "m: message { __typename a: author { __typename n: displayName } r: reactions { __typename c: count } }",
            "at ... on MessageSent { __typename message { id } } ... on MessageDeleted { message { index } deleted: __typename }",
            "... on MessageEvent { cursor ... on MessageEdited { at } } ... { message { text } }",
            "... on RoomEvent { cursor ... on MessageEvent { at } }",
        ];
        let of_rooms = [
            EVERYTHING,
            "at ... on MessageEvent { message { id } ... on RoomEvent { cursor ... on MessageSent { sent: at } } }",
            "t: __typename ... on RoomEvent { c: cursor } ... on RoomEnded { at } ... on UserBanned { b: ban { __typename } }",
        ];
        let of_messages = of_messages.map(|fields| ("messageEvents", fields));
        let of_rooms = of_rooms.map(|fields| ("roomEvents", fields));
        for (root, fields) in of_messages.into_iter().chain(of_rooms) {
            let planned = operation(&renderings, root, fields);
            // A directive without effect leaves a document to the schema.
            let (inside, fragments) = split_fragments(fields);
            let by_schema = format!("... @include(if: true) {{ {inside} }} {fragments}");
            let by_schema = operation(&renderings, root, &by_schema);
            assert_eq!((planned.plan.is_some(), by_schema.plan.is_some()), (true, false), "{fields}");
            for event in events().into_iter().filter(|event| planned.root.name.delivers(&event.kind)) {
                let turns = renderings.turns().of(event.room);
                let planned = renderings.get(&planned, &turns, Arc::clone(&event)).await.expect("a rendering");
                let by_schema = renderings.get(&by_schema, &turns, event).await.expect("a rendering");
                assert_eq!(planned.payload, by_schema.payload);
                assert!(!planned.payload.contains("errors"), "{}", planned.payload);
            }
        }
    }

    /// A socket does not poll its subscriptions while its client reads nothing.
    #[tokio::test]
    async fn a_subscription_that_is_not_polled_does_not_block_the_renderings_of_others() {
        let renderings = renderings();
        let event = event(deleted);
        let turns = renderings.turns().of(event.room);
        let [stalled, other] = ["a", "b"].map(|alias| {
            // With a directive, so that the schema renders.
            operation(&renderings, "messageEvents", &format!("{alias}: __typename @include(if: true)"))
        });
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
