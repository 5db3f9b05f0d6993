//! What an event looks like in an operation: executed and serialised once, for everybody who asks the same.
//!
//! A rendering is a pure function of the event and the operation. Nothing of a connection goes into it: of the variables
//! only those that the fields of the event use, so not the room's code, not the cursor, not whatever else clients send.
//! Renderings are remembered, within a bound; one that was forgotten is made again. The last few of an operation are noted
//! beside it, where its live readers find them without a search.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use async_graphql::parser::types::{Directive, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Request, Variables};
use async_graphql_value::Value;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio_util::task::AbortOnDropHandle;

use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::domain::cursor;
use crate::domain::event::{Event, Position, Seq};
use crate::domain::room::RoomId;
use crate::graphql::Schema;
use crate::graphql::execution::document::Document;
use crate::graphql::execution::operation::Parameters;
use crate::graphql::execution::render_turns::{RenderTurns, RoomTurns};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::OverBudget;
use crate::metrics::Counter;

/// Bytes of renderings that are remembered.
const REMEMBERED: u64 = 8 * 1024 * 1024;

/// Renderings that are expected in that space.
const EXPECTED: usize = 8 * 1024;

/// Renderings of one operation that are found without a search: so many events may lie between its readers.
const RECENT: usize = 16;

/// Tokens of a document, or fields that it asks for with its fragments spread, that count as one operation.
const SIZE_OF_ONE: usize = 64;

/// An event as one operation shows it.
#[derive(Debug)]
pub struct Rendering {
    /// The execution result, in JSON.
    pub payload: Box<str>,
    /// Where a reader stands who has seen it.
    pub cursor: Box<str>,
}

/// An operation that renders events: what it shares with others that ask the same, and how to execute it.
pub(in crate::graphql) struct Operation {
    identity: [u8; 16],
    operation_name: Option<String>,
    variables: Variables,
    document: ExecutableDocument,
    /// As how many it counts. What a document takes in memory, and a rendering in time, grows with its length.
    weight: usize,
    /// Counts it among those that are distinct.
    permit: Option<ClientPermit>,
    /// What was shown last, each event in the place of its number. Noting a rendering does not keep it: the bound holds.
    recent: Mutex<[Option<Noted>; RECENT]>,
}

/// A rendering, for as long as it is remembered.
struct Noted {
    shown: Shown,
    rendering: Weak<Rendering>,
}

impl Operation {
    /// The operation of a document; `executable` is what of it is executed, with these variables.
    pub(in crate::graphql) fn new(
        parameters: &Parameters,
        document: &Document,
        executable: ExecutableDocument,
    ) -> Self {
        let used = variables_of_fields(document.parsed());
        let variables: BTreeMap<_, _> =
            parameters.variables.iter().flatten().filter(|(name, _)| used.contains(name.as_str())).collect();
        let mut hash = Sha256::new();
        // Lengths first, so that no two operations write the same bytes.
        for part in [&parameters.query, parameters.operation_name.as_deref().unwrap_or_default()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(serde_json::to_vec(&variables).unwrap_or_default());
        let digest = hash.finalize();
        let variables = parameters.variables.clone().unwrap_or_default();
        Self {
            identity: std::array::from_fn(|i| digest[i]),
            operation_name: parameters.operation_name.clone(),
            variables: Variables::from_json(serde_json::Value::Object(variables)),
            document: executable,
            weight: 1 + document.size() / SIZE_OF_ONE,
            permit: None,
            recent: Mutex::default(),
        }
    }

    /// The rendering of an event in this operation, if it is one of the last.
    pub(in crate::graphql) fn recent(&self, event: &Event) -> Option<Arc<Rendering>> {
        let shown = Shown::of(event);
        let recent = self.recent.lock();
        recent[shown.place()].as_ref().filter(|noted| noted.shown == shown)?.rendering.upgrade()
    }

    fn note(&self, shown: Shown, rendering: &Arc<Rendering>) {
        let mut recent = self.recent.lock();
        recent[shown.place()] = Some(Noted { shown, rendering: Arc::downgrade(rendering) });
    }
}

/// What an event is known by. The revision is part of it, because a replayed event shows its message as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shown {
    room: RoomId,
    position: Position,
    revision: Seq,
}

