//! Pages for people: the chat page and the GraphiQL playground.

mod chat;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// `/` and what belongs to it, and `/graphiql`.
pub fn routes() -> Router {
    Router::new().merge(chat::routes()).route("/graphiql", get(async || Html(include_str!("web/graphiql.html"))))
}
