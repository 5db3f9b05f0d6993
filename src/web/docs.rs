//! The documentation page of the legacy routes: it renders `/openapi.json`, and has forms to try the routes.

use std::borrow::Cow;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

use crate::web::file::{self, File, HTML, SCRIPT, STYLE};

/// The files of the page, except `colors.css` and `dom.js`, which it shares with the chat page.
const FILES: &[File] = &[
    File { path: "/docs", media_type: HTML, text: Cow::Borrowed(include_str!("docs/index.html")) },
    File { path: "/docs/docs.css", media_type: STYLE, text: Cow::Borrowed(include_str!("docs/docs.css")) },
    File { path: "/docs/docs.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/docs.js")) },
    File { path: "/docs/form.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/form.js")) },
    File { path: "/docs/shape.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/shape.js")) },
];

/// The routes `/docs` and `/docs/…`.
pub(super) fn routes() -> Router {
    file::routes(FILES.iter().cloned()).route("/docs/", get(async || Redirect::permanent("../docs")))
}
