//! The schema of events: it has the types of the full schema, and its subscriptions yield the event in the data of the request.

use std::sync::Arc;

use async_graphql::{Context, SchemaBuilder, Subscription, ValidationMode};
use futures_util::{Stream, stream};

use crate::domain::event::Event;
use crate::domain::presence::PresenceUpdate;
use crate::graphql::schema::events::{MessageEvent, RoomEvent};
use crate::graphql::schema::mutation::Mutation;
use crate::graphql::schema::presence::PresenceEvent;
use crate::graphql::schema::query::Query;

/// A schema whose subscription root yields the event in the data of the request.
pub(in crate::graphql) type EventSchema = async_graphql::Schema<Query, Mutation, EventRoot>;

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
