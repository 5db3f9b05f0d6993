//! Pages for people: the chat page, the GraphiQL playground, and the description of the legacy routes.

mod chat;
mod docs;
mod file;
pub mod graphiql;

use axum::Router;

use crate::web::graphiql::Graphiql;

/// Steers the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub graphiql: Graphiql,
    /// Characters in a message, at most. The chat page says by how much one is too long.
    pub text_max: usize,
    /// Characters in a display name, at most.
    pub display_name_max: usize,
}

/// All pages: `/` and what belongs to it, `/docs`, and `/graphiql`. Their addresses are relative, so they work below any path.
pub fn routes(settings: Settings) -> Router {
    chat::routes(settings.text_max, settings.display_name_max)
        .merge(docs::routes())
        .merge(graphiql::routes(settings.graphiql))
}
