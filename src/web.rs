//! Pages for people.

pub mod graphiql;

use axum::Router;

use self::graphiql::Graphiql;

/// Steers the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub graphiql: Graphiql,
}

/// All pages. Their addresses are relative, so they work below any path.
pub fn routes(settings: Settings) -> Router {
    graphiql::routes(settings.graphiql)
}
