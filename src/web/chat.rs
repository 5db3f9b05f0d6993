//! Serves the chat page, which is embedded: its files as they stand in `chat/`, nothing built. What the page does is the
//! business of its modules, from `chat/app.js` on.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// What the page may do: run its own files and talk to its own server. It has no inline script or style, nobody may
/// frame it, and no string can become markup, not even by mistake.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// The files in `chat/`, each with its media type. All are asked for relative to the page, so that it works below any
/// path.
macro_rules! files {
    ($($name:literal: $media_type:expr,)*) => {
        &[$(File { path: concat!("/chat/", $name), media_type: $media_type, text: include_str!(concat!("chat/", $name)) },)*]
    };
}

const PAGE: File = File { path: "/", media_type: HTML, text: include_str!("chat/index.html") };

const FILES: &[File] = files! {
    "actions.js": SCRIPT,
    "app.js": SCRIPT,
    "banner.js": SCRIPT,
    "colours.css": STYLE,
    "composer.js": SCRIPT,
    "dialog.css": STYLE,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "graphql.js": SCRIPT,
    "history.js": SCRIPT,
    "icon.svg": PICTURE,
    "identity.js": SCRIPT,
    "keep.js": SCRIPT,
    "link.js": SCRIPT,
    "message.js": SCRIPT,
    "messages.css": STYLE,
    "names.js": SCRIPT,
    "operations.js": SCRIPT,
    "outbox.js": SCRIPT,
    "own.css": STYLE,
    "patience.js": SCRIPT,
    "people.js": SCRIPT,
    "room.css": STYLE,
    "room.js": SCRIPT,
    "start.css": STYLE,
    "start.js": SCRIPT,
    "stream.js": SCRIPT,
    "style.css": STYLE,
    "time.js": SCRIPT,
    "timeline.js": SCRIPT,
};

struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

/// `/` and `/chat/…`.
pub(super) fn routes() -> Router {
    FILES.iter().chain([&PAGE]).fold(Router::new(), |router, file| {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(file.text)[..16]));
        router.route(file.path, get(async move |headers: HeaderMap| answer(file, &tag, &headers)))
    })
}

/// Browsers ask every time whether there is a newer version, and are sent it only if there is.
fn answer(file: &'static File, tag: &str, headers: &HeaderMap) -> Response {
    let about = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The room's code is in the fragment, which is never sent; nor shall the room be told to anybody by a path.
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let has_it = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
        // A proxy that compresses what it passes on makes the tag a weak one.
        tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { file.text.into_response() };
    for (name, value) in about {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
