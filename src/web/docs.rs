//! The page that shows the legacy routes to people, and lets them try: `/openapi.json`, drawn by the modules in `docs/`.

use std::borrow::Cow;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

use crate::web::file::{self, File, HTML, SCRIPT, STYLE};

/// What the page is made of, but for the colours and `dom.js`, which are the chat page's. All are asked for relative to the
/// page, so that it works below any path.
const FILES: &[File] = &[
    File { path: "/docs", media_type: HTML, text: Cow::Borrowed(include_str!("docs/index.html")) },
    File { path: "/docs/docs.css", media_type: STYLE, text: Cow::Borrowed(include_str!("docs/docs.css")) },
    File { path: "/docs/docs.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/docs.js")) },
    File { path: "/docs/form.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/form.js")) },
    File { path: "/docs/shape.js", media_type: SCRIPT, text: Cow::Borrowed(include_str!("docs/shape.js")) },
];

/// `/docs`, and what belongs to it.
pub(super) fn routes() -> Router {
    file::routes(FILES.iter().cloned()).route("/docs/", get(async || Redirect::permanent("../docs")))
}
