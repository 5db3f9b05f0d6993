//! The GraphQL wire: the schema, and how it is spoken over HTTP, WebSocket, server-sent events and multipart.
//!
//! Resolvers read arguments, call [`Chat`] and wrap what it answers. No rule is decided here. A request of any transport
//! goes through [`operation`], which runs it once [`document`] has found it to be within its limits; events are made into bytes in `rendering`, once for all who ask the same.

pub mod execution;
mod schema;
pub mod transport;

use async_graphql::ValidationMode;

use crate::chat::Chat;

pub use crate::graphql::schema::mutation::Mutation;
pub use crate::graphql::schema::query::Query;
pub use crate::graphql::schema::subscription::Subscription;

/// The executable schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema, served by `chat`. Only one that tells about itself helps with misspelt names.
pub fn schema(chat: Chat, introspection: bool, validation: ValidationMode) -> Schema {
    let builder = builder().data(chat).validation_mode(validation);
    match introspection {
        true => builder.finish(),
        false => builder.disable_introspection().disable_suggestions().finish(),
    }
}

/// The schema in the GraphQL schema definition language, as `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().include_specified_by();
    builder().finish().sdl_with_options(options)
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    // How deep a document may be is decided before the schema gets it.
    Schema::build(Query, Mutation, Subscription).limit_recursive_depth(usize::MAX)
}