impl Shown {
    fn of(event: &Event) -> Self {
        Self { room: event.room(), position: event.position, revision: event.message.revision }
    }

    /// Where it stands among the recent ones.
    const fn place(&self) -> usize {
        self.position.seq.0 as usize % RECENT
    }
}

/// What makes two renderings the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    operation: [u8; 16],
    shown: Shown,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Rendering>> for Weight {
    fn weight(&self, _: &Key, rendering: &Arc<Rendering>) -> u64 {
        (size_of::<Key>() + size_of::<Rendering>() + rendering.payload.len() + rendering.cursor.len()) as u64
    }
}

/// Makes renderings, and remembers them.
#[derive(Clone)]
pub(in crate::graphql) struct Renderings {
    schema: Schema,
    made: Arc<Cache<Key, Arc<Rendering>, Weight>>,
    /// The operations that somebody follows.
    operations: Arc<Mutex<HashMap<[u8; 16], Weak<Operation>>>>,
    /// How many of them there may be.
    distinct: Arc<ClientLimit>,
    turns: RenderTurns,
    /// Bytes of a rendering, at most.
    max: usize,
    count: Counter,
}

impl Renderings {
    /// With a schema that executes what was found valid before. `count` is raised by each that is made.
    pub(in crate::graphql) fn new(schema: Schema, distinct: Arc<ClientLimit>, max: usize, count: Counter) -> Self {
        let made = Arc::new(Cache::with_weighter(EXPECTED, REMEMBERED, Weight));
        Self { schema, made, operations: Arc::default(), distinct, turns: RenderTurns::new(), max, count }
    }

    /// Whose turn it is to render events of a room.
    pub(in crate::graphql) const fn turns(&self) -> &RenderTurns {
        &self.turns
    }

    /// One copy of an operation for all who ask the same at this time: a parsed document is larger than all else that a
    /// subscription needs. It counts for the client who asks first.
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
        // Before the map grows, those that nobody follows any more leave it.
        if operations.len() == operations.capacity() {
            operations.retain(|_, operation| operation.strong_count() > 0);
        }
        let operation = Arc::new(operation);
        operations.insert(operation.identity, Arc::downgrade(&operation));
        Ok(operation)
    }

    /// The rendering of `event` in `operation`, once it is the room's turn. Of many who ask at once, one makes it and the others wait.
    pub(in crate::graphql) async fn of(
        &self,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        event: Arc<Event>,
    ) -> Result<Arc<Rendering>, Answer> {
        let shown = Shown::of(&event);
        let key = Key { operation: operation.identity, shown };
        let rendering = match self.made.get(&key) {
            Some(rendering) => rendering,
            None => self.make_in_task(key, operation, turns, event).await?,
        };
        operation.note(shown, &rendering);
        Ok(rendering)
    }

    /// Makes a rendering in a task of its own. A subscription is not polled while its client takes no bytes, and must hold
    /// neither a turn nor a rendering that others wait for meanwhile.
    async fn make_in_task(
        &self,
        key: Key,
        operation: &Arc<Operation>,
        turns: &RoomTurns,
        event: Arc<Event>,
    ) -> Result<Arc<Rendering>, Answer> {
        let (renderings, operation, turns) = (self.clone(), Arc::clone(operation), turns.clone());
        let task = tokio::spawn(async move {
            renderings.made.get_or_insert_async(&key, renderings.make(&operation, &turns, event)).await
        });
        match AbortOnDropHandle::new(task).await {
            Ok(made) => made,
            // Goes on here, where it is turned into an error of this subscription.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_aborted) => Err(Answer::fault()),
        }
    }

    async fn make(
        &self,
        operation: &Operation,
        turns: &RoomTurns,
        event: Arc<Event>,
    ) -> Result<Arc<Rendering>, Answer> {
        let _turn = turns.take().await;
        self.count.inc();
        let cursor = cursor::of_event(event.room(), event.position).into();
        let mut request = Request::new(String::new()).variables(operation.variables.clone());
        request.operation_name.clone_from(&operation.operation_name);
        request.set_parsed_query(operation.document.clone());
        match self.schema.execute_stream(request.data(event)).next().await {
            Some(response) => {
                let payload = Answer::from(response).into_sized().json;
                match payload.len() <= self.max {
                    true => Ok(Arc::new(Rendering { payload: payload.into(), cursor })),
                    false => Err(Answer::over_budget(OverBudget::TooLarge { max: self.max })),
                }
            }
            None => Err(Answer::refused("INTERNAL", "the event could not be shown")),
        }
    }
}

