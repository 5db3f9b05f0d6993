//! GraphiQL, at `/graphiql`: the one that `make graphiql` built, embedded, which asks nobody but this server; where the server
//! was compiled without it, a page that loads one from a CDN and says so.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

/// Which GraphiQL is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphiql {
    /// The embedded one, or that of the CDN where none is embedded.
    #[default]
    On,
    /// The page that loads it from a CDN.
    Cdn,
    /// None.
    Off,
}

/// What `make graphiql` built: the page, and in the folder `graphiql` what it loads, compressed with gzip. Empty where it was
/// not built before the server was.
#[derive(RustEmbed)]
#[folder = "graphiql/dist/files"]
#[allow_missing = true]
struct Built;

const PAGE: &str = "graphiql.html";

/// Monaco makes style elements of its own, and its icons are data.
const BUILT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The same, less the workers, and the CDN's host besides.
const CDN_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' https://cdn.jsdelivr.net/npm/; connect-src 'self'; \
     style-src 'unsafe-inline' https://cdn.jsdelivr.net/npm/; font-src data:; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

impl Graphiql {
    /// What to say beside its address; nothing if it has none.
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            _ if self.is_built_in() => Some(""),
            _ => Some(" (loaded from a CDN; `make graphiql`, then building again, has it without the internet)"),
        }
    }

    fn is_built_in(self) -> bool {
        self == Self::On && Built::get(PAGE).is_some()
    }
}

/// `/graphiql`, and what the page loads below it.
pub fn routes(graphiql: Graphiql) -> Router {
    let pages = match graphiql {
        Graphiql::Off => return Router::new(),
        _ if graphiql.is_built_in() => {
            Router::new().route("/graphiql", get(built_page)).route("/graphiql/{file}", get(built_file))
        }
        _ => Router::new()
            .route("/graphiql", get(async || cdn(HTML, include_str!("graphiql/cdn.html"))))
            .route("/graphiql/cdn.js", get(async || cdn(JAVASCRIPT, include_str!("graphiql/cdn.js"))))
            .route(
                "/graphiql/first-chat.js",
                get(async || cdn(JAVASCRIPT, include_str!("../../graphiql/src/first-chat.js"))),
            ),
    };
    // Relative, like everything here.
    pages.route("/graphiql/", get(async || Redirect::permanent("../graphiql")))
}

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

async fn built_page() -> Response {
    match Built::get(PAGE) {
        Some(page) => answer(HTML, BUILT_POLICY, "no-cache", page.data),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn built_file(Path(name): Path<String>) -> Response {
    let Some(file) = Built::get(&format!("graphiql/{name}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A name holds a hash of the content, but for the licences'.
    let for_good = "public, max-age=31536000, immutable";
    let (media_type, caching) = match name.rsplit('.').next() {
        Some("js") => (JAVASCRIPT, for_good),
        Some("css") => ("text/css", for_good),
        Some("ttf") => ("font/ttf", for_good),
        Some("md") => ("text/plain; charset=utf-8", "no-cache"),
        _ => ("application/octet-stream", for_good),
    };
    let mut answer = answer(media_type, BUILT_POLICY, caching, file.data);
    // Whatever the client says it takes: every browser takes this, and nobody else asks.
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn cdn(media_type: &'static str, text: &'static str) -> Response {
    answer(media_type, CDN_POLICY, "no-cache", Cow::Borrowed(text.as_bytes()))
}

/// A page or a part of it. Workers obey the policy that their own file came with, so every file has it.
fn answer(
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
