//! A subscription operation: what it takes to render its events, shared by all subscribers that sent the same.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Weak};

use async_graphql::Variables;
use async_graphql::parser::types::{ExecutableDocument, Selection};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::client_limit::ClientPermit;
use crate::domain::event::{Event, EventKind};
use crate::domain::position::{Position, Seq};
use crate::domain::room::RoomId;
use crate::graphql::execution::document::{Document, operation_of};
use crate::graphql::execution::fast_path::EventPlan;
use crate::graphql::execution::request::Parameters;
use crate::graphql::execution::root_field::RootField;

/// Recent renderings that each operation keeps. Its subscribers may be this many events apart.
const RECENT: usize = 16;

/// A document counts as one distinct operation for each this many tokens, or fields with its fragments spread.
const SIZE_PER_OPERATION: usize = 64;

/// The highest weight of an operation with a plan. One that selects everything of all kinds of events has this weight.
const PLANNED_WEIGHT_MAX: usize = 4;

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

/// A subscription operation.
pub(in crate::graphql) struct Operation {
    pub(super) identity: Identity,
    pub(super) root: RootField,
    pub(super) variables: Variables,
    pub(super) document: ExecutableDocument,
    /// Renders events without the schema; `None` if only the schema can.
    pub(super) plan: Option<EventPlan>,
    /// The number of distinct operations that it counts as. A document's memory and rendering time grow with its size.
    pub(super) weight: usize,
    /// Whether its renderings may read the store.
    pub(super) reads_store: bool,
    /// Counts it among the distinct operations.
    pub(super) permit: Option<ClientPermit>,
    /// The last renderings, by sequence number. The references are weak, so they do not extend the bounded cache.
    recent: Mutex<[Option<Recent>; RECENT]>,
}

/// Identifies an operation: requests with the same identity get the same renderings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::graphql) struct Identity([u8; 16]);

/// A recent rendering, while the cache has it.
struct Recent {
    version: EventVersion,
    rendering: Weak<Rendering>,
}

/// Identifies an event and the state of its message, because a replayed event shows its message in its current state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct EventVersion {
    room: RoomId,
    position: Position,
    /// The end of a room has the position of the event before it.
    kind: Discriminant<EventKind>,
    revision: Seq,
    reaction_changes: u64,
}

impl Identity {
    pub(super) fn of(parameters: &Parameters, document: &Document) -> Self {
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
        Self(std::array::from_fn(|i| digest[i]))
    }
}

impl Operation {
    /// The operation of a document; `executable` is the part of it that is executed. The document is valid, so `None` means a
    /// defect of the server.
    pub(super) fn new(
        identity: Identity,
        parameters: &Parameters,
        document: &Document,
        executable: ExecutableDocument,
        introspection: bool,
    ) -> Option<Self> {
        let Selection::Field(field) = &operation_of(&executable, None)?.selection_set.node.items.first()?.node else {
            return None;
        };
        let root = RootField::read(field)?;
        let weight = 1 + document.size() / SIZE_PER_OPERATION;
        // Rendering a large document takes long, so it is left to the schema, which does it in turns.
        let is_small = weight <= PLANNED_WEIGHT_MAX;
        let plan = if is_small { EventPlan::of(&executable, &field.node, introspection) } else { None };
        let variables = serde_json::Value::Object(parameters.variables.clone().unwrap_or_default());
        Some(Self {
            identity,
            root,
            variables: Variables::from_json(variables),
            document: executable,
            plan,
            weight,
            reads_store: parameters.query.contains(READING_FIELD),
            permit: None,
            recent: Mutex::default(),
        })
    }

    /// The rendering of an event in this operation, if it is a recent one.
    pub(super) fn recent(&self, event: &Event) -> Option<Arc<Rendering>> {
        let version = EventVersion::of(event);
        let recent = self.recent.lock();
        recent[version.slot()].as_ref().filter(|recent| recent.version == version)?.rendering.upgrade()
    }

    pub(super) fn keep_recent(&self, version: EventVersion, rendering: &Arc<Rendering>) {
        let mut recent = self.recent.lock();
        recent[version.slot()] = Some(Recent { version, rendering: Arc::downgrade(rendering) });
    }
}

impl EventVersion {
    pub(super) fn of(event: &Event) -> Self {
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