/// The variables that the fields of an event depend on: all but those that only the root field's arguments use.
fn variables_of_fields(document: &ExecutableDocument) -> BTreeSet<Name> {
    let mut walk = Walk { document, seen: BTreeSet::new(), variables: BTreeSet::new() };
    for (_, operation) in document.operations.iter() {
        walk.directives(&operation.node.directives);
        walk.selections(&operation.node.selection_set.node, true);
    }
    walk.variables
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// Fragments that were walked, at the root and below it.
    seen: BTreeSet<(&'a Name, bool)>,
    variables: BTreeSet<Name>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet, at_root: bool) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.directives(&field.node.directives);
                    if !at_root {
                        field.node.arguments.iter().for_each(|(_, value)| self.value(&value.node));
                    }
                    self.selections(&field.node.selection_set.node, false);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.node.directives);
                    self.selections(&fragment.node.selection_set.node, at_root);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives);
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.seen.insert((name, at_root))
                    {
                        self.directives(&fragment.node.directives);
                        self.selections(&fragment.node.selection_set.node, at_root);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        let arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
        arguments.for_each(|(_, value)| self.value(&value.node));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Variable(name) => {
                self.variables.insert(name.clone());
            }
            Value::List(values) => values.iter().for_each(|value| self.value(value)),
            Value::Object(fields) => fields.values().for_each(|value| self.value(value)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::event::{EntryTag, EventKind};
    use crate::domain::message::{Message, MessageId};
    use crate::domain::timestamp::Timestamp;
    use crate::domain::user::{DisplayName, User, UserId};
    use crate::graphql::execution::document::tests::LIMITS;
    use crate::graphql::execution::document::{Document, Types};

    fn event() -> Arc<Event> {
        let at = Timestamp::from_millis(0);
        let author = User { id: UserId::random(), display_name: DisplayName::anonymous() };
        let message = Message {
            id: MessageId { room: RoomId::random(), index: 0 },
            author,
            text: None,
            created_at: at,
            edited_at: None,
            deleted_at: Some(at),
            client_message_id: None,
            revision: Seq(1),
        };
        let position = Position { seq: Seq(1), check: EntryTag::random() };
        Arc::new(Event { kind: EventKind::Deleted, position, at, message })
    }

    fn operation(renderings: &Renderings, alias: &str) -> Arc<Operation> {
        let query = format!(
            "subscription {{ messageEvents(roomId: \"r\", roomCode: \"c\") {{ {alias}: __typename cursor }} }}"
        );
        let document = Document::read(&query, &LIMITS, &Types::default()).expect("a document");
        let parameters = Parameters::new(query, None, None);
        let operation = Operation::new(&parameters, &document, document.parsed().clone());
        renderings.share(operation, ClientKey::Unknown).expect("within the limit")
    }

    /// A socket does not poll its subscriptions while its client takes no bytes.
    #[tokio::test]
    async fn whoever_is_not_polled_while_it_waits_for_a_rendering_keeps_nobody_from_theirs() {
        let schema = crate::graphql::builder().finish();
        let renderings = Renderings::new(schema, ClientLimit::new(9, 9), usize::MAX, Counter::default());
        let event = event();
        let turns = renderings.turns().of(event.room());
        let [stalled, other] = ["a", "b"].map(|alias| operation(&renderings, alias));
        let turn = turns.take().await;
        let mut waiting = pin!(renderings.of(&stalled, &turns, Arc::clone(&event)));
        assert!(waiting.as_mut().now_or_never().is_none(), "it is another's turn");
        tokio::task::yield_now().await;
        drop(turn);
        for operation in [&other, &stalled] {
            let rendering = renderings.of(operation, &turns, Arc::clone(&event));
            let rendering = tokio::time::timeout(Duration::from_secs(10), rendering).await.expect("in time");
            assert!(rendering.expect("a rendering").payload.contains("MessageDeleted"));
        }
    }
}
