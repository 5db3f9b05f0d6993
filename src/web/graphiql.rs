//! GraphiQL at `/graphiql`. The embedded one, built with `make graphiql`, connects only to this server. If the server was compiled
//! without it, the page loads GraphiQL from a CDN and says so.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

/// The variant of GraphiQL to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphiql {
    /// The embedded one, or the one from the CDN if none is embedded.
    #[default]
    On,
    /// The one from the CDN.
    Cdn,
    /// No page.
    Off,
}

/// The build output of `make graphiql`: the page, and its files in the folder `graphiql`, compressed with gzip. Empty if it did not
/// run before the server was compiled.
#[derive(RustEmbed)]
#[folder = "graphiql/dist/files"]
#[allow_missing = true]
struct EmbeddedFiles;

const PAGE: &str = "graphiql.html";

/// The policy of the embedded page. Monaco inserts style elements and has icons in data URLs.
const EMBEDDED_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The policy of the CDN page: no workers, but files of the CDN.
const CDN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net/npm/; connect-src 'self'; \
     style-src 'unsafe-inline' https://cdn.jsdelivr.net/npm/; font-src data:; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

impl Graphiql {
    /// A remark to print after the URL of the page; `None` if there is no page.
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            _ if self.is_embedded() => Some(""),
            _ => Some(" (loaded from a CDN; to embed it, run `make graphiql` and build again)"),
        }
    }

    fn is_embedded(self) -> bool {
        self == Self::On && EmbeddedFiles::get(PAGE).is_some()
    }
}

/// The routes `/graphiql` and `/graphiql/…`.
pub fn routes(graphiql: Graphiql) -> Router {
    let pages = match graphiql {
        Graphiql::Off => return Router::new(),
        _ if graphiql.is_embedded() => {
            Router::new().route("/graphiql", get(embedded_page)).route("/graphiql/{file}", get(embedded_file))
        }
        _ => Router::new()
            .route("/graphiql", get(async || cdn(HTML, include_str!("graphiql/cdn.html"))))
            .route("/graphiql/cdn.js", get(async || cdn(JAVASCRIPT, include_str!("graphiql/cdn.js"))))
            .route(
                "/graphiql/first-chat.js",
                get(async || cdn(JAVASCRIPT, include_str!("../../graphiql/src/first-chat.js"))),
            ),
    };
    // Relative, so that it works below any path.
    pages.route("/graphiql/", get(async || Redirect::permanent("../graphiql")))
}

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

async fn embedded_page() -> Response {
    match EmbeddedFiles::get(PAGE) {
        Some(page) => respond(HTML, EMBEDDED_POLICY, "no-cache", page.data),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn embedded_file(Path(name): Path<String>) -> Response {
    let Some(file) = EmbeddedFiles::get(&format!("graphiql/{name}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // File names contain a hash of the content, except that of the licenses.
    let forever = "public, max-age=31536000, immutable";
    let (media_type, caching) = match name.rsplit('.').next() {
        Some("js") => (JAVASCRIPT, forever),
        Some("css") => ("text/css", forever),
        Some("ttf") => ("font/ttf", forever),
        Some("md") => ("text/plain; charset=utf-8", "no-cache"),
        _ => ("application/octet-stream", forever),
    };
    let mut response = respond(media_type, EMBEDDED_POLICY, caching, file.data);
    // Sent without checking `accept-encoding`: every browser supports gzip.
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn cdn(media_type: &'static str, text: &'static str) -> Response {
    respond(media_type, CDN_POLICY, "no-cache", Cow::Borrowed(text.as_bytes()))
}

/// Responds with a page or one of its files. Every file has the policy, because workers use the policy of their own file.
fn respond(
    media_type: &'static str,
    policy: HeaderValue,
    caching: &'static str,
    content: Cow<'static, [u8]>,
) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, content).into_response()
}
