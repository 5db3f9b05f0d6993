//! The chat page and the documentation page of the legacy routes. Their files in `chat/` and `docs/` are embedded without a build
//! step, and served with one strict content security policy. Only the comments of modules are left out.

use std::borrow::Cow;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::web::Settings;
use crate::web::comments::without_comments;
use crate::web::frame_ancestors::FrameAncestors;

/// The content security policy. Pages can load only their own files and connect only to their own server, also with WebSockets,
/// which `'self'` includes. Pictures of users, which the host site of an identity chooses, may come from any https address. Inline
/// scripts and styles, framing by other sites, and turning strings into markup are forbidden.
fn policy(frame_ancestors: &FrameAncestors) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: https:; \
         base-uri 'none'; form-action 'none'; frame-ancestors {frame_ancestors}; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    )
}

#[derive(RustEmbed)]
#[folder = "src/web/chat"]
struct ChatFiles;

/// The files of the documentation page, except `colors.css` and `dom.js`, which it shares with the chat page.
#[derive(RustEmbed)]
#[folder = "src/web/docs"]
struct DocsFiles;

/// The modules of the client package, which pages of other sites load as well. They import each other by relative URLs.
#[derive(RustEmbed)]
#[folder = "clients/js/src"]
struct ClientFiles;

/// The chat page: the routes `/` and `/chat/…`. The page enforces the maximum lengths of messages and display names.
pub(super) fn chat_routes(settings: &Settings) -> Router {
    routes::<ChatFiles>("/", "/chat", &settings.frame_ancestors, |page| {
        page.replace("{TEXT_MAX_LENGTH}", &settings.text_max.to_string())
            .replace("{DISPLAY_NAME_MAX_LENGTH}", &settings.display_name_max.to_string())
            .replace("{ROOM_TTL_SECONDS}", &settings.room_ttl.as_secs().to_string())
    })
}

/// The documentation page: it renders `/openapi.json`, and has forms to try the routes. The routes `/docs` and `/docs/…`.
pub(super) fn docs_routes() -> Router {
    let router = routes::<DocsFiles>("/docs", "/docs", &FrameAncestors::default(), str::to_owned);
    router.route("/docs/", get(async || Redirect::permanent("../docs")))
}

/// The client package, with the element `<live-chat>`: the routes `/client/…`.
pub(super) fn client_routes() -> Router {
    routes::<ClientFiles>("/client", "/client", &FrameAncestors::default(), str::to_owned)
}

/// One route per file: `index.html`, edited by `edit_page`, at `page`, and the others in `folder`. The sites in `frame_ancestors` may
/// frame the page.
fn routes<Files: RustEmbed>(
    page: &str,
    folder: &str,
    frame_ancestors: &FrameAncestors,
    edit_page: impl Fn(&str) -> String,
) -> Router {
    Files::iter().fold(Router::new(), |router, name| {
        let mut content = Files::get(&name).map_or(Cow::Borrowed(&[][..]), |file| file.data);
        if name.ends_with(".js") {
            content = without_comments(&String::from_utf8_lossy(&content)).into_bytes().into();
        }
        let (path, content, policy) = if name == "index.html" {
            (page.to_owned(), edit_page(&String::from_utf8_lossy(&content)).into(), policy(frame_ancestors))
        } else {
            let policy = policy(&FrameAncestors::default());
            (format!("{folder}/{name}"), Bytes::from(content.into_owned()), policy)
        };
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&content)[..16]));
        let file = File { content, media_type: media_type(&name), tag, policy };
        router.route(&path, get(async move |headers: HeaderMap| file.respond(&headers)))
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// A file as it is served.
#[derive(Clone)]
struct File {
    content: Bytes,
    media_type: &'static str,
    tag: String,
    policy: String,
}

impl File {
    /// Responds with the file, or with status 304 if the client has this version. Browsers revalidate on every use.
    fn respond(&self, request: &HeaderMap) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.media_type),
            (header::CACHE_CONTROL, "no-cache"),
            (header::ETAG, &self.tag),
            (header::CONTENT_SECURITY_POLICY, &self.policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // Other sites must not learn the URL of a page. (Browsers never send the fragment, which has the room's code.)
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ];
        let is_current = request.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
            // A proxy that compresses responses makes the tag weak.
            tags.split(',').any(|known| known.trim().trim_start_matches("W/") == self.tag)
        });
        if is_current {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else {
            (headers, self.content.clone()).into_response()
        }
    }
}
