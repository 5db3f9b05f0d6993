//! Web pages: the chat page, GraphiQL, and the documentation of the legacy routes.

mod comments;
pub mod frame_ancestors;
pub mod graphiql;
mod pages;

use std::time::Duration;

use axum::Router;

use crate::web::frame_ancestors::FrameAncestors;
use crate::web::graphiql::Graphiql;

/// The documents of the chat page, by their SHA-256 hashes. `make chat-documents` updates them.
pub const CHAT_DOCUMENTS: &str = include_str!("web/chat-documents.json");

/// The same of the client package, which `make client-documents` updates.
pub const CLIENT_DOCUMENTS: &str = include_str!("web/client-documents.json");

/// Settings of the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub graphiql: Graphiql,
    /// The sites that may show the chat page in a frame. The other pages cannot be framed.
    pub frame_ancestors: FrameAncestors,
    /// Maximum length of a message, in characters. The chat page shows by how much a text is too long.
    pub text_max: usize,
    /// Maximum length of a display name, in characters.
    pub display_name_max: usize,
    /// How long new rooms live. The chat page says it.
    pub room_ttl: Duration,
}

/// The routes of all pages: `/`, `/docs` and `/graphiql` with their files, and `/client` with the client package. All URLs in pages are
/// relative, so the pages work below any path.
pub fn routes(settings: Settings) -> Router {
    pages::chat_routes(&settings)
        .merge(pages::docs_routes())
        .merge(pages::client_routes())
        .merge(graphiql::routes(settings.graphiql))
}
