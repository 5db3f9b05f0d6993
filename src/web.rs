//! Pages for people: the GraphiQL playground.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// Steers the pages.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether there is a playground.
    pub graphiql: bool,
}

/// `/graphiql`.
pub fn routes(settings: Settings) -> Router {
    match settings.graphiql {
        true => Router::new().route("/graphiql", get(async || Html(include_str!("web/graphiql.html")))),
        false => Router::new(),
    }
}
