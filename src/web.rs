//! Pages for people: the GraphiQL playground.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// `/graphiql`.
pub fn routes() -> Router {
    Router::new().route("/graphiql", get(async || Html(include_str!("web/graphiql.html"))))
}
