//! Renderings of generated events and documents, and what subscribers wait for.

mod documents;
mod plans;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Map, json};

use super::*;
use crate::domain::event::EventKind;
use crate::domain::message::{Message, MessageId};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, User, UserId};
use crate::graphql::execution::document::Document;
use crate::graphql::execution::document::tests::LIMITS;
use crate::graphql::execution::event_schema::event_schema;
use crate::graphql::execution::request::Parameters;
use crate::graphql::execution::validator::Validator;

fn renderings() -> Arc<Renderings> {
    let distinct = ClientLimit::new(99, 999);
    Arc::new(Renderings::new(event_schema(true), true, distinct, usize::MAX, PathCounters::default()))
}

fn event(kind: EventKind) -> Arc<Event> {
    let room = kind.message().map_or_else(RoomId::random, |message| message.id.room);
    let position = Position { seq: Seq(1), tag: EntryTag::random() };
    Arc::new(Event { room, position, at: Timestamp::from_millis(0), kind })
}

fn message() -> Message {
    let author = User { id: UserId::random(), display_name: DisplayName::anonymous(), avatar_url: None };
    Message::new(MessageId { room: RoomId::random(), index: 1 }, author, Timestamp::from_millis(0), Seq(1))
}

/// The operation of a valid document, with the variable `yes`; `None` if the document exceeds a limit.
fn operation(query: &str) -> Option<Operation> {
    let document = Document::read(query, &LIMITS).ok()?;
    if let Err(invalid) = Validator::new(true).validate(&document) {
        panic!("{invalid}: {query}");
    }
    let variables = Map::from_iter([("yes".to_owned(), json!(true))]);
    let parameters = Parameters::new(query.to_owned(), None, Some(variables));
    let identity = Identity::of(&parameters, &document);
    // The only root field may be skipped.
    let executable = document.prepare(document.operation(None), parameters.variables.as_ref()).ok()?;
    Some(Operation::new(identity, &parameters, &document, executable, true).expect("a subscription"))
}

/// A socket does not poll its subscriptions while its client reads nothing.
#[tokio::test]
async fn a_subscription_that_is_not_polled_does_not_block_the_renderings_of_others() {
    let renderings = renderings();
    let event = event(EventKind::Deleted(message()));
    let turns = renderings.turns().of(event.room);
    let [stalled, other] = ["a", "b"].map(|alias| {
        // With a directive, so that the schema renders.
        let fields = format!("{alias}: __typename @include(if: true)");
        let query = format!("subscription {{ messageEvents(roomId: \"r\", roomCode: \"c\") {{ {fields} }} }}");
        renderings.share(operation(&query).expect("an operation"), ClientKey::Unknown).expect("within the limit")
    });
    let turn = turns.take().await;
    let mut waiting = pin!(renderings.get(&stalled, &turns, Arc::clone(&event)));
    assert!(waiting.as_mut().now_or_never().is_none(), "another rendering has the turn");
    tokio::task::yield_now().await;
    drop(turn);
    for operation in [&other, &stalled] {
        let rendering = renderings.get(operation, &turns, Arc::clone(&event));
        let rendering = tokio::time::timeout(Duration::from_secs(60), rendering).await.expect("in time");
        assert!(rendering.expect("a rendering").payload.contains("MessageDeleted"));
    }
}

/// A plan renders at once, whoever has the turn.
#[tokio::test]
async fn a_rendering_with_a_plan_waits_for_no_turn() {
    let renderings = renderings();
    let event = event(EventKind::Deleted(message()));
    let turns = renderings.turns().of(event.room);
    let query = "subscription { messageEvents(roomId: \"r\", roomCode: \"c\") { __typename } }";
    let planned = operation(query).expect("an operation");
    let planned = renderings.share(planned, ClientKey::Unknown).expect("within the limit");
    let _turn = turns.take().await;
    let rendering = pin!(renderings.get(&planned, &turns, event)).now_or_never().expect("at once");
    assert_eq!(
        *rendering.expect("a rendering").payload,
        *r#"{"data":{"messageEvents":{"__typename":"MessageDeleted"}}}"#
    );
    assert_eq!((renderings.made.fast.get(), renderings.made.schema.get()), (1, 0));
}
