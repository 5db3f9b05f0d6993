//! The GraphQL schema: its types and their resolvers, which read arguments, call [`Chat`] and wrap what it returns.
//!
//! The schema runs on async-graphql alone, subscriptions included. Limits on documents, the fast path and the rendering of
//! events once for all subscribers are in `execution`.

pub(in crate::graphql) mod connection;
pub(in crate::graphql) mod error;
pub(in crate::graphql) mod events;
pub(in crate::graphql) mod inputs;
pub(in crate::graphql) mod message;
pub(in crate::graphql) mod mutation;
pub(in crate::graphql) mod payloads;
pub(in crate::graphql) mod presence;
pub(in crate::graphql) mod query;
pub(in crate::graphql) mod reads;
pub(in crate::graphql) mod request_data;
pub(in crate::graphql) mod response_budget;
pub(in crate::graphql) mod room;
pub(in crate::graphql) mod subscription;
pub(in crate::graphql) mod types;

use async_graphql::SDLExportOptions;

use crate::chat::Chat;
use crate::graphql::schema::mutation::Mutation;
use crate::graphql::schema::query::Query;
use crate::graphql::schema::subscription::Subscription;

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Builds a [`Schema`].
pub type SchemaBuilder = async_graphql::SchemaBuilder<Query, Mutation, Subscription>;

/// A builder of the schema over `chat`. Requests may carry a [`ClientKey`](crate::domain::client_key::ClientKey) in their data.
/// Those without one count as one client.
pub fn builder(chat: Chat) -> SchemaBuilder {
    builder_without_data().data(chat)
}

/// A builder of the schema without a service. It validates and describes; resolvers fail.
pub(in crate::graphql) fn builder_without_data() -> SchemaBuilder {
    Schema::build(Query, Mutation, Subscription)
}

/// The schema of a builder without a limit of depth, because documents are checked before. Suggestions for misspelled names reveal
/// the schema, so they are off when introspection is off.
pub(in crate::graphql) fn finish(builder: SchemaBuilder, introspection: bool) -> Schema {
    let builder = builder.limit_recursive_depth(usize::MAX);
    match introspection {
        true => builder.finish(),
        false => builder.disable_introspection().disable_suggestions().finish(),
    }
}

/// The schema in the GraphQL schema definition language, as `schema.graphql` has it.
pub fn sdl() -> String {
    without_data().sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// The schema for introspection. Resolvers fail.
pub(in crate::graphql) fn without_data() -> Schema {
    builder_without_data().finish()
}
