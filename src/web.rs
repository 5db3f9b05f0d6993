//! Pages for people: the chat page and the GraphiQL playground.

mod chat;
pub mod graphiql;

use axum::Router;

use self::graphiql::Graphiql;

/// Steers the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub graphiql: Graphiql,
}

/// All pages: `/` and what belongs to it, and `/graphiql`. Their addresses are relative, so they work below any path.
pub fn routes(settings: Settings) -> Router {
    chat::routes().merge(graphiql::routes(settings.graphiql))
}
