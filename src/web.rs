//! Pages for people: the chat page, the GraphiQL playground, and the description of the legacy routes.

mod chat;
mod docs;
mod file;
pub mod graphiql;

use axum::Router;

use self::graphiql::Graphiql;

/// Steers the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub graphiql: Graphiql,
}

/// All pages: `/` and what belongs to it, `/docs`, and `/graphiql`. Their addresses are relative, so they work below any path.
pub fn routes(settings: Settings) -> Router {
    chat::routes().merge(docs::routes()).merge(graphiql::routes(settings.graphiql))
}
