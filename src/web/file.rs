//! Serves pages of ours: files that are embedded as they stand in the source, nothing built, under one strict policy.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// What a page may do: run its own files and talk to its own server, over WebSockets too, which `'self'` includes. It has no inline script or style, nobody may
/// frame it, and no string can become markup, not even by mistake.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const PICTURE: &str = "image/svg+xml";

/// A page, or a part of one.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) media_type: &'static str,
    pub(super) text: Cow<'static, str>,
}

/// Every file at its path.
pub(super) fn routes(files: impl Iterator<Item = File>) -> Router {
    files.fold(Router::new(), |router, file| {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(file.text.as_bytes())[..16]));
        let (path, file) = (file.path, Arc::new(file));
        router.route(path, get(async move |headers: HeaderMap| answer(&file, &tag, &headers)))
    })
}

/// Browsers ask every time whether there is a newer version, and are sent it only if there is.
fn answer(file: &File, tag: &str, headers: &HeaderMap) -> Response {
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
    let mut response =
        if has_it { StatusCode::NOT_MODIFIED.into_response() } else { file.text.clone().into_response() };
    for (name, value) in about {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
